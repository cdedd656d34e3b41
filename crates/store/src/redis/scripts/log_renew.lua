-- Renews a lease, and answers the stream's last position at that moment.
-- KEYS: generation, position, leases. ARGV: generation, holder, applied, lease (µs).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local kept = redis.call('HGET', KEYS[3], ARGV[2])
local renewals = kept and tonumber(string.match(kept, '^(%d+):')) or 0
redis.call('HSET', KEYS[3], ARGV[2], string.format('%d:%s:%s', renewals + 1, ARGV[3], ARGV[4]))
return tonumber(redis.call('GET', KEYS[2]) or '0')
