"""The lease of a page: one worker sends it, and a worker that lost its lease can no longer change what is owed."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from redis import Redis
from redis.client import Pipeline

from alerts.pages.page import Page
from config.site import DeliveryPolicy
from worker.clock import Clock, milliseconds, read_with
from worker.delivery.channel_lock import Place
from worker.store import schema, unreadable
from worker.store.codec import Owed, unpack_owed
from worker.store.keys import Keys, Shard
from worker.store.lease import Lease, owner_is_dead
from worker.store.schema import NewerStoreError, TooNewError, UnreadableError

log = logging.getLogger(__name__)

COUNT_EXPIRY = timedelta(hours=1)
"""How long an unfinished attempt is counted."""


class PageLease(NamedTuple):
    """A page that this worker alone may send for now.

    `token` is its fencing token. `crashed` counts earlier attempts that began and never ended.
    """

    shard: Shard
    owed: Owed
    token: bytes
    crashed: int

    @property
    def page(self) -> Page:
        """The page itself."""
        return self.owed.page

    @property
    def place(self) -> Place:
        """Where the page stands."""
        return Place(self.shard.number, self.page.id)

    @property
    def number(self) -> int:
        """The number of this attempt; the first is 1."""
        return self.owed.attempts + self.crashed + 1


class Acquired(NamedTuple):
    """The result of acquiring pages: the leases we hold, and the pages that are no longer owed."""

    leases: list[PageLease]
    gone: list[Place]


def acquire(
    redis: Redis, keys: Keys, places: Sequence[Place], clock: Clock, period: timedelta, *, early: bool = False
) -> Acquired:
    """Lease pages for a period in one round trip.

    Skips a page that another worker holds and, unless `early`, one that is not due yet. The trip also reads the
    store's clock. The lease of a killed process is revoked, so that the next worker acquires the page.
    """
    pipe = redis.pipeline(transaction=False)
    shards = [keys.shard(place.shard) for place in places]
    leases = [Lease.of(shard.page_lease(place.page)) for shard, place in zip(shards, places, strict=True)]
    for shard, place, lease in zip(shards, places, leases, strict=True):
        lease.queue_acquire(pipe, period)
        pipe.get(lease.key)
        pipe.hget(shard.key("outbox"), place.page)
        pipe.zscore(shard.key("due"), place.page)
        pipe.zscore(shard.key("urgent"), place.page)
        pipe.get(shard.unfinished_attempts(place.page))
    replies = iter(read_with(clock, pipe))
    now = clock.now()
    acquired = Acquired([], [])
    back = redis.pipeline(transaction=False)
    for shard, place, lease in zip(shards, places, leases, strict=True):
        ours, holder, packed, *due, crashed = (next(replies) for _ in range(6))
        at = next((score for score in due if score is not None), None)
        owed = None
        try:
            owed = unpack_owed(packed) if packed is not None else None
        except UnreadableError as error:
            if ours:
                _move_away(redis, keys, lease, place, packed, error, now)
        if owed is None or at is None:
            acquired.gone.append(place)
        elif ours and (early or at <= milliseconds(now)):
            count = int(crashed) if (crashed or b"").isdigit() else 0
            acquired.leases.append(PageLease(shard, owed, lease.token, count))
            continue
        if ours:
            back.delete(lease.key)
        elif holder is not None and owner_is_dead(holder):
            revoke(redis, shard, place.page, holder, now)
    if len(back):
        back.execute()
    return acquired


def _move_away(
    redis: Redis, keys: Keys, lease: Lease, place: Place, packed: bytes, error: UnreadableError, now: datetime
) -> None:
    """Take a page that cannot be read off the outbox, and list it; one of a newer version is left to that one."""
    shard = keys.shard(place.shard)
    if isinstance(error, TooNewError):
        try:
            schema.refuse_newer(redis, keys)
        except NewerStoreError as newer:
            log.error("page %s is left to a newer version: %s", place.page, newer)
            return

    def write(pipe: Pipeline) -> None:
        pipe.hdel(shard.key("outbox"), place.page)
        for name in ("due", "urgent"):
            pipe.zrem(shard.key(name), place.page)
        unreadable.move(pipe, keys, shard, "page", place.page, packed, error, now)

    lease.write(redis, write)


def revoke(redis: Redis, shard: Shard, page: str, holder: bytes, now: datetime) -> None:
    """Revoke the lease of a killed worker: the page is due. A page cancelled meanwhile stays cancelled (XX)."""

    def write(pipe: Pipeline) -> None:
        pipe.delete(shard.page_lease(page))
        for name in ("due", "urgent"):
            pipe.zadd(shard.key(name), {page: milliseconds(now)}, xx=True)

    Lease(shard.page_lease(page), holder).write(redis, write)


def begin_attempt(pipe: Pipeline, lease: PageLease, now: datetime, policy: DeliveryPolicy) -> None:
    """Count an attempt and move the due time past the lease: if the worker dies now, the ticker finds the page.

    A page cancelled meanwhile stays cancelled (XX); see `attempt_begun`.
    """
    unfinished = lease.shard.unfinished_attempts(lease.page.id)
    pipe.get(lease.shard.page_lease(lease.page.id))
    pipe.incr(unfinished)
    pipe.pexpire(unfinished, COUNT_EXPIRY)
    pipe.zadd(lease.shard.due(lease.page.urgency), {lease.page.id: milliseconds(now + policy.lease)}, xx=True)


def attempt_begun(replies: Iterator[Any], lease: PageLease) -> bool:
    """Read the replies to `begin_attempt`: whether the page was still ours to send."""
    token, *_ = (next(replies) for _ in range(4))
    return bool(token == lease.token)


def acknowledge(pipe: Pipeline, lease: PageLease) -> None:
    """Remove a page from the outbox: it is no longer owed."""
    pipe.hdel(lease.shard.key("outbox"), lease.page.id)
    pipe.zrem(lease.shard.due(lease.page.urgency), lease.page.id)
    pipe.delete(lease.shard.page_lease(lease.page.id), lease.shard.unfinished_attempts(lease.page.id))


def postpone(pipe: Pipeline, lease: PageLease, until: datetime) -> None:
    """Undo an attempt that began and sent nothing; retry later. A page cancelled meanwhile stays cancelled (XX)."""
    pipe.decr(lease.shard.unfinished_attempts(lease.page.id))
    pipe.zadd(lease.shard.due(lease.page.urgency), {lease.page.id: milliseconds(until)}, xx=True)
    release(pipe, lease)


def release(pipe: Pipeline, lease: PageLease) -> None:
    """Release a page of which no attempt began; its due time does not change."""
    pipe.delete(lease.shard.page_lease(lease.page.id))


def write_if_held(redis: Redis, lease: PageLease, write: Callable[[Pipeline], None]) -> bool:
    """Write in one transaction if we still hold the lease; return whether we did."""
    return Lease(lease.shard.page_lease(lease.page.id), lease.token).write(redis, write)
