-- Appends lines to the stream and to the snapshot, and reads the leases in the same step. KEYS: generation,
-- position, stream, leases, index of snapshot parts, then the parts that the lines go into. ARGV: generation,
-- longest stream, now (ms), then for each part its end (ms), then for each line the number of its part (0:
-- none, it has expired) and the line. Returns the position before, the last position, and the leases.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local parts = #KEYS - 5
local first = 4 + parts
local before = tonumber(redis.call('GET', KEYS[2]) or '0')
local position = before
for i = first, #ARGV, 2 do
    position = position + 1
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], string.format('%d-0', position), 'e', ARGV[i + 1])
    local part = tonumber(ARGV[i])
    if part > 0 then redis.call('SADD', KEYS[5 + part], ARGV[i + 1]) end
end
redis.call('SET', KEYS[2], string.format('%d', position))
for part = 1, parts do
    local ends, key = tonumber(ARGV[3 + part]), KEYS[5 + part]
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, math.max(ends - tonumber(ARGV[3]), 1)) end
    redis.call('ZADD', KEYS[5], ends, key)
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', '(' .. ARGV[3])
return {before, position, redis.call('HGETALL', KEYS[4])}
