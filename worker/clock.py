"""The time. Everything that is due or evaluated uses the store's clock, which all machines of an installation share.

A machine's own clock serves its log, and commands that need no store.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

READ_AGAIN_SECONDS = 5.0
"""For this long the machine's monotonic clock continues a reading of the store's clock. A quartz that is off by 100 ppm
is then off by 0.5 ms. Each batch, page and tick reads the store's clock in a round trip that it makes anyway."""

JUMP_SECONDS = 5.0
"""A smaller step of the store's clock is no jump: time services make such corrections."""


class Clock(Protocol):
    """A source of the time."""

    def now(self) -> datetime:
        """The time, in UTC."""
        ...


class _Reading(NamedTuple):
    """The store's clock (seconds since 1970), read between two moments of the monotonic clock."""

    shown: float
    asked: float
    answered: float


class StoreClock:
    """The store's clock (Redis `TIME`), continued by the monotonic clock between two readings.

    It lags behind the store by at most the time of a reply, under a millisecond in one network. Setting the machine's
    clock does not change it. While the store does not answer, it continues from the last reading.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reading: _Reading | None = None
        self._read_again_at = 0.0
        self._jumped = 0.0

    def now(self) -> datetime:
        """The time, in UTC.

        Raises:
            redis.exceptions.RedisError: the store has never answered.
        """
        if self._reading is None or time.monotonic() >= self._read_again_at:
            self._read()
        return self.estimate()

    def estimate(self) -> datetime:
        """The time without a request to the store; the machine's time if the store was never read."""
        reading = self._reading
        if reading is None:
            return datetime.now(UTC)
        return datetime.fromtimestamp(reading.shown + time.monotonic() - reading.answered, UTC)

    def learn(self, answer: tuple[int, int], asked: float) -> None:
        """Use the store's reply to a `TIME` that was asked at `asked` (monotonic clock)."""
        seconds, micro = answer
        before, after = self._reading, _Reading(seconds + micro / 1e6, asked, time.monotonic())
        self._reading, self._read_again_at = after, after.answered + READ_AGAIN_SECONDS
        if before is not None:
            self._jumped += _jump(before, after)

    def jumped(self) -> float:
        """The seconds that the store's clock jumped since the last call; backwards is negative."""
        seconds, self._jumped = self._jumped, 0.0
        return seconds

    def _read(self) -> None:
        asked = time.monotonic()
        try:
            self.learn(self._redis.time(), asked)
        except RedisError:
            if self._reading is None:
                raise
            self._read_again_at = time.monotonic() + READ_AGAIN_SECONDS


def _jump(before: _Reading, after: _Reading) -> float:
    """The seconds by which two readings differ beyond the elapsed time; 0 if slow replies may explain them."""
    seconds = after.shown - before.shown - (after.answered - before.answered)
    unsure = max(before.answered - before.asked, after.answered - after.asked)
    return seconds if abs(seconds) > JUMP_SECONDS + unsure else 0.0


def read_with(clock: Clock, pipe: Pipeline) -> list[Any]:
    """Execute a pipeline; the same round trip reads the store's clock."""
    asked = time.monotonic()
    pipe.time()
    *answers, shown = pipe.execute()
    if isinstance(clock, StoreClock):
        clock.learn(shown, asked)
    return answers


def ask_time(clock: Clock, ask: Callable[[int | str], list[Any]]) -> list[Any]:
    """Run a script that needs the time. Its reply begins with the store's clock, which is learned.

    The script gets the time (ms), or nothing if the store's clock counts, which it reads itself.
    """
    asked = time.monotonic()
    if not isinstance(clock, StoreClock):
        return ask(milliseconds(clock.now()))[1:]
    shown, *answers = ask("")
    clock.learn((int(shown[0]), int(shown[1])), asked)
    return answers


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970, for scores of sorted sets. They are rounded up, so that nothing is due early."""
    return -int(-at.timestamp() * 1000 // 1)
