redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', math.max(tonumber(kept[3]) - now, 1))
return 1
