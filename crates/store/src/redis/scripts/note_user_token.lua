-- Adds a token to a user's set. KEYS[1] is the guide's set, KEYS[2] its members by expiry, which bounds both.
local function forget(tokens)
    for _, token in ipairs(tokens) do
        redis.call('SREM', KEYS[1], token)
        redis.call('ZREM', KEYS[2], token)
    end
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 'GT', ARGV[2], ARGV[1])
forget(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4], 'LIMIT', 0, 500))
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if over > 0 then forget(redis.call('ZRANGE', KEYS[2], 0, over - 1)) end
for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
return 1
