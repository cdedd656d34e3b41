-- Notes up to where a holder has applied the stream, and tells everybody.
-- KEYS: leases, stream of notices. ARGV: holder, position. Who is not on the list gets no say: after a flush nobody is, so
-- that what somebody applied of the lost data counts for nothing.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if not kept then return 0 end
local renewal, applied, lease = string.match(kept, '^(%d+):(%d+):(%d+)$')
if tonumber(applied) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[1], renewal .. ':' .. ARGV[2] .. ':' .. lease)
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 'i', ARGV[1], 'p', ARGV[2])
return 1
