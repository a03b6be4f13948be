"""The life of an owed page: due, claimed, sent, failed for now, undeliverable.

1. Claim the page, so that no other worker sends it at the same time; the claim runs out by itself, and is taken
   away when the page is cancelled.
2. Move its due time past the claim and count the attempt, so that a worker that dies here is noticed and the page
   is tried again with the same id.
3. Send.
4. Record the outcome and, in the same transaction, append a receipt to the inbox. A failure is recorded only while
   the claim is still ours: otherwise the page is another worker's, or no longer owed.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from msgspec.structs import replace
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from alerts.messages import Receipt
from config.site import Delivery, Site
from worker.clock import milliseconds
from worker.delivery import ailing
from worker.delivery.channel import Attempt, Outcome, address, send
from worker.keys import Shard
from worker.packing import Owed, pack, unpack_owed
from worker.store import Store

log = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A page this worker alone may send for now."""

    shard: Shard
    owed: Owed
    token: str
    place: str


def deliver(store: Store, shard: Shard, page_id: str, now: datetime, site: Site, receiver: str) -> Outcome | None:
    """Try to deliver one page; None where it is no longer owed, not yet due, claimed by another worker, or its
    channel ails and another worker is trying it."""
    redis = store.redis
    claim = _claim(store, shard, page_id, now, site.on_call.delivery)
    if claim is None:
        return None
    page = claim.owed.page
    channel = site.on_call.channels.get(page.channel)
    if channel is None:
        attempt = Attempt(Outcome.PERMANENT, "the channel is no longer configured")
    else:
        attempt = send(address(channel, page.id, receiver), page)
    _record(redis, claim, attempt, now, site.on_call.delivery)
    ailing.remember(redis, store.keys, page.channel, attempt.outcome, claim.place)
    log.info("page %s on %s: %s %s", page.id, page.channel, attempt.outcome, attempt.detail)
    return attempt.outcome


def _claim(store: Store, shard: Shard, page_id: str, now: datetime, policy: Delivery) -> Claim | None:
    redis = store.redis
    token = secrets.token_hex(8)
    held_ms = int(policy.claim_for / timedelta(milliseconds=1))
    pipe = redis.pipeline(transaction=False)
    pipe.set(shard.claim(page_id), token, nx=True, px=held_ms)
    pipe.hget(shard.key("outbox"), page_id)
    pipe.zscore(shard.key("due"), page_id)
    claimed, packed, due = pipe.execute()
    if not claimed:
        return None
    if packed is None or due is None or due > milliseconds(now):
        redis.delete(shard.claim(page_id))
        return None
    owed = unpack_owed(cast("bytes", packed))
    place = ailing.take_place(redis, store.keys, owed.page.channel, policy.claim_for)
    if place is None:
        _wait_our_turn(redis, shard, page_id, now, policy)
        return None
    claim = Claim(shard, replace(owed, attempts=owed.attempts + 1), token, place)

    def count(pipe: Pipeline) -> None:
        pipe.hset(shard.key("outbox"), page_id, pack(claim.owed))
        pipe.zadd(shard.key("due"), {page_id: milliseconds(now + policy.claim_for)})

    return claim if _while_ours(redis, claim, count) else None


def _wait_our_turn(redis: Redis, shard: Shard, page_id: str, now: datetime, policy: Delivery) -> None:
    """Look at a page again soon, without counting an attempt; a page cancelled meanwhile stays cancelled (XX)."""
    pipe = redis.pipeline(transaction=True)
    pipe.zadd(shard.key("due"), {page_id: milliseconds(now + policy.retry_waits[0])}, xx=True)
    pipe.delete(shard.claim(page_id))
    pipe.execute()


def _while_ours(redis: Redis, claim: Claim, write: Callable[[Pipeline], None]) -> bool:
    """Write in one transaction, if the claim is still ours; whether it was."""
    key = claim.shard.claim(claim.owed.page.id)
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


def _record(redis: Redis, claim: Claim, attempt: Attempt, now: datetime, policy: Delivery) -> None:
    if attempt.outcome is not Outcome.SENT:
        _while_ours(redis, claim, lambda pipe: _put_off(pipe, claim, attempt, now, policy))
        return
    page = claim.owed.page
    pipe = redis.pipeline(transaction=True)
    pipe.hdel(claim.shard.key("outbox"), page.id)
    pipe.zrem(claim.shard.key("due"), page.id)
    pipe.delete(claim.shard.claim(page.id))
    _receipt(pipe, claim, "sent", attempt, now)
    pipe.execute()


def _put_off(pipe: Pipeline, claim: Claim, attempt: Attempt, now: datetime, policy: Delivery) -> None:
    """Try again later. Say once that it does not get through."""
    page = claim.owed.page
    lost = attempt.outcome is Outcome.PERMANENT or now - page.at >= policy.undeliverable_after
    waits = policy.retry_waits
    wait = waits[-1] if lost else waits[min(claim.owed.attempts, len(waits)) - 1]
    pipe.zadd(claim.shard.key("due"), {page.id: milliseconds(now + wait)})
    pipe.delete(claim.shard.claim(page.id))
    if lost and not claim.owed.reported:
        pipe.hset(claim.shard.key("outbox"), page.id, pack(replace(claim.owed, reported=True)))
        _receipt(pipe, claim, "undeliverable", attempt, now)


def _receipt(pipe: Pipeline, claim: Claim, outcome: str, attempt: Attempt, now: datetime) -> None:
    page = claim.owed.page
    receipt = Receipt.model_validate(
        {
            "type": "receipt",
            "id": f"{page.id} {claim.owed.attempts}",
            "source": "cartwatch",
            "patient": page.patient,
            "effective": now,
            "page": page.id,
            "channel": page.channel,
            "outcome": outcome,
            "detail": attempt.detail,
        }
    )
    pipe.xadd(claim.shard.inbox, {"m": receipt.model_dump_json(exclude_none=True), "r": now.isoformat()})
