"""The circuit breaker of the FHIR base, for all shards: while it is open, no shard sends. Waits grow (backoff)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from redis import Redis

from worker.clock import milliseconds
from worker.store.keys import Keys

WAITS = (*(timedelta(seconds=seconds) for seconds in (1, 5, 15, 30, 60, 120)), timedelta(minutes=5))
"""Backoff after the first failure, the second, and so on; the last from then on."""

LONGEST_WAIT = timedelta(minutes=15)
"""The longest Retry-After of the base that is obeyed."""

REPORTED_AFTER = timedelta(minutes=5)
"""After this time of failure the technician is paged."""


class CircuitState(NamedTuple):
    """The start and number of the failures, the time of the next permitted attempt (ms), and the last reason."""

    since: datetime
    tries: int
    next_at: int
    why: str

    def is_open(self, now: datetime) -> bool:
        """Whether no attempt is permitted yet. A wait longer than any of ours was set by a wrong clock."""
        return milliseconds(now) < self.next_at <= milliseconds(now + LONGEST_WAIT)

    def is_to_be_reported(self, now: datetime) -> bool:
        """Whether the base has failed for too long."""
        return now - self.since >= REPORTED_AFTER


def read(redis: Redis, keys: Keys) -> CircuitState | None:
    """The circuit's state while the base fails; None while it accepts."""
    stored = cast("Mapping[bytes, bytes]", redis.hgetall(keys.fhir_base))
    if not stored:
        return None
    since = datetime.fromisoformat(stored[b"since"].decode())
    return CircuitState(since, int(stored[b"tries"]), int(stored[b"next_at"]), stored[b"why"].decode())


def is_open(redis: Redis, keys: Keys, now: datetime) -> bool:
    """Whether no attempt is permitted yet."""
    circuit = read(redis, keys)
    return circuit is not None and circuit.is_open(now)


def record_failure(
    redis: Redis, keys: Keys, before: CircuitState | None, why: str, wait: timedelta | None, now: datetime
) -> None:
    """Open the circuit after a failed attempt, longer each time, and for at least as long as the base asks (`wait`)."""
    tries = before.tries + 1 if before is not None else 1
    own = WAITS[min(tries, len(WAITS)) - 1]
    until = now + max(own, min(wait or own, LONGEST_WAIT))
    since = min(before.since, now) if before is not None else now
    redis.hset(
        keys.fhir_base,
        mapping={"since": since.isoformat(), "tries": tries, "next_at": milliseconds(until), "why": why},
    )


def close(redis: Redis, keys: Keys) -> None:
    """Close the circuit: the base accepts again."""
    redis.delete(keys.fhir_base)
