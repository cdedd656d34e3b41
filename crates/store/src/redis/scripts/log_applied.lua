-- Notes up to where a holder has applied the stream, and tells everybody.
-- KEYS: leases, stream of notices. ARGV: holder, position.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if not kept then return 0 end
local renewals, applied, lease = string.match(kept, '^(%d+):(%d+):(%d+)$')
if tonumber(applied) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[1], renewals .. ':' .. ARGV[2] .. ':' .. lease)
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 'i', ARGV[1], 'p', ARGV[2])
return 1
