"""Many wait, one works: what has come in while the last work was done is done together, off the event loop.

Addresses take turns, each with one slice of one request; what is done together weighs about one slice. What is long has
a lane of its own, so that a message that takes seconds is waited for only by others as long.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from worker.intake.mllp.acknowledger import SLICE, Progress, Reply, Request

MOST_REQUESTS = 100
Work = Callable[[Sequence[Progress]], None]


class Batcher:
    """Calls `work` with what waits: one append to the store for all connections. Short and long have a thread each."""

    def __init__(self, work: Work) -> None:
        self._short = _Lane(work, MOST_REQUESTS, "mllp")
        self._long = _Lane(work, 1, "mllp-long")

    async def submit(self, request: Request) -> Reply:
        """The reply to a request, once it has been worked on."""
        lane = self._short if request.weight <= SLICE else self._long
        return await lane.submit(Progress(request))

    async def close(self) -> None:
        """Finish what waits."""
        await asyncio.gather(self._short.close(), self._long.close())


class _Lane:
    """One thread, and what waits for it by address."""

    def __init__(self, work: Work, most: int, name: str) -> None:
        self._work = work
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: OrderedDict[str, deque[Progress]] = OrderedDict()
        self._replies: dict[Progress, asyncio.Future[Reply]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, progress: Progress) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[progress] = future
        self._queue(progress)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken = self._take()
            try:
                await loop.run_in_executor(self._thread, self._work, taken)
            except Exception as error:
                for progress in taken:
                    self._settle(progress, error)
                continue
            for progress in taken:
                if progress.reply is None:
                    self._queue(progress)
                else:
                    self._settle(progress, progress.reply)

    def _queue(self, progress: Progress) -> None:
        self._waiting.setdefault(progress.request.peer, deque()).append(progress)

    def _take(self) -> list[Progress]:
        """The next of each address in turn; one that has more goes to the end of the row."""
        taken: list[Progress] = []
        weight = 0
        while self._waiting and len(taken) < self._most and weight < SLICE:
            peer, row = self._waiting.popitem(last=False)
            taken.append(row.popleft())
            weight += taken[-1].request.weight
            if row:
                self._waiting[peer] = row
        return taken

    def _settle(self, progress: Progress, reply: Reply | Exception) -> None:
        future = self._replies.pop(progress)
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)
