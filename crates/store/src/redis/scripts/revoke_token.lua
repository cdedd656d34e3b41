-- Writes a denylist entry, unless the present one lasts as long. An entry without a time to live is replaced,
-- because the guide's clean-up would remove it.
local left = redis.call('PTTL', KEYS[1])
if left >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
