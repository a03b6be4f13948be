"""What alert managers have of each episode: the number of the last page that they accepted."""

from datetime import datetime, timedelta
from typing import cast

from redis import Redis

from worker.clock import Clock
from worker.store.keys import Keys

KEPT = timedelta(days=90)
"""Longer than an episode stays open without any report."""


class StoredReports:
    """The log of accepted reports in the state store."""

    def __init__(self, redis: Redis, keys: Keys, clock: Clock) -> None:
        self._redis, self._keys, self._clock = redis, keys, clock

    def now(self) -> datetime:
        """The store's time."""
        return self._clock.now()

    def last(self, channel: str, episode: str) -> int | None:
        """The number of the last page of an episode that a manager accepted; None if it has none."""
        found = cast("bytes | None", self._redis.get(self._keys.reports(channel, episode)))
        return int(found) if found is not None else None

    def record(self, channel: str, episode: str, number: int) -> None:
        """Record that a manager accepted a page."""
        self._redis.set(self._keys.reports(channel, episode), number, ex=KEPT)
