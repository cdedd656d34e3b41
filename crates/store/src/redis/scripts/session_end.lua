-- Ends what is there and remembers that until it would have died by itself: 1 if it lived, 0 if not.
local kept = redis.call('HMGET', KEYS[1], 'idle_at_ms', 'dead_at_ms')
if not kept[1] then return 0 end
local now, idle_at, dead_at = tonumber(ARGV[2]), tonumber(kept[1]), tonumber(kept[2])
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', math.max(math.max(dead_at, tonumber(ARGV[1])) - now, 1))
if idle_at <= now or dead_at <= now then return 0 end
return 1
