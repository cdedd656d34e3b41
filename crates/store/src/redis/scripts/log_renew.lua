-- Renews a lease and returns the stream's last position in the same step. KEYS: generation, position, leases.
-- ARGV: generation, holder, its own number of the renewal, applied, lease (µs).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3] .. ':' .. ARGV[4] .. ':' .. ARGV[5])
return tonumber(redis.call('GET', KEYS[2]) or '0')
