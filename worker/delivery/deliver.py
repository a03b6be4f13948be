"""The delivery of a process: one thread makes all round trips to the store, and a thread for each queue sends.

1. A wake-up names a partition of channels. The round trip takes its lease, and hands out the first due page of each
   queue. The store records that it was begun.
2. `plan` decides whether it goes alone, with all others that wait, or later (`plan.py`, `partition_run.py`).
3. The queue's own thread sends it (`sending.py`).
4. The next round trip records the outcomes of all sends that ended meanwhile, appends their receipts to the inboxes,
   and hands out the next pages. So a page alone costs two round trips, and in a row less than one.

If the store rejects the record of a sent page, we keep it and retry: without it the page would be sent twice. If this
process is killed, the next owner of the lease sends the pages that were begun again, under the same id.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from math import ceil
from queue import Empty, SimpleQueue
from typing import cast

from redis.exceptions import RedisError, ResponseError

from alerts.pages.page import Page
from config.site import DeliveryPolicy, Limit
from worker.delivery.outcome import Attempt
from worker.delivery.partition_run import PartitionRun, SharedParts
from worker.delivery.sending import SendEnded, Senders
from worker.runtime.runtime import Runtime
from worker.store import delivery_trip
from worker.store.connection import server_of
from worker.store.delivery_trip import TripReply
from worker.store.keys import Partition, Shard
from worker.store.lease import process_name, process_of
from worker.store.schema import NewerStoreError
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
        self._events: SimpleQueue[SendEnded | int] = SimpleQueue()
        self._senders = Senders(self._events.put)
        shared = SharedParts(run, self._senders.start, self._events.put, wake_others, sent)
        self._runs = {one.number: PartitionRun(shared, one) for one in self._keys.partitions()}
        self._site = run.site
        self._limits: dict[str, tuple[int, int]] = {}
        self._look = self._retry = 0.0
        self._server = server_of(self._store.redis)
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
            self._runs[self._keys.partition_of(event.send.queue.partition(":")[2]).number].ended(event)
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
            one.follow(reply)
        self._notice_failover()

    def _notice_failover(self) -> None:
        """The new primary may have a lease that we released since, and pages under way whose records it lost."""
        server = server_of(self._store.redis)
        if server == self._server:
            return
        runs = list(self._runs.values())
        leases = [one.partition.lease for one in runs]
        for one, owner in zip(runs, cast("list[bytes | None]", self._store.redis.mget(leases)), strict=True):
            if owner is not None and process_of(owner) == process_name():
                one.token = owner
            one.trip.anew = one.due = True
        self._server = server

    def _round_trip(self, runs: Sequence[PartitionRun]) -> list[TripReply]:
        policy = self._policy()
        trips = [(one.trip, one.token) for one in runs]
        return delivery_trip.make_trips(
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


def _limit(limit: Limit) -> tuple[int, int]:
    return limit.pages, limit.within // timedelta(milliseconds=1)
