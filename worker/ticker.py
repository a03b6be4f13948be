"""The tick: what makes a lost wake-up cost a second instead of a reading.

It runs each second in the main process of every worker, so that no scheduler can be the one that died. One of them
asks the store, in one round trip, which shards have something waiting, and sends the wake-ups. Sending one too many is
harmless.
"""

import logging
import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from worker.clock import StoreClock, milliseconds, read_with
from worker.fhir_export import backlog
from worker.monitoring import clock_jump, health_file, stalled_consumer
from worker.monitoring.config_refused import report
from worker.monitoring.orphans import release_orphans
from worker.monitoring.silent_feeds import watch_feeds
from worker.monitoring.watchdog import record_drift, run_watchdog
from worker.runtime.queues import wake_shards
from worker.runtime.runtime import Runtime, runtime
from worker.store.lease import RemoteOwners, once_every
from worker.store.shard import Store
from worker.store.wrong_types import move_wrong_types_away

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
PAGES_A_TICK = 200

RECEIPT_TURNS = 3
"""Of the shards where only receipts wait, one in so many is woken each second."""

DUE, EXPORTS, WATCHDOG = "due", "exports", "watchdog"
"""What one worker does for all: wake what is due, or what is to be exported, and see whether the watchdog is to run."""

TICK_CLAIM_LASTS = timedelta(milliseconds=800)
"""Less than the time between two ticks of a worker."""

BEAT_LASTS_SECONDS = 10

MOST_WAITING = 1000
"""Wake-ups in a queue beyond which no more are sent: nobody takes them, and in time they would fill the broker."""


class Pending(NamedTuple):
    """Shards to advance, and pages to deliver as (shard, page id); the critical ones apart. In `receipts` stand shards
    where nothing waits but receipts of pages that were sent."""

    shards: list[int]
    pages: list[tuple[int, str]]
    urgent: list[tuple[int, str]]
    receipts: tuple[int, ...] = ()


def pending(store: Store, now: datetime) -> Pending:
    """What waits for a worker at a time: one round trip, whatever the number of shards."""
    pipe = store.redis.pipeline(transaction=False)
    score = milliseconds(now)
    shards = store.keys.advanced()
    for shard in shards:
        pipe.get(shard.lease)  # unlike EXISTS it says that the key is of another type
        pipe.xlen(shard.inbox)
        pipe.zcount(shard.key("timers"), "-inf", score)
        pipe.get(shard.receipts)
        for name in ("due", "urgent"):
            pipe.zrangebyscore(shard.key(name), "-inf", score, start=0, num=PAGES_A_TICK)
    answers = pipe.execute()
    found = Pending([], [], [])
    receipts = []
    for index, shard in enumerate(shards):
        leased, waiting, timers, told, due, urgent = answers[index * 6 : index * 6 + 6]
        # A count that is none is counted as none: the shard is woken, and what fails on it moves it away.
        known = int(told) if told is not None and told.isdigit() else 0
        if not leased and (waiting > known or timers):
            found.shards.append(shard.number)
        elif not leased and waiting:
            receipts.append(shard.number)
        found.pages.extend((shard.number, page.decode()) for page in due)
        found.urgent.extend((shard.number, page.decode()) for page in urgent)
    return found._replace(receipts=tuple(receipts))


def beat_key(store: Store) -> str:
    """The key by which this worker process says that it ticks."""
    return f"{store.keys.namespace}:beat:{socket.gethostname()}:{os.getpid()}"


def _queues(app: Celery) -> list[str]:
    """The queues this process takes from: all of them, where it was not told otherwise."""
    return [str(name) for name in app.amqp.queues.consume_from]


def _is_taken_from(app: Celery, queue: str) -> bool:
    """Whether somebody takes from a queue, so far as its length says."""
    return _waiting(app, queue) < MOST_WAITING


def _waiting(app: Celery, queue: str) -> int:
    pool: Any = app.pool
    with pool.acquire(block=True) as connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0  # it is empty, or not there yet


_elsewhere = RemoteOwners()


def tick(app: Celery, pool_lives: Callable[[], bool] = lambda: True) -> None:
    """Wake whatever waits, and look over it. A store or broker that cannot be reached is tried again at the next.

    This worker works if it reaches both, takes from its queues, and has its processes: what else fails is not its own.
    """
    claims: set[str] = set()
    works = [_try(part, app) for part in (partial(_beat, claims), _check_consumer)]
    for part in (_recover, partial(_wake, claims), _watch, partial(_run_watchdog, claims)):
        _try(part, app)
    if all(works) and pool_lives():
        health_file.touch(runtime().settings.health_file)


