-- Forgets a holder that has not renewed since. KEYS: leases. ARGV: holder, the number of its renewal.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept and string.match(kept, '^(%d+):') == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
