"""The script of a sender's round trip (`delivery_trip.py`): what it reads, begins and records is of one moment."""

SCRIPT = """
local lease, wakeup, agenda, begun, counts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, period, now, prefix, version = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local asked = cjson.decode(ARGV[6])
local time = redis.call('TIME')
if now == '' then
  now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
now = tonumber(now)
if redis.call('GET', KEYS[6]) ~= version then
  return {time, 'version'}
end

local function outbox(place)
  local shard, page = place:match('^(%d+) (.*)$')
  if not shard then
    return nil
  end
  return prefix .. string.format('%02d', tonumber(shard)) .. ':outbox', page
end

local function receipt(given)
  if given[1] then
    redis.call('XADD', given[1], '*', 'm', given[2], 'r', given[3])
  end
end

local touched, busy = {}, {}
for _, queue in ipairs(asked.busy) do busy[queue] = true end

for _, one in ipairs(asked.sent) do
  local place, queue = one[1], one[2]
  local key, page = outbox(place)
  receipt(one[3])
  redis.call('INCR', one[4])
  redis.call('HDEL', key, page)
  redis.call('ZREM', prefix .. queue, place)
  redis.call('HDEL', begun, place)
  touched[queue] = 0
end
for _, one in ipairs(asked.used) do
  redis.call('ZADD', prefix .. 'sent:' .. one[1], one[3], one[2])
  redis.call('ZREMRANGEBYSCORE', prefix .. 'sent:' .. one[1], '-inf', one[3] - one[4])
  redis.call('PEXPIRE', prefix .. 'sent:' .. one[1], one[4])
end
for _, one in ipairs(asked.counts) do
  redis.call('HINCRBY', counts, one[1], one[2])
end

local owner = redis.call('GET', lease)
if owner and owner ~= token then
  return {time, 'lost'}
end
local anew = asked.anew or not owner
local lost = anew and redis.call('HGETALL', begun) or {}
if not owner then
  local first = redis.call('ZRANGEBYSCORE', agenda, '-inf', now, 'LIMIT', 0, 1)
  local ours = #asked.busy + #asked.failed + #asked.given_back + #asked.begin
  if #first + #lost + ours == 0 then
    redis.call('DEL', wakeup)
    return {time, 'idle'}
  end
  redis.call('SET', lease, token, 'PX', period)
elseif redis.call('PTTL', lease) < period / 2 then
  redis.call('PEXPIRE', lease, period)
end
for index = 1, #lost, 2 do
  local queue = lost[index + 1]:match('^%d+ (%a+:.*)$')
  if not queue then
    redis.call('HDEL', begun, lost[index])
  elseif not busy[queue] then
    redis.call('ZADD', agenda, now, queue)
  end
end

for _, one in ipairs(asked.failed) do
  local place, queue = one[1], one[2]
  local key, page = outbox(place)
  redis.call('HDEL', begun, place)
  if redis.call('HEXISTS', key, page) == 1 then
    redis.call('HSET', key, page, ARGV[one[4]])
    redis.call('ZADD', prefix .. queue, one[3], place)
    receipt(one[5])
  else
    redis.call('ZREM', prefix .. queue, place)
  end
  touched[queue] = 0
end
for _, one in ipairs(asked.given_back) do
  redis.call('HDEL', begun, one[1])
  touched[one[2]] = 0
end
for _, one in ipairs(asked.waits) do
  touched[one[1]] = one[2]
end

local standing = {}
for _, one in ipairs(asked.begin) do
  local place, queue = one[1], one[2]
  local key, page = outbox(place)
  if redis.call('HEXISTS', key, page) == 1 then
    if one[3] then
      redis.call('HSET', begun, place, '1 ' .. queue)
    end
    if one[4] then
      redis.call('HSET', key, page, ARGV[one[4]])
      receipt(one[5])
    end
    standing[#standing + 1] = place
  else
    redis.call('HDEL', begun, place)
    redis.call('ZREM', prefix .. queue, place)
  end
end

for queue, after in pairs(touched) do
  local first = redis.call('ZRANGE', prefix .. queue, 0, 0, 'WITHSCORES')
  if busy[queue] then
    redis.call('ZADD', agenda, now + period, queue)
  elseif #first == 0 then
    redis.call('ZREM', agenda, queue)
  else
    redis.call('ZADD', agenda, math.max(tonumber(first[2]), after), queue)
  end
end

local function wanted(queue)
  local kind, channel = queue:match('^(%a+):(.*)$')
  local limit = asked.limits[channel]
  if kind ~= 'queue' or not limit then
    return 1, 0, false
  end
  local used = redis.call('ZCOUNT', prefix .. 'sent:' .. channel, '(' .. (now - limit[2]), '+inf')
  local first = redis.call('ZRANGE', prefix .. 'sent:' .. channel, -limit[1], -limit[1], 'WITHSCORES')
  local opens = used >= limit[1] and first[2] and tonumber(first[2]) + limit[2] or false
  return not opens and used + 1 >= limit[1] and asked.bundle or 1, used, opens
end

local function hand_out(queue)
  local count, used, opens = wanted(queue)
  local pages, skip = {}, 0
  while #pages < count do
    local part = redis.call('ZRANGEBYSCORE', prefix .. queue, '-inf', now, 'WITHSCORES', 'LIMIT', skip, count - #pages)
    if #part == 0 then break end
    for index = 1, #part, 2 do
      local key, page = outbox(part[index])
      local packed = key and redis.call('HGET', key, page)
      if packed then
        local crashed = tonumber((redis.call('HGET', begun, part[index]) or '0'):match('^%d+')) or 0
        pages[#pages + 1] = {part[index], packed, crashed, part[index + 1]}
        skip = skip + 1
      else
        redis.call('ZREM', prefix .. queue, part[index])
        redis.call('HDEL', begun, part[index])
      end
    end
  end
  if #pages == 0 then
    local first = redis.call('ZRANGE', prefix .. queue, 0, 0, 'WITHSCORES')
    if #first == 0 then redis.call('ZREM', agenda, queue) else redis.call('ZADD', agenda, first[2], queue) end
    return nil
  end
  if not opens then
    redis.call('HSET', begun, pages[1][1], (pages[1][3] + 1) .. ' ' .. queue)
    redis.call('ZADD', agenda, now + period, queue)
  end
  return {queue, used, opens and string.format('%.0f', opens) or '', pages}
end

local handed, room, left = {}, asked.room, false
local due = redis.call('ZRANGEBYSCORE', agenda, '-inf', now)
table.sort(due)
for _, queue in ipairs(due) do
  if busy[queue] then
    redis.call('ZADD', agenda, now + period, queue)
  elseif not (queue:match('^queue:') or queue:match('^critical:')) then
    redis.call('ZREM', agenda, queue)
  elseif room > 0 then
    local one = hand_out(queue)
    if one then
      handed[#handed + 1] = one
      room = room - 1
    end
  else
    left = true
  end
end
if #handed == 0 and #asked.busy == 0 and (asked.leave or not left) then
  redis.call('DEL', lease, wakeup)
  return {time, 'released', standing, handed}
end
return {time, left and 'more' or 'ours', standing, handed}
"""
"""Queues of critical pages come first in the order of their names. A place without a page in the outbox (it was
cancelled, or is junk) leaves its queue when it would be handed out. The agenda of a queue that is being sent lies ahead
by the length of the lease."""
