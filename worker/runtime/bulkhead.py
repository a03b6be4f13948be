"""Bulkheads: threads reserved for one kind of request. Single flight: one call serves all concurrent callers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from redis.exceptions import TimeoutError as StoreTimeoutError

T = TypeVar("T")


class BusyError(Exception):
    """Too many calls of one kind wait."""


class Bulkhead:
    """Threads for one kind of request, with a queue. Other kinds of requests cannot occupy them.

    If the store does not answer one call, the calls queued behind it fail at once with the same error. Otherwise the
    queue would multiply the time-out by its length.
    """

    def __init__(self, threads: int, queue: int = 100) -> None:
        self._limiter = CapacityLimiter(threads)
        self._queue = queue
        self._timed_out = float("-inf")

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
