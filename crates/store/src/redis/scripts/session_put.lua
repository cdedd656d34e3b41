-- Stores a pending session under a key that was never used. Returns 1, or 0 if the key is taken.
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return 0 end
redis.call('HSET', KEYS[1], 'sealed', ARGV[1], 'user_id', ARGV[2], 'handle', ARGV[3],
    'idle_at_ms', ARGV[4], 'dead_at_ms', ARGV[5], 'pending', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
