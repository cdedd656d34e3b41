-- Activates a pending session. Returns 1; 0 if it was ended meanwhile, -1 if it does not exist.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if redis.call('HDEL', KEYS[1], 'pending') == 0 then return -1 end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
