"""A drill: a recorded night is played to a test rota, several times as fast as it was, and real people answer.

An embedded store, workers and a gateway of their own run on a simulated clock, which goes on at that speed. Every page
says that it is a drill. What people answered that night is left out: the team that is trained answers.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from alerts.messages import AnyMessage
from alerts.pages.concern import ENDED
from config.settings import Settings
from worker.client import Client
from worker.quality.export import KEPT
from worker.runtime.runtime import connect, keys_of
from worker.runtime.simulated_clock import SimulatedClock
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone, ReceivedPage
from worker.standalone.replay import Moment, moments
from worker.standalone.service import gateway_command
from worker.standalone.supervisor import Supervised, worker_command
from worker.store import backlog
from worker.store.inbox import append, encoded
from worker.store.shard import Store

STEP_SECONDS = 0.2
"""Real seconds between two steps of the simulated clock."""

READY_SECONDS = 120.0

AFTERWARDS = timedelta(hours=1)
"""Simulated time after the last message, in which ladders go on."""

Event = dict[str, Any]


class DrillError(Exception):
    """The drill cannot begin. The text gives the reason."""


class DrillAnswer(NamedTuple):
    """One episode of a drill: its first page, and who answered after how long (simulated); None: nobody."""

    title: str
    paged: datetime
    by: str
    after: timedelta | None


class Drill:
    """The processes of a drill; `play` drives the clock."""

    def __init__(self, config_dir: Path, port: int, log: Path, on_page: Callable[[ReceivedPage], None]) -> None:
        self._config_dir = config_dir
        self._port = port
        self._log = str(log)
        self._on_page = on_page
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            server = stack.enter_context(EmbeddedRedis())
            phone = stack.enter_context(FakePhone(self._on_page))
            given = Settings()
            self.settings = Settings(
                redis_url=server.url,
                broker_url=server.broker_url,
                receiver_url=phone.url,
                public_url=given.public_url or f"http://127.0.0.1:{self._port}",
                clock="simulated",
                drill=True,
                config_dir=self._config_dir,
            )
            redis = stack.enter_context(connect(self.settings.redis_url))
            self.store = Store(redis, keys_of(self.settings), batch=5000, lease_seconds=5, journal_length=100_000)
            self._clock = SimulatedClock(redis, self.store.keys)
            self._client = Client(self.settings, redis)
            self._redis = redis
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def play(
        self, messages: Iterable[AnyMessage], speed: float, over: threading.Event, start: datetime | None = None
    ) -> Iterator[Event]:
        """Drive the clock at a speed from the first message on, or from `start`; yield the journal's events.

        What came before `start` is sent at once, as that night's state. It ends an hour after the last message, once
        nothing is owed, or when `over` is set.
        """
        night = list(moments(message for message in messages if isinstance(message, KEPT)))
        if not night:
            return
        begin = start or night[0].at
        end = night[-1].at + AFTERWARDS
        self._send([one for one in night if one.at <= begin], begin)
        self._start_processes(over)
        left = [one for one in night if one.at > begin]
        last: dict[int, str] = {}
        began = time.monotonic()
        while not over.is_set():
            now = begin + timedelta(seconds=(time.monotonic() - began) * speed)
            due = [one for one in left if one.at <= now]
            left = left[len(due) :]
            self._send(due, now)
            yield from self._events(last)
            if not left and now > end:
                return
            over.wait(STEP_SECONDS)

    def _start_processes(self, over: threading.Event) -> None:
        """Start the workers and the gateway; the clock stands still until a worker ticks."""
        environment = self.settings.as_environment()
        for command in (worker_command(["advance", "ingest", "deliver"], 1), gateway_command(self._port)):
            self._stack.enter_context(Supervised(command, environment, self._log))
        deadline = time.monotonic() + READY_SECONDS
        while not self._redis.hlen(self.store.keys.workers) and not over.wait(STEP_SECONDS):
            if time.monotonic() > deadline:
                raise DrillError(f"no worker has started within {READY_SECONDS:.0f} s; see {self._log}")

    def _send(self, due: Iterable[Moment], now: datetime) -> None:
        """Set the clock, append what is due, and wake whatever waits."""
        pipe = self._redis.pipeline(transaction=True)
        self._clock.set(now, pipe)
        wake = append(self._redis, self.store.keys, (encoded(m) for one in due for m in one.messages), now, pipe).wake
        waits = backlog.read(self._redis, self.store.keys, now).pending()
        self._client.wake([*wake, *(self.store.keys.shard(number) for number in waits.shards)])

    def _events(self, last: dict[int, str]) -> list[Event]:
        found: list[Event] = []
        for shard in self.store.keys.all():
            for entry, record in self.store.journal(shard, last.get(shard.number, "-")):
                last[shard.number] = entry
                found += record["events"]
        return sorted(found, key=lambda event: str(event["at"]))


def answers(events: Iterable[Event]) -> list[DrillAnswer]:
    """For each episode that asks for an answer, who gave one and when, in the order of the first pages."""
    first: dict[str, Event] = {}
    taken: dict[str, Event] = {}
    for event in events:
        if event["kind"] == "page" and event["urgency"] != "low" and event["reason"] not in ENDED:
            first.setdefault(event["episode"], event)
        elif event["kind"] == "acknowledged":
            taken.setdefault(event["episode"], event)
    return [_answered(page, taken.get(episode)) for episode, page in first.items()]


def _answered(page: Event, answer: Event | None) -> DrillAnswer:
    paged = datetime.fromisoformat(page["at"])
    if answer is None:
        return DrillAnswer(page["title"], paged, "", None)
    return DrillAnswer(page["title"], paged, str(answer.get("by", "")), datetime.fromisoformat(answer["at"]) - paged)
