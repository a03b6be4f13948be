"""Which part is ill, in words: the store and its settings, the workers, what waits too long."""

from datetime import datetime, timedelta
from typing import NamedTuple, cast

from redis.exceptions import RedisError

from worker.clock import milliseconds
from worker.store import Store

OVERDUE = timedelta(seconds=10)
"""A message or a ladder that has waited longer than this is overdue: something is not running."""


class Check(NamedTuple):
    """One part, whether it is well, and what was seen."""

    part: str
    well: bool
    seen: str


def examine(store: Store, now: datetime) -> list[Check]:
    """Every check; where the store cannot be reached, that alone."""
    try:
        store.redis.ping()
    except RedisError as error:
        return [Check("store", False, f"cannot be reached ({type(error).__name__})")]
    return [*_store(store), _workers(store), _overdue(store, now), _set_aside(store)]


def _store(store: Store) -> list[Check]:
    memory = cast("dict[str, object]", store.redis.info("memory"))
    persistence = cast("dict[str, object]", store.redis.info("persistence"))
    replication = cast("dict[str, object]", store.redis.info("replication"))
    policy = str(memory.get("maxmemory_policy", "unknown"))
    kept = persistence.get("aof_enabled") == 1
    written = persistence.get("aof_last_write_status", "ok") == "ok"
    return [
        Check("store role", replication.get("role") == "master", str(replication.get("role"))),
        Check("store eviction", policy == "noeviction", f"maxmemory-policy {policy}"),
        Check("store durability", kept and written, _durability(kept, written)),
    ]


def _durability(kept: bool, written: bool) -> str:
    if not kept:
        return "append-only file OFF"
    return "append-only file on" if written else "append-only file CANNOT be written; is the disk full?"


def _workers(store: Store) -> Check:
    beats = sum(1 for _ in store.redis.scan_iter(f"{store.keys.namespace}:beat:*"))
    return Check("workers", beats > 0, f"{beats} ticking")


def _overdue(store: Store, now: datetime) -> Check:
    limit = milliseconds(now - OVERDUE)
    pipe = store.redis.pipeline(transaction=False)
    shards = store.keys.all()
    for shard in shards:
        pipe.xrange(shard.inbox, count=1)
        pipe.zcount(shard.key("timers"), "-inf", limit)
        pipe.zcount(shard.key("due"), "-inf", limit)
    answers = pipe.execute()
    oldest = [entries[0][0] for entries in answers[0::3] if entries]
    messages = sum(int(entry.split(b"-")[0]) < limit for entry in oldest)
    timers, pages = sum(answers[1::3]), sum(answers[2::3])
    seen = f"{messages} shard(s) with an overdue message, {timers} ladder(s), {pages} page(s)"
    return Check("overdue", not (messages or timers or pages), seen)


def _set_aside(store: Store) -> Check:
    pipe = store.redis.pipeline(transaction=False)
    for shard in store.keys.all():
        pipe.xlen(shard.key("set_aside"))
    count = sum(pipe.execute())
    return Check("set aside", True, f"{count} message(s); see `cartwatch set-aside`")
