"""Replay: native messages through the real inbox, the real Celery tasks and a fake phone, in simulated time.

The clock jumps to the next event: a message, a ladder's timer, the retry of a delivery. At each event the replay waits
until the workers are idle, so that the same file gives the same output.
"""

import heapq
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from alerts.pages.concern import ENDED
from config.settings import Settings
from worker.client import Client
from worker.runtime.runtime import connect, keys_of
from worker.runtime.simulated_clock import SimulatedClock
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone, ReceivedPage
from worker.standalone.supervisor import Supervised, worker_command
from worker.store import backlog
from worker.store.backlog import Backlog, Pending
from worker.store.inbox import append, claim_wakeups, encoded
from worker.store.keys import Partition, Shard
from worker.store.shard import Store

log = logging.getLogger(__name__)

QUIET_POLL_SECONDS = 0.002
STUCK_SECONDS = 60
EPOCH = datetime.fromtimestamp(0, UTC)


class StuckError(Exception):
    """The workers did not finish a moment. The text lists the remaining work."""


class Moment(NamedTuple):
    """The messages of one simulated time, in the given order."""

    at: datetime
    messages: list[AnyMessage]


Event = dict[str, Any]
Responder = Callable[[Event], Iterable[AnyMessage]]


def moments(messages: Iterable[AnyMessage]) -> Iterator[Moment]:
    """Messages grouped by their received time, else by their effective time."""

    def known_at(message: AnyMessage) -> datetime:
        return (message.received or message.effective).astimezone(UTC)

    for at, group in groupby(sorted(messages, key=known_at), key=known_at):
        yield Moment(at, list(group))


class Replay:
    """An embedded store, a supervised Celery worker and a fake phone; `run` drives the simulated time."""

    def __init__(
        self,
        *,
        config_dir: Path | None = None,
        processes: int = 2,
        on_page: Callable[[ReceivedPage], None] | None = None,
        log_to: str | None = os.devnull,
    ) -> None:
        self._config_dir = config_dir
        self._processes = processes
        self._log_to = log_to
        self._on_page = on_page
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._server = stack.enter_context(EmbeddedRedis())
            self.phone = stack.enter_context(FakePhone(self._on_page))
            self.settings = Settings(
                redis_url=self._server.url,
                broker_url=self._server.broker_url,
                receiver_url=self.phone.url,
                clock="simulated",
                config_dir=self._config_dir,
            )
            redis = stack.enter_context(connect(self.settings.redis_url))
            self.store = Store(redis, keys_of(self.settings), batch=5000, lease_seconds=5, journal_length=10_000)
            self.clock = SimulatedClock(redis, self.store.keys)
            self.client = Client(self.settings, redis)
            command = worker_command(["advance", "ingest", "deliver"], self._processes)
            self.worker = stack.enter_context(Supervised(command, self.settings.as_environment(), self._log_to))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, messages: Iterable[AnyMessage], respond: Responder | None = None) -> Iterator[Event]:
        """Drive every message, timer and answer through the workers; yield the journal's events in order.

        After the last message the clock continues until no ladder is due within the next hour.
        """
        agenda = _Agenda(moments(messages))
        last = {shard.number: "-" for shard in self.store.keys.all()}
        while (at := self._next(agenda)) is not None:
            self._play(at, agenda.take(at))
            for event in self._events(last):
                for answer in respond(event) if respond else ():
                    agenda.add(answer)
                yield event

    def _play(self, at: datetime, messages: list[AnyMessage]) -> None:
        """Set the clock and append in one transaction, so that a worker sees both or neither."""
        pipe = self.store.redis.pipeline(transaction=True)
        self.clock.set(at, pipe)
        wake = append(self.store.redis, self.store.keys, map(encoded, messages), at, pipe).wake
        if not messages:
            wake = [self.store.keys.shard(number) for number in self._backlog(at).pending().shards]
        self.client.wake(wake)
        self._wait_until_quiet(at)

    def _wait_until_quiet(self, at: datetime) -> None:
        deadline = time.monotonic() + STUCK_SECONDS
        while not self._quiet(at):
            if time.monotonic() > deadline:
                raise StuckError(f"nothing moves at {at.isoformat()}: {self._backlog(at).pending()}")
            self._wake_what_waits(at)
            time.sleep(QUIET_POLL_SECONDS)

    def _backlog(self, at: datetime) -> Backlog:
        return backlog.read(self.store.redis, self.store.keys, at)

    def _wake_what_waits(self, at: datetime) -> None:
        """Wake what otherwise waits for the ticker: shards with receipts only, and channels with a page to retry."""
        waits = self._backlog(at)
        waiting: list[Shard | Partition] = [one.shard for one in waits.shards if one.messages]
        waiting += [self.store.keys.partition(number) for number in waits.pending().partitions]
        self.client.wake(claim_wakeups(self.store.redis, waiting))

    def _quiet(self, at: datetime) -> bool:
        """Whether no message, timer or page is left to process at this simulated time.

        The check is repeated: what moved on between the reads of one check is found by the other.
        """
        return self._nothing_waits(at) and self._nothing_waits(at)

    def _nothing_waits(self, at: datetime) -> bool:
        waits = self._backlog(at)
        leased = (*(one.is_leased for one in waits.shards), *(one.is_leased for one in waits.partitions))
        return not waits.messages and not any(leased) and waits.pending() == Pending([], [])

    def _next(self, agenda: "_Agenda") -> datetime | None:
        due = self._backlog(EPOCH).next_due()  # the next event, however late
        waiting = [at for at in (agenda.next_at(), due) if at is not None]
        if not waiting:
            return None
        at = min(waiting)
        end = agenda.end + timedelta(hours=1) if agenda.end else at
        return None if agenda.next_at() is None and at > end else at

    def _events(self, last: dict[int, str]) -> list[Event]:
        found: list[Event] = []
        for shard in self.store.keys.all():
            for entry, record in self.store.journal(shard, last[shard.number]):
                last[shard.number] = entry
                found += record["events"]
        order = {"regrade": 0, "grade": 0, "acknowledged": 1, "closed": 2, "page": 3}
        return sorted(found, key=lambda event: (event["at"], event["patient"], order.get(event["kind"], 9)))


