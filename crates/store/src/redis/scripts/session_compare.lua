-- The beginning of each conditional write. ARGV[1] is the contents that the caller read, ARGV[2] is now (ms).
-- Returns -1 if there is no active session, 0 if its contents differ.
local fields = redis.call('HMGET', KEYS[1], 'sealed', 'idle_at_ms', 'dead_at_ms', 'pending')
local now = tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 1 or not fields[1] or fields[4] then return -1 end
if tonumber(fields[2]) <= now or tonumber(fields[3]) <= now then return -1 end
if fields[1] ~= ARGV[1] then return 0 end
