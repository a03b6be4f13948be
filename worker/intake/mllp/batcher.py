"""Batches the requests that arrived while the last batch was processed, off the event loop.

Addresses alternate fairly, each with one slice of one request; a batch weighs about one slice. Long requests have a
thread of their own (a bulkhead): a message that takes seconds delays only other long ones.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from worker.intake.mllp.acknowledger import SLICE, Reply, Request, RequestProgress

MOST_REQUESTS = 100
Work = Callable[[Sequence[RequestProgress]], None]


class Batcher:
    """Calls `work` with waiting requests: one append to the store for all. Short and long have a thread each."""

    def __init__(self, work: Work) -> None:
        self._short = _Queue(work, MOST_REQUESTS, "mllp")
        self._long = _Queue(work, 1, "mllp-long")

    async def submit(self, request: Request) -> Reply:
        """Queue a request and wait for its reply."""
        queue = self._short if request.weight <= SLICE else self._long
        return await queue.submit(RequestProgress(request))

    async def close(self) -> None:
        """Process the waiting requests, then stop."""
        await asyncio.gather(self._short.close(), self._long.close())


class _Queue:
    """One thread, and the requests that wait for it by address."""

    def __init__(self, work: Work, most: int, name: str) -> None:
        self._work = work
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: OrderedDict[str, deque[RequestProgress]] = OrderedDict()
        self._replies: dict[RequestProgress, asyncio.Future[Reply]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, progress: RequestProgress) -> Reply:
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
            batch = self._take()
            try:
                await loop.run_in_executor(self._thread, self._work, batch)
            except Exception as error:
                for progress in batch:
                    self._settle(progress, error)
                continue
            for progress in batch:
                if progress.reply is None:
                    self._queue(progress)
                else:
                    self._settle(progress, progress.reply)

    def _queue(self, progress: RequestProgress) -> None:
        self._waiting.setdefault(progress.request.peer, deque()).append(progress)

    def _take(self) -> list[RequestProgress]:
        """The next request of each address, round robin."""
        batch: list[RequestProgress] = []
        weight = 0
        while self._waiting and len(batch) < self._most and weight < SLICE:
            peer, row = self._waiting.popitem(last=False)
            batch.append(row.popleft())
            weight += batch[-1].request.weight
            if row:
                self._waiting[peer] = row
        return batch

    def _settle(self, progress: RequestProgress, reply: Reply | Exception) -> None:
        future = self._replies.pop(progress)
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)