class _Agenda:
    """The future messages by time: those of the file, and people's answers."""

    def __init__(self, given: Iterator[Moment]) -> None:
        self._heap: list[tuple[datetime, int, list[AnyMessage]]] = []
        self._count = 0
        self.end: datetime | None = None
        for moment in given:
            self._push(moment.at, moment.messages)

    def _push(self, at: datetime, messages: list[AnyMessage]) -> None:
        heapq.heappush(self._heap, (at, self._count, messages))
        self._count += 1
        self.end = at if self.end is None else max(self.end, at)

    def add(self, message: AnyMessage) -> None:
        """Add an answer, which arrives at its effective time."""
        self._push(message.effective.astimezone(UTC), [message])

    def next_at(self) -> datetime | None:
        """The time of the next message."""
        return self._heap[0][0] if self._heap else None

    def take(self, at: datetime) -> list[AnyMessage]:
        """Remove and return every message that arrives by this time."""
        found: list[AnyMessage] = []
        while self._heap and self._heap[0][0] <= at:
            found += heapq.heappop(self._heap)[2]
        return found


def acknowledge_after(wait: timedelta, by: str = "haematologist-1") -> Responder:
    """A responder who acknowledges each page with a reply request, after a fixed time."""
    answered: set[tuple[str, str]] = set()

    def respond(event: Event) -> Iterator[AnyMessage]:
        if event["kind"] != "page" or event["reason"] in ENDED or event["urgency"] == "low":
            return
        if (event["episode"], event["at"]) in answered:
            return
        answered.add((event["episode"], event["at"]))
        yield acknowledgement(event, datetime.fromisoformat(event["at"]) + wait, by)

    return respond


def acknowledgement(event: Event, at: datetime, by: str) -> AnyMessage:
    """The message by which a person acknowledges the page of a journal event."""
    body = {
        "type": "acknowledgement",
        "id": f"{event['page']} {by}",
        "source": "gateway",
        "patient": event["patient"],
        "effective": at.isoformat(),
        "episode": event["episode"],
        "by": by,
    }
    return read_message(json.dumps(body))
