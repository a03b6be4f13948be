"""The capacity of the store: a full store must still send the pages that are owed.

Intake stops while a reserve is left for leases, pages, answers, receipts and timers. Before that, a single source is
refused if too many of its messages wait (backpressure). Owed pages and people's answers are never refused.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from worker.store.journal import recorded_to, trim_recorded
from worker.store.keys import Keys

WARN_AT = 0.7
"""The part of the store's memory at which the technician is paged."""

STOP_AT = 0.85
"""The part at which intake stops. The rest is the reserve."""

SHARES_FROM = 0.5
"""The part from which each source has a limited share of the waiting messages."""

SOURCE_PART = 0.2
"""The part that waiting messages of one source may take."""

GROWTH = 2
"""Bytes that each accepted byte is assumed to take, until the store is asked again."""

REFRESH_SECONDS = 1.0

REFRESH_AFTER = 0.01
"""After accepting this part of the memory the store is asked sooner."""

LEAST_MEMORY = 16 * 1024 * 1024
"""The memory (bytes) of the smallest store for which shares are computed."""

STREAMS = {"journal": 0.25, "exports": 0.1, "refused": 0.02, "test": 0.02}
"""The parts of the memory for streams on which no work waits, over all shards. The oldest entries are dropped."""

FULL = "not kept: the store is nearly full, and what is left is for pages that are owed; send again later"
TOO_MUCH_WAITS = "not kept: too many messages of this source wait to be evaluated; send again later"


class IntakeStoppedError(RedisError):
    """Nothing was stored: the rest of the store is reserved for pages that are owed. The text is for the sender."""


class Memory(NamedTuple):
    """Bytes in use, and the limit: `maxmemory`, else half of the machine's memory; 0 if the store does not say."""

    used: int = 0
    limit: int = 0

    @property
    def part(self) -> float:
        """The part that is in use."""
        return self.used / self.limit if self.limit else 0.0

    def share(self, part: float) -> int:
        """The bytes of a part. If the limit is set far too low for a moment, that must not empty the store."""
        return int(max(self.limit, LEAST_MEMORY) * part)


def memory_of(info: object) -> Memory:
    """The memory as the reply to INFO gives it. An error gives none."""
    if not isinstance(info, Mapping):
        return Memory()
    limit = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0)) // 2
    return Memory(int(info.get("used_memory", 0)), limit)


def ask_memory(pipe: Pipeline) -> None:
    """Queue the command whose reply `memory_of` reads."""
    cast(Any, pipe).info("memory")


class Capacity:
    """The capacity for more messages. It asks the store once a second, and after much was accepted."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._memory = Memory()
        self._waits: dict[str, int] = {}
        self._refreshed = float("-inf")
        self._accepted = 0

    def require(self, source: str, size: int) -> None:
        """Return if there is room for this many bytes of a source.

        Raises:
            IntakeStoppedError: there is none.
            redis.exceptions.RedisError: the store cannot be reached.
        """
        if why := self.refusal(source, size):
            raise IntakeStoppedError(why)

    def refusal(self, source: str, size: int) -> str:
        """The reason why there is no room for this many bytes, in words for the sender; empty if there is.

        Raises:
            redis.exceptions.RedisError: the store cannot be reached.
        """
        overdue = time.monotonic() - self._refreshed > REFRESH_SECONDS
        if overdue or GROWTH * self._accepted > REFRESH_AFTER * self._memory.limit:
            self._refresh()
        why = self._refusal(source, size)
        if why and self._accepted:
            self._refresh()
            why = self._refusal(source, size)
        if not why:
            self._accepted += size
            self._waits[source] = self._waits.get(source, 0) + size
        return why

    def _refusal(self, source: str, size: int) -> str:
        limit = self._memory.limit
        used = self._memory.used + GROWTH * (self._accepted + size)
        if limit and used > STOP_AT * limit:
            return FULL
        if used > SHARES_FROM * limit and self._waits.get(source, 0) + size > SOURCE_PART * limit:
            return TOO_MUCH_WAITS if limit else ""
        return ""

    def _refresh(self) -> None:
        pipe = self._redis.pipeline(transaction=False)
        ask_memory(pipe)
        pipe.hgetall(self._keys.waiting_bytes)
        info, waits = pipe.execute(raise_on_error=False)
        if isinstance(waits, Exception):
            raise waits
        self._memory = memory_of(info)
        self._waits = {source.decode(): int(size) for source, size in waits.items()}
        self._refreshed, self._accepted = time.monotonic(), 0


def waiting_bytes(redis: Redis, keys: Keys) -> dict[str, int]:
    """The bytes of each source's messages that wait, of the sources that have any."""
    stored = cast("dict[bytes, bytes]", redis.hgetall(keys.waiting_bytes))
    return {source.decode(errors="replace"): int(size) for source, size in stored.items() if int(size) > 0}


def trim_streams(redis: Redis, keys: Keys, *, audited: bool = False) -> None:
    """Drop the oldest entries of the `STREAMS` that take more than their part of the memory.

    `audited`: of the journals of patients nothing is dropped that does not stand in the audit.
    """
    shards = keys.advanced()
    pipe = redis.pipeline(transaction=False)
    ask_memory(pipe)
    for name in STREAMS:
        for shard in shards:
            pipe.memory_usage(shard.key(name))
    info, *sizes = pipe.execute(raise_on_error=False)
    memory = memory_of(info)
    if not memory.limit:
        return
    for number, (name, part) in enumerate(STREAMS.items()):
        of_shards = [size if isinstance(size, int) else 0 for size in sizes[number * len(shards) :][: len(shards)]]
        most = _level(of_shards, memory.share(part))
        for shard, size in zip(shards, of_shards, strict=True):
            if size > most:
                length = redis.xlen(shard.key(name)) * most // size
                if name == "journal" and audited and shard != keys.canary:
                    trim_recorded(redis, shard, recorded_to(redis, keys, shard), length)
                else:
                    redis.xtrim(shard.key(name), maxlen=length, approximate=False)


def _level(sizes: list[int], total: int) -> int:
    """The most that each stream may have so that all have at most `total`. The small streams lose nothing."""
    left, ordered = total, sorted(sizes)
    for number, size in enumerate(ordered):
        if size * (len(ordered) - number) > left:
            return left // (len(ordered) - number)
        left -= size
    return total


def reset_waiting_bytes(redis: Redis, keys: Keys) -> None:
    """Reset the count of waiting bytes if nothing waits. Entries that were removed by hand would stay counted."""
    pipe = redis.pipeline(transaction=True)
    pipe.watch(keys.waiting_bytes)  # type: ignore[no-untyped-call]
    if any(pipe.xlen(shard.inbox) for shard in keys.advanced()):
        pipe.reset()
        return
    pipe.multi()
    pipe.delete(keys.waiting_bytes)
    try:
        pipe.execute()
    except WatchError:
        return
