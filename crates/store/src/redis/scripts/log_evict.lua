-- Removes a holder that has not renewed since. KEYS: leases. ARGV: holder, number of its renewal.
local lease_record = redis.call('HGET', KEYS[1], ARGV[1])
if lease_record and string.match(lease_record, '^(%d+):') == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
