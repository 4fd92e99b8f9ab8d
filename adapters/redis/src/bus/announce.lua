-- Appends entries to a stream whose ids say whether one is missing: epoch-1, epoch-2, epoch-3. A stream that begins
-- anew begins another epoch. KEYS: the stream. ARGV: how many entries are kept, who writes, and the changes; without
-- changes, the word that some were not announced.
local epoch, last
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] then
  epoch, last = string.match(newest[1][1], '^(%d+)-(%d+)$')
  last = tonumber(last)
else
  local time = redis.call('TIME')
  epoch = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  last = 0
end

local function append(name, value)
  last = last + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], epoch .. '-' .. string.format('%.0f', last),
    'from', ARGV[2], name, value)
end

if #ARGV == 2 then
  append('missed', '')
end
for n = 3, #ARGV do
  append('change', ARGV[n])
end
return last
