"""The last alarm: a direct page while nobody can be paged the usual way.

It runs in a thread of its own in every long-running process and depends on nothing that it watches: it has its own
connections, it does not run in Celery's event loop (which blocks while the broker is away), and its page bypasses the
store and the delivery. The processes of a machine share the record of an outage (`outages.py`). It reads less of the
store than `worker/store/backlog.py`: every process does so every few seconds.
"""

import hashlib
import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from kombu import Connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase, phrase
from config.settings import Settings
from worker.clock import StoreClock, milliseconds
from worker.monitoring import emergency_page
from worker.monitoring.outages import Outage
from worker.monitoring.overdue import OVERDUE
from worker.runtime.broker import producer_options, tls
from worker.runtime.queues import is_amqp
from worker.store.connection import StoreClient, client_of
from worker.store.keys import Keys
from worker.store.requirements import STORED_DATA, UNREACHABLE, NewerDataError, UnfitStoreError, violations

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.5
ANSWER_SECONDS = 1.5
"""How long the store or the broker may take to answer a check."""

PAGE_AFTER_SECONDS = 7.0
"""The time for which they may be away before it is paged. With three checks this stays below 15 s. A server that its
supervisor restarts answers earlier."""

FLOW_SECONDS = 4.5
"""The time between two looks at waiting work. They cost most of an idle process, and nothing is stuck before 20 s."""

NOT_SENT_SECONDS = 20.0
"""The time for which pages may be overdue while no sender takes any. A restarted sender takes one earlier."""
NOT_EVALUATED_SECONDS = 30.0
"""The same for messages."""
NO_WORKER_SECONDS = 60.0
"""The time for which no worker may have run the watchdog. One worker does each 15 s."""

OVER_AFTER_SECONDS = 6.0
"""An outage is over once no process of the machine has seen trouble for this long."""
FLOWS_AFTER_SECONDS = 30.0
"""The same for pages or messages that did not move: they may move and stop again."""

UNFIT = Phrase("its settings are unsafe and no worker starts")


class Progress:
    """The progress of work: some of the waiting items are gone at the next check, whatever was added."""

    def __init__(self) -> None:
        self._waiting: frozenset[object] = frozenset()
        self._moved: float | None = None

    def still_since(self, waiting: frozenset[object], now: float) -> float | None:
        """Since when nothing has progressed; None if nothing waits."""
        if self._moved is None or not self._waiting <= waiting or not self._waiting:
            self._moved = now
        self._waiting = waiting
        return self._moved if waiting else None


