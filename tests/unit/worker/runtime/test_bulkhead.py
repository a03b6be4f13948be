"""Threads of their own, a queue that does not multiply a time-out, and one call for all who ask alike."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from redis.exceptions import TimeoutError as StoreTimeoutError

from worker.runtime.bulkhead import Bulkhead, BusyError, SingleFlight


class Call:
    """A call that goes on until it is let end."""

    def __init__(self, ends: Callable[[], int] = lambda: 1) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.count = 0
        self._ends = ends

    def __call__(self) -> int:
        self.count += 1
        self.begun.release()
        assert self.may_end.acquire(timeout=30)
        return self._ends() * self.count


def silent() -> int:
    raise StoreTimeoutError


async def begun(call: Call) -> None:
    assert await asyncio.to_thread(call.begun.acquire, timeout=30)


def test_one_kind_of_work_leaves_the_threads_of_another_free() -> None:
    async def both() -> None:
        slow, other = Bulkhead(1), Bulkhead(1)
        call = Call()
        tasks = [asyncio.ensure_future(slow.run(call)) for _ in range(5)]
        await begun(call)
        assert await other.run(lambda: 7) == 7
        for _ in tasks:
            call.may_end.release()
        assert await asyncio.gather(*tasks) == [1, 2, 3, 4, 5]

    asyncio.run(both())


def test_who_queued_behind_a_call_that_timed_out_is_not_made_to_wait_as_long() -> None:
    async def queue() -> None:
        threads = Bulkhead(1)
        call = Call(silent)
        tasks = [asyncio.ensure_future(threads.run(call)) for _ in range(20)]
        await begun(call)
        call.may_end.release()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, StoreTimeoutError) for one in found)
        assert call.count == 1
        assert await threads.run(lambda: 7) == 7, "whoever asks afterwards is answered"

    asyncio.run(queue())


def test_only_so_many_calls_wait() -> None:
    async def queue() -> None:
        threads = Bulkhead(1, queue=3)
        call = Call()
        tasks = [asyncio.ensure_future(threads.run(call)) for _ in range(4)]
        await begun(call)
        with pytest.raises(BusyError):
            await threads.run(call)
        for _ in tasks:
            call.may_end.release()
        assert await asyncio.gather(*tasks) == [1, 2, 3, 4]

    asyncio.run(queue())


def test_one_party_leaves_room_for_others() -> None:
    """A monitor that floods the gateway has to send again; another source waits behind few of its requests."""

    async def queue() -> None:
        threads = Bulkhead(1, queue=8)
        call = Call()
        tasks = [asyncio.ensure_future(threads.run_for("monitor-7", call)) for _ in range(2)]
        await begun(call)
        with pytest.raises(BusyError):
            await threads.run_for("monitor-7", call)
        tasks.append(asyncio.ensure_future(threads.run_for("ward", call)))
        for _ in tasks:
            call.may_end.release()
        assert await asyncio.gather(*tasks) == [1, 2, 3]
        call.may_end.release()
        assert await threads.run_for("monitor-7", call) == 4

    asyncio.run(queue())


def test_whoever_asks_during_a_call_shares_its_result() -> None:
    async def ask() -> None:
        flight: SingleFlight[int] = SingleFlight(Bulkhead(4))
        call = Call()
        tasks = [asyncio.ensure_future(flight.join(call)) for _ in range(20)]
        await begun(call)
        late = [asyncio.ensure_future(flight.join(call, fresh=True)) for _ in range(20)]
        await asyncio.sleep(0)
        for _ in range(2):
            call.may_end.release()
        assert await asyncio.gather(*tasks) == [1] * 20
        assert await asyncio.gather(*late) == [2] * 20, "fresh: a call that began after the question"
        assert call.count == 2

    asyncio.run(ask())


def test_its_error_is_shared_and_the_next_call_is_tried() -> None:
    async def ask() -> None:
        flight: SingleFlight[int] = SingleFlight(Bulkhead(4))
        found = await asyncio.gather(*(flight.join(silent) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(one, StoreTimeoutError) for one in found)
        assert await flight.join(lambda: 7) == 7

    asyncio.run(ask())


def test_who_leaves_does_not_end_the_call_of_the_others() -> None:
    async def ask() -> None:
        flight: SingleFlight[int] = SingleFlight(Bulkhead(4))
        call = Call()
        leaves, stays = (asyncio.ensure_future(flight.join(call)) for _ in range(2))
        await begun(call)
        leaves.cancel()
        call.may_end.release()
        assert await stays == 1
        with pytest.raises(asyncio.CancelledError):
            await leaves

    asyncio.run(ask())
