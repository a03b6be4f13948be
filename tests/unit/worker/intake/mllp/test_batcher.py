"""Who is next: addresses in turn, each with one slice, the short past the long."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from worker.intake.mllp.acknowledger import SLICE, Reply, Request, RequestProgress
from worker.intake.mllp.batcher import MOST_REQUESTS, Batcher
from worker.intake.mllp.frames import Frame


class Work:
    """Answers each request after so many slices as its first frame has digits."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self._slices: Counter[RequestProgress] = Counter()

    def __call__(self, requests: Sequence[RequestProgress]) -> None:
        self.done.append([one.request.peer for one in requests])
        for one in requests:
            self._slices[one] += 1
            if self._slices[one] == len(one.request.frames):
                one.reply = Reply(one.request.peer.encode(), False, Counter())


def request(peer: str, size: int = 10, slices: int = 1) -> Request:
    return Request(peer, [Frame(b"x" * size)] * slices)


def order(*requests: Request) -> list[list[str]]:
    """What was worked on together, with all waiting from the beginning."""

    async def scene() -> list[list[str]]:
        work = Work()
        batcher = Batcher(work)
        replies = await asyncio.gather(*map(batcher.submit, requests))
        await batcher.close()
        assert [reply.data.decode() for reply in replies] == [one.peer for one in requests]
        return work.done

    return asyncio.run(scene())


def test_what_is_short_is_done_together() -> None:
    assert order(*(request(f"{at}") for at in range(5))) == [["0", "1", "2", "3", "4"]]


def test_no_more_is_done_together_than_others_can_wait_for() -> None:
    done = order(*(request(f"{at}") for at in range(MOST_REQUESTS + 1)))
    assert [len(together) for together in done] == [MOST_REQUESTS, 1]
    halves = order(*(request(f"{at}", SLICE // 2) for at in range(5)))
    assert [len(together) for together in halves] == [2, 2, 1]


def test_addresses_alternate_however_many_connections_one_has() -> None:
    many = [request("many", SLICE) for _ in range(6)]
    done = order(*many, request("one", SLICE), request("two", SLICE))
    assert [together for (together,) in done] == ["many", "one", "two", *["many"] * 5]


def test_what_is_long_is_done_slice_by_slice_in_turn() -> None:
    done = order(request("a", SLICE, 3), request("b", SLICE, 2))
    assert [together for together in done if together != ["a", "b"]] == [["a"], ["b"], ["a"], ["b"], ["a"]]


def test_one_that_fails_fails_alone() -> None:
    async def scene() -> None:
        def failing(_: Sequence[RequestProgress]) -> None:
            raise ArithmeticError

        batcher = Batcher(failing)
        (error,) = await asyncio.gather(batcher.submit(request("a")), return_exceptions=True)
        assert isinstance(error, ArithmeticError)
        await batcher.close()

    asyncio.run(scene())
