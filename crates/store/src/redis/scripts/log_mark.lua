-- Sets a journal's mark, in the data set that is named. KEYS: generation, marks. ARGV: generation, journal, mark.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
