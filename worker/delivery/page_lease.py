"""The claim on a page: one worker sends it, and whoever lost the claim can no longer change what is owed."""

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
from worker.store.codec import Owed, unpack_owed
from worker.store.keys import Keys, Shard
from worker.store.lease import Lease, owner_is_dead
from worker.store.schema import UnreadableError

log = logging.getLogger(__name__)

REMEMBERED = timedelta(hours=1)
"""How long an attempt of which nothing more was heard is counted."""


class Claim(NamedTuple):
    """A page this worker alone may send for now; `died` attempts before were begun and never heard of again."""

    shard: Shard
    owed: Owed
    token: str
    died: int

    @property
    def page(self) -> Page:
        """The page itself."""
        return self.owed.page

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.shard.number, self.page.id)

    @property
    def number(self) -> int:
        """Which attempt this is: the first is 1."""
        return self.owed.attempts + self.died + 1


class Taken(NamedTuple):
    """What came of claiming pages: those claimed, and those that are no longer owed."""

    claims: list[Claim]
    gone: list[Place]


def take(
    redis: Redis, keys: Keys, places: Sequence[Place], clock: Clock, held: timedelta, *, early: bool = False
) -> Taken:
    """Claim pages for `held` in one round trip; not another worker's, nor (unless `early`) one that is not due yet.

    The trip also reads the store's clock. A claim of a process that was killed is taken away, so that whoever looks
    next claims the page.
    """
    pipe = redis.pipeline(transaction=False)
    shards = [keys.shard(place.shard) for place in places]
    leases = [Lease.of(shard.claim(place.page)) for shard, place in zip(shards, places, strict=True)]
    for shard, place, lease in zip(shards, places, leases, strict=True):
        lease.queue_take(pipe, held)
        pipe.get(lease.key)
        pipe.hget(shard.key("outbox"), place.page)
        pipe.zscore(shard.key("due"), place.page)
        pipe.zscore(shard.key("urgent"), place.page)
        pipe.get(shard.begun(place.page))
    answers = iter(read_with(clock, pipe))
    now = clock.now()
    taken = Taken([], [])
    back = redis.pipeline(transaction=False)
    for shard, place, lease in zip(shards, places, leases, strict=True):
        claimed, holder, packed, *due, begun = (next(answers) for _ in range(6))
        at = next((score for score in due if score is not None), None)
        owed = _read(packed)
        if owed is None or at is None:
            taken.gone.append(place)
        elif claimed and (early or at <= milliseconds(now)):
            taken.claims.append(
                Claim(shard, owed, lease.token.decode(), int(begun) if begun is not None and begun.isdigit() else 0)
            )
            continue
        if claimed:
            back.delete(lease.key)
        elif holder is not None and owner_is_dead(holder):
            take_away(redis, shard, place.page, holder, now)
    if len(back):
        back.execute()
    return taken


def _read(packed: bytes | None) -> Owed | None:
    """A page that is owed. One that cannot be read stays where it is, and is overdue: the watchdog says so."""
    try:
        return unpack_owed(packed) if packed is not None else None
    except UnreadableError as error:
        log.error("%s", error)
        return None


def take_away(redis: Redis, shard: Shard, page: str, holder: bytes, now: datetime) -> None:
    """Whoever claimed a page was killed: it is due. One that was cancelled meanwhile stays cancelled (XX)."""

    def write(pipe: Pipeline) -> None:
        pipe.delete(shard.claim(page))
        for name in ("due", "urgent"):
            pipe.zadd(shard.key(name), {page: milliseconds(now)}, xx=True)

    Lease(shard.claim(page), holder).write(redis, write)


def begin(pipe: Pipeline, claim: Claim, now: datetime, policy: DeliveryPolicy) -> None:
    """Count an attempt and move the due time past the claim: a worker that dies now is noticed.

    A page that was cancelled meanwhile stays cancelled (XX); `has_begun` says so.
    """
    begun = claim.shard.begun(claim.page.id)
    pipe.get(claim.shard.claim(claim.page.id))
    pipe.incr(begun)
    pipe.pexpire(begun, REMEMBERED)
    pipe.zadd(claim.shard.due(claim.page.urgency), {claim.page.id: milliseconds(now + policy.lease)}, xx=True)


def has_begun(answers: Iterator[Any], claim: Claim) -> bool:
    """Read the answers to `begin`: whether the page was still ours to send."""
    token, *_ = (next(answers) for _ in range(4))
    return bool(token == claim.token.encode())


def settle(pipe: Pipeline, claim: Claim) -> None:
    """A page is no longer owed."""
    pipe.hdel(claim.shard.key("outbox"), claim.page.id)
    pipe.zrem(claim.shard.due(claim.page.urgency), claim.page.id)
    pipe.delete(claim.shard.claim(claim.page.id), claim.shard.begun(claim.page.id))


def put_off(pipe: Pipeline, claim: Claim, until: datetime) -> None:
    """An attempt was begun and not made: look at the page again later. One cancelled meanwhile stays cancelled (XX)."""
    pipe.decr(claim.shard.begun(claim.page.id))
    pipe.zadd(claim.shard.due(claim.page.urgency), {claim.page.id: milliseconds(until)}, xx=True)
    give_back(pipe, claim)


def give_back(pipe: Pipeline, claim: Claim) -> None:
    """Another may claim a page, of which no attempt was begun; when it is due does not change."""
    pipe.delete(claim.shard.claim(claim.page.id))


def while_ours(redis: Redis, claim: Claim, write: Callable[[Pipeline], None]) -> bool:
    """Write in one transaction, if the claim is still ours; whether it was."""
    return Lease(claim.shard.claim(claim.page.id), claim.token.encode()).write(redis, write)
