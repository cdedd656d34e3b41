-- Records the position that a holder has applied, and sends a notice to all instances. KEYS: leases, stream
-- of notices. ARGV: holder, position. An instance without a lease is ignored: after a flush there are no
-- leases, so a position in the lost data counts for nothing.
local lease_record = redis.call('HGET', KEYS[1], ARGV[1])
if not lease_record then return 0 end
local renewal, applied, lease = string.match(lease_record, '^(%d+):(%d+):(%d+)$')
if tonumber(applied) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[1], renewal .. ':' .. ARGV[2] .. ':' .. lease)
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 'i', ARGV[1], 'p', ARGV[2])
return 1
