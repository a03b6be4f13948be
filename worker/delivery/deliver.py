"""The life of an owed page: due, claimed, sent, failed for now, undeliverable.

1. Claim the page, so that no other worker sends it at the same time; the claim runs out by itself, and is taken
   away when the page is cancelled.
2. Take the turn on its channel; a page that finds it busy waits for it. A page over the channel's limit waits for
   room, and is then told together with the others that wait. Critical pages pass every limit. In the same round trip
   the attempt is counted and the due time moved past the claim, so that a worker that dies here is noticed and the
   page is tried again with the same id.
3. Send.
4. Record the outcome and, in the same transaction, append a receipt to the inbox, if it is news. A failure is recorded
   only while the claim is still ours: otherwise the page is another worker's, or no longer owed. While the store does
   not take it, that a page was sent is kept and recorded again and again: forgotten, it would be sent twice.

Whoever has the turn then sends the pages that wait for the same channel, one after another: what records one begins
the next, so that each costs one round trip and one write to disk.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace
from redis.backoff import ExponentialBackoff
from redis.client import Pipeline
from redis.exceptions import RedisError
from redis.retry import Retry

from alerts.messages import Receipt
from alerts.pages.page import Page
from config.site import Channel, Site
from worker.clock import Clock, milliseconds
from worker.delivery import agreement, channel_lock, limits, page_lease
from worker.delivery.channel import MessageContext, send
from worker.delivery.channel_lock import Place
from worker.delivery.outcome import Attempt, Outcome, ReceiptOutcome, receipt_for
from worker.delivery.page_lease import Claim
from worker.delivery.rendering import in_order
from worker.store.codec import pack
from worker.store.inbox import append, encoded
from worker.store.keys import Shard
from worker.store.shard import Store

log = logging.getLogger(__name__)

GONE = Channel(url="")
"""Stands for a channel that is no longer configured."""

DEATHS = 2
"""Attempts in a row whose worker died before that is told: one may be a restart, and the next attempt says more."""

DIED = Attempt(Outcome.UNKNOWN, "the worker that sent it ended before there was an answer")

PREFETCH = 8
"""Pages that wait for a channel are claimed so many at a time."""

TIME_SLICE = timedelta(seconds=1)
"""How long one task goes on with the pages that wait for its channel; another then takes over."""

AGAIN = Retry(ExponentialBackoff(cap=0.5, base=0.05), 20, supported_errors=(RedisError,))
"""How what was sent is recorded while the store is down or full: until it takes it, for ten seconds or until the task's
time is over."""


class Delivered(NamedTuple):
    """What one call achieved: the outcome for the page it was asked for, if it was sent; shards whose judgement is to
    hear of a failure at once; the page whose turn is next; the pages that were sent, each alone in its message; and
    the page that is left to a sender with a newer configuration."""

    outcome: Outcome | None = None
    news: tuple[Shard, ...] = ()
    following: Place | None = None
    sent: tuple[Page, ...] = ()
    left: Place | None = None


NOTHING = Delivered()

Record = Callable[[Pipeline], None]
"""Adds to a transaction what became of a message."""


def deliver(
    store: Store,
    shard: Shard,
    page_id: str,
    clock: Clock,
    site: Site,
    office: MessageContext,
    newest_site: Callable[[], Site] | None = None,
) -> Delivered:
    """Try to deliver one page, and then those that wait for its channel; nothing comes of it where it is no longer
    owed, not yet due, claimed by another worker, or has to wait for its channel.

    `newest_site` looks at the configuration again, where the page was made under another. Where that one is newer than
    what this machine has, the page is left to others for a while.
    """
    taken = page_lease.take(store.redis, store.keys, [Place(shard.number, page_id)], clock, site.on_call.delivery.lease)
    if not taken.claims:
        return NOTHING
    now = clock.now()
    [claim] = taken.claims
    if newest_site is not None and not agreement.agrees(claim.owed, site):
        site = newest_site()
    if not agreement.is_behind(claim.owed, site):
        return ChannelRun(store, clock, site, office, claim).run()
    if agreement.leave(store.redis, claim, now):
        return Delivered(left=claim.place)
    message = agreement.behind_fault(claim, now)
    wake = append(store.redis, store.keys, [encoded(message)], now).wake
    delivered = ChannelRun(store, clock, site, office, claim).run()
    return delivered._replace(news=(*delivered.news, *wake))


class ChannelRun:
    """What one task sends on a channel: a page, and those that wait behind it."""

    def __init__(self, store: Store, clock: Clock, site: Site, office: MessageContext, first: Claim) -> None:
        self._redis, self._keys, self._clock = store.redis, store.keys, clock
        self._policy, self._office, self._first = site.on_call.delivery, office, first
        self._site = site
        self._turn = channel_lock.turn(first.page.channel, channel_lock.lane(first.page.urgency))
        self._channel = site.on_call.channels.get(first.page.channel, GONE)
        self._began = self._kept = clock.now()
        self._ahead: list[Claim] = []
        self._waiting = 0
        self._well = True
        self._newer_waits = False
        self._outcome: Outcome | None = None
        self._news: dict[int, Shard] = {}
        self._sent: list[Page] = []

    def run(self) -> Delivered:
        """Send as long as the channel answers, something waits for it, and there is time."""
        claim: Claim | None = self._first
        while claim is not None:
            claim = self._one_turn(claim)
        following = self._hand_over() if self._well and self._waiting else None
        return Delivered(self._outcome, tuple(self._news.values()), following, tuple(self._sent))

    def _one_turn(self, claim: Claim) -> Claim | None:
        """Take the turn and send; the page to ask for another turn with, where one came to wait at the last moment."""
        message = self._take_turn(claim)
        if message is None:
            return self._next(self._kept)
        while True:
            record = self._deliver(message) if message else _nothing
            now = self._clock.now()
            following: Claim | None = None
            try:
                following = self._next(now)
                if following is None:
                    break
                message = self._go_on(record, following, now)
            except RedisError:
                self._ahead[:0] = [following] if following is not None else []
                self._well = False
                break
        AGAIN.call_with_retry(lambda: self._end(record), _say_so)
        return self._next(now)

    # -- whose turn it is ------------------------------------------------------------------------

    def _take_turn(self, claim: Claim) -> list[Claim] | None:
        """What to send now, which may be nothing; None where it is another's turn, for which the page then waits."""
        now = self._kept = self._clock.now()
        pipe = self._redis.pipeline(transaction=True)
        channel_lock.ask(pipe, self._keys, self._turn, now, self._policy.lease)
        self._begin(pipe, claim, now)
        answers = iter(pipe.execute())
        channel = channel_lock.answered(answers)
        if not channel.ours:
            pipe = self._redis.pipeline(transaction=True)
            channel_lock.end(pipe, self._keys, self._turn, ours=channel.free)
            channel_lock.queue_up(pipe, self._keys, self._turn, [(claim.place, claim.page)])
            page_lease.put_off(pipe, claim, now + self._policy.retry_backoff[0])
            channel_lock.is_taken(pipe, self._keys, self._turn)
            *_, taken = pipe.execute()
            # Who had it may have ended it before this page stood in the queue.
            self._waiting = 0 if taken or channel.free else 1
            return None
        if channel.ails:
            channel_lock.count_as_slow(self._redis, self._keys, self._turn, now)
        self._waiting = channel.waiting
        return self._message(answers, claim, now)

    def _go_on(self, record: Record, claim: Claim, now: datetime) -> list[Claim]:
        """Begin the next page in the round trip that records the last; what to send now, which may be nothing."""
        pipe = self._redis.pipeline(transaction=True)
        record(pipe)
        recorded = len(pipe)
        self._kept = now
        channel_lock.keep(pipe, self._keys, self._turn, now, self._policy.lease)
        self._begin(pipe, claim, now)
        answers = iter(pipe.execute()[recorded:])
        self._waiting = channel_lock.kept(answers)
        return self._message(answers, claim, now)

    def _next(self, now: datetime) -> Claim | None:
        """The next page that waits for the channel; none where it was made under a newer configuration than ours."""
        if not self._well or self._newer_waits or now - self._began >= TIME_SLICE:
            return None
        if self._waiting and not self._ahead:
            places = channel_lock.next_waiting(self._redis, self._keys, self._turn, PREFETCH)
            self._waiting -= len(places)
            taken = page_lease.take(self._redis, self._keys, places, self._clock, self._policy.lease, early=True)
            self._ahead = taken.claims
        if self._ahead and agreement.is_behind(self._ahead[0].owed, self._site):
            self._newer_waits = True
            pipe = self._redis.pipeline(transaction=True)
            self._waiting += self._wait_again(pipe)
            pipe.execute()
        return self._ahead.pop(0) if self._ahead else None

    def _end(self, record: Record) -> None:
        """Record the last and let another have the turn; pages that were claimed ahead wait again."""
        lasted = self._clock.now() - self._kept
        pipe = self._redis.pipeline(transaction=True)
        record(pipe)
        ahead = self._ahead
        self._wait_again(pipe)
        channel_lock.end(pipe, self._keys, self._turn, ours=lasted < self._policy.lease)
        try:
            *_, self._waiting = pipe.execute()
        except RedisError:
            self._ahead = ahead
            raise

    def _wait_again(self, pipe: Pipeline) -> int:
        """Pages that were claimed ahead wait for the channel again; how many."""
        ahead, self._ahead = self._ahead, []
        if ahead:
            channel_lock.queue_up(pipe, self._keys, self._turn, [(claim.place, claim.page) for claim in ahead])
        for claim in ahead:
            page_lease.give_back(pipe, claim)
        return len(ahead)

    def _hand_over(self) -> Place | None:
        """The page another task goes on with, made due."""
        following = channel_lock.next_waiting(self._redis, self._keys, self._turn)
        for place in following:
            channel_lock.due(self._redis, self._keys, self._turn.lane, place, self._clock.now())
        return following[0] if following else None

    # -- what is sent ----------------------------------------------------------------------------

    def _begin(self, pipe: Pipeline, claim: Claim, now: datetime) -> None:
        if self._turn.lane == "ordinary":
            limits.ask(pipe, self._keys, self._turn.channel, self._channel.limit, now)
        page_lease.begin(pipe, claim, now, self._policy)

    def _message(self, answers: Iterator[Any], claim: Claim, now: datetime) -> list[Claim]:
        """The pages to tell in one message, as the answers to `_begin` say: most often one, or none where it was
        cancelled meanwhile or is over the limit."""
        limit = limits.answered(answers, self._channel.limit) if self._turn.lane == "ordinary" else limits.NONE
        if not page_lease.has_begun(answers, claim):
            return []
        if limit.full_until is not None:
            pipe = self._redis.pipeline(transaction=True)
            limits.hold(pipe, self._keys, self._turn.channel, self._channel.limit, claim.place, now)
            page_lease.put_off(pipe, claim, limit.full_until)
            pipe.execute()
            return []
        others = [place for place in limit.held if place != claim.place]
        bundle = [claim, *(self._held(others, now) if others else ())]
        told = [self._tell_of_deaths(each, now) if each.died >= DEATHS else each for each in bundle]
        order = [page.id for page in in_order(each.page for each in told)]
        return sorted(told, key=lambda each: order.index(each.page.id))

    def _held(self, places: list[Place], now: datetime) -> list[Claim]:
        """The other pages that wait because of the limit; those no longer owed are let go."""
        taken = page_lease.take(self._redis, self._keys, places, self._clock, self._policy.lease, early=True)
        pipe = self._redis.pipeline(transaction=True)
        ours = [claim for claim in taken.claims if not agreement.is_behind(claim.owed, self._site)]
        for claim in ours:
            page_lease.begin(pipe, claim, now, self._policy)
        for claim in taken.claims:
            if claim not in ours:
                page_lease.give_back(pipe, claim)
        if taken.gone:
            limits.let_go(pipe, self._keys, self._turn.channel, taken.gone)
        answers = iter(pipe.execute())
        return [claim for claim in ours if page_lease.has_begun(answers, claim)]

    def _tell_of_deaths(self, claim: Claim, now: datetime) -> Claim:
        """A page over which workers die is told as unknown: nobody else would ever say that it is not sent."""
        channel_lock.note(self._redis, self._keys, self._turn.channel, DIED.outcome)
        news = receipt_for(DIED.outcome, claim.owed.reported, overdue=self._is_overdue(claim, now))
        if news is None or news == "sent":
            return claim
        noted = claim._replace(owed=replace(claim.owed, reported=news))

        def tell(pipe: Pipeline) -> None:
            pipe.hset(claim.shard.key("outbox"), claim.page.id, pack(noted.owed))
            self._receipt(pipe, claim, news, DIED, now)

        return noted if page_lease.while_ours(self._redis, claim, tell) else claim

    def _deliver(self, message: list[Claim]) -> Record:
        """Send a message. A failure is recorded at once; the rest is, by what this returns, with what is done next."""
        attempt = self._send(message)
        now = self._clock.now()
        for claim in message:
            log.info("page %s on %s: %s %s", claim.page.id, self._turn.channel, attempt.outcome, attempt.detail)
            if attempt.outcome is not Outcome.SENT:
                self._put_off(claim, attempt, now)
        if attempt.outcome is Outcome.SENT and len(message) == 1:
            self._sent.append(message[0].page)
        if self._first.place in [claim.place for claim in message]:
            self._outcome = attempt.outcome
        self._well = attempt.outcome in (Outcome.SENT, Outcome.PERMANENT)
        return lambda pipe: self._record(pipe, message, attempt, now)

    def _record(self, pipe: Pipeline, message: list[Claim], attempt: Attempt, now: datetime) -> None:
        """What the channel is found to be, and of what was sent that it is owed no longer. Repeating it is harmless."""
        if attempt.outcome is Outcome.SENT:
            for claim in message:
                self._receipt(pipe, claim, "sent", attempt, now)
                pipe.incr(claim.shard.receipts)
                page_lease.settle(pipe, claim)
            limits.let_go(pipe, self._keys, self._turn.channel, [claim.place for claim in message])
        if attempt.outcome in (Outcome.SENT, Outcome.UNKNOWN):
            limits.note_sent(pipe, self._keys, self._turn.channel, self._channel.limit, now)
        channel_lock.note(pipe, self._keys, self._turn.channel, attempt.outcome)

    def _send(self, message: list[Claim]) -> Attempt:
        if self._channel is GONE and any(agreement.is_behind(claim.owed, self._site) for claim in message):
            return Attempt(Outcome.TEMPORARY, "this machine's configuration is older and does not know the channel")
        if self._channel is GONE:
            return Attempt(Outcome.PERMANENT, "the channel is no longer configured")
        return send(self._channel, [claim.page for claim in message], self._office)

    # -- what became of it -----------------------------------------------------------------------

    def _is_overdue(self, claim: Claim, now: datetime) -> bool:
        return now - claim.page.at >= self._policy.undeliverable_after

    def _put_off(self, claim: Claim, attempt: Attempt, now: datetime) -> None:
        """Try again later. Say at once that it failed, and once that it does not get through."""
        page, owed = claim.page, claim.owed
        news = receipt_for(attempt.outcome, owed.reported, overdue=self._is_overdue(claim, now))
        waits = self._policy.retry_backoff
        lost = "undeliverable" in (news, owed.reported)
        wait = waits[-1] if lost else waits[min(claim.number, len(waits)) - 1]
        reported = owed.reported if news is None or news == "sent" else news

        def record(pipe: Pipeline) -> None:
            pipe.hset(claim.shard.key("outbox"), page.id, pack(replace(owed, attempts=claim.number, reported=reported)))
            pipe.zadd(claim.shard.due(page.urgency), {page.id: milliseconds(now + wait)})
            pipe.delete(claim.shard.claim(page.id), claim.shard.begun(page.id))
            if news is not None:
                self._receipt(pipe, claim, news, attempt, now)

        page_lease.while_ours(self._redis, claim, record)

    def _receipt(self, pipe: Pipeline, claim: Claim, outcome: ReceiptOutcome, attempt: Attempt, now: datetime) -> None:
        page = claim.page
        receipt = Receipt.model_validate(
            {
                "type": "receipt",
                "id": f"{page.id} {claim.number} {outcome}",
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
        if outcome != "sent":
            self._news[claim.shard.number] = claim.shard


def _nothing(_: Pipeline) -> None:
    """Nothing was sent: there is nothing to record."""


def _say_so(error: Exception) -> None:
    log.warning("the store does not take what was sent (%s); it is recorded as soon as it does", type(error).__name__)
