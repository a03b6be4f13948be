"""What reading one message may cost: processor time and results. Whoever sends more is asked to send it in parts."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

SECONDS = 5.0
"""Of one processor. 20 000 results take one on the reference machine, the slowest 4 MiB that were found two."""

MOST_RESULTS = 20_000
"""Results, administrations and events of one message or Bundle, read or ignored. Honest ones that are as long as a
body may be hold fewer: an Observation takes 200 bytes and more. All are stored in one transaction of the store."""

_EVERY = 64
_T = TypeVar("_T")


class OverBudget(Exception):
    """Reading was ended, and nothing of the message is used; the text says what was too much."""


class Budget:
    """The budget of one message, checked by every loop whose length its sender chooses. Used from one thread.

    The default timer counts the processor time of the calling thread: a busy machine refuses nobody, and a refusal
    says something of the message alone.
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
        """Go on.

        Raises:
            OverBudget: the time is up.
        """
        if self._timer() > self._end:
            raise OverBudget(f"reading takes longer than {self._seconds:g} s; send it in parts")

    def during(self, items: Iterable[_T]) -> Iterator[_T]:
        """The items one by one, with a check before each 64th.

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
