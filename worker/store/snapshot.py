"""A consistent copy of everything under a namespace, while the service runs, and the way back into a store.

One script reads it all at one moment, except for streams that only grow at their end: of these it notes the end, and
their entries up to there are read afterwards. The copy is in the terms of Redis (hash, stream, ...), not of a server:
it can be restored into any server and version, and into a store that others share (`docs/adr/0014-backup.md`).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from msgspec import Struct
from redis import Redis
from redis.client import Pipeline

from worker.store.capacity import STREAMS
from worker.store.durable import accepting
from worker.store.keys import Keys
from worker.store.lease import process_name

MOST_WAITING = 20_000
"""More messages in the inboxes are not read at one moment: it would hold up the service for a second."""

AT_ONCE = 500

TRANSIENT = re.compile(
    r"(\d+:)?(lease|export_lease|wakeup_pending|crashes|suspect)|"
    r"(delivery_lease|delivery_wakeup|tick_claimed):.*|watchdog:claim|audit_lease|backup_lease|workers"
)
"""What belongs to running processes: another machine has none of them."""

_SCRIPT = """
local function value(kind, key)
  if kind == 'string' then return redis.call('GET', key) end
  if kind == 'hash' then return redis.call('HGETALL', key) end
  if kind == 'zset' then return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  if kind == 'set' then return redis.call('SMEMBERS', key) end
  if kind == 'list' then return redis.call('LRANGE', key, 0, -1) end
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  local stop = last[1] and last[1][1] or '0-0'
  for suffix in string.gmatch(ARGV[2], '%S+') do
    if string.sub(key, -#suffix - 1) == ':' .. suffix then return {stop, {}} end
  end
  return {stop, redis.call('XRANGE', key, '-', '+')}
end
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', key)
  kind = type(kind) == 'table' and kind.ok or kind
  found[#found + 1] = {key, kind, redis.call('PTTL', key), value(kind, key)}
end
return {redis.call('TIME'), found}
"""


class TooMuchWaitsError(Exception):
    """More messages wait than can be read at one moment."""


class CopiedKey(Struct, frozen=True, array_like=True):
    """A key or a part of it: its name without the namespace, its type, its remaining time (ms; -1: for ever).

    `parts`: the value of a string; names and values of a hash; members and scores; or entries of a stream, each its id
    followed by a list of its fields.
    """

    name: bytes
    kind: str
    ttl: int
    parts: list[Any]


class Snapshot(NamedTuple):
    """The moment of a copy, and its keys, which are read while they are used."""

    at: datetime
    keys: Iterator[CopiedKey]


def take_snapshot(redis: Redis, keys: Keys) -> Snapshot:
    """Copy everything under the namespace as it is at one moment.

    Raises:
        TooMuchWaitsError: a flood is being worked off; try again later.
    """
    waiting: int = sum(int(redis.xlen(shard.inbox)) for shard in keys.advanced())
    if waiting > MOST_WAITING:
        raise TooMuchWaitsError(f"{waiting} messages wait to be evaluated: make the backup when they are")
    prefix = f"{keys.namespace}:".encode()
    pattern = re.sub(rb"([\\\[\]*?])", rb"\\\1", prefix) + b"*"
    (seconds, micro), found = cast(Any, redis.eval(_SCRIPT, 0, pattern, " ".join(STREAMS)))
    at = datetime.fromtimestamp(int(seconds) + int(micro) / 1e6, UTC)
    return Snapshot(at, _copied(redis, prefix, found))


def _copied(redis: Redis, prefix: bytes, found: Sequence[Any]) -> Iterator[CopiedKey]:
    for key, kind, ttl, value in found:
        name = key.removeprefix(prefix)
        if TRANSIENT.fullmatch(name.decode(errors="replace")):
            continue
        if kind == b"stream":
            stop, entries = value
            yield CopiedKey(name, "stream", ttl, [[entry, fields] for entry, fields in entries])
            if not entries:
                yield from (CopiedKey(name, "stream", ttl, part) for part in _entries(redis, key, stop))
        else:
            yield CopiedKey(name, kind.decode(), ttl, [value] if kind == b"string" else value)


def _entries(redis: Redis, key: bytes, stop: bytes) -> Iterator[list[Any]]:
    """The entries of a stream up to one, in parts. What was dropped meanwhile was the oldest, or done with."""
    after = b"-"
    while entries := cast("list[Any]", redis.xrange(key, after, stop, AT_ONCE)):
        yield [[entry, [part for pair in fields.items() for part in pair]] for entry, fields in entries]
        after = b"(" + entries[-1][0]


# -- the way back ----------------------------------------------------------------------------------


def is_empty(redis: Redis, keys: Keys) -> bool:
    """Whether nothing stands under the namespace."""
    return next(_names(redis, f"{keys.namespace}:"), None) is None


def others_connected(redis: Redis) -> list[str]:
    """The processes of cartwatch, other than this one, that are connected: workers, gateways, listeners."""
    names = {str(client.get("name", "")) for client in redis.client_list()}
    return sorted(name for name in names - {process_name()} if re.fullmatch(r"[0-9a-f]{12}-\d+-\d+", name))


def restore_snapshot(redis: Redis, keys: Keys, copied: Iterator[CopiedKey], mark: tuple[str, bytes]) -> int:
    """Replace everything under the namespace by a copy, at one moment; return the number of keys.

    The copy is first written beside, under names that nobody reads, so an interruption leaves the store as it was.
    `mark`: a key and its value that are set with it.
    """
    beside = f"{keys.namespace}~restoring:"
    _delete(redis, list(_names(redis, beside)))
    for batch in _batched(copied):
        pipe = redis.pipeline(transaction=False)
        for one in batch:
            _write(pipe, beside.encode() + one.name, one)
        pipe.execute()
    stands = set(_names(redis, beside))
    pipe = accepting(redis)
    for name in _names(redis, f"{keys.namespace}:"):
        pipe.unlink(name)
    for name in stands:
        pipe.rename(name, name.replace(beside.encode(), f"{keys.namespace}:".encode(), 1))
    pipe.set(*mark)
    pipe.execute()
    return len(stands)


def _batched(copied: Iterator[CopiedKey]) -> Iterator[list[CopiedKey]]:
    found: list[CopiedKey] = []
    size = 0
    for one in copied:
        found.append(one)
        size += 1 + len(one.parts)
        if size >= AT_ONCE:
            yield found
            found, size = [], 0
    yield found


def _write(pipe: Pipeline, name: bytes, one: CopiedKey) -> None:
    parts = one.parts
    if one.kind == "string":
        pipe.set(name, parts[0])
    elif one.kind == "stream":
        for entry, fields in parts:
            pipe.execute_command("XADD", name, entry, *fields)  # type: ignore[no-untyped-call]
    elif parts:
        command = {"hash": "HSET", "zset": "ZADD", "set": "SADD", "list": "RPUSH"}[one.kind]
        ordered = [part for pair in zip(parts[1::2], parts[::2], strict=True) for part in pair]
        pipe.execute_command(command, name, *(ordered if one.kind == "zset" else parts))  # type: ignore[no-untyped-call]
    if one.ttl > 0 and parts:
        pipe.pexpire(name, one.ttl)


def _names(redis: Redis, prefix: str) -> Iterator[bytes]:
    pattern = re.sub(r"([\\\[\]*?])", r"\\\1", prefix) + "*"
    yield from cast("Iterator[bytes]", redis.scan_iter(pattern, count=1000))


def _delete(redis: Redis, names: Sequence[bytes]) -> None:
    for start in range(0, len(names), AT_ONCE):
        redis.unlink(*names[start : start + AT_ONCE])
