redis.call('HSET', KEYS[1], 'sealed', ARGV[3], 'idle_at_ms', ARGV[4])
local dies = math.min(tonumber(ARGV[4]), tonumber(kept[3]))
redis.call('PEXPIRE', KEYS[1], math.max(dies - now, 1))
return 1
