-- Removes an index entry if it still has that key. The entry of a session that moved has another one.
local line = redis.call('HGET', KEYS[1], ARGV[1])
if not line or string.sub(line, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
