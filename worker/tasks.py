"""The Celery tasks: thin. Each may be lost or run twice without harm."""

import json
import logging
from typing import Any

from worker.advance import advance as advance_shard
from worker.app import app
from worker.delivery.outbox import deliver as deliver_page
from worker.inbox import accept
from worker.keys import Shard
from worker.runtime import runtime

log = logging.getLogger(__name__)


@app.task(name="ingest")
def ingest(*messages: Any) -> None:
    """Take native messages from a Celery producer: one or several, or lists of them, as JSON objects or JSON text.

    The task is acknowledged only after they stand in the inbox. A Redis broker can lose the task itself before it
    arrives here; a producer that must not lose anything appends with `worker.client.send`.
    """
    run = runtime()
    flat = [message for item in messages for message in (item if isinstance(item, list) else [item])]
    raws = [item.encode() if isinstance(item, str) else json.dumps(item).encode() for item in flat]
    accepted = accept(run.store.redis, run.store.keys, raws, run.clock.now(), source="celery")
    wake_shards(accepted.wake)


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
    outcome = deliver_page(run.store.redis, keys, page, run.clock.now(), run.site, run.settings.receiver_url)
    if outcome is not None:
        wake_shards([keys])


def wake_shards(shards: list[Shard]) -> None:
    """Ask some worker to advance these shards."""
    for shard in shards:
        app.send_task("advance", (shard.number,))
