-- Writes the guide's entry, unless one stands that lasts as long. One without an end (which a clean-up would take
-- away) gives way to ours, which has the token's own.
local left = redis.call('PTTL', KEYS[1])
if left >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
