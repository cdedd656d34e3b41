-- Sets a journal's mark if the data set has this generation. KEYS: generation, marks. ARGV: generation,
-- journal, mark.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
