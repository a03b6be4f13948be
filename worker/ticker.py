"""The ticker: a lost wake-up costs a second instead of a reading.

It runs each second in the main process of every worker, so there is no scheduler whose death could stop it. One of
the tickers asks the store, in one round trip, which shards have work waiting, and sends the wake-ups. Ticks are
idempotent: a wake-up too many is harmless.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from celery import Celery
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from worker.audit import feed, retention
from worker.clock import StoreClock, read_with
from worker.fhir_export import circuit_breaker
from worker.monitoring import backups, beats, clock_jump, health_file, set_back, stalled_consumer
from worker.monitoring.config_refused import report
from worker.monitoring.silent_feeds import watch_feeds
from worker.monitoring.watchdog import run_watchdog
from worker.runtime.background import BackgroundWork
from worker.runtime.queues import publish, wake_shards
from worker.runtime.runtime import Runtime, runtime
from worker.store import backlog, schema
from worker.store.backlog import Pending
from worker.store.inbox import claim_wakeups
from worker.store.lease import RemoteOwners, once_every
from worker.store.orphans import release_orphans
from worker.store.schema import NewerStoreError
from worker.store.shard import Store
from worker.store.wrong_types import move_wrong_types_away

log = logging.getLogger(__name__)

worker_state: Any = state
"""Celery's own state of this worker: it ends, as after SIGTERM, once `should_stop` is an exit code."""

EVERY_SECONDS = 1.0

RECEIPT_SECONDS = 3
"""Of the shards with receipts only, one in this many is woken each second."""

DUE, WATCHDOG, FOLLOW = "due", "watchdog", "follow"
"""The work that one worker does for all: wake due work, check whether the watchdog must run, and ask about pages that
ring at a provider."""

FOLLOW_EVERY = timedelta(seconds=5)
"""The most often that Pushover permits to be asked."""

TICK_CLAIM_LASTS = timedelta(milliseconds=800)
"""Less than the time between two ticks of a worker."""

MOST_WAITING = 1000
"""The ticker sends no more wake-ups to a longer queue: no worker consumes it, and more would fill the broker."""


def pending(store: Store, now: datetime) -> Pending:
    """The work that waits at this time. It takes one round trip, however many shards there are."""
    return backlog.read(store.redis, store.keys, now).pending()


def _queues(app: Celery) -> list[str]:
    """The queues that this process consumes: all of them by default."""
    return [str(name) for name in app.amqp.queues.consume_from]


def _is_consumed(app: Celery, queue: str) -> bool:
    """Whether a worker consumes a queue, judging by its length."""
    return _queue_length(app, queue) < MOST_WAITING


def _queue_length(app: Celery, queue: str) -> int:
    pool: Any = app.pool
    with pool.acquire(block=True) as connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0  # the queue does not exist yet


_remote_owners = RemoteOwners()


def tick(app: Celery, pool_lives: Callable[[], bool] = lambda: True) -> None:
    """Wake all waiting work, and run every check. If a part cannot be reached, the next tick tries again.

    This worker is healthy if it reaches the store and the broker, consumes its queues and has all its processes. Other
    failures are not its own.
    """
    claims: set[str] = set()
    healthy = [_try(part, app) for part in (partial(_beat, claims), _check_consumer)]
    if worker_state.should_stop is not None:
        return
    for part in (_release_orphans, partial(_wake, claims), _watch, partial(_run_watchdog, claims), _write_files):
        _try(part, app)
    if all(healthy) and pool_lives():
        health_file.touch(runtime().settings.health_file)


def _try(part: Callable[[Celery, Runtime], None], app: Celery) -> bool:
    """Run one part of the tick, so that the others go on if it fails. False if store or broker cannot be reached."""
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
        # An exception that leaves the timer would end the worker's event loop.
        log.error("tick: failed (%s)", type(error).__name__)
    return False


def _beat(claims: set[str], app: Celery, run: Runtime) -> None:
    """Record this worker's beat, read the store's clock, and claim the work that one worker does for all.

    It takes one round trip. If every worker looked for due work, an idle service would spend most of its processor time
    on it, and after an outage each page would be queued once for every worker. A claim ends before the next tick: if
    its worker dies or hangs, that costs one second.
    """
    keys = run.store.keys
    pipe = run.store.redis.pipeline(transaction=False)
    beats.beat(pipe, keys, _queues(app), run.clock)
    pipe.hmget(keys.watchdog, set_back.FIELDS)
    pipe.get(keys.schema)
    pipe.exists(keys.watchdog_claim)
    pipe.exists(keys.followed)
    once_every(pipe, keys.tick_claimed(FOLLOW), FOLLOW_EVERY)
    once_every(pipe, keys.tick_claimed(DUE), TICK_CLAIM_LASTS)
    _, epoch, written_by, watched, followed, follows, due = read_with(run.clock, pipe)
    if (newest := schema.newest_writer(written_by)) > schema.VERSION:
        _leave_to_newer(newest)
        return
    if due:
        claims.add(DUE)
    if followed and follows:
        claims.add(FOLLOW)
    if not watched:
        claims.add(WATCHDOG)
    if isinstance(run.clock, StoreClock):
        clock_jump.notice(run.store, run.clock, epoch[0])
        set_back.notice(run.store, _memory_of(run), set_back.epoch_of(epoch))


