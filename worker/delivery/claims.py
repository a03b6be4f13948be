"""The claim on a page: one worker sends it, and whoever lost the claim can no longer change what is owed."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from msgspec.structs import replace
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from alerts.page import Page
from config.site import Delivery
from worker.clock import milliseconds
from worker.keys import Shard
from worker.packing import Owed, pack, unpack_owed


class Claim(NamedTuple):
    """A page this worker alone may send for now."""

    shard: Shard
    owed: Owed
    token: str

    @property
    def page(self) -> Page:
        """The page itself."""
        return self.owed.page


def take(
    redis: Redis, shard: Shard, page_id: str, now: datetime, held: timedelta, *, early: bool = False
) -> Claim | None:
    """Claim a page for `held`; None where it is no longer owed, another worker's, or (unless `early`) not yet due."""
    token = secrets.token_hex(8)
    pipe = redis.pipeline(transaction=False)
    pipe.set(shard.claim(page_id), token, nx=True, px=held)
    pipe.hget(shard.key("outbox"), page_id)
    pipe.zscore(shard.key("due"), page_id)
    pipe.zscore(shard.key("urgent"), page_id)
    claimed, packed, *due = pipe.execute()
    if not claimed:
        return None
    at = next((score for score in due if score is not None), None)
    if packed is None or at is None or (at > milliseconds(now) and not early):
        redis.delete(shard.claim(page_id))
        return None
    return Claim(shard, unpack_owed(cast("bytes", packed)), token)


def begin(redis: Redis, claim: Claim, now: datetime, policy: Delivery) -> Claim | None:
    """Count an attempt and move the due time past the claim: a worker that dies now is noticed. None where the page
    was cancelled meanwhile."""
    begun = claim._replace(owed=replace(claim.owed, attempts=claim.owed.attempts + 1))

    def count(pipe: Pipeline) -> None:
        pipe.hset(claim.shard.key("outbox"), claim.page.id, pack(begun.owed))
        pipe.zadd(claim.shard.due(claim.page.urgency), {claim.page.id: milliseconds(now + policy.claim_for)})

    return begun if while_ours(redis, claim, count) else None


def put_off(redis: Redis, claim: Claim, until: datetime) -> None:
    """Look at a page again later, without counting an attempt; a page cancelled meanwhile stays cancelled (XX)."""
    pipe = redis.pipeline(transaction=True)
    pipe.zadd(claim.shard.due(claim.page.urgency), {claim.page.id: milliseconds(until)}, xx=True)
    pipe.delete(claim.shard.claim(claim.page.id))
    pipe.execute()


def while_ours(redis: Redis, claim: Claim, write: Callable[[Pipeline], None]) -> bool:
    """Write in one transaction, if the claim is still ours; whether it was."""
    key = claim.shard.claim(claim.page.id)
    with redis.pipeline(transaction=True) as pipe:
        pipe.watch(key)  # type: ignore[no-untyped-call]
        if pipe.get(key) != claim.token.encode():
            return False
        pipe.multi()
        write(pipe)
        try:
            pipe.execute()
        except WatchError:
            return False
    return True
