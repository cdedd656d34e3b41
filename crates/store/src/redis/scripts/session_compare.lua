-- What precedes each conditional write: ARGV[1] are the contents that were read, ARGV[2] is now.
local kept = redis.call('HMGET', KEYS[1], 'sealed', 'idle_at_ms', 'dead_at_ms', 'pending')
local now = tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 1 or not kept[1] or kept[4] then return -1 end
if tonumber(kept[2]) <= now or tonumber(kept[3]) <= now then return -1 end
if kept[1] ~= ARGV[1] then return 0 end
