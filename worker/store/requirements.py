"""The requirements of a store that is trusted with patients. They are checked at the start, and again in use."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase, phrase
from config.settings import Settings
from worker.store import replication, schema
from worker.store.capacity import STOP_AT, WARN_AT, memory_of
from worker.store.keys import Keys
from worker.store.schema import NewerStoreError

log = logging.getLogger(__name__)

ALWAYS = "always"

STORED_DATA = "stored data"
"""The part that a store of a newer version violates."""

OLDEST = (7, 0)
"""The oldest tested Redis. An older one does not know the append-only folder of this one: it would start empty."""

UNREACHABLE = (RedisConnectionError, RedisTimeoutError, BusyLoadingError)


class Violation(NamedTuple):
    """A requirement that the store does not meet, and the fix; `fatal`: such a store must not be used."""

    part: str
    seen: Phrase
    fix: Phrase
    fatal: bool = True

    @property
    def said(self) -> Phrase:
        """The violation as a page shows it."""
        return phrase("{part}: {seen}; {fix}", part=Phrase(self.part), seen=self.seen, fix=self.fix)

    def __str__(self) -> str:
        return in_english(self.said, UTC)


GIVE_THE_PRIMARY = Phrase("give CARTWATCH_REDIS_URL the address of the primary")


class UnfitStoreError(Exception):
    """The store must not be used. The text names each setting and the fix."""


class NewerDataError(UnfitStoreError):
    """The store is as required, but a newer version has written to it."""


def violations(redis: Redis, keys: Keys, *, volatile: bool = False, by_writing: bool = True) -> list[Violation]:
    """Every requirement that the store violates, by its settings and a test write.

    Raises:
        redis.exceptions.RedisError: it cannot be reached.
    """
    info: dict[str, Any] = {}
    for section in ("server", "memory", "persistence", "replication"):
        info |= redis.info(section)
    if info.get("loading"):
        # A store that is still reading its append-only file says that it has none.
        raise BusyLoadingError("the store is being read from its disk")
    found = [*_settings(info, volatile), *([] if volatile else _flushed_late(redis))]
    found += [*_shard_count(redis, keys), *_schema(redis, keys)]
    too_few = list(_not_fatal(replication.too_few_copies(redis, info)))
    found += too_few
    if by_writing and not any(violation.fatal for violation in found):
        found += _refused_writes(redis, keys)
        found += _not_fatal(replication.unready(redis, info))
        if not too_few and not any(violation.fatal for violation in found):
            found += _not_fatal(replication.probe(redis, f"{keys.namespace}:probe"))
    return found


def _not_fatal(troubles: Iterable[replication.Trouble]) -> Iterator[Violation]:
    return (Violation(*trouble, fatal=False) for trouble in troubles)


def _settings(info: Mapping[str, Any], volatile: bool) -> Iterator[Violation]:
    version = str(info.get("redis_version", ""))
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers and numbers < OLDEST:
        yield Violation(
            "store version", phrase("Redis {version}", version=version), Phrase("install Redis 7 or newer, or Valkey")
        )
    role = info.get("role", "master")
    if role != "master":
        yield Violation("store role", phrase("a read-only replica ({role})", role=str(role)), GIVE_THE_PRIMARY)
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Violation(
            "store eviction",
            phrase("maxmemory-policy {policy} drops keys", policy=str(policy)),
            Phrase("set maxmemory-policy noeviction"),
        )
    yield from _durability(info, volatile)
    part = memory_of(info).part
    if part >= WARN_AT:
        fix = phrase("raise maxmemory, or free memory: from {n} % on nothing is accepted", n=round(STOP_AT * 100))
        yield Violation("store memory", phrase("{n} % of it is used", n=int(part * 100)), fix, fatal=False)
    if part >= STOP_AT:
        fix = Phrase("what is left is for pages that are owed: raise maxmemory, or free memory")
        seen = phrase("nothing is accepted while {n} % of the store is used", n=int(part * 100))
        yield Violation("intake", seen, fix, fatal=False)


def _durability(info: Mapping[str, Any], volatile: bool) -> Iterator[Violation]:
    if not info.get("aof_enabled", 1) and not volatile:
        fix = Phrase(
            "set appendonly yes and appendfsync always (CARTWATCH_VOLATILE=true for a look around without patients)"
        )
        seen = Phrase("appendonly no: what was accepted is lost when the store ends")
        yield Violation("store durability", seen, fix)
    if info.get("aof_last_write_status", "ok") != "ok":
        seen = Phrase("the append-only file cannot be written")
        yield Violation("store durability", seen, Phrase("free space on the store's disk"))


def _flushed_late(redis: Redis) -> Iterator[Violation]:
    """Whether replies are sent before the disk has the write, if the store reports it."""
    with suppress(ResponseError):
        when = redis.config_get("appendfsync").get("appendfsync", ALWAYS)
        if when != ALWAYS:
            seen = phrase("appendfsync {when}: a power cut loses the last of what was accepted", when=str(when))
            yield Violation("store durability", seen, Phrase("set appendfsync always"))


def advice(redis: Redis) -> Violation | None:
    """The recommended change of a usable store, if any.

    Raises:
        redis.exceptions.RedisError: it cannot be reached.
    """
    if redis.info("memory").get("maxmemory"):
        return None
    fix = Phrase("set it to half of the machine's at most, so that a write of the append-only file anew has room")
    return Violation("store memory", Phrase("maxmemory is not set"), fix, fatal=False)


def _refused_writes(redis: Redis, keys: Keys) -> Iterator[Violation]:
    try:
        redis.setnx(keys.shard_count, keys.shards)
        schema.record_version(redis, keys)
        redis.set(f"{keys.namespace}:probe", 1, ex=60)
    except NewerStoreError as error:
        yield _newer(error)
    except OutOfMemoryError:
        full = Phrase("full: maxmemory is reached and writes are refused")
        yield Violation("store memory", full, Phrase("raise maxmemory"))
    except ReadOnlyError:
        yield Violation("store role", Phrase("a read-only replica"), GIVE_THE_PRIMARY)
    except ResponseError as error:
        word = str(error).partition(" ")[0]
        if word == "NOREPLICAS":
            few = Phrase("writes are refused: fewer replicas are connected than min-replicas-to-write")
            yield Violation("store durability", few, replication.START_REPLICAS)
            return
        seen = phrase("writes are refused ({word})", word=word)
        yield Violation("store durability", seen, Phrase("see the store's log; is its disk full?"))


def require_same_shard_count(redis: Redis, keys: Keys) -> None:
    """Return if the installation was begun with this number of shards, or is not begun yet.

    Every producer must check this: a message in a shard that no worker knows would wait for ever.

    Raises:
        UnfitStoreError: it was begun with another.
        redis.exceptions.RedisError: it cannot be reached.
    """
    for violation in _shard_count(redis, keys):
        raise UnfitStoreError(str(violation))


def _shard_count(redis: Redis, keys: Keys) -> Iterator[Violation]:
    begun = int(cast("bytes | None", redis.get(keys.shard_count)) or keys.shards)
    if begun != keys.shards:
        text = "CARTWATCH_SHARDS is {n}, and this installation was begun with {n2}: its patients would not be found"
        fix = "set CARTWATCH_SHARDS={n}, or another CARTWATCH_NAMESPACE for another installation"
        yield Violation("shards", phrase(text, n=keys.shards, n2=begun), phrase(fix, n=begun))


def _schema(redis: Redis, keys: Keys) -> Iterator[Violation]:
    try:
        schema.refuse_newer(redis, keys)
    except NewerStoreError as error:
        yield _newer(error)


def _newer(error: NewerStoreError) -> Violation:
    fix = Phrase("start the newer version again; to go back, restore the backup that was made before the upgrade")
    return Violation(STORED_DATA, error.said, fix)


def require_usable_store(redis: Redis, keys: Keys, settings: Settings) -> None:
    """Return if the store may be used, or cannot be reached now. In the second case it is checked later.

    Raises:
        UnfitStoreError: it must not be used as it is.
    """
    try:
        found = violations(redis, keys, volatile=settings.volatile)
        found += filter(None, [advice(redis)])
    except UNREACHABLE:
        return
    except RedisError as error:
        raise UnfitStoreError(f"the store refuses to be checked ({type(error).__name__}); see its log") from error
    if fatal := [violation for violation in found if violation.fatal]:
        kind = NewerDataError if all(violation.part == STORED_DATA for violation in fatal) else UnfitStoreError
        raise kind("\n".join(map(str, fatal)))
    for violation in found:
        log.warning("%s", violation)
