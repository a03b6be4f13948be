"""Many wait, one works: what has come in while the last work was done is done together, off the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from worker.intake.mllp.answers import Reply, Request

MOST_REQUESTS = 100
MOST_BYTES = 8 * 1024 * 1024


class Gatherer:
    """Calls `work` in one thread with everything that waits: one append to the store for all connections."""

    def __init__(self, work: Callable[[Sequence[Request]], Sequence[Reply]]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mllp")
        self._waiting: list[tuple[Request, asyncio.Future[Reply]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def do(self, request: Request) -> Reply:
        """The reply to a request, once it has been worked on."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish what waits."""
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken = self._take()
            try:
                replies = await loop.run_in_executor(self._thread, self._work, [request for request, _ in taken])
            except Exception as error:
                for _, future in taken:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), reply in zip(taken, replies, strict=True):
                if not future.done():
                    future.set_result(reply)

    def _take(self) -> list[tuple[Request, "asyncio.Future[Reply]"]]:
        size = number = 0
        for number, (request, _) in enumerate(self._waiting, 1):
            size += request.size
            if size >= MOST_BYTES or number == MOST_REQUESTS:
                break
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        return taken
