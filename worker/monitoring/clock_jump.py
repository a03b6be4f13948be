"""A jump of the store's clock: detected by the workers' monotonic clocks, reported, and repaired if possible.

The store's clock decides everything, before and after a jump: nobody can say which of the two was right. After a jump
forwards every ladder is due at once, and pages. After a jump back, nothing would be due for the length of the jump.
Keys would outlive their time (a wake-up that counts as sent, a lease), and ladders and deliveries would wait. Therefore
keys lose the time that they gained, and everything that waits becomes due at once. A ladder then finds by itself
whether it is due (`alerts.episodes.escalation.due`).
"""

import logging
from datetime import datetime, timedelta
from typing import cast

from redis import Redis

from alerts.wording.phrase import Phrase, phrase
from worker.clock import JUMP_SECONDS, StoreClock, milliseconds
from worker.store import channel_queues
from worker.store.commit import LOOK_AT_LEAST_EVERY
from worker.store.keys import Keys
from worker.store.shard import Store

log = logging.getLogger(__name__)

REPORTED_FOR = timedelta(minutes=10)
"""A jump is an incident for this long. Further jumps within this time, perhaps back, belong to the same incident."""

CONDITION = "store clock"

KEYS_AT_ONCE = 1000

WRITTEN_AHEAD = timedelta(minutes=1)
"""More than the time between a commit and the next read of what it wrote."""


def notice(store: Store, clock: StoreClock, last_run: bytes | None) -> None:
    """Detect a jump since the last tick; back only, also since the watchdog's `last_run` while no worker ran."""
    now = clock.now()
    jumped = clock.jumped()
    ahead_of_now = datetime.fromisoformat(last_run.decode()) - now if last_run is not None else timedelta()
    back = max(-jumped, ahead_of_now.total_seconds())
    if back > JUMP_SECONDS:
        jumped = -back
        _shorten(store.redis, store.keys, timedelta(seconds=back))
        look_again(store, now, timedelta())
        _limit_last_seen(store, now)
        store.redis.hset(store.keys.watchdog, "last_run", now.isoformat())
    if jumped:
        log.error("the store's clock has jumped by %+.0f s", jumped)
        store.redis.set(_key(store.keys), f"{jumped:+.0f}", px=REPORTED_FOR)


def found(store: Store) -> dict[str, Phrase]:
    """The incident of a recent jump, by its condition; empty if there was none."""
    jumped = cast("bytes | None", store.redis.get(_key(store.keys)))
    if jumped is None:
        return {}
    text = (
        "the store's clock has jumped by {seconds} s: check its time service; until it is right, readings may"
        " count as old or be refused as of the future, and episodes may be paged early or again"
    )
    return {CONDITION: phrase(text, seconds=jumped.decode())}


def look_again(store: Store, now: datetime, wait: timedelta = LOOK_AT_LEAST_EVERY + WRITTEN_AHEAD) -> int:
    """Make due whatever is scheduled beyond `wait`: a clock that was ahead wrote it. Two round trips if there is none.

    Returns the number of items.
    """
    names = [shard.key("timers") for shard in store.keys.advanced()]
    names += channel_queues.names(store.redis, store.keys)
    beyond = milliseconds(now + wait)
    pipe = store.redis.pipeline(transaction=False)
    for name in names:
        pipe.zrangebyscore(name, f"({beyond}", "+inf")
    ahead = {name: members for name, members in zip(names, pipe.execute(), strict=True) if members}
    for name, members in ahead.items():
        # XX: items that were finished meanwhile stay finished.
        pipe.zadd(name, dict.fromkeys(members, milliseconds(now)), xx=True)
    pipe.execute()
    return sum(map(len, ahead.values()))


def _limit_last_seen(store: Store, now: datetime) -> None:
    """Limit the last-seen times of feeds to now. A later time would hide the silence of a feed for as long."""
    names = [f"{store.keys.namespace}:feeds", *(shard.key("last_seen") for shard in store.keys.all())]
    pipe = store.redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    for name, seen in zip(names, pipe.execute(), strict=True):
        later = {source: milliseconds(now) for source, at in seen.items() if int(at) > milliseconds(now)}
        if later:
            pipe.hset(name, mapping=later)
    pipe.execute()


def _shorten(redis: Redis, keys: Keys, back: timedelta) -> None:
    """Shorten the life of every expiring key by the time that it gained. Idempotent.

    It scans the whole store once, and only after a jump back. A lease or a wake-up of any name that outlived its time
    would stop work for the length of the jump.
    """
    gained = back // timedelta(milliseconds=1)
    least = gained - int(JUMP_SECONDS * 1000)
    cursor = 0
    while True:
        cursor, names = redis.scan(cursor, match=f"{keys.namespace}:*", count=KEYS_AT_ONCE)
        pipe = redis.pipeline(transaction=False)
        for name in names:
            pipe.pttl(name)
        lasting = [(name, left) for name, left in zip(names, pipe.execute(), strict=True) if left > least]
        for name, left in lasting:
            pipe.pexpire(name, max(left - gained, 1))
        pipe.execute()
        if not cursor:
            return


def _key(keys: Keys) -> str:
    return f"{keys.watchdog}:jump"
