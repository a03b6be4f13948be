"""The first round trip of a batch, one script: take the lease of a shard, count the attempt and read what waits.

The script reads before it writes, so a command that fails leaves nothing behind. Where nothing waits, or another worker
has the lease, it writes nothing: many a wake-up comes after its message was evaluated with others.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from redis import Redis

from worker.clock import Clock, ask_time
from worker.store import schema
from worker.store.fair_shares import OF_THE_BACKLOG, PATIENTS
from worker.store.keys import Keys, Shard
from worker.store.lease import Lease

Entry = tuple[bytes, dict[bytes, bytes]]
"""An entry of a stream: its id and its fields."""

_SCRIPT = """
local inbox, timers, lease, crashes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, period, now, version, window, patients, of_the_backlog = unpack(ARGV)
local time = redis.call('TIME')
if now == '' then
  now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
local place = redis.call('MGET', KEYS[5], KEYS[6], KEYS[7])
local cursor, suspect, written_by = place[1], place[2], place[3]
local owner = redis.call('GET', lease)
if owner and owner ~= token then
  return {time}
end
local entries = redis.call('XRANGE', inbox, cursor or '-', '+', 'COUNT', window)
local due = redis.call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, patients)
local backlog = {}
if cursor then
  local before = cursor:sub(1, 1) == '(' and cursor:sub(2) or '(' .. cursor
  backlog = redis.call('XRANGE', inbox, '-', before, 'COUNT', of_the_backlog)
end
if #entries + #due + #backlog == 0 then
  return {time}
end
if written_by ~= version then
  return {time, 'version'}
end
local last = redis.call('XREVRANGE', inbox, '+', '-', 'COUNT', 1)
local count = owner and redis.call('GET', crashes) or redis.call('INCR', crashes)
redis.call('SET', lease, token, 'PX', period)
return {time, tonumber(count), entries, backlog, due, last[1] and last[1][1] or '', cursor, suspect}
"""
"""A repetition after a lost reply finds the lease with its own token, and does not count again."""


class Taken(NamedTuple):
    """What was read under the lease: the inbox from its `cursor` on, the beginning of the `backlog` before it, and the
    patients whose timers are due.

    `last`: the newest entry then. A server that has our lease has everything up to it. After a failover a newer entry
    may be another message under the same id.

    `crashes`: how often a batch of the shard was taken lately and not committed, this one included. `suspect`: the
    entry that is evaluated alone.
    """

    crashes: int
    entries: list[Entry]
    backlog: list[Entry]
    due: list[str]
    last: bytes
    cursor: bytes
    suspect: bytes


def take(
    redis: Redis, keys: Keys, shard: Shard, lease: Lease, period_ms: int, window: int, clock: Clock
) -> Taken | None:
    """Take the lease for a period and read what waits; None if another worker has the lease or nothing waits.

    Raises:
        NewerStoreError: a newer version has written to the store.
    """
    names = (shard.inbox, shard.key("timers"), shard.lease, shard.crashes, shard.key("cursor"), shard.key("suspect"))
    limits = (schema.VERSION, window, PATIENTS, OF_THE_BACKLOG)

    def ask(now: int | str) -> Any:
        return redis.eval(_SCRIPT, len(names) + 1, *names, keys.schema, lease.token, period_ms, now, *limits)

    reply = ask_time(clock, ask)
    if reply == [b"version"]:
        schema.record_version(redis, keys)
        reply = ask_time(clock, ask)
    return _taken(*reply) if reply else None


def _taken(
    crashes: int,
    entries: Sequence[Any],
    backlog: Sequence[Any],
    due: Sequence[bytes],
    last: bytes,
    cursor: bytes | None = None,
    suspect: bytes | None = None,
) -> Taken:
    patients = [patient.decode() for patient in due]
    return Taken(crashes, list(_fields(entries)), list(_fields(backlog)), patients, last, cursor or b"", suspect or b"")


def _fields(entries: Sequence[Any]) -> Iterator[Entry]:
    """Entries of a stream as a script gives them: names and values of the fields in turn."""
    for id, parts in entries:
        yield id, dict(zip(parts[::2], parts[1::2], strict=True))
