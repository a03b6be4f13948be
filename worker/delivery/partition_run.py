"""A partition of channels in the process that has its lease: the pages that were handed out, and their outcomes.

What is gathered here goes into the next round trip (`worker/store/delivery_trip.py`), which `deliver.py` makes.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from msgspec.structs import replace

from alerts.messages import Receipt
from alerts.pages.page import Page
from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase
from config.site import Channel, Site
from worker.delivery import agreement
from worker.delivery.agreement import RETRY_BEHIND_AFTER
from worker.delivery.channel import MessageContext
from worker.delivery.outcome import Attempt, Outcome, ReceiptOutcome
from worker.delivery.pictures import message_context
from worker.delivery.plan import CRASHES_BEFORE_REPORT, after, crash_report, plan
from worker.delivery.rendering import in_order
from worker.delivery.sending import Send, SendEnded
from worker.runtime.runtime import Runtime
from worker.store import measurements, unreadable
from worker.store.codec import Owed, unpack_owed
from worker.store.delivery_trip import DuePage, DueQueue, InboxNews, Trip, TripReply
from worker.store.inbox import append, encoded
from worker.store.keys import CRITICAL, Partition, Place, Shard
from worker.store.lease import Lease
from worker.store.schema import TooNewError, UnreadableError

log = logging.getLogger(__name__)

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


class SharedParts:
    """What the partitions of a process share.

    `start` begins a send, and `ended` reports one that cannot begin. `wake_others` asks other workers for work. `sent`
    is called with each page that went out alone.
    """

    def __init__(
        self,
        run: Runtime,
        start: Callable[[Send], object],
        ended: Callable[[SendEnded], object],
        wake_others: Callable[[Iterable[Shard | Partition]], object],
        sent: Callable[[Page, Attempt], object],
    ) -> None:
        self.run, self.start, self.ended, self.wake_others, self.sent = run, start, ended, wake_others, sent

    @cached_property
    def context(self) -> MessageContext:
        """What the installation puts into its messages."""
        return message_context(self.run)


class PartitionRun:
    """What this process does for a partition: its lease, the messages under way, and the next round trip."""

    def __init__(self, shared: SharedParts, partition: Partition) -> None:
        self._shared, self._keys, self.partition = shared, shared.run.store.keys, partition
        self.token = Lease.of(partition.lease).token
        self.busy: dict[str, OutgoingMessage] = {}
        self.to_begin: list[OutgoingMessage] = []
        self.trip = Trip(self._keys, partition)
        self.owned = self.due = self.more = self.behind = False
        self.to_wake: dict[int, Shard] = {}

    def next_trip(self, *, anew: bool) -> None:
        """Begin to gather the next round trip."""
        self.trip = Trip(self._keys, self.partition)
        self.trip.anew = anew

    # -- what was handed out ---------------------------------------------------------------------

    def follow(self, reply: TripReply) -> None:
        """Send what may be sent after a round trip."""
        begun, self.to_begin = self.to_begin, []
        self.next_trip(anew=False)
        self.owned, self.due, self.more = reply.owned, False, reply.more
        self._wake()
        if reply.lost and self.busy:
            log.warning("another worker took the partition %d of the channels", self.partition.number)
        for message in begun:
            standing = [page for page in message.pages if page.place.text in reply.standing]
            if standing:
                self._start(message._replace(pages=standing))
            else:
                self.due = True  # its pages were cancelled
        now = self._shared.run.clock.now()
        for queue in reply.queues:
            self._plan(queue, now)
        if not reply.owned:
            self._released()

    def _released(self) -> None:
        """Another worker may have the partition now. If a page waits for a newer configuration, one is woken."""
        self.token = Lease.of(self.partition.lease).token
        if self.behind:
            self.behind = False
            again = threading.Timer(RETRY_BEHIND_AFTER.total_seconds(), self._shared.wake_others, ([self.partition],))
            again.daemon = True
            again.start()

    def _plan(self, queue: DueQueue, now: datetime) -> None:
        """Begin the next message of a queue, or say when it is looked at again."""
        site = self._site_of(queue.pages[0].place)
        limit = None if queue.name.startswith(f"{CRITICAL}:") else channel_of(site, queue.channel).limit
        planned = plan(len(queue.pages), queue.used, queue.opens, limit)
        if planned.look_at is not None:
            self.trip.wait(queue.name, planned.look_at)
            return
        readable = (self._in_hand(queue.name, page, now) for page in queue.pages[: planned.pages])
        going = self._agreed(queue.name, [page for page in readable if page is not None], now)
        if not going:
            return
        order = [page.id for page in in_order(page.owed.page for page in going)]
        pages = sorted(going, key=lambda page: order.index(page.owed.page.id))
        message = OutgoingMessage(queue.name, pages, self._site_of(pages[0].place))
        if len(pages) == 1 and pages[0].crashed < CRASHES_BEFORE_REPORT:
            self._start(message)
        else:
            self.to_begin.append(self._begin(message, queue.pages[0].place, now))

    def _begin(self, message: OutgoingMessage, first: Place, now: datetime) -> OutgoingMessage:
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
                self._to_wake(page)
            changed = page.owed if news is not None else None
            self.trip.begin(page.place, message.queue, begun=page.place == first, owed=changed, news=news)
            pages.append(page)
        return message._replace(pages=pages)

    def _in_hand(self, queue: str, page: DuePage, now: datetime) -> PageInHand | None:
        """A page that was handed out; None if it cannot be read. Then it is listed, and stands in no other's way."""
        try:
            return PageInHand(page.place, unpack_owed(page.packed), page.crashed)
        except TooNewError:
            log.error("page %s is left to a newer version", page.place.page)
            self.trip.wait(queue, now + NEWER_WAITS)
        except UnreadableError as error:
            shard = self._keys.shard(page.place.shard)
            pipe = self._shared.run.store.redis.pipeline(transaction=True)
            pipe.hdel(shard.key("outbox"), page.place.page)
            unreadable.move(pipe, self._keys, shard, "page", page.place.page, page.packed, error, now)
            pipe.execute()
        self.trip.give_back(page.place, queue)
        return None

    def _agreed(self, queue: str, pages: Sequence[PageInHand], now: datetime) -> list[PageInHand]:
        """The pages that this process may send. One made under a newer configuration is left to others for a while."""
        going = []
        for page in pages:
            shard = self._keys.shard(page.place.shard)
            site = self._shared.run.site_of(shard)
            if not agreement.agrees(page.owed, site):
                site = self._shared.run.newest_site_of(shard)
            if agreement.is_behind(page.owed, site):
                waiting = agreement.wait_for_newer(page.owed, now)
                if waiting is not None:
                    log.info("page %s waits for a sender with a newer configuration", page.owed.page.id)
                    self.trip.failed(page.place, queue, waiting, now + RETRY_BEHIND_AFTER, None)
                    self.behind = True
                    continue
                message = agreement.behind_fault(page.owed.page, now)
                for shard in append(self._shared.run.store.redis, self._keys, [encoded(message)], now).wake:
                    self.to_wake[shard.number] = shard
            going.append(page)
        return going

    def _site_of(self, place: Place) -> Site:
        return self._shared.run.site_of(self._keys.shard(place.shard))

    def _start(self, message: OutgoingMessage) -> None:
        self.busy[message.queue] = message
        name = message.pages[0].owed.page.channel
        channel = message.site.on_call.channels.get(name)
        pages = [page.owed.page for page in message.pages]
        given = Send(message.queue, channel or Channel(url=""), pages, self._shared.context)
        if channel is not None:
            self._shared.start(given)
            return
        behind = any(agreement.is_behind(page.owed, message.site) for page in message.pages)
        self._shared.ended(SendEnded(given, NOT_KNOWN_YET if behind else NOT_CONFIGURED, 0.0))

    # -- what became of it -----------------------------------------------------------------------

    def ended(self, event: SendEnded) -> None:
        """Gather the record of a send that ended for the next round trip."""
        queue = event.send.queue
        message = self.busy.pop(queue)
        now = self._shared.run.clock.now()
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
            self._record(message, page, event.attempt, now)
        if event.attempt.outcome in (Outcome.SENT, Outcome.UNKNOWN):
            self.trip.use(channel, secrets.token_hex(8), now, channel_of(message.site, channel).limit)
        self.trip.count(measurements.of_notification(channel, event.attempt.outcome, event.seconds))
        self.due = True
        if event.attempt.outcome is Outcome.SENT and len(message.pages) == 1:
            self._shared.sent(message.pages[0].owed.page, event.attempt)

    def _record(self, message: OutgoingMessage, page: PageInHand, attempt: Attempt, now: datetime) -> None:
        """Gather what becomes of a page."""
        result = after(page.owed, page.number, attempt, message.site.on_call.delivery, now)
        news = self._receipt(page, result.receipt, attempt, now) if result.receipt is not None else None
        if result.owed is not None and result.due is not None:
            self.trip.failed(page.place, message.queue, result.owed, result.due, news)
            if news is not None:
                self._to_wake(page)
        elif news is not None:
            self.trip.sent(page.place, message.queue, news)

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

    def _to_wake(self, page: PageInHand) -> None:
        """Wake the shard of a page once its receipt is recorded. A receipt that it was sent is not urgent."""
        self.to_wake[page.place.shard] = self._keys.shard(page.place.shard)

    def _wake(self) -> None:
        """Wake shards in a thread of its own: while the broker is away, this would hold up every page."""
        if self.to_wake:
            shards, self.to_wake = list(self.to_wake.values()), {}
            threading.Thread(target=self._shared.wake_others, args=(shards,), name="wake", daemon=True).start()


def channel_of(site: Site, name: str) -> Channel:
    """A channel as it is configured; one without an address if it no longer is."""
    return site.on_call.channels.get(name) or Channel(url="")
