"""Bulkheads: threads reserved for one kind of request. Single flight: one call serves all concurrent callers."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from redis.exceptions import TimeoutError as StoreTimeoutError

T = TypeVar("T")


OF_ONE = 0.25
"""The part of a queue that one party may take, so that the calls of others find room and wait for few."""


class BusyError(Exception):
    """Too many calls of one kind, or of one party, wait."""


class Bulkhead:
    """Threads for one kind of request, with a queue. Other kinds of requests cannot occupy them.

    If the store does not answer one call, the calls queued behind it fail at once with the same error. Otherwise the
    queue would multiply the time-out by its length.
    """

    def __init__(self, threads: int, queue: int = 100) -> None:
        self._limiter = CapacityLimiter(threads)
        self._queue = queue
        self._of: Counter[str] = Counter()
        self._timed_out = float("-inf")

    async def run_for(self, party: str, call: Callable[..., T], *args: Any) -> T:
        """Call in one of the threads, on behalf of a party that may not occupy the queue alone.

        Raises:
            BusyError: too many wait already, in all or of this party.
            redis.exceptions.TimeoutError: as in `run`.
        """
        if self._of[party] >= max(1, self._queue * OF_ONE):
            raise BusyError
        self._of[party] += 1
        try:
            return await self.run(call, *args)
        finally:
            self._of[party] -= 1
            if not self._of[party]:
                del self._of[party]

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Call in one of the threads.

        Raises:
            BusyError: too many wait already.
            redis.exceptions.TimeoutError: the store did not answer this call, or one that this call waited for.
        """
        if self._limiter.statistics().tasks_waiting >= self._queue:
            raise BusyError
        asked = time.monotonic()

        def bounded() -> T:
            if self._timed_out > asked:
                raise StoreTimeoutError("the store did not answer the call before")
            try:
                return call(*args)
            except StoreTimeoutError:
                self._timed_out = time.monotonic()
                raise

        return await to_thread.run_sync(bounded, limiter=self._limiter)


class SingleFlight(Generic[T]):
    """At most one call at a time. Callers that arrive during a call share its result, or its error."""

    def __init__(self, threads: Bulkhead) -> None:
        self._threads = threads
        self._flight: asyncio.Task[T] | None = None

    async def join(self, call: Callable[[], T], *, fresh: bool = False) -> T:
        """The result of the call in progress, else of this one. `fresh`: only of a call that begins from now on."""
        if fresh and self._flight is not None:
            await asyncio.shield(self._flight)
        if self._flight is None:
            self._flight = asyncio.ensure_future(self._threads.run(call))
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def _landed(self, flight: "asyncio.Task[T]") -> None:
        self._flight = None
        if not flight.cancelled():
            # Marks the error as seen, even if all waiting callers have left.
            flight.exception()
