"""Orphaned leases: the leases of a killed process are released at once, before they expire.

The leases of shards, exports, channels and pages expire by themselves, some only after a minute. Each second the tick
checks whether their owners still run: processes of this machine by their number, others by their connections.
"""

import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import cast

from worker.delivery import channel_lock, page_lease
from worker.store.backlog import per_shard
from worker.store.lease import Lease, RemoteOwners, owner_is_dead, process_of
from worker.store.shard import Store

log = logging.getLogger(__name__)


def release_orphans(store: Store, channels: Iterable[str], now: datetime, elsewhere: RemoteOwners) -> None:
    """Release the leases of killed processes. It takes one round trip, unless a lease is old.

    Check both keys of a channel lock. After `lease` was shortened, the in-flight set may have dropped a lock that the
    channel key still holds.
    """
    leases = [key for shard in store.keys.advanced() for key in (shard.lease, shard.export_lease)]
    asked = [(channel, priority) for channel in channels for priority in channel_lock.TASKS]
    pipe = store.redis.pipeline(transaction=False)
    pipe.mget([*leases, *(store.keys.channel_lock(channel, priority) for channel, priority in asked)])
    for priority in channel_lock.TASKS:
        pipe.zrange(store.keys.in_flight(priority), 0, -1)
    holders, *sends = pipe.execute()
    found = {
        channel_lock.ChannelLock(*place, token.decode())
        for place, token in zip(asked, holders[len(leases) :], strict=True)
        if token
    }
    found |= {
        channel_lock.parse_lock(item, priority)
        for priority, in_flight in zip(channel_lock.TASKS, sends, strict=True)
        for item in in_flight
    }
    tokens = {*filter(None, holders[: len(leases)]), *(lock.token.encode() for lock in found)}
    ended = elsewhere.dead(store.redis, tokens)
    for key, holder in zip(leases, holders, strict=False):
        if holder is not None and _has_ended(holder, ended):
            log.warning("the worker that owned %s was killed; it is released", key)
            Lease(key, holder).release(store.redis)
    for lock in found:
        if _has_ended(lock.token.encode(), ended):
            _end(store, lock, now, ended)


def _has_ended(holder: bytes, ended: Collection[str]) -> bool:
    return owner_is_dead(holder) or process_of(holder) in ended


def _end(store: Store, lock: channel_lock.ChannelLock, now: datetime, ended: Collection[str]) -> None:
    """A worker was killed while it sent: release its channel and make its pages due."""
    log.warning("a worker was killed while it sent on %s; its pages are due again", lock.channel)
    _revoke_page_leases(store, now, ended)
    lock.lease(store.keys).release(store.redis)
    # Last: if this process is killed too, the next process still finds the rest.
    store.redis.zrem(store.keys.in_flight(lock.priority), lock.text)


def _revoke_page_leases(store: Store, now: datetime, ended: Collection[str]) -> None:
    shards = store.keys.advanced()
    outboxes = per_shard(store.redis, shards, lambda pipe, shard: pipe.hkeys(shard.key("outbox")))
    places = [(shard, page.decode()) for shard, (pages,) in zip(shards, outboxes, strict=True) for page in pages]
    asked = [shard.page_lease(page) for shard, page in places]
    holders = cast("list[bytes | None]", store.redis.mget(asked)) if asked else []
    for (shard, page), holder in zip(places, holders, strict=True):
        if holder is not None and _has_ended(holder, ended):
            page_lease.revoke(store.redis, shard, page, holder, now)
