"""The delivery of a process: one thread makes all round trips to the store, and a thread for each queue sends.

1. A wake-up names a partition of channels. The round trip takes its lease, and hands out the first due page of each
   queue. The store records that it was begun.
2. `plan` decides whether it goes alone, with all others that wait, or later (`plan.py`).
3. The queue's own thread sends it (`sending.py`).
4. The next round trip records the outcomes of all sends that ended meanwhile, appends their receipts to the inboxes,
   and hands out the next pages. So a page alone costs two round trips, and in a row less than one.

If the store rejects the record of a sent page, we keep it and retry: without it the page would be sent twice. If this
process is killed, the next owner of the lease sends the pages that were begun again, under the same id.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from queue import Empty, SimpleQueue
from typing import NamedTuple

from msgspec.structs import replace
from redis.exceptions import RedisError, ResponseError

from alerts.messages import Receipt
from alerts.pages.page import Page
from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase
from config.site import Channel, DeliveryPolicy, Limit, Site
from worker.delivery import agreement
from worker.delivery.agreement import RETRY_BEHIND_AFTER
from worker.delivery.channel import MessageContext
from worker.delivery.outcome import Attempt, Outcome, ReceiptOutcome
from worker.delivery.pictures import message_context
from worker.delivery.plan import CRASHES_BEFORE_REPORT, after, crash_report, plan
from worker.delivery.rendering import in_order
from worker.delivery.sending import Send, SendEnded, Senders
from worker.runtime.runtime import Runtime
from worker.store import channel_queues, measurements, unreadable
from worker.store.channel_queues import DuePage, DueQueue, InboxNews, Trip, TripReply
from worker.store.codec import Owed, unpack_owed
from worker.store.inbox import append, encoded
from worker.store.keys import CRITICAL, Keys, Partition, Place, Shard
from worker.store.lease import Lease
from worker.store.schema import NewerStoreError, TooNewError, UnreadableError
from worker.store.wrong_types import move_wrong_types_away

log = logging.getLogger(__name__)

SENDS_AT_ONCE = 8
"""Sends under way that may still be quick: a killed process repeats at most these, and those on slow channels."""

SLOW_SECONDS = 1.0
"""A send that takes longer no longer counts as one of them: a channel that hangs takes no other channel's place."""

LOOK_SECONDS = (0.01, 0.05)
"""While sends are under way, the least and the most time until the next look at what became due."""

RETRY_SECONDS = (0.05, 0.5)
"""The least and the most time until a round trip that failed is repeated."""

NEWER_WAITS = timedelta(seconds=1)
"""How long a page of a newer version is left to workers of that version."""

CRASHED = Attempt(Outcome.UNKNOWN, Phrase("the worker that sent it ended before there was an answer"))
NOT_KNOWN_YET = Attempt(
    Outcome.TEMPORARY, Phrase("this machine's configuration is older and does not know the channel")
)
NOT_CONFIGURED = Attempt(Outcome.PERMANENT, Phrase("the channel is no longer configured"))


class PageInHand(NamedTuple):
    """A page that was handed out. `crashed` counts earlier attempts that began and never ended."""

    place: Place
    owed: Owed
    crashed: int

    @property
    def number(self) -> int:
        """The number of this attempt; the first is 1."""
        return self.owed.attempts + self.crashed + 1


class OutgoingMessage(NamedTuple):
    """Pages of a queue that go out together, most urgent first, and the site under which they go."""

    queue: str
    pages: list[PageInHand]
    site: Site


class PartitionRun:
    """What this process does for a partition: its lease, the messages under way, and the next round trip."""

    def __init__(self, keys: Keys, partition: Partition) -> None:
        self._keys, self.partition = keys, partition
        self.token = Lease.of(partition.lease).token
        self.busy: dict[str, OutgoingMessage] = {}
        self.to_begin: list[OutgoingMessage] = []
        self.trip = Trip(keys, partition)
        self.owned = self.due = self.more = self.behind = False
        self.to_wake: dict[int, Shard] = {}

    def next_trip(self, *, anew: bool) -> None:
        """Begin to gather the next round trip."""
        self.trip = Trip(self._keys, self.partition)
        self.trip.anew = anew


