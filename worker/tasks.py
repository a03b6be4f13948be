"""The Celery tasks: thin. Each may be lost or run twice without harm.

What only some workers need (Apprise, HTTP) is imported by the task that needs it: it is a third of the start.
"""

import json
import logging
import time
from concurrent import futures
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import task_failure, worker_process_shutdown, worker_shutdown
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from worker.app import app
from worker.monitoring.heartbeat import beat, report_stop
from worker.processing.advance import ShardRun
from worker.processing.advance import advance as advance_shard
from worker.runtime.queues import wake_shards
from worker.runtime.runtime import Runtime, runtime
from worker.store.inbox import Accepted, accept, claim_wakeups
from worker.store.wrong_types import move_wrong_types_away
from worker.wakeup_batcher import SHARDS_AT_ONCE

if TYPE_CHECKING:
    from worker.delivery.process import DeliveryProcess

log = logging.getLogger(__name__)

EXPORT_SECONDS = 45
"""Shorter than the export lease of a shard."""

TRIES_AGAIN_SECONDS = (0.5, 1, 2, 4, 8, 8)
"""The waits of `ingest` between its attempts while the store cannot be reached (backoff)."""


@app.task(name="ingest")
def ingest(*messages: Any, **named: Any) -> None:
    """Accept native messages of a Celery producer: one or several, or lists of them, as JSON objects or JSON text.

    The task is acknowledged only after the messages stand in the inbox. While the store cannot be reached or is nearly
    full, the task returns to the queue. A Redis broker can lose the task before it arrives here. A producer that must
    lose nothing appends with `worker.client.Client`.
    """
    given = (*messages, *named.values())
    flat = [message for item in given for message in (item if isinstance(item, list | tuple) else [item])]
    _accept_or_requeue([_text(item) for item in flat])


@app.task(name="ingest_readings")
def ingest_readings(*readings: Any) -> None:
    """Accept the readings of several `ingest` tasks, which the worker gathered, in one append.

    They are acknowledged, or return to the queue, together (`worker/task_batcher.py`).
    """
    texts = [_text(item) for item in readings]
    try:
        _accept_or_requeue(texts, apart=True)
    except Reject:
        raise
    except Exception as error:
        log.error("%d readings could not be accepted together (%s)", len(texts), type(error).__name__)
        for text in texts:
            _accept_alone(text)


def _accept_alone(text: bytes) -> None:
    """Accept one of them; an internal error loses this one only, as it would in a task of its own."""
    try:
        _accept_or_requeue([text])
    except Reject:
        raise
    except Exception as error:
        log.error("a reading could not be accepted (%s)", type(error).__name__)


def _accept_or_requeue(texts: list[bytes], *, apart: bool = False) -> None:
    run = runtime()
    try:
        accepted = _accept_in_time(run, texts, apart=apart)
    except (RedisError, SoftTimeLimitExceeded) as error:
        # After any other exception Celery acknowledges the task, and its messages are lost.
        raise Reject(type(error).__name__, requeue=True) from error
    with suppress(OperationalError):  # the ticker makes up for a lost wake-up
        wake_shards(app, accepted.wake)


def _accept_in_time(run: Runtime, texts: list[bytes], *, apart: bool) -> Accepted:
    """Retry for a while: RabbitMQ may drop a message that returned to its queue too often (its delivery limit)."""
    for wait in TRIES_AGAIN_SECONDS:
        try:
            return _accept(run, texts, apart=apart)
        except RedisError:
            time.sleep(wait)
    return _accept(run, texts, apart=apart)


def _accept(run: Runtime, texts: list[bytes], *, apart: bool) -> Accepted:
    store = run.store
    now = run.clock.now()
    return accept(store.redis, store.keys, texts, now, source="celery", capacity=store.capacity, apart=apart)


def _text(item: Any) -> bytes:
    """One message as JSON text. This must never raise: the neighbours of the message would be lost with it."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode(errors="surrogatepass")
    # Celery decodes times and decimals of its JSON to objects.
    return json.dumps(item, default=str).encode()


@app.task(name="advance", acks_late=False)
def advance(*shards: int) -> None:
    """Advance shards, several side by side, and wake the delivery of the pages that each owes.

    Celery acknowledges this task first, so that the worker fetches the next one meanwhile. If the task dies with its
    worker, the ticker wakes the shards again once their leases are free.
    """
    run = runtime()
    alone = shards
    if len(shards) > 1:
        begun = {shard: _side_by_side().submit(_advance, run, shard, beside=True) for shard in dict.fromkeys(shards)}
        with suppress(SoftTimeLimitExceeded):
            futures.wait(begun.values())
        # The soft limit reaches no thread. One that never ends is ended with its process, by the hard limit.
        futures.wait(begun.values())
        alone = tuple(shard for shard, done in begun.items() if done.result().crashed)
    for shard in alone:
        _advance(run, shard)


@cache
def _side_by_side() -> futures.ThreadPoolExecutor:
    """Threads for the shards of one task: while one waits for the store, another evaluates."""
    return futures.ThreadPoolExecutor(SHARDS_AT_ONCE, "advance")


def _advance(run: Runtime, shard: int, *, beside: bool = False) -> ShardRun:
    keys = run.store.keys.shard(shard)
    done = advance_shard(run.store, keys, run.clock, run.site_of(keys), beside=beside)
    wake_shards(app, done.wake)
    if done.exports:
        app.send_task("export", (shard,))
    if done.more:
        # Claimed, so that nobody who appends meanwhile sends another.
        wake_shards(app, claim_wakeups(run.store.redis, [keys]))
    return done


@app.task(name="deliver", acks_late=False)
def deliver(partition: int) -> None:
    """Deliver what is due in a partition of the channels, in the background of this process.

    If the process dies, the ticker wakes the partition again once its lease is free.
    """
    _delivery().wake(partition)


@cache
def _delivery() -> "DeliveryProcess":
    from worker.delivery.process import DeliveryProcess

    return DeliveryProcess(runtime(), partial(wake_shards, app))


@worker_process_shutdown.connect
@worker_shutdown.connect
def _stop_delivering(**_: object) -> None:
    if _delivery.cache_info().currsize:
        _delivery().stop()
        with suppress(RedisError):
            report_stop(runtime())


@app.task(name="heartbeat", acks_late=False)
def heartbeat(found_well_at: str) -> None:
    """Ping the external dead-man's switch: the watchdog found nothing wrong."""
    _delivery().aside(partial(beat, runtime(), datetime.fromisoformat(found_well_at)))


@app.task(name="follow", acks_late=False)
def follow() -> None:
    """Ask about the pages that ring at a provider until they are answered."""
    _delivery().follow()


@app.task(name="export", soft_time_limit=EXPORT_SECONDS, time_limit=EXPORT_SECONDS + 3)
def export(shard: int) -> None:
    """Export the results of a shard to the EHR, if one is configured."""
    from worker.fhir_export.client import fhir_base
    from worker.fhir_export.export import export as export_shard

    run = runtime()
    if run.settings.exports and export_shard(
        run.store, run.store.keys.shard(shard), run.clock, run.settings, fhir_base(run.settings)
    ):
        app.send_task("export", (shard,))


@task_failure.connect
def _after_failure(exception: BaseException | None = None, **_: object) -> None:
    if isinstance(exception, ResponseError):
        run = runtime()
        wake_shards(app, move_wrong_types_away(exception, run.store.redis, run.store.keys, run.clock.now()))
