"""The budget of one message: processor time and results. A sender that exceeds it is asked to send parts."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

SECONDS = 5.0
"""Seconds of one processor. On the reference machine 20 000 results take one second. The slowest known body of 4 MiB
takes two."""

MOST_RESULTS = 20_000
"""Results, administrations and events of one message or Bundle, read or ignored. An honest body of the largest size
holds fewer: one Observation takes 200 bytes or more. The store writes all of them in one transaction."""

_EVERY = 64
_T = TypeVar("_T")


class OverBudget(Exception):
    """The budget is exceeded and nothing of the message is used. The text names the limit."""


class Budget:
    """The budget of one message. Every loop whose length the sender chooses checks it. Not thread-safe.

    The default timer counts the processor time of the calling thread. A busy machine therefore refuses nobody, and a
    refusal depends on the message alone.
    """

    def __init__(
        self, seconds: float = SECONDS, results: int = MOST_RESULTS, timer: Callable[[], float] = time.thread_time
    ) -> None:
        self._timer = timer
        self._end = timer() + seconds
        self._seconds = seconds
        self._results = results
        self._left = results

    def check(self) -> None:
        """Check the time.

        Raises:
            OverBudget: the time is up.
        """
        if self._timer() > self._end:
            raise OverBudget(f"reading takes longer than {self._seconds:g} s; send it in parts")

    def during(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield the items, with a check of the time before each 64th.

        Raises:
            OverBudget: the time is up.
        """
        for number, item in enumerate(items):
            if not number % _EVERY:
                self.check()
            yield item

    def spend(self, results: int) -> None:
        """Count results.

        Raises:
            OverBudget: they are too many.
        """
        self._left -= results
        if self._left < 0:
            raise OverBudget(f"more than {self._results} results; send it in parts")
