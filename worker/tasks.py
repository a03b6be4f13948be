"""The Celery tasks: thin. Each may be lost or run twice without harm."""

import json
import logging
import time
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import task_failure
from redis.exceptions import RedisError, ResponseError

from alerts.pages.page import Page
from worker.app import app
from worker.delivery import channel_lock
from worker.delivery.agreement import LOOKED_AT_AGAIN, mark
from worker.delivery.channel_lock import Lane, Place
from worker.delivery.deliver import TIME_SLICE
from worker.delivery.deliver import deliver as deliver_page
from worker.delivery.message_context import office, send_trend, wants_picture
from worker.fhir_export.client import fhir_base
from worker.fhir_export.export import export as export_shard
from worker.monitoring.heartbeat import beat
from worker.processing.advance import advance as advance_shard
from worker.runtime.queues import wake_shards
from worker.runtime.runtime import Runtime, runtime
from worker.store.inbox import Accepted, accept
from worker.store.wrong_types import move_wrong_types_away

log = logging.getLogger(__name__)

SEND_SECONDS = 15
"""A send that an answer in drips keeps alive ends after this: longer than both time-outs together, shorter than a
claim lasts."""

DELIVER_SECONDS = SEND_SECONDS + TIME_SLICE // timedelta(seconds=1)
"""The last send of a stretch may begin at its end."""

EXPORT_SECONDS = 45
"""Shorter than the claim on what is exported lasts."""

TRIES_AGAIN_SECONDS = (0.5, 1, 2, 4, 8, 8)
"""How long `ingest` waits between its attempts while the store cannot be reached."""


@app.task(name="ingest")
def ingest(*messages: Any, **named: Any) -> None:
    """Take native messages from a Celery producer: one or several, or lists of them, as JSON objects or JSON text.

    The task is acknowledged only after they stand in the inbox; while the store cannot be reached or is nearly full it
    goes back to the queue. A Redis broker can lose the task itself before it arrives here; a producer that must not
    lose anything appends with `worker.client.Client`.
    """
    run = runtime()
    given = (*messages, *named.values())
    flat = [message for item in given for message in (item if isinstance(item, list | tuple) else [item])]
    texts = [_text(item) for item in flat]
    try:
        accepted = _accept_in_time(run, texts)
    except (RedisError, SoftTimeLimitExceeded) as error:
        # A task that raises anything else is acknowledged, and its messages are gone.
        raise Reject(type(error).__name__, requeue=True) from error
    wake_shards(app, accepted.wake)


def _accept_in_time(run: Runtime, texts: list[bytes]) -> Accepted:
    """Try for a while: RabbitMQ may drop a message that goes back to its queue more often than its limit says."""
    for wait in TRIES_AGAIN_SECONDS:
        try:
            return _accept(run, texts)
        except RedisError:
            time.sleep(wait)
    return _accept(run, texts)


def _accept(run: Runtime, texts: list[bytes]) -> Accepted:
    store = run.store
    return accept(store.redis, store.keys, texts, run.clock.now(), source="celery", capacity=store.capacity)


def _text(item: Any) -> bytes:
    """One message as JSON text; nothing a producer can send may raise here, or its neighbours were lost with it."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode(errors="surrogatepass")
    # Celery's JSON brings times and decimals back as objects.
    return json.dumps(item, default=str).encode()


@app.task(name="advance", acks_late=False)
def advance(shard: int) -> None:
    """Advance a shard, then wake the delivery of each page it owes.

    It is acknowledged first, so that the next is fetched meanwhile: one that dies with its worker is made up for by the
    tick, which also sees that the shard's lease is free.
    """
    run = runtime()
    keys = run.store.keys.shard(shard)
    turn = advance_shard(run.store, keys, run.clock, run.site_of(keys))
    _wake_deliveries(run, [(Place(shard, page.id), page) for page in turn.pages])
    wake_shards(app, turn.wake)
    if turn.exports:
        app.send_task("export", (shard,))
    if turn.more:
        app.send_task("advance", (shard,))


def _wake_deliveries(run: Runtime, owed: list[tuple[Place, Page]]) -> None:
    look_again = run.site.on_call.delivery.retry_backoff[0]
    for lane, place in channel_lock.spread(run.store.redis, run.store.keys, owed, run.clock.now(), look_again):
        app.send_task(channel_lock.DELIVERS[lane], tuple(place))


@app.task(name="deliver", soft_time_limit=DELIVER_SECONDS, time_limit=DELIVER_SECONDS + 3)
def deliver(shard: int, page: str) -> None:
    """Deliver a page and those that wait for its channel. The judgement hears at once of what failed; the tick brings
    it the receipts of what was sent."""
    _deliver(shard, page, "ordinary")


@app.task(name="deliver_urgent", soft_time_limit=DELIVER_SECONDS, time_limit=DELIVER_SECONDS + 3)
def deliver_urgent(shard: int, page: str) -> None:
    """The same for a critical page, in processes of its own."""
    _deliver(shard, page, "urgent")


def _deliver(shard: int, page: str, lane: Lane) -> None:
    run = runtime()
    keys = run.store.keys.shard(shard)
    site = run.site_of(keys)
    delivered = deliver_page(run.store, keys, page, run.clock, site, office(run), lambda: run.newest_site_of(keys))
    wake_shards(app, delivered.news)
    if delivered.left is not None:
        time.sleep(LOOKED_AT_AGAIN.total_seconds())
    for place in (delivered.following, delivered.left):
        if place is not None:
            app.send_task(channel_lock.DELIVERS[lane], tuple(place))
    for sent in delivered.sent:
        if sent.assessed_at is not None and wants_picture(run, sent):
            address = mark(run.site.on_call.channels.get(sent.channel))
            app.send_task("picture", (sent.id, sent.channel, address, sent.assessed_at.isoformat()))


@app.task(name="picture", soft_time_limit=SEND_SECONDS, time_limit=SEND_SECONDS + 3, acks_late=False)
def picture(page: str, channel: str, address: str, assessed_at: str) -> None:
    """Send the trend after a page that was sent: once, to the same address, whatever becomes of it."""
    send_trend(runtime(), page, channel, address, datetime.fromisoformat(assessed_at))


@app.task(name="heartbeat", acks_late=False)
def heartbeat(found_well_at: str) -> None:
    """Tell the outside that the watchdog found nothing wrong."""
    beat(runtime(), datetime.fromisoformat(found_well_at))


@app.task(name="export", soft_time_limit=EXPORT_SECONDS, time_limit=EXPORT_SECONDS + 3)
def export(shard: int) -> None:
    """Tell the record system what has followed in a shard. Only where one is configured."""
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
