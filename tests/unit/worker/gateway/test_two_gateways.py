"""Two gateways behind one address: each request may reach either, and nothing is kept in one of them."""

from collections.abc import Iterator
from itertools import cycle

import httpx
import pytest
from redis import Redis

from tests.support.desk import Desk, words
from tests.support.stored_ward import Clock, waiting
from worker.store.shard import Store


class RoundRobin(httpx.AsyncBaseTransport):
    """A proxy that is sticky to nothing."""

    def __init__(self, *gateways: httpx.AsyncBaseTransport) -> None:
        self.served = [0] * len(gateways)
        self._next = cycle(enumerate(gateways))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number, gateway = next(self._next)
        self.served[number] += 1
        return await gateway.handle_async_request(request)


@pytest.fixture
def proxy(redis: Redis, store: Store, clock: Clock) -> Iterator[tuple[Desk, RoundRobin]]:
    with Desk(redis, store, clock) as first, Desk(redis, store, clock) as second:
        between = RoundRobin(first.browser._client._transport, second.browser._client._transport)
        first.browser._client._transport = between
        yield first, between


def test_a_session_of_one_gateway_is_valid_at_the_other(proxy: tuple[Desk, RoundRobin]) -> None:
    desk, between = proxy
    episode = desk.fall_ill()
    desk.sign_in("consultant-1")
    for _ in range(2):
        assert "P1" in words(desk.get("/board"))
    answered = desk.post(f"/board/episode/{episode.id}/have-it", data=desk.board_form(episode))
    desk.work()
    assert desk.crs().acknowledged_by == "consultant-1"
    assert "You have it since 10:00" in words(desk.get(answered.headers["location"]))
    assert min(between.served) > 1


def test_a_link_is_answered_at_either_and_a_double_press_is_one_answer(proxy: tuple[Desk, RoundRobin]) -> None:
    desk, between = proxy
    path = desk.link(desk.fall_ill())
    first, second = (desk.post(f"{path}/have-it", data={"mark": "0123"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] == second.headers["location"]
    assert waiting(desk.store) == 1
    assert min(between.served) == 1


def test_a_session_that_is_ended_at_one_is_ended_at_the_other(proxy: tuple[Desk, RoundRobin]) -> None:
    desk, _ = proxy
    desk.fall_ill()
    desk.sign_in("consultant-1")
    desk.gateway.sessions.end_all("consultant-1")
    for _ in range(2):
        assert "P1" not in words(desk.get("/board"))
