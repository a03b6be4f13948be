"""The life of an owed page: due, claimed, sent, failed for now, undeliverable.

1. Claim the page, so that no other worker sends it at the same time; the claim runs out by itself, and is taken
   away when the page is cancelled.
2. Take the turn on its channel; a page that finds it busy waits for it.
3. A page over the channel's limit waits for room, and is then told together with the others that wait. Critical pages
   pass every limit.
4. Move its due time past the claim and count the attempt, so that a worker that dies here is noticed and the page
   is tried again with the same id.
5. Send.
6. Record the outcome and, in the same transaction, append a receipt to the inbox, if it is news. A failure is recorded
   only while the claim is still ours: otherwise the page is another worker's, or no longer owed.
"""

import logging
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace
from redis import Redis
from redis.client import Pipeline

from alerts.messages import Receipt
from alerts.page import Page
from config.site import Channel, Delivery, Site
from worker.clock import milliseconds
from worker.delivery import claims, limits, turns
from worker.delivery.channel import Office, send
from worker.delivery.claims import Claim
from worker.delivery.outcomes import Attempt, Outcome, Told, to_tell
from worker.delivery.rendering import in_order
from worker.delivery.turns import Place
from worker.keys import Keys, Shard
from worker.packing import pack
from worker.store import Store

log = logging.getLogger(__name__)

GONE = Channel(url="")
"""Stands for a channel that is no longer configured."""

DEATHS = 2
"""Attempts in a row whose worker died before that is told: one may be a restart, and the next attempt says more."""

DIED = Attempt(Outcome.UNKNOWN, "the worker that sent it ended before there was an answer")


class Delivered(NamedTuple):
    """What one call achieved: the outcome, if anything was sent; shards that have receipts; the page whose turn is
    next; and the page alone in the message, if it was sent."""

    outcome: Outcome | None = None
    receipts: tuple[Shard, ...] = ()
    following: Place | None = None
    sent: Page | None = None


NOTHING = Delivered()


def deliver(store: Store, shard: Shard, page_id: str, now: datetime, site: Site, office: Office) -> Delivered:
    """Try to deliver one page; nothing comes of it where it is no longer owed, not yet due, claimed by another worker,
    or has to wait for its channel."""
    redis, keys, policy = store.redis, store.keys, site.on_call.delivery
    claim = claims.take(redis, shard, page_id, now, policy.claim_for)
    if claim is None:
        return NOTHING
    name, lane = claim.page.channel, turns.lane(claim.page.urgency)
    turn = turns.take(redis, keys, name, lane, now, policy.claim_for)
    here = Place(shard.number, page_id)
    if turn is None:
        turns.queue_up(redis, keys, name, lane, here, now)
        claims.put_off(redis, claim, now + policy.retry_waits[0])
        return NOTHING
    channel = site.on_call.channels.get(name, GONE)
    full_until = limits.full_until(redis, keys, name, channel.limit, now) if lane == "ordinary" else None
    if full_until is not None:
        limits.hold(redis, keys, name, channel.limit, here, now)
        claims.put_off(redis, claim, full_until)
        turns.give_back(redis, keys, turn)
        return NOTHING
    bundle = [claim, *(_held(redis, keys, claim, now, policy) if lane == "ordinary" else ())]
    begun = _begin(redis, keys, bundle, now, policy)
    attempt = _send(channel, begun, office) if begun else None
    if attempt is None:
        turns.give_back(redis, keys, turn)
        return NOTHING
    for each in begun:
        _record(redis, each, attempt, now, policy)
        log.info("page %s on %s: %s %s", each.page.id, name, attempt.outcome, attempt.detail)
    if attempt.outcome in (Outcome.SENT, Outcome.UNKNOWN):
        limits.note_sent(redis, keys, name, channel.limit, now)
    if attempt.outcome is Outcome.SENT:
        limits.let_go(redis, keys, name, [Place(each.shard.number, each.page.id) for each in begun])
    turns.give_back(redis, keys, turn, attempt.outcome)
    sent = begun[0].page if attempt.outcome is Outcome.SENT and len(begun) == 1 else None
    shards = tuple({each.shard.number: each.shard for each in begun}.values())
    return Delivered(attempt.outcome, shards, _following(redis, keys, turn, attempt.outcome, now), sent)


