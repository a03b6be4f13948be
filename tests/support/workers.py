"""Workers that tick, as the store sees them."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from worker.clock import milliseconds
from worker.monitoring.beats import Beat, worker_name
from worker.store.shard import Store


def ticking(store: Store, queues: Iterable[str], now: datetime) -> None:
    """A worker that consumes these queues ticks now."""
    store.redis.hset(store.keys.workers, worker_name(), msgspec.json.encode(Beat(milliseconds(now), list(queues))))


def tick_on(store: Store, now: datetime) -> None:
    """The workers that ticked before tick now."""
    for name, packed in store.redis.hgetall(store.keys.workers).items():
        known = msgspec.json.decode(packed, type=Beat)
        store.redis.hset(
            store.keys.workers, name, msgspec.json.encode(Beat(milliseconds(now), known.queues, known.drift))
        )
