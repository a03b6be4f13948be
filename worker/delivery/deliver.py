"""The life of an owed page: due, leased, sent, failed for now, undeliverable.

1. Acquire the lease of the page, so that no other worker sends it. The lease expires by itself; cancelling the page
   removes it.
2. Lock the channel. If it is busy, the page waits in the queue of the channel. If it is over its rate limit, the page
   waits and goes out in one message with the others that wait. Critical pages pass every limit. The same round trip
   counts the attempt and moves the due time past the lease: if the worker dies, the ticker retries the page under the
   same id.
3. Send.
4. Record the outcome and, if it is news, append a receipt to the inbox in the same transaction. A failure is recorded
   only while we still hold the lease. If the store rejects the record of a sent page, we retry it: without the record
   the page would be sent twice.

The holder of the lock then sends the pages that wait for the channel, one after another. The transaction that records
one page begins the next, so that a page costs one round trip and one write to disk.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace
from redis.backoff import ExponentialBackoff
from redis.client import Pipeline
from redis.exceptions import RedisError
from redis.retry import Retry

from alerts.messages import Receipt
from alerts.pages.page import Page
from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase
from config.site import Channel, Site
from worker.clock import Clock, milliseconds
from worker.delivery import agreement, channel_lock, limits, page_lease
from worker.delivery.channel import MessageContext, send
from worker.delivery.channel_lock import Place
from worker.delivery.outcome import Attempt, Outcome, ReceiptOutcome, receipt_for
from worker.delivery.page_lease import PageLease
from worker.delivery.rendering import in_order
from worker.store import measurements
from worker.store.codec import pack
from worker.store.inbox import append, encoded
from worker.store.keys import Shard
from worker.store.shard import Store

log = logging.getLogger(__name__)

GONE = Channel(url="")
"""Stands for a channel that is no longer configured."""

CRASHES_BEFORE_REPORT = 2
"""Attempts in a row whose worker died before we report it: one death may be a restart."""

CRASHED = Attempt(Outcome.UNKNOWN, Phrase("the worker that sent it ended before there was an answer"))

PREFETCH = 8
"""Waiting pages of a channel that one call leases."""

TIME_SLICE = timedelta(seconds=1)
"""How long one task sends the waiting pages of its channel; another task then takes over."""

RECORD_RETRY = Retry(ExponentialBackoff(cap=0.5, base=0.05), 20, supported_errors=(RedisError,))
"""The backoff of recording a sent page while the store is down or full: for ten seconds, or until the task ends."""


class Delivered(NamedTuple):
    """The result of one task.

    `outcome` is that of the requested page, if it was sent. `wake` holds the shards that must process a failure at
    once. `following` is the next page of the channel. `sent` holds the pages that went out alone in their message.
    `behind` is a page that waits for a sender with a newer configuration.
    """

    outcome: Outcome | None = None
    wake: tuple[Shard, ...] = ()
    following: Place | None = None
    sent: tuple[Page, ...] = ()
    behind: Place | None = None


NOTHING = Delivered()

Record = Callable[[Pipeline], None]
"""Adds the outcome of a message to a transaction."""


def deliver(
    store: Store,
    shard: Shard,
    page_id: str,
    clock: Clock,
    site: Site,
    context: MessageContext,
    newest_site: Callable[[], Site] | None = None,
) -> Delivered:
    """Try to deliver one page, and then the pages that wait for its channel.

    Nothing is sent if the page is no longer owed, not yet due, leased by another worker, or if its channel is busy. If
    the page was made under another configuration, `newest_site` reads ours again. If the page's is still newer, the
    page waits a while for a sender that has it.
    """
    place, lasts = Place(shard.number, page_id), site.on_call.delivery.lease
    acquired = page_lease.acquire(store.redis, store.keys, [place], clock, lasts)
    if not acquired.leases:
        return NOTHING
    now = clock.now()
    [lease] = acquired.leases
    if newest_site is not None and not agreement.agrees(lease.owed, site):
        site = newest_site()
    if not agreement.is_behind(lease.owed, site):
        return ChannelRun(store, clock, site, context, lease).run()
    if agreement.wait_for_newer(store.redis, lease, now):
        return Delivered(behind=lease.place)
    message = agreement.behind_fault(lease, now)
    wake = append(store.redis, store.keys, [encoded(message)], now).wake
    delivered = ChannelRun(store, clock, site, context, lease).run()
    return delivered._replace(wake=(*delivered.wake, *wake))


class ChannelRun:
    """The messages that one task sends on a channel: a page, and the pages that wait behind it."""

    def __init__(self, store: Store, clock: Clock, site: Site, context: MessageContext, first: PageLease) -> None:
        self._redis, self._keys, self._clock = store.redis, store.keys, clock
        self._policy, self._context, self._first = site.on_call.delivery, context, first
        self._site = site
        self._lock = channel_lock.new_lock(first.page.channel, channel_lock.priority_of(first.page.urgency))
        self._channel = site.on_call.channels.get(first.page.channel, GONE)
        self._began = self._locked_at = clock.now()
        self._ahead: list[PageLease] = []
        self._waiting = 0
        self._healthy = True
        self._newer_waits = False
        self._outcome: Outcome | None = None
        self._wake: dict[int, Shard] = {}
        self._sent: list[Page] = []

    def run(self) -> Delivered:
        """Send while the channel answers, a page waits for it, and the time slice lasts."""
        lease: PageLease | None = self._first
        while lease is not None:
            lease = self._run_locked(lease)
        following = self._hand_over() if self._healthy and self._waiting else None
        return Delivered(self._outcome, tuple(self._wake.values()), following, tuple(self._sent))

    def _run_locked(self, lease: PageLease) -> PageLease | None:
        """Lock the channel and send. Return the page to lock it with again, if one was queued at the last moment."""
        message = self._lock_channel(lease)
        if message is None:
            return self._next(self._locked_at)
        while True:
            record = self._deliver(message) if message else _nothing
            now = self._clock.now()
            following: PageLease | None = None
            try:
                following = self._next(now)
                if following is None:
                    break
                message = self._go_on(record, following, now)
            except RedisError:
                self._ahead[:0] = [following] if following is not None else []
                self._healthy = False
                break
        RECORD_RETRY.call_with_retry(lambda: self._end(record), _log_retry)
        return self._next(now)

    # -- the lock --------------------------------------------------------------------------------

    def _lock_channel(self, lease: PageLease) -> list[PageLease] | None:
        """The message to send now, which may be empty; None if the channel is busy and the page waits for it."""
        now = self._locked_at = self._clock.now()
        pipe = self._redis.pipeline(transaction=True)
        channel_lock.try_lock(pipe, self._keys, self._lock, now, self._policy.lease)
        self._begin(pipe, lease, now)
        replies = iter(pipe.execute())
        channel = channel_lock.read_state(replies)
        if not channel.ours:
            pipe = self._redis.pipeline(transaction=True)
            channel_lock.release(pipe, self._keys, self._lock, ours=channel.free)
            channel_lock.enqueue(pipe, self._keys, self._lock, [(lease.place, lease.page)])
            page_lease.postpone(pipe, lease, now + self._policy.retry_backoff[0])
            channel_lock.check_locked(pipe, self._keys, self._lock)
            *_, locked = pipe.execute()
            # The holder may have released the channel before this page was queued.
            self._waiting = 0 if locked or channel.free else 1
            return None
        if channel.failing:
            channel_lock.count_as_slow(self._redis, self._keys, self._lock, now)
        self._waiting = channel.waiting
        return self._message(replies, lease, now)

    def _go_on(self, record: Record, lease: PageLease, now: datetime) -> list[PageLease]:
        """Begin the next page in the round trip that records the last; return its message, which may be empty."""
        pipe = self._redis.pipeline(transaction=True)
        record(pipe)
        recorded = len(pipe)
        self._locked_at = now
        channel_lock.extend(pipe, self._keys, self._lock, now, self._policy.lease)
        self._begin(pipe, lease, now)
        replies = iter(pipe.execute()[recorded:])
        self._waiting = channel_lock.read_waiting(replies)
        return self._message(replies, lease, now)

    def _next(self, now: datetime) -> PageLease | None:
        """The next page that waits for the channel; None if it was made under a newer configuration than ours."""
        if not self._healthy or self._newer_waits or now - self._began >= TIME_SLICE:
            return None
        if self._waiting and not self._ahead:
            places = channel_lock.pop_waiting(self._redis, self._keys, self._lock, PREFETCH)
            self._waiting -= len(places)
            acquired = page_lease.acquire(self._redis, self._keys, places, self._clock, self._policy.lease, early=True)
            self._ahead = acquired.leases
        if self._ahead and agreement.is_behind(self._ahead[0].owed, self._site):
            self._newer_waits = True
            pipe = self._redis.pipeline(transaction=True)
            self._waiting += self._wait_again(pipe)
            pipe.execute()
        return self._ahead.pop(0) if self._ahead else None

    def _end(self, record: Record) -> None:
        """Record the last message and release the channel; prefetched pages wait again."""
        lasted = self._clock.now() - self._locked_at
        pipe = self._redis.pipeline(transaction=True)
        record(pipe)
        ahead = self._ahead
        self._wait_again(pipe)
        channel_lock.release(pipe, self._keys, self._lock, ours=lasted < self._policy.lease)
        try:
            *_, self._waiting = pipe.execute()
        except RedisError:
            self._ahead = ahead
            raise

    def _wait_again(self, pipe: Pipeline) -> int:
        """Put prefetched pages back into the queue; return how many."""
        ahead, self._ahead = self._ahead, []
        if ahead:
            channel_lock.enqueue(pipe, self._keys, self._lock, [(lease.place, lease.page) for lease in ahead])
        for lease in ahead:
            page_lease.release(pipe, lease)
        return len(ahead)

    def _hand_over(self) -> Place | None:
        """Make the next page due, and return it for another task."""
        following = channel_lock.pop_waiting(self._redis, self._keys, self._lock)
        for place in following:
            channel_lock.set_due(self._redis, self._keys, self._lock.priority, place, self._clock.now())
        return following[0] if following else None

    # -- the message -----------------------------------------------------------------------------

    def _begin(self, pipe: Pipeline, lease: PageLease, now: datetime) -> None:
        if self._lock.priority == "ordinary":
            limits.ask_limit(pipe, self._keys, self._lock.channel, self._channel.limit, now)
        page_lease.begin_attempt(pipe, lease, now, self._policy)

    def _message(self, replies: Iterator[Any], lease: PageLease, now: datetime) -> list[PageLease]:
        """The pages of one message, from the replies to `_begin`: usually one, none if cancelled or rate-limited."""
        limited = self._lock.priority == "ordinary"
        limit = limits.read_limit(replies, self._channel.limit) if limited else limits.UNLIMITED
        if not page_lease.attempt_begun(replies, lease):
            return []
        if limit.full_until is not None:
            pipe = self._redis.pipeline(transaction=True)
            limits.add_rate_limited(pipe, self._keys, self._lock.channel, self._channel.limit, lease.place, now)
            page_lease.postpone(pipe, lease, limit.full_until)
            pipe.execute()
            return []
        others = [place for place in limit.rate_limited if place != lease.place]
        bundle = [lease, *(self._rate_limited(others, now) if others else ())]
        bundle = [self._report_crashes(each, now) if each.crashed >= CRASHES_BEFORE_REPORT else each for each in bundle]
        order = [page.id for page in in_order(each.page for each in bundle)]
        return sorted(bundle, key=lambda each: order.index(each.page.id))

    def _rate_limited(self, places: list[Place], now: datetime) -> list[PageLease]:
        """The other rate-limited pages. Pages that are no longer owed leave the bundle."""
        acquired = page_lease.acquire(self._redis, self._keys, places, self._clock, self._policy.lease, early=True)
        pipe = self._redis.pipeline(transaction=True)
        ours = [lease for lease in acquired.leases if not agreement.is_behind(lease.owed, self._site)]
        for lease in ours:
            page_lease.begin_attempt(pipe, lease, now, self._policy)
        for lease in acquired.leases:
            if lease not in ours:
                page_lease.release(pipe, lease)
        if acquired.gone:
            limits.remove_rate_limited(pipe, self._keys, self._lock.channel, acquired.gone)
        replies = iter(pipe.execute())
        return [lease for lease in ours if page_lease.attempt_begun(replies, lease)]

    def _report_crashes(self, lease: PageLease, now: datetime) -> PageLease:
        """Report a page that kills its workers as unknown: nothing else would ever report that it was not sent."""
        channel_lock.record_outcome(self._redis, self._keys, self._lock.channel, CRASHED.outcome)
        news = receipt_for(CRASHED.outcome, lease.owed.reported, overdue=self._is_overdue(lease, now))
        if news is None or news == "sent":
            return lease
        reported = lease._replace(owed=replace(lease.owed, reported=news))

        def write(pipe: Pipeline) -> None:
            pipe.hset(lease.shard.key("outbox"), lease.page.id, pack(reported.owed))
            self._receipt(pipe, lease, news, CRASHED, now)

        return reported if page_lease.write_if_held(self._redis, lease, write) else lease

    def _deliver(self, message: list[PageLease]) -> Record:
        """Send a message. Record a failure at once; return the rest of the record, to be written with the next step."""
        began = time.monotonic()
        attempt = self._send(message)
        lasted, now = time.monotonic() - began, self._clock.now()
        for lease in message:
            log.info(
                "page %s on %s: %s %s",
                lease.page.id,
                self._lock.channel,
                attempt.outcome,
                in_english(attempt.detail, UTC),
            )
            if attempt.outcome is not Outcome.SENT:
                self._schedule_retry(lease, attempt, now)
        if attempt.outcome is Outcome.SENT and len(message) == 1:
            self._sent.append(message[0].page)
        if self._first.place in [lease.place for lease in message]:
            self._outcome = attempt.outcome
        self._healthy = attempt.outcome in (Outcome.SENT, Outcome.PERMANENT)
        return lambda pipe: self._record(pipe, message, attempt, lasted, now)

    def _record(self, pipe: Pipeline, message: list[PageLease], attempt: Attempt, lasted: float, now: datetime) -> None:
        """Record the state of the channel, and that sent pages are no longer owed. Idempotent, but for the counts."""
        if attempt.outcome is Outcome.SENT:
            for lease in message:
                self._receipt(pipe, lease, "sent", attempt, now)
                pipe.incr(lease.shard.receipts)
                page_lease.acknowledge(pipe, lease)
            limits.remove_rate_limited(pipe, self._keys, self._lock.channel, [lease.place for lease in message])
        if attempt.outcome in (Outcome.SENT, Outcome.UNKNOWN):
            limits.count_sent(pipe, self._keys, self._lock.channel, self._channel.limit, now)
        measurements.count_notification(pipe, self._keys, self._lock.channel, attempt.outcome, lasted)
        channel_lock.record_outcome(pipe, self._keys, self._lock.channel, attempt.outcome)

    def _send(self, message: list[PageLease]) -> Attempt:
        if self._channel is GONE and any(agreement.is_behind(lease.owed, self._site) for lease in message):
            return Attempt(
                Outcome.TEMPORARY, Phrase("this machine's configuration is older and does not know the channel")
            )
        if self._channel is GONE:
            return Attempt(Outcome.PERMANENT, Phrase("the channel is no longer configured"))
        return send(self._channel, [lease.page for lease in message], self._context)

    # -- the outcome -----------------------------------------------------------------------------

    def _is_overdue(self, lease: PageLease, now: datetime) -> bool:
        return now - lease.page.at >= self._policy.undeliverable_after

    def _schedule_retry(self, lease: PageLease, attempt: Attempt, now: datetime) -> None:
        """Retry later. Report the first failure at once, and once that the page is undeliverable."""
        page, owed = lease.page, lease.owed
        news = receipt_for(attempt.outcome, owed.reported, overdue=self._is_overdue(lease, now))
        waits = self._policy.retry_backoff
        lost = "undeliverable" in (news, owed.reported)
        wait = waits[-1] if lost else waits[min(lease.number, len(waits)) - 1]
        reported = owed.reported if news is None or news == "sent" else news

        def record(pipe: Pipeline) -> None:
            pipe.hset(lease.shard.key("outbox"), page.id, pack(replace(owed, attempts=lease.number, reported=reported)))
            pipe.zadd(lease.shard.due(page.urgency), {page.id: milliseconds(now + wait)})
            pipe.delete(lease.shard.page_lease(page.id), lease.shard.unfinished_attempts(page.id))
            if news is not None:
                self._receipt(pipe, lease, news, attempt, now)

        page_lease.write_if_held(self._redis, lease, record)

    def _receipt(
        self, pipe: Pipeline, lease: PageLease, outcome: ReceiptOutcome, attempt: Attempt, now: datetime
    ) -> None:
        page = lease.page
        receipt = Receipt.model_validate(
            {
                "type": "receipt",
                "id": f"{page.id} {lease.number} {outcome}",
                "source": "cartwatch",
                "patient": page.patient,
                "effective": now,
                "page": page.id,
                "channel": page.channel,
                "outcome": outcome,
                "detail": attempt.detail,
            }
        )
        pipe.xadd(lease.shard.inbox, {"m": receipt.model_dump_json(exclude_none=True), "r": now.isoformat()})
        if outcome != "sent":
            self._wake[lease.shard.number] = lease.shard


def _nothing(_: Pipeline) -> None:
    """Nothing was sent: there is nothing to record."""


def _log_retry(error: Exception) -> None:
    log.warning("the store rejects the record of a sent page (%s); retrying", type(error).__name__)
