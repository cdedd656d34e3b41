-- Keeps the later time with its reason, and the later expiry: no entry is ever narrowed.
local at = tonumber(redis.call('HGET', KEYS[1], 'at_ms') or nil)
if not at or tonumber(ARGV[1]) > at then
    redis.call('HSET', KEYS[1], 'at_ms', ARGV[1], 'reason', ARGV[3], 'recorded_at_ms', ARGV[4], 'user_id', ARGV[5])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
