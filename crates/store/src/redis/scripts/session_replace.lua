redis.call('HSET', KEYS[1], 'sealed', ARGV[3], 'idle_at_ms', ARGV[4])
local ends_at = math.min(tonumber(ARGV[4]), tonumber(fields[3]))
redis.call('PEXPIRE', KEYS[1], math.max(ends_at - now, 1))
return 1
