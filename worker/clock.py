"""The one place that reads the clock."""

from datetime import UTC, datetime
from typing import Protocol

from redis import Redis
from redis.client import Pipeline

from worker.keys import Keys


class Clock(Protocol):
    """Something that knows what time it is."""

    def now(self) -> datetime:
        """The time, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)


class SimulatedClock:
    """The time a replay has set in the store."""

    def __init__(self, redis: "Redis", keys: Keys) -> None:
        self._redis = redis
        self._key = keys.clock

    def now(self) -> datetime:
        """The simulated time, in UTC.

        Raises:
            RuntimeError: no replay has set it.
        """
        text = self._redis.get(self._key)
        if text is None:
            raise RuntimeError("the simulated clock has not been set")
        return datetime.fromisoformat(text.decode() if isinstance(text, bytes) else str(text))

    def set(self, at: datetime, pipe: Pipeline) -> None:
        """Jump to a time in a transaction."""
        pipe.set(self._key, at.astimezone(UTC).isoformat())


def milliseconds(at: datetime) -> int:
    """Since 1970, for scores of sorted sets; rounded up, so that nothing is due before its time."""
    return -int(-at.timestamp() * 1000 // 1)
