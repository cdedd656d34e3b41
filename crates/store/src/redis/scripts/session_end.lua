-- Ends a session. Its tombstone lives until its absolute limit. Returns 1 if it was active, else 0.
local fields = redis.call('HMGET', KEYS[1], 'idle_at_ms', 'dead_at_ms')
if not fields[1] then return 0 end
local now, idle_at, dead_at = tonumber(ARGV[2]), tonumber(fields[1]), tonumber(fields[2])
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', math.max(math.max(dead_at, tonumber(ARGV[1])) - now, 1))
if idle_at <= now or dead_at <= now then return 0 end
return 1
