"""Silent feeds: a source that is configured to be heard and is not, said so once, and again when it is back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from alerts.faults import fault
from alerts.messages import Fault
from config.site import Site
from worker.clock import milliseconds
from worker.inbox import append
from worker.keys import Shard
from worker.store import Store

EVERY = timedelta(seconds=15)


def watch_feeds(store: Store, site: Site, now: datetime) -> list[Shard]:
    """Look at every configured feed, unless somebody just did; return the shards to wake.

    A feed that never sent anything is timed from the first look.
    """
    if not site.on_call.feeds or not _my_turn(store):
        return []
    told = cast("dict[bytes, bytes]", store.redis.hgetall(_silent_key(store)))
    silent = {source.decode() for source in told}
    faults = judge(last_heard(store, site, now), silent, site, now)
    if not faults:
        return []
    pipe = store.redis.pipeline(transaction=False)
    for message in faults:
        source = message.condition.removeprefix("feed ")
        if message.over:
            pipe.hdel(_silent_key(store), source)
        else:
            pipe.hset(_silent_key(store), source, now.isoformat())
    wake = append(store.redis, store.keys, [(m, m.model_dump_json(exclude_none=True).encode()) for m in faults], now)
    # Noted only after the faults stand in the inbox: said twice is better than not said.
    pipe.execute()
    return wake


def judge(heard: Mapping[str, datetime], silent: set[str], site: Site, now: datetime) -> list[Fault]:
    """The feeds that have fallen silent since, and those that are back."""
    faults = []
    for source, feed in site.on_call.feeds.items():
        is_silent = now - heard[source] > feed.silent_after
        if is_silent and source not in silent:
            last = heard[source].astimezone(site.zone).strftime("%d %b %H:%M")
            what = f"nothing from {source} since {last}; silence here does not mean that its patients are well"
            faults.append(fault(f"feed {source}", what, f"silent {source} {now.isoformat()}", now))
        elif not is_silent and source in silent:
            back = fault(f"feed {source}", f"{source} is heard again", f"heard {source} {now.isoformat()}", now)
            faults.append(back.model_copy(update={"over": True}))
    return faults


def last_heard(store: Store, site: Site, now: datetime) -> dict[str, datetime]:
    """When each configured feed was last heard, over all shards."""
    feeds = list(site.on_call.feeds)
    pipe = store.redis.pipeline(transaction=False)
    for source in feeds:
        pipe.hsetnx(f"{store.keys.namespace}:feeds", source, milliseconds(now))
    pipe.hmget(f"{store.keys.namespace}:feeds", feeds)
    for shard in store.keys.all():
        pipe.hmget(shard.key("heard"), feeds)
    first_looks, *rows = pipe.execute()[len(feeds) :]
    found = {}
    for index, source in enumerate(feeds):
        times = [int(row[index]) for row in rows if row[index] is not None]
        found[source] = datetime.fromtimestamp(max(times, default=int(first_looks[index])) / 1000, UTC)
    return found


def _my_turn(store: Store) -> bool:
    key = f"{store.keys.namespace}:feeds:looked"
    return bool(store.redis.set(key, 1, nx=True, px=int(EVERY / timedelta(milliseconds=1))))


def _silent_key(store: Store) -> str:
    return f"{store.keys.namespace}:feeds:silent"
