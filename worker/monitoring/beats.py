"""Beats of the workers: the processes that tick, the queues they consume, and the drift of their machines' clocks.

The ticker writes a beat each second (`worker/ticker.py`) into one hash. Its time shows whether the worker still runs.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
from redis import Redis
from redis.client import Pipeline

from worker.clock import Clock, StoreClock, milliseconds
from worker.runtime.queues import QUEUES
from worker.store.keys import Keys

LASTS = timedelta(seconds=10)
"""A worker whose last beat is older does not run."""

MOST_DRIFT_SECONDS = 5.0
"""By how much a machine's clock may differ from the store's."""


class Beat(msgspec.Struct, array_like=True):
    """A worker's last beat (ms), the queues it consumes, and by how much (s) its clock leads the store's."""

    at: int
    queues: list[str]
    drift: float = 0.0


Beats = dict[str, Beat]
"""By machine and process."""


def beat(pipe: Pipeline, keys: Keys, queues: Iterable[str], clock: Clock) -> None:
    """Queue the beat of this process."""
    # An estimate, so that a beat needs no round trip of its own.
    now = clock.estimate() if isinstance(clock, StoreClock) else clock.now()
    drift = (datetime.now(UTC) - now).total_seconds() if isinstance(clock, StoreClock) else 0.0
    pipe.hset(keys.workers, worker_name(), msgspec.json.encode(Beat(milliseconds(now), list(queues), drift)))


def worker_name() -> str:
    """The machine and the number of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def read(redis: Redis, keys: Keys, now: datetime) -> Beats:
    """The beats of the workers that run."""
    found = cast("dict[bytes, bytes]", redis.hgetall(keys.workers))
    return {name.decode(): one for name, packed in found.items() if (one := _decoded(packed)) and _runs(one, now)}


def forget_stopped(redis: Redis, keys: Keys, beats: Beats) -> None:
    """Remove workers without a recent beat."""
    gone = [name for name in cast("list[bytes]", redis.hkeys(keys.workers)) if name.decode() not in beats]
    if gone:
        redis.hdel(keys.workers, *gone)


def consumers_by_queue(beats: Mapping[str, Beat]) -> dict[str, int]:
    """The number of workers that consume each queue."""
    return {queue: sum(queue in one.queues for one in beats.values()) for queue in QUEUES}


def drifts(beats: Mapping[str, Beat]) -> dict[str, float]:
    """By how many seconds each machine's clock leads the store's, if that is too much.

    No machine's clock decides anything. But if several differ, the store's clock is the wrong one.
    """
    found = {name.rpartition(":")[0]: one.drift for name, one in beats.items()}
    return {machine: seconds for machine, seconds in found.items() if abs(seconds) > MOST_DRIFT_SECONDS}


def _runs(one: Beat, now: datetime) -> bool:
    """Whether a beat is recent. A beat as far ahead was written before the store's clock was set back."""
    return abs(milliseconds(now) - one.at) <= LASTS // timedelta(milliseconds=1)


def _decoded(packed: bytes) -> Beat | None:
    try:
        return msgspec.json.decode(packed, type=Beat)
    except msgspec.MsgspecError:
        return None