def _try(part: Callable[[Celery, Runtime], None], app: Celery) -> bool:
    """One part of the tick; where it fails the others go on. False where the store or the broker was not reached."""
    try:
        part(app, runtime())
        return True
    except ResponseError as error:
        log.warning("tick: the store refuses a command (%s)", error)
        run = runtime()
        wake_shards(app, move_wrong_types_away(error, run.store.redis, run.store.keys, run.clock.now()))
        return True
    except (RedisError, OperationalError, OSError, RuntimeError) as error:
        log.warning("tick: the store or the broker cannot be reached (%s)", type(error).__name__)
    except Exception as error:
        # It runs in the worker's event loop: what left it could end the worker.
        log.error("tick: failed (%s)", type(error).__name__)
    return False


def _beat(claims: set[str], app: Celery, run: Runtime) -> None:
    """Say that this worker ticks, read the store's clock and claim what one worker does for all, in one trip.

    If every worker looked for what is due, an idle service would spend most of its processor time so; and after an
    outage each page would be in the queues as often as there are workers. A claim ends before the next tick: a worker
    that dies or hangs with it costs one second.
    """
    keys = run.store.keys
    pipe = run.store.redis.pipeline(transaction=False)
    pipe.set(beat_key(run.store), ",".join(_queues(app)), ex=BEAT_LASTS_SECONDS)
    pipe.hget(keys.watchdog, "last_run")
    pipe.exists(keys.watchdog_claim)
    wanted = (DUE, *((EXPORTS,) if run.settings.exports else ()))
    for what in wanted:
        once_every(pipe, keys.tick_claimed(what), TICK_CLAIM_LASTS)
    _, last_run, watched, *won = read_with(run.clock, pipe)
    claims.update(what for what, is_ours in zip(wanted, won, strict=True) if is_ours)
    if not watched:
        claims.add(WATCHDOG)
    if isinstance(run.clock, StoreClock):
        clock_jump.notice(run.store, run.clock, last_run)
        record_drift(run.store, run.clock)


def _check_consumer(app: Celery, _: Runtime) -> None:
    """End this worker if messages wait in its queues and it takes none."""
    if stalled_consumer.consumer_watch.is_due:
        queues = _queues(app)
        if stalled_consumer.consumer_watch.is_stalled(sum(_waiting(app, queue) for queue in queues)):
            stalled_consumer.end(", ".join(queues))


def _recover(_: Celery, run: Runtime) -> None:
    release_orphans(run.store, run.site.on_call.channels, run.clock.now(), _elsewhere)


def _watch(app: Celery, run: Runtime) -> None:
    """Report feeds that are silent, and a configuration that is refused."""
    now = run.clock.now()
    wake_shards(app, [*watch_feeds(run.store, run.site, now), *report(run.store, run.configuration, now)])


def _wake(claims: set[str], app: Celery, run: Runtime) -> None:
    """Send the wake-ups of everything that is due, if that is this worker's to do in this second."""
    now = run.clock.now()
    if DUE in claims:
        with _released_on_error(run.store, DUE):
            _wake_due(app, run.store, now)
    if EXPORTS in claims:
        with _released_on_error(run.store, EXPORTS):
            _send(app, "export", [(number,) for number in backlog.due(run.store, now)])


def _wake_due(app: Celery, store: Store, now: datetime) -> None:
    found = pending(store, now)
    _send(app, "advance", [(number,) for number in (*found.shards, *_receipts_this_second(found.receipts, now))])
    # A critical page that is still due may be sent by the others too: its own processes may all hang.
    _send(app, "deliver_urgent", found.urgent)
    _send(app, "deliver", found.urgent + found.pages)


def _send(app: Celery, task: str, calls: Collection[tuple[Any, ...]]) -> None:
    if calls and _is_taken_from(app, task):
        for arguments in calls:
            app.send_task(task, arguments)


def _receipts_this_second(receipts: Iterable[int], now: datetime) -> Iterator[int]:
    """Receipts change nothing that anybody waits for: most are taken with the next message. Where none comes, their
    shards take turns, so that all together do not hold up the messages of a second."""
    return (number for number in receipts if number % RECEIPT_TURNS == int(now.timestamp()) % RECEIPT_TURNS)


@contextmanager
def _released_on_error(store: Store, what: str) -> Iterator[None]:
    """Leave a claim to the next worker if this one fails: one that reaches the store but not the broker might win it
    each second."""
    try:
        yield
    except Exception:
        store.redis.delete(store.keys.tick_claimed(what))
        raise


def _run_watchdog(claims: set[str], app: Celery, run: Runtime) -> None:
    if WATCHDOG not in claims:
        return
    now = run.clock.now()
    actions = run_watchdog(run, now)
    wake_shards(app, actions.wake)
    if actions.heartbeat:
        app.send_task("heartbeat", (now.isoformat(),))
