"""When the FHIR base is tried again, for all shards: a base that fails is not hammered by each of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from redis import Redis

from worker.clock import milliseconds
from worker.store.keys import Keys

WAITS = (*(timedelta(seconds=seconds) for seconds in (1, 5, 15, 30, 60, 120)), timedelta(minutes=5))
"""After the first failure, the second, and so on; the last from then on."""

LONGEST_WAIT = timedelta(minutes=15)
"""What a base asks for by Retry-After is kept up to this."""

REPORTED_AFTER = timedelta(minutes=5)
"""A base that has failed for so long is told as technical."""


class CircuitState(NamedTuple):
    """Since when every attempt failed, how many there were, when the next may be made (ms), and why the last failed."""

    since: datetime
    tries: int
    next_at: int
    why: str

    def is_open(self, now: datetime) -> bool:
        """Whether the base is left alone yet. A wait that lies further ahead than any was set by a wrong clock."""
        return milliseconds(now) < self.next_at <= milliseconds(now + LONGEST_WAIT)

    def is_to_be_reported(self, now: datetime) -> bool:
        """Whether it has lasted too long."""
        return now - self.since >= REPORTED_AFTER


def read(redis: Redis, keys: Keys) -> CircuitState | None:
    """The pause that is on, if one is."""
    held = cast("Mapping[bytes, bytes]", redis.hgetall(keys.fhir_base))
    if not held:
        return None
    since = datetime.fromisoformat(held[b"since"].decode())
    return CircuitState(since, int(held[b"tries"]), int(held[b"next_at"]), held[b"why"].decode())


def record_failure(
    redis: Redis, keys: Keys, before: CircuitState | None, why: str, wait: timedelta | None, now: datetime
) -> None:
    """CircuitState after a failed attempt; each time for longer, and for as long as the base asks (`wait`)."""
    tries = before.tries + 1 if before is not None else 1
    own = WAITS[min(tries, len(WAITS)) - 1]
    until = now + max(own, min(wait or own, LONGEST_WAIT))
    since = min(before.since, now) if before is not None else now
    redis.hset(
        keys.fhir_base,
        mapping={"since": since.isoformat(), "tries": tries, "next_at": milliseconds(until), "why": why},
    )


def over(redis: Redis, keys: Keys) -> None:
    """The base takes what it is sent."""
    redis.delete(keys.fhir_base)
