"""The tick: what makes a lost wake-up cost a second instead of a reading.

It runs each second in the main process of every worker, so that no scheduler can be the one that died. It asks the
store, in one round trip, which shards have something waiting, and sends the wake-ups. Sending one too many is
harmless.
"""

import logging
import os
import socket
from datetime import datetime
from typing import Any, NamedTuple

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from worker.clock import milliseconds
from worker.feeds import watch_feeds
from worker.runtime import runtime
from worker.store import Store

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
PAGES_A_TICK = 200
BEAT_LASTS_SECONDS = 10

MOST_WAITING = 1000
"""Wake-ups in a queue beyond which no more are sent: nobody takes them, and in time they would fill the broker."""


class Pending(NamedTuple):
    """Shards to advance, and pages to deliver as (shard, page id)."""

    shards: list[int]
    pages: list[tuple[int, str]]


def pending(store: Store, now: datetime) -> Pending:
    """What waits for a worker at a time: one round trip, whatever the number of shards."""
    pipe = store.redis.pipeline(transaction=False)
    score = milliseconds(now)
    shards = store.keys.all()
    for shard in shards:
        pipe.exists(shard.lease)
        pipe.xlen(shard.inbox)
        pipe.zcount(shard.key("timers"), "-inf", score)
        pipe.xlen(shard.key("relay"))
        pipe.zrangebyscore(shard.key("due"), "-inf", score, start=0, num=PAGES_A_TICK)
    answers = pipe.execute()
    found = Pending([], [])
    for index, shard in enumerate(shards):
        leased, waiting, timers, relayed, due = answers[index * 5 : index * 5 + 5]
        if not leased and (waiting or timers or relayed):
            found.shards.append(shard.number)
        found.pages.extend((shard.number, page.decode()) for page in due)
    return found


def beat_key(store: Store) -> str:
    """The key by which this worker process says that it ticks."""
    return f"{store.keys.namespace}:beat:{socket.gethostname()}:{os.getpid()}"


def _is_taken_from(queue: str) -> bool:
    """Whether somebody takes from a queue, so far as its length says."""
    from worker.app import app

    pool: Any = app.pool
    with pool.acquire(block=True) as connection:
        try:
            found = connection.default_channel.queue_declare(queue, passive=True)
        except connection.channel_errors:
            return True  # it is empty, or not there yet
        return int(found.message_count) < MOST_WAITING


def tick() -> None:
    """Wake whatever waits. A store or broker that cannot be reached is tried again at the next tick."""
    from worker.app import app

    try:
        run = runtime()
        run.store.redis.set(beat_key(run.store), os.getpid(), ex=BEAT_LASTS_SECONDS)
        now = run.clock.now()
        found = pending(run.store, now)
        woken = {*found.shards, *(shard.number for shard in watch_feeds(run.store, run.site, now))}
        if woken and _is_taken_from("advance"):
            for number in woken:
                app.send_task("advance", (number,))
        if found.pages and _is_taken_from("deliver"):
            for number, page in found.pages:
                app.send_task("deliver", (number, page))
    except (RedisError, OperationalError, OSError, RuntimeError) as error:
        log.warning("tick: the store or the broker cannot be reached (%s)", type(error).__name__)
    except Exception as error:
        # It runs in the worker's event loop: what left it could end the worker.
        log.error("tick: failed (%s)", type(error).__name__)
