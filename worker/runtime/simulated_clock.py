"""The clock of a replay. It jumps."""

from datetime import UTC, datetime

from redis import Redis
from redis.client import Pipeline

from worker.store.keys import Keys


class SimulatedClock:
    """The time that a replay has set in the store."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
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