class Deliverer:
    """Delivers for every partition that this process gets.

    `wake_others` asks other workers for work. `sent` is called with each page that went out alone.
    """

    def __init__(
        self,
        run: Runtime,
        wake_others: Callable[[Iterable[Shard | Partition]], object] = lambda _: None,
        sent: Callable[[Page, Attempt], object] = lambda _, __: None,
    ) -> None:
        self._run, self._store, self._keys = run, run.store, run.store.keys
        self._wake_others, self._sent = wake_others, sent
        self._events: SimpleQueue[SendEnded | int] = SimpleQueue()
        self._senders = Senders(self._events.put)
        self._runs = {one.number: PartitionRun(self._keys, one) for one in self._keys.partitions()}
        self._context: MessageContext | None = None
        self._site = run.site
        self._limits: dict[str, tuple[int, int]] = {}
        self._look = self._retry = 0.0
        self._stopping = False

    # -- the thread ------------------------------------------------------------------------------

    def wake(self, partition: int) -> None:
        """Look at a partition now; from any thread. There may be no such partition: anybody can send a wake-up."""
        if partition in self._runs:
            self._events.put(partition)

    def run(self) -> None:
        """Deliver until `stop`, and until the sends that are under way then have been recorded."""
        while not (self._stopping and not self.is_busy()):
            try:
                self._gather(self._wait())
                self.step()
            except Exception as error:
                # Nothing else delivers in this process.
                log.exception("delivery: a step failed (%s)", type(error).__name__)
                self._repeat(self._runs.values())
        self._senders.close()

    def until_idle(self) -> None:
        """Deliver until nothing is due or under way."""
        while self.is_busy() or not self._events.empty():
            self._gather(self._wait())
            self.step()

    def stop(self) -> None:
        """Begin no further page; from any thread."""
        self._stopping = True
        self.wake(0)

    def is_busy(self) -> bool:
        """Whether pages are under way, or their outcomes not recorded."""
        return any(one.busy or one.owned or one.due or one.trip or one.to_begin for one in self._runs.values())

    def _wait(self) -> float | None:
        """How long to wait for an event at most (s); None: for ever."""
        if self._retry:
            return self._retry
        if any(one.to_begin or one.due or one.trip for one in self._runs.values()):
            return 0.0
        if not any(one.busy for one in self._runs.values()):
            return None
        self._look = min(max(2 * self._look, LOOK_SECONDS[0]), LOOK_SECONDS[1])
        return self._look

    def _gather(self, wait: float | None) -> None:
        """Take the sends that ended and the wake-ups; wait for the first. If none comes, look at what became due."""
        try:
            event = self._events.get(timeout=wait) if wait != 0.0 else self._events.get_nowait()
            self._look = 0.0
            while True:
                self._take(event)
                event = self._events.get_nowait()
        except Empty:
            self._senders.cut_off_late(time.monotonic())
            if wait:
                for one in self._runs.values():
                    one.due = one.due or bool(one.busy) or one.more

    def _take(self, event: SendEnded | int) -> None:
        if isinstance(event, SendEnded):
            self._ended(event)
        else:
            self._runs[event].due = True
        for one in self._runs.values():
            one.due = one.due or one.more or (self._stopping and one.owned)

    def step(self) -> None:
        """One round trip for the partitions in which something is to be done, and the sends that follow from it."""
        runs = [one for one in self._runs.values() if one.due or one.trip or one.to_begin]
        if not runs:
            return
        try:
            self._prepare(runs)
            replies = self._round_trip(runs)
        except RedisError as error:
            self._keep(runs, error)
            return
        except NewerStoreError as error:
            log.error("the delivery is left to a newer version: %s", error)
            for one in runs:
                one.next_trip(anew=True)
                one.due, one.to_begin = False, []
            return
        self._retry = 0.0
        for one, reply in zip(runs, replies, strict=True):
            self._follow(one, reply)

    def _round_trip(self, runs: Sequence[PartitionRun]) -> list[TripReply]:
        policy = self._policy()
        trips = [(one.trip, one.token) for one in runs]
        return channel_queues.make_trips(
            self._store.redis, self._keys, self._run.clock, trips, policy.lease, self._limits
        )

    def _policy(self) -> DeliveryPolicy:
        site = self._run.site
        if site is not self._site or not self._limits:
            self._site = site
            channels = site.on_call.channels.items()
            self._limits = {name: _limit(channel.limit) for name, channel in channels}
        return site.on_call.delivery

    def _prepare(self, runs: Sequence[PartitionRun]) -> None:
        quick = sum(age < SLOW_SECONDS for age in self._senders.ages(time.monotonic()))
        room = max(0, ceil((SENDS_AT_ONCE - quick) / len(runs)))
        for one in runs:
            one.trip.busy = [*one.busy, *(message.queue for message in one.to_begin)]
            one.trip.leave = one.behind or self._stopping
            one.trip.room = 0 if one.trip.leave else room

    def _keep(self, runs: Sequence[PartitionRun], error: RedisError) -> None:
        """The round trip failed, or its reply was lost: repeat it soon, with what ends until then."""
        if any(one.trip.records_sent for one in runs):
            log.warning("the store rejects the record of a sent page (%s); retrying", type(error).__name__)
        else:
            log.warning("the delivery does not reach the store (%s); retrying", type(error).__name__)
        self._repeat(runs)
        if isinstance(error, ResponseError):
            try:
                shards = move_wrong_types_away(error, self._store.redis, self._keys, self._run.clock.now())
                runs[0].to_wake |= {shard.number: shard for shard in shards}
            except RedisError:
                return  # the next round trip fails as well

    def _repeat(self, runs: Iterable[PartitionRun]) -> None:
        self._retry = min(max(2 * self._retry, RETRY_SECONDS[0]), RETRY_SECONDS[1])
        for one in runs:
            one.trip.anew = one.due = True

    # -- what was handed out ---------------------------------------------------------------------

    def _follow(self, one: PartitionRun, reply: TripReply) -> None:
        """Send what may be sent after a round trip."""
        begun, one.to_begin = one.to_begin, []
        one.next_trip(anew=False)
        one.owned, one.due, one.more = reply.owned, False, reply.more
        self._wake(one)
        if reply.lost and one.busy:
            log.warning("another worker took the partition %d of the channels", one.partition.number)
        for message in begun:
            standing = [page for page in message.pages if page.place.text in reply.standing]
            if standing:
                self._start(one, message._replace(pages=standing))
            else:
                one.due = True  # its pages were cancelled
        now = self._run.clock.now()
        for queue in reply.queues:
            self._plan(one, queue, now)
        if not reply.owned:
            self._released(one)

    def _released(self, one: PartitionRun) -> None:
        """Another worker may have the partition now. If a page waits for a newer configuration, one is woken."""
        one.token = Lease.of(one.partition.lease).token
        if one.behind:
            one.behind = False
            again = threading.Timer(RETRY_BEHIND_AFTER.total_seconds(), self._wake_others, ([one.partition],))
            again.daemon = True
            again.start()

    def _plan(self, one: PartitionRun, queue: DueQueue, now: datetime) -> None:
        """Begin the next message of a queue, or say when it is looked at again."""
        site = self._site_of(queue.pages[0].place)
        limit = None if queue.name.startswith(f"{CRITICAL}:") else _channel(site, queue.channel).limit
        planned = plan(len(queue.pages), queue.used, queue.opens, limit)
        if planned.look_at is not None:
            one.trip.wait(queue.name, planned.look_at)
            return
        readable = (self._in_hand(one, queue.name, page, now) for page in queue.pages[: planned.pages])
        going = self._agreed(one, queue.name, [page for page in readable if page is not None], now)
        if not going:
            return
        order = [page.id for page in in_order(page.owed.page for page in going)]
        pages = sorted(going, key=lambda page: order.index(page.owed.page.id))
        message = OutgoingMessage(queue.name, pages, self._site_of(pages[0].place))
        if len(pages) == 1 and pages[0].crashed < CRASHES_BEFORE_REPORT:
            self._start(one, message)
        else:
            one.to_begin.append(self._begin(one, message, queue.pages[0].place, now))

    def _begin(self, one: PartitionRun, message: OutgoingMessage, first: Place, now: datetime) -> OutgoingMessage:
        """Begin the pages of a message in the next round trip, but the first, which was begun when it was handed out.

        One that keeps killing its senders is reported first: nothing else would ever report that it was not sent.
        """
        pages = []
        for page in message.pages:
            news, policy = None, message.site.on_call.delivery
            report = crash_report(page.owed, page.crashed, policy, now)
            if report is not None:
                news = self._receipt(page, report, CRASHED, now)
                page = page._replace(owed=replace(page.owed, reported=report))
                self._to_wake(one, page)
            changed = page.owed if news is not None else None
            one.trip.begin(page.place, message.queue, begun=page.place == first, owed=changed, news=news)
            pages.append(page)
        return message._replace(pages=pages)

    def _in_hand(self, one: PartitionRun, queue: str, page: DuePage, now: datetime) -> PageInHand | None:
        """A page that was handed out; None if it cannot be read. Then it is listed, and stands in no other's way."""
        try:
            return PageInHand(page.place, unpack_owed(page.packed), page.crashed)
        except TooNewError:
            log.error("page %s is left to a newer version", page.place.page)
            one.trip.wait(queue, now + NEWER_WAITS)
        except UnreadableError as error:
            shard = self._keys.shard(page.place.shard)
            pipe = self._store.redis.pipeline(transaction=True)
            pipe.hdel(shard.key("outbox"), page.place.page)
            unreadable.move(pipe, self._keys, shard, "page", page.place.page, page.packed, error, now)
            pipe.execute()
        one.trip.give_back(page.place, queue)
        return None

    def _agreed(self, one: PartitionRun, queue: str, pages: Sequence[PageInHand], now: datetime) -> list[PageInHand]:
        """The pages that this process may send. One made under a newer configuration is left to others for a while."""
        going = []
        for page in pages:
            shard = self._keys.shard(page.place.shard)
            site = self._run.site_of(shard)
            if not agreement.agrees(page.owed, site):
                site = self._run.newest_site_of(shard)
            if agreement.is_behind(page.owed, site):
                waiting = agreement.wait_for_newer(page.owed, now)
                if waiting is not None:
                    log.info("page %s waits for a sender with a newer configuration", page.owed.page.id)
                    one.trip.failed(page.place, queue, waiting, now + RETRY_BEHIND_AFTER, None)
                    one.behind = True
                    continue
                message = agreement.behind_fault(page.owed.page, now)
                for shard in append(self._store.redis, self._keys, [encoded(message)], now).wake:
                    one.to_wake[shard.number] = shard
            going.append(page)
        return going

    def _site_of(self, place: Place) -> Site:
        return self._run.site_of(self._keys.shard(place.shard))

    def _start(self, one: PartitionRun, message: OutgoingMessage) -> None:
        one.busy[message.queue] = message
        name = message.pages[0].owed.page.channel
        channel = message.site.on_call.channels.get(name)
        pages = [page.owed.page for page in message.pages]
        given = Send(message.queue, channel or Channel(url=""), pages, self._message_context())
        if channel is not None:
            self._senders.start(given)
            return
        behind = any(agreement.is_behind(page.owed, message.site) for page in message.pages)
        self._events.put(SendEnded(given, NOT_KNOWN_YET if behind else NOT_CONFIGURED, 0.0))

    def _message_context(self) -> MessageContext:
        if self._context is None:
            self._context = message_context(self._run)
        return self._context

    # -- what became of it -----------------------------------------------------------------------

    def _ended(self, event: SendEnded) -> None:
        """Gather the record of a send that ended for the next round trip."""
        queue = event.send.queue
        one = self._runs[self._keys.partition_of(queue.partition(":")[2]).number]
        message = one.busy.pop(queue)
        now = self._run.clock.now()
        channel = queue.partition(":")[2]
        for page in message.pages:
            words = event.attempt.outcome, in_english(event.attempt.detail, UTC)
            fact = {
                "fact": "sent",
                "page": page.owed.page.id,
                "channel": channel,
                "outcome": event.attempt.outcome.value,
            }
            log.info("page %s on %s: %s %s", page.owed.page.id, channel, *words, extra=fact)
            self._record(one, message, page, event.attempt, now)
        if event.attempt.outcome in (Outcome.SENT, Outcome.UNKNOWN):
            one.trip.use(channel, secrets.token_hex(8), now, _channel(message.site, channel).limit)
        one.trip.count(measurements.of_notification(channel, event.attempt.outcome, event.seconds))
        one.due = True
        if event.attempt.outcome is Outcome.SENT and len(message.pages) == 1:
            self._sent(message.pages[0].owed.page, event.attempt)

    def _record(
        self, one: PartitionRun, message: OutgoingMessage, page: PageInHand, attempt: Attempt, now: datetime
    ) -> None:
        """Gather what becomes of a page."""
        result = after(page.owed, page.number, attempt, message.site.on_call.delivery, now)
        news = self._receipt(page, result.receipt, attempt, now) if result.receipt is not None else None
        if result.owed is not None and result.due is not None:
            one.trip.failed(page.place, message.queue, result.owed, result.due, news)
            if news is not None:
                self._to_wake(one, page)
        elif news is not None:
            one.trip.sent(page.place, message.queue, news)

    def _receipt(self, page: PageInHand, outcome: ReceiptOutcome, attempt: Attempt, now: datetime) -> InboxNews:
        sent = page.owed.page
        receipt = Receipt.model_validate(
            {
                "type": "receipt",
                "id": f"{sent.id} {page.number} {outcome}",
                "source": "cartwatch",
                "patient": sent.patient,
                "effective": now,
                "page": sent.id,
                "channel": sent.channel,
                "outcome": outcome,
                "detail": attempt.detail,
            }
        )
        inbox = self._keys.shard(page.place.shard).inbox
        return InboxNews(inbox, receipt.model_dump_json(exclude_none=True), now.isoformat())

    def _to_wake(self, one: PartitionRun, page: PageInHand) -> None:
        """Wake the shard of a page once its receipt is recorded. A receipt that it was sent is not urgent."""
        one.to_wake[page.place.shard] = self._keys.shard(page.place.shard)

    def _wake(self, one: PartitionRun) -> None:
        """Wake shards in a thread of its own: while the broker is away, this would hold up every page."""
        if one.to_wake:
            shards, one.to_wake = list(one.to_wake.values()), {}
            threading.Thread(target=self._wake_others, args=(shards,), name="wake", daemon=True).start()


def _limit(limit: Limit) -> tuple[int, int]:
    return limit.pages, limit.within // timedelta(milliseconds=1)


def _channel(site: Site, name: str) -> Channel:
    return site.on_call.channels.get(name) or Channel(url="")
