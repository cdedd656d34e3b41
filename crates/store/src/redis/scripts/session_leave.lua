-- Replaces a session by a tombstone that names its new key, ARGV[3].
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[3], 'PX', math.max(tonumber(fields[3]) - now, 1))
return 1