def _held(redis: Redis, keys: Keys, first: Claim, now: datetime, policy: Delivery) -> list[Claim]:
    """Claims on the other pages that wait because of the limit of a page's channel; those no longer owed are let go."""
    channel = first.page.channel
    found: list[Claim] = []
    for waits in limits.held(redis, keys, channel):
        if waits.page == first.page.id:
            continue
        shard = keys.shard(waits.shard)
        claim = claims.take(redis, shard, waits.page, now, policy.claim_for, early=True)
        if claim is not None:
            found.append(claim)
        elif not redis.hexists(shard.key("outbox"), waits.page):
            limits.let_go(redis, keys, channel, [waits])
    return found


def _begin(redis: Redis, keys: Keys, bundle: list[Claim], now: datetime, policy: Delivery) -> list[Claim]:
    """Count the attempt on each page; the most urgent first. A page over which workers die is told as unknown."""
    begun: list[Claim] = []
    for claim in bundle:
        if claim.owed.attempts - claim.owed.answered >= DEATHS:
            turns.note_failure(redis, keys, claim.page.channel)
            claim = _told(redis, claim, now, policy)
        started = claims.begin(redis, claim, now, policy)
        if started is not None:
            begun.append(started)
    order = [page.id for page in in_order(claim.page for claim in begun)]
    return sorted(begun, key=lambda claim: order.index(claim.page.id))


def _told(redis: Redis, claim: Claim, now: datetime, policy: Delivery) -> Claim:
    news = to_tell(DIED.outcome, claim.owed.said, overdue=_is_overdue(claim, now, policy))
    if news is None or news == "sent":
        return claim
    noted = claim._replace(owed=replace(claim.owed, said=news))

    def tell(pipe: Pipeline) -> None:
        pipe.hset(claim.shard.key("outbox"), claim.page.id, pack(noted.owed))
        _receipt(pipe, claim, news, DIED, now)

    return noted if claims.while_ours(redis, claim, tell) else claim


def _send(channel: Channel, begun: list[Claim], office: Office) -> Attempt:
    if channel is GONE:
        return Attempt(Outcome.PERMANENT, "the channel is no longer configured")
    return send(channel, [claim.page for claim in begun], office)


def _following(redis: Redis, keys: Keys, turn: turns.Turn, outcome: Outcome, now: datetime) -> Place | None:
    """The next page for a channel that answers, made due now; one that ails is tried when its pages are due."""
    if outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN):
        return None
    following = turns.next_waiting(redis, keys, turn.channel, turn.lane)
    if following is not None:
        shard = keys.shard(following.shard)
        due = shard.due("critical" if turn.lane == "urgent" else "low")
        redis.zadd(due, {following.page: milliseconds(now)}, xx=True)
    return following


def _is_overdue(claim: Claim, now: datetime, policy: Delivery) -> bool:
    return now - claim.page.at >= policy.undeliverable_after


def _record(redis: Redis, claim: Claim, attempt: Attempt, now: datetime, policy: Delivery) -> None:
    if attempt.outcome is not Outcome.SENT:
        claims.while_ours(redis, claim, lambda pipe: _put_off(pipe, claim, attempt, now, policy))
        return
    page = claim.page
    pipe = redis.pipeline(transaction=True)
    pipe.hdel(claim.shard.key("outbox"), page.id)
    pipe.zrem(claim.shard.due(page.urgency), page.id)
    pipe.delete(claim.shard.claim(page.id))
    _receipt(pipe, claim, "sent", attempt, now)
    pipe.execute()


def _put_off(pipe: Pipeline, claim: Claim, attempt: Attempt, now: datetime, policy: Delivery) -> None:
    """Try again later. Say at once that it failed, and once that it does not get through."""
    page, owed = claim.page, claim.owed
    news = to_tell(attempt.outcome, owed.said, overdue=_is_overdue(claim, now, policy))
    waits = policy.retry_waits
    lost = "undeliverable" in (news, owed.said)
    wait = waits[-1] if lost else waits[min(owed.attempts, len(waits)) - 1]
    said = owed.said if news is None or news == "sent" else news
    pipe.hset(claim.shard.key("outbox"), page.id, pack(replace(owed, answered=owed.attempts, said=said)))
    pipe.zadd(claim.shard.due(page.urgency), {page.id: milliseconds(now + wait)})
    pipe.delete(claim.shard.claim(page.id))
    if news is not None:
        _receipt(pipe, claim, news, attempt, now)


def _receipt(pipe: Pipeline, claim: Claim, outcome: Told, attempt: Attempt, now: datetime) -> None:
    page = claim.page
    receipt = Receipt.model_validate(
        {
            "type": "receipt",
            "id": f"{page.id} {claim.owed.attempts} {outcome}",
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
