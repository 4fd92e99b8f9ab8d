-- Takes one token. KEYS: the bucket, and when the first of all buckets was made. ARGV: the bucket's size; how many
-- tokens it holds as the process knows; and when the first bucket was made that the process met, 0 for none.
-- Counted as in adapters/memory: a token is 60000, and each millisecond adds the size to it.
-- Gives whether a token was there, what is left, and when the first of all buckets was made.
local token = 60000
local per_minute = tonumber(ARGV[1])
local size = per_minute * token
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local born = redis.call('GET', KEYS[2])
if not born then
  born = string.format('%.0f', now)
  redis.call('SET', KEYS[2], born)
end

-- An unknown bucket is full, unless buckets were lost less than a minute ago, which is what it takes to fill any.
local filled = size
if ARGV[3] ~= '0' and ARGV[3] ~= born and now - tonumber(born) < token then
  filled = math.min(tonumber(ARGV[2]) * token, size)
end
local kept = redis.call('HMGET', KEYS[1], 'filled', 'per_minute', 'seen')
if kept[1] and kept[2] and kept[3] then
  local rate = tonumber(kept[2])
  local passed = math.max(now - tonumber(kept[3]), 0)
  filled = math.min(tonumber(kept[1]) + passed * rate, rate * token, size)
end

local allowed = 0
if filled >= token then
  filled = filled - token
  allowed = 1
end

if per_minute > 0 then
  redis.call('HSET', KEYS[1], 'filled', string.format('%.0f', filled), 'per_minute', ARGV[1],
    'seen', string.format('%.0f', now))
  -- A full bucket need not be known; a minute more, so that clocks of processes that run apart do not matter.
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((size - filled) / per_minute) + token))
end
return { allowed, filled, tonumber(born) }
