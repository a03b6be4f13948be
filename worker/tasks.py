"""The Celery tasks: thin. Each may be lost or run twice without harm."""

import json
import logging
from typing import Any

from celery.exceptions import Reject, SoftTimeLimitExceeded
from redis.exceptions import RedisError

from worker.advance import advance as advance_shard
from worker.app import app
from worker.delivery.outbox import deliver as deliver_page
from worker.inbox import accept
from worker.keys import Shard
from worker.runtime import runtime

log = logging.getLogger(__name__)


@app.task(name="ingest")
def ingest(*messages: Any, **named: Any) -> None:
    """Take native messages from a Celery producer: one or several, or lists of them, as JSON objects or JSON text.

    The task is acknowledged only after they stand in the inbox; while the store cannot be reached it goes back to the
    queue. A Redis broker can lose the task itself before it arrives here; a producer that must not lose anything
    appends with `worker.client.Client`.
    """
    run = runtime()
    given = (*messages, *named.values())
    flat = [message for item in given for message in (item if isinstance(item, list | tuple) else [item])]
    try:
        accepted = accept(run.store.redis, run.store.keys, map(_text, flat), run.clock.now(), source="celery")
    except (RedisError, SoftTimeLimitExceeded) as error:
        # A task that raises anything else is acknowledged, and its messages are gone.
        raise Reject(type(error).__name__, requeue=True) from error
    wake_shards(accepted.wake)


def _text(item: Any) -> bytes:
    """One message as JSON text; nothing a producer can send may raise here, or its neighbours were lost with it."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode(errors="surrogatepass")
    # Celery's JSON brings times and decimals back as objects.
    return json.dumps(item, default=str).encode()


@app.task(name="advance")
def advance(shard: int) -> None:
    """Advance a shard, then wake the delivery of each page it owes."""
    run = runtime()
    turn = advance_shard(run.store, run.store.keys.shard(shard), run.clock, run.site)
    for page in turn.pages:
        app.send_task("deliver", (shard, page))
    wake_shards(turn.wake)
    if turn.more:
        app.send_task("advance", (shard,))


@app.task(name="deliver")
def deliver(shard: int, page: str) -> None:
    """Try to deliver one page, and wake its shard for the receipt."""
    run = runtime()
    keys = run.store.keys.shard(shard)
    outcome = deliver_page(run.store, keys, page, run.clock.now(), run.site, run.settings.receiver_url)
    if outcome is not None:
        wake_shards([keys])


def wake_shards(shards: list[Shard]) -> None:
    """Ask some worker to advance these shards."""
    for shard in shards:
        app.send_task("advance", (shard.number,))