@cache
def _memory_of(run: Runtime) -> set_back.NewestSeen:
    return set_back.NewestSeen(run.settings)


def _leave_to_newer(version: int) -> None:
    """End this worker after its present work, because a newer version has written to the store.

    It evaluates nothing meanwhile (`Store.take`).
    """
    log.critical("this worker ends: %s", NewerStoreError(version))
    worker_state.should_stop = os.EX_CONFIG


def _check_consumer(app: Celery, _: Runtime) -> None:
    """End this worker if messages wait in its queues and it takes none of them."""
    if stalled_consumer.consumer_watch.is_due:
        queues = _queues(app)
        if stalled_consumer.consumer_watch.is_stalled(sum(_queue_length(app, queue) for queue in queues)):
            stalled_consumer.end(", ".join(queues))


def _release_orphans(_: Celery, run: Runtime) -> None:
    release_orphans(run.store, _remote_owners)


def _watch(app: Celery, run: Runtime) -> None:
    """Report silent feeds and a refused configuration."""
    now = run.clock.now()
    wake_shards(app, [*watch_feeds(run.store, run.site, now), *report(run.store, run.configuration, now)])


def _wake(claims: set[str], app: Celery, run: Runtime) -> None:
    """Send the wake-ups of everything due, if this worker has the claim of this second."""
    now = run.clock.now()
    if FOLLOW in claims:
        app.send_task("follow")
    if DUE in claims:
        with _released_on_error(run.store, DUE):
            _wake_due(app, run.store, now)


def _wake_due(app: Celery, store: Store, now: datetime) -> None:
    waits = backlog.read(store.redis, store.keys, now, exports=store.exports)
    found = waits.pending()
    _wake_shards(app, store, [*found.shards, *_receipts_this_second(found.receipts, now)])
    _send(app, "deliver", [(number,) for number in found.partitions])
    if waits.exports and waits.exports.shards and not circuit_breaker.is_open(store.redis, store.keys, now):
        _send(app, "export", [(number,) for number in waits.exports.shards])


def _wake_shards(app: Celery, store: Store, numbers: Collection[int]) -> None:
    """Wake shards. If the queue holds a wake-up for each shard already, only those whose last one is 2 s old.

    While a source sends a thousand messages a second, every shard has some waiting at each tick. Its wake-up would
    stand in the queue several times, and each would be waited for.
    """
    shards = [store.keys.shard(number) for number in numbers]
    if shards and _queue_length(app, "advance") >= len(store.keys.advanced()):
        shards = claim_wakeups(store.redis, shards)
    _send(app, "advance", [(shard.number,) for shard in shards])


def _send(app: Celery, task: str, calls: Collection[tuple[Any, ...]]) -> None:
    if calls and _is_consumed(app, task):
        publish(app, [(task, arguments) for arguments in calls])


def _receipts_this_second(receipts: Iterable[int], now: datetime) -> Iterator[int]:
    """The shards with receipts only that are woken in this second.

    Receipts are not urgent and usually ride with the shard's next message. One third of these shards is woken each
    second, so that receipts never delay messages.
    """
    return (number for number in receipts if number % RECEIPT_SECONDS == int(now.timestamp()) % RECEIPT_SECONDS)


@contextmanager
def _released_on_error(store: Store, what: str) -> Iterator[None]:
    """Release a claim if this worker fails: one that reaches the store but not the broker could win it each second."""
    try:
        yield
    except Exception:
        store.redis.delete(store.keys.tick_claimed(what))
        raise


_audit = BackgroundWork("audit", feed.EVERY_SECONDS, feed.feed_folder)

_archive = BackgroundWork("archive", retention.ARCHIVE_SECONDS, retention.archive_discharged)
_backup = BackgroundWork("backup", backups.LOOK_SECONDS, backups.back_up_if_due)


def _write_files(_: Celery, run: Runtime) -> None:
    """Begin to write the audit and the scheduled backup, if they are due."""
    if run.settings.audits:
        _audit.start_if_due(run)
        _archive.start_if_due(run)
    if run.settings.backup_dir is not None and run.settings.clock == "store":
        _backup.start_if_due(run)


def _run_watchdog(claims: set[str], app: Celery, run: Runtime) -> None:
    if WATCHDOG not in claims:
        return
    now = run.clock.now()
    actions = run_watchdog(run, now)
    wake_shards(app, actions.wake)
    if actions.heartbeat:
        app.send_task("heartbeat", (now.isoformat(),))