class LastAlarm:
    """Checks the store, the broker and waiting work, and pages directly. Each process has one, in a thread.

    An outage is paged once for a machine, and so is its end.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = Keys(settings.namespace, settings.shards)
        self._redis = _impatient(settings.redis_url)
        self._broker = _Broker(settings) if settings.broker_is_apart else None
        self._store_outage = store_outage(settings)
        self._broker_outage = _outage(settings, "broker", PAGE_AFTER_SECONDS, OVER_AFTER_SECONDS)
        self._flow_outage = _outage(settings, "flow", 0.0, FLOWS_AFTER_SECONDS)
        self._since: dict[str, float] = {}
        self._clock = StoreClock(self._redis)
        self._flow = _Flow(self._redis, self._keys, self._clock)
        self._look_at_flow = 0.0
        self._sending: list[subprocess.Popen[bytes]] = []

    def check(self) -> None:
        self._sending = [process for process in self._sending if process.poll() is None]
        began = time.monotonic()
        strict = self._store_outage.is_open(began)
        reason = self._store_reason(strict=strict)
        self._report(self._store_outage, "store", _of(STORE, reason), began)
        broker = self._broker.reason() if self._broker is not None else None
        if self._broker is not None:
            self._report(self._broker_outage, "broker", _of(BROKER, broker), began)
        if reason or broker:
            # Everything that is stuck because of them is reported already.
            self._flow = _Flow(self._redis, self._keys, self._clock)
            return
        if began < self._look_at_flow:
            return
        self._look_at_flow = began + FLOW_SECONDS
        try:
            stuck = self._flow.trouble(time.monotonic())
        except RedisError:
            return
        self._report(self._flow_outage, "flow" if stuck is None else stuck.id, stuck, began)

    def close(self) -> None:
        self._redis.close()
        if self._broker is not None:
            self._broker.close()

    def _store_reason(self, *, strict: bool) -> Phrase | None:
        """The trouble of the store. While an outage is open, also a reason why workers would not start on it."""
        try:
            if strict and self._bars():
                return UNFIT
            self._redis.set(f"{self._keys.namespace}:probe", 1, ex=60)
        except RedisError as error:
            return reason_of(error)
        return None

    def _bars(self) -> bool:
        found = violations(self._redis, self._keys, volatile=self._settings.volatile)
        # If a newer version has written to the store, that version's processes look after the pages.
        return any(violation.fatal and violation.part != STORED_DATA for violation in found)

    def _report(self, outage: Outage, what: str, line: Phrase | None, began: float) -> None:
        now = time.monotonic()
        if line is None:
            self._since.pop(what, None)
            lasted = outage.well(now)
            if lasted is not None:
                self._send_end(lasted)
            return
        if outage.trouble(self._since.setdefault(what, began), now):
            self._send(line)

    def _send(self, line: Phrase) -> None:
        log.error("last alarm: %s; paged directly", in_english(line, UTC))
        at = self._clock.estimate()
        self._sending.append(
            emergency_page.send_directly(self._settings, emergency_page.CANNOT_PAGE, line, emergency_page.ADVICE, at=at)
        )

    def _send_end(self, seconds: float) -> None:
        log.warning("last alarm: the outage is over after %.0f s; paged directly", seconds)
        line = phrase("the outage is over; it lasted {n} s", n=round(seconds))
        self._sending.append(
            emergency_page.send_directly(self._settings, emergency_page.PAGES_AGAIN, line, at=self._clock.estimate())
        )


class _Flow:
    """The progress of pages and messages, and the runs of the watchdog."""

    def __init__(self, redis: Redis, keys: Keys, clock: StoreClock) -> None:
        self._redis, self._keys, self._clock = redis, keys, clock
        self._pages, self._messages, self._watchdog = Progress(), Progress(), Progress()

    def trouble(self, now: float) -> Phrase | None:
        """The work that is stuck for too long; None if there is none. It takes one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(self._keys.watchdog, "last_run")
        pipe.time()
        limit = milliseconds(self._clock.estimate() - OVERDUE)
        shards = self._keys.advanced()
        for shard in shards:
            pipe.xrange(shard.inbox, count=1)
        for partition in self._keys.partitions():
            pipe.zrangebyscore(partition.agenda, "-inf", limit, withscores=True)
        last_run, shown, *answers = pipe.execute()
        self._clock.learn(shown, now)
        seconds, _ = shown
        # The owner of a partition moves each queue ahead in the agenda when it looks at it.
        pages = {tuple(queue) for agenda in answers[len(shards) :] for queue in agenda}
        messages = set()
        for shard, inbox in zip(shards, answers, strict=False):
            old = [entry for entry, _ in inbox if seconds - int(entry.split(b"-")[0]) // 1000 > OVERDUE.total_seconds()]
            messages |= {(shard.number, entry) for entry in old}
        checks = (
            (self._pages, frozenset(pages), NOT_SENT_SECONDS, Phrase("pages are owed and none is sent")),
            (self._messages, frozenset(messages), NOT_EVALUATED_SECONDS, Phrase("messages wait and none is evaluated")),
            (self._watchdog, frozenset({last_run}), NO_WORKER_SECONDS, Phrase("no worker runs")),
        )
        stuck = [
            what
            for progress, waiting, most, what in checks
            if (since := progress.still_since(waiting, now)) is not None and now - since >= most
        ]
        return stuck[0] if stuck else None


class _Broker:
    """Celery's broker, if it is not the store."""

    def __init__(self, settings: Settings) -> None:
        self._address, self._tls = settings.broker, tls(settings)
        self._options = {} if is_amqp(settings.broker) else producer_options(settings, ANSWER_SECONDS)
        self._connection: Any = None

    def reason(self) -> Phrase | None:
        """The trouble of the broker; None if it answers."""
        if self._connection is None:
            self._connection = Connection(
                self._address, ssl=self._tls, connect_timeout=ANSWER_SECONDS, transport_options=self._options
            )
        connection = self._connection
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            connection.default_channel.queue_declare("advance", passive=True)
        except connection.channel_errors:
            return None  # it answers that the queue does not exist
        except Exception as error:
            self.close()
            return _no_answer(error)
        return None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collapse(ANSWER_SECONDS)


STORE, BROKER = "the state store cannot be used: {what}", "the broker cannot be used: {what}"


def _of(text: str, reason: Phrase | None) -> Phrase | None:
    return None if reason is None else phrase(text, what=reason)


def reason_of(error: RedisError) -> Phrase:
    """The reason why a store cannot be used."""
    if isinstance(error, BusyLoadingError):
        return Phrase("it is still reading its data from disk")
    if isinstance(error, UNREACHABLE):
        return _no_answer(error)
    if isinstance(error, OutOfMemoryError):
        return Phrase("its memory is full (maxmemory)")
    if isinstance(error, ReadOnlyError):
        return Phrase("it is a read-only replica")
    if isinstance(error, ResponseError):
        return Phrase("it refuses to write; its disk may be full")
    return phrase("it fails ({error})", error=type(error).__name__)


def _no_answer(error: Exception) -> Phrase:
    return phrase("it does not answer ({error})", error=type(error).__name__)


def refused(settings: Settings, error: UnfitStoreError) -> None:
    """Report that a process refuses to start because of its store. If it continues to refuse, it is paged.

    If a newer version has written to the store, a refused process is not missed while workers of that version run.
    """
    if settings.clock == "simulated" or (isinstance(error, NewerDataError) and _others_work(settings)):
        return
    now = time.monotonic()
    if store_outage(settings).trouble(now, now):
        log.error("last alarm: %s; paged directly", error)
        what = phrase(STORE, what=UNFIT)
        emergency_page.send_directly(
            settings, emergency_page.CANNOT_PAGE, what, emergency_page.ADVICE, at=datetime.now(UTC)
        )


def _others_work(settings: Settings) -> bool:
    """Whether a worker has run the watchdog recently."""
    redis = _impatient(settings.redis_url)
    pipe = redis.pipeline(transaction=False)
    pipe.hget(Keys(settings.namespace, settings.shards).watchdog, "last_run")
    pipe.time()
    try:
        last_run, (seconds, _) = pipe.execute()
    except RedisError:
        return False
    finally:
        redis.close()
    return last_run is not None and seconds - datetime.fromisoformat(last_run.decode()).timestamp() < NO_WORKER_SECONDS


@contextmanager
def watching(settings: Settings) -> Iterator[None]:
    """Check every two seconds, in a thread of this process, until the end. A replay has no outages."""
    over = threading.Event()
    if settings.clock == "store":
        start(settings, over)
    try:
        yield
    finally:
        over.set()


def start(settings: Settings, over: threading.Event | None = None) -> None:
    """Check in a thread until `over` is set, or for the life of this process."""
    over = over if over is not None else threading.Event()
    threading.Thread(target=_run, args=(LastAlarm(settings), over), name="last alarm", daemon=True).start()


def _run(last_alarm: LastAlarm, over: threading.Event) -> None:
    while not over.wait(CHECK_SECONDS):
        try:
            last_alarm.check()
        except Exception as error:
            # It must continue whatever happens: nothing else takes its place.
            log.error("last alarm: a check failed (%s)", type(error).__name__)
    last_alarm.close()


def store_outage(settings: Settings) -> Outage:
    return _outage(settings, "store", PAGE_AFTER_SECONDS, OVER_AFTER_SECONDS)


def _outage(settings: Settings, kind: str, after: float, quiet: float) -> Outage:
    store = settings.redis_url.rpartition("@")[2].partition("?")[0]
    digest = hashlib.blake2s(store.encode(), digest_size=4).hexdigest()
    return Outage(f"{settings.namespace}-{digest}", kind, after=after, quiet=quiet)


def _impatient(url: str) -> StoreClient:
    """A connection of its own, without retries."""
    return client_of(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )
