"""The queues of channels: a commit puts a page into its channel's queue, and a worker takes them out.

`make_trips` is the only round trip of a sender. It records the outcomes of the last messages and begins the next pages,
in one script for each partition of the channels, so that all of them share one write to disk. A page is recorded as
begun before it is handed out. Only the owner of the partition's lease (its fencing token) may begin or fail a page.
That a page was sent is recorded for anybody.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis import Redis
from redis.client import Pipeline

from config.site import Channel, Limit
from worker.clock import Clock, StoreClock, milliseconds
from worker.store import schema
from worker.store.backlog import per_shard
from worker.store.codec import Owed, pack, readable, unpack_owed
from worker.store.keys import CRITICAL, ORDINARY, Keys, Partition, Place, Shard, parse_place, queue_name

BUNDLE_LIMIT = 60
"""Pages in one message at most; the rest follows in the next."""

_SCRIPT = """
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


class InboxNews(NamedTuple):
    """A message for an inbox: the key of the stream, the message as JSON text, and when it was accepted (ISO 8601)."""

    inbox: str
    text: str
    received: str


class DuePage(NamedTuple):
    """A page that is to be sent now, as the outbox holds it. `crashed`: attempts that began before and never ended."""

    place: Place
    packed: bytes
    crashed: int


class DueQueue(NamedTuple):
    """The due pages of a queue, those due longest first, and the rate limit of its channel.

    `used`: messages that the channel was sent within the time of its limit. `opens`: when it takes the next, if it is
    full. If it is not, the first page has been begun.
    """

    name: str
    pages: list[DuePage]
    used: int
    opens: datetime | None

    @property
    def channel(self) -> str:
        """The channel of the queue."""
        return self.name.partition(":")[2]


class TripReply(NamedTuple):
    """The reply to a round trip: whether we own the partition or have `lost` it, whether `more` is due than was handed
    out, the places that may be sent of those to begin, and the queues that were handed out."""

    owned: bool
    lost: bool
    more: bool
    standing: frozenset[str]
    queues: list[DueQueue]


class Trip:
    """What a sender asks of a partition in its next round trip: outcomes to record, pages to begin, what is due.

    `busy` are the queues that are being sent. `room` limits how many queues are handed out. `anew`: the last reply was
    lost, or there was none, so pages that were begun and are not being sent are due.
    """

    def __init__(self, keys: Keys, partition: Partition) -> None:
        self._keys, self.partition = keys, partition
        self._packed: list[bytes] = []
        self._lists: dict[str, list[Any]] = {
            name: [] for name in ("sent", "failed", "given_back", "waits", "begin", "used")
        }
        self._counts: dict[str, int] = {}
        self.anew = self.leave = False
        self.busy: Sequence[str] = ()
        self.room = 0

    def __bool__(self) -> bool:
        return bool(self._counts) or any(self._lists.values())

    @property
    def records_sent(self) -> bool:
        """Whether it records that a page was sent."""
        return bool(self._lists["sent"])

    def sent(self, place: Place, queue: str, news: InboxNews) -> None:
        """Record that a page was sent: it is no longer owed."""
        shard = self._keys.shard(place.shard)
        self._lists["sent"].append((place.text, queue, news, shard.receipts))

    def failed(self, place: Place, queue: str, owed: Owed, due: datetime, news: InboxNews | None) -> None:
        """Record that a page is still owed, and when it is tried next; not if it was cancelled meanwhile."""
        self._lists["failed"].append((place.text, queue, milliseconds(due), self._add(owed), news or ()))

    def give_back(self, place: Place, queue: str) -> None:
        """Undo that a page was begun. Its queue stays due."""
        self._lists["given_back"].append((place.text, queue))

    def wait(self, queue: str, until: datetime) -> None:
        """Look at a queue again at a time, whatever is due in it before."""
        self._lists["waits"].append((queue, milliseconds(until)))

    def begin(self, place: Place, queue: str, *, begun: bool, owed: Owed | None = None, news: InboxNews | None) -> None:
        """Begin a page, unless it is `begun`, and ask whether it is still owed. Store a changed one with its news."""
        packed = self._add(owed) if owed is not None else False
        self._lists["begin"].append((place.text, queue, not begun, packed, news or ()))

    def use(self, channel: str, entry: str, now: datetime, limit: Limit) -> None:
        """Count a message that went to a channel, or may have, against its rate limit."""
        within = limit.within // timedelta(milliseconds=1)
        self._lists["used"].append((channel, entry, milliseconds(now), within))

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to the measurements."""
        for field, number in counts.items():
            self._counts[field] = self._counts.get(field, 0) + number

    def _add(self, owed: Owed) -> int:
        self._packed.append(pack(owed))
        return _ARGUMENTS + len(self._packed)

    def arguments(self, limits: Mapping[str, tuple[int, int]]) -> list[Any]:
        """The arguments of the script after the time."""
        asked = {
            **self._lists,
            "counts": list(self._counts.items()),
            "busy": self.busy,
            "room": self.room,
            "anew": self.anew,
            "leave": self.leave,
            "limits": limits,
            "bundle": BUNDLE_LIMIT,
        }
        fixed = [f"{self._keys.namespace}:", schema.VERSION, json.dumps(asked)]
        return [*fixed, *self._packed]


_ARGUMENTS = 6
"""The arguments of the script before the packed pages."""


def make_trips(
    redis: Redis,
    keys: Keys,
    clock: Clock,
    trips: Sequence[tuple[Trip, bytes]],
    period: timedelta,
    limits: Mapping[str, tuple[int, int]],
) -> list[TripReply]:
    """One round trip for several partitions, each with the token of our lease.

    `limits` are the rate limits of the channels: messages, and within how long (ms).

    Raises:
        NewerStoreError: a newer version has written to the store.
    """
    asked = time.monotonic()
    now = "" if isinstance(clock, StoreClock) else str(milliseconds(clock.now()))
    pipe = redis.pipeline(transaction=False)
    for trip, token in trips:
        one = trip.partition
        names = (one.lease, one.wakeup_pending, one.agenda, one.begun, keys.measurements, keys.schema)
        arguments = trip.arguments(limits)
        pipe.eval(_SCRIPT, len(names), *names, token, period // timedelta(milliseconds=1), now, *arguments)
    replies = pipe.execute()
    if isinstance(clock, StoreClock):
        seconds, micro = replies[0][0]
        clock.learn((int(seconds), int(micro)), asked)
    if any(reply[1] == b"version" for reply in replies):
        schema.record_version(redis, keys)
        return make_trips(redis, keys, clock, trips, period, limits)
    return [_reply(*reply[1:]) for reply in replies]


def _reply(state: bytes, standing: Iterable[bytes] = (), handed: Iterable[Any] = ()) -> TripReply:
    queues = [
        DueQueue(
            name.decode(),
            [DuePage(parse_place(place), packed, crashed) for place, packed, crashed, _ in pages],
            used,
            datetime.fromtimestamp(int(opens) / 1000, UTC) if opens else None,
        )
        for name, used, opens, pages in handed
    ]
    places = frozenset(place.decode() for place in standing)
    return TripReply(state in (b"ours", b"more"), state == b"lost", state == b"more", places, queues)


# -- putting in ------------------------------------------------------------------------------------


def enqueue(pipe: Pipeline, keys: Keys, shard: Shard, owed: Owed, now: datetime) -> Partition:
    """Queue onto an open MULTI that a page is owed: in the outbox of its patient's shard, and in its channel's queue.

    Returns the partition to wake.
    """
    pipe.hset(shard.key("outbox"), owed.page.id, pack(owed))
    return _put(pipe, keys, Place(shard.number, owed.page.id), queue_name(owed.page.channel, owed.page.urgency), now)


def _put(pipe: Pipeline, keys: Keys, place: Place, queue: str, now: datetime) -> Partition:
    partition = keys.partition_of(queue.partition(":")[2])
    pipe.zadd(keys.queue(queue), {place.text: milliseconds(now)}, nx=True)
    pipe.zadd(partition.agenda, {queue: milliseconds(now)}, lt=True)
    return partition


def enqueue_again(redis: Redis, keys: Keys, now: datetime) -> None:
    """Put every owed page into its queue, unless it is there: after a key of a queue was renamed or lost."""
    shards = keys.advanced()
    rows = per_shard(redis, shards, lambda pipe, shard: pipe.hgetall(shard.key("outbox")))
    pipe = redis.pipeline(transaction=False)
    for shard, (outbox,) in zip(shards, rows, strict=True):
        for id, owed in readable(unpack_owed, outbox.items()):
            queue = queue_name(owed.page.channel, owed.page.urgency)
            _put(pipe, keys, Place(shard.number, id.decode()), queue, now)
    pipe.execute()


# -- reading ---------------------------------------------------------------------------------------


class QueueLength(NamedTuple):
    """The pages of a channel that are due: how many of a priority, and since when (ms) the first."""

    channel: str
    critical: bool
    pages: int
    oldest: int


def lengths(redis: Redis, keys: Keys, now: datetime) -> Iterator[QueueLength]:
    """Every queue with due pages, in two round trips. A cancelled page counts until its queue is looked at."""
    queues = _queues(redis, keys)
    pipe = redis.pipeline(transaction=False)
    for name in queues:
        pipe.zcount(keys.queue(name), "-inf", milliseconds(now))
        pipe.zrange(keys.queue(name), 0, 0, withscores=True)
    replies = iter(pipe.execute())
    for name in queues:
        pages, first = next(replies), next(replies)
        if pages:
            kind, _, channel = name.partition(":")
            yield QueueLength(channel, kind == CRITICAL, pages, int(first[0][1]))


def _queues(redis: Redis, keys: Keys) -> list[str]:
    """Every queue with pages: each stands in an agenda."""
    pipe = redis.pipeline(transaction=False)
    for partition in keys.partitions():
        pipe.zrange(partition.agenda, 0, -1)
    return [name.decode() for agenda in pipe.execute() for name in agenda]


def names(redis: Redis, keys: Keys) -> list[str]:
    """The keys of all agendas, and of all queues with pages."""
    agendas = [partition.agenda for partition in keys.partitions()]
    return [*agendas, *map(keys.queue, _queues(redis, keys))]


def count_rate_limited(redis: Redis, keys: Keys, channels: Mapping[str, Channel], now: datetime) -> dict[str, int]:
    """Count the pages that the rate limit of each channel delays, in one round trip."""
    pipe = redis.pipeline(transaction=False)
    for name, channel in channels.items():
        pipe.zcount(keys.sent(name), f"({milliseconds(now - channel.limit.within)}", "+inf")
        pipe.zcount(keys.queue(f"{ORDINARY}:{name}"), "-inf", milliseconds(now))
    replies = iter(pipe.execute())
    found = ((name, channel.limit, next(replies), next(replies)) for name, channel in channels.items())
    return {name: waiting for name, limit, used, waiting in found if waiting and used >= limit.pages}
