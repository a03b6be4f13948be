"""Listeners follow the configuration: a changed address is listened on, and one that cannot be had changes nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis import Redis

from config.listeners import Listener
from config.settings import Settings
from tests.unit.worker.ward import KEYS, NOW, SITE, Clock
from worker.intake.in_force import IntakeInForce
from worker.intake.mllp.errors import ListenerError
from worker.intake.mllp.handler import StoringHandler
from worker.intake.mllp.run import Listeners
from worker.intake.store import IntakeStore
from worker.runtime import Runtime
from worker.store import Store


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


Scenario = Callable[[Listeners], Coroutine[Any, Any, None]]


@pytest.fixture
def play(redis: Redis, store: Store) -> Callable[[Scenario], list[str]]:
    """Run a scenario with listeners, and end them; what they said."""
    run = Runtime(Settings(namespace=KEYS.namespace, shards=KEYS.shards), SITE, store, Clock())
    configured = IntakeInForce(None).value
    said: list[str] = []

    def handler(given: Listener) -> StoringHandler:
        return StoringHandler(IntakeStore(redis, KEYS), lambda: configured, lambda _: None, lambda: NOW, given.source)

    @asynccontextmanager
    async def running() -> AsyncIterator[Listeners]:
        made = Listeners(handler, run, said.append)
        try:
            yield made
        finally:
            await made.stop()

    def played(scenario: Scenario) -> list[str]:
        async def whole() -> None:
            async with running() as listeners:
                await scenario(listeners)

        asyncio.run(whole())
        return said

    return played


def test_a_changed_address_is_listened_on_and_the_one_before_no_more(play: Callable[[Scenario], list[str]]) -> None:
    old, new, other = free_port(), free_port(), free_port()

    async def scenario(listeners: Listeners) -> None:
        await listeners.follow({"lab": Listener(port=old), "icu": Listener(port=other)})
        assert (answers(old), answers(other), answers(new)) == (True, True, False)
        await listeners.follow({"lab": Listener(port=new), "icu": Listener(port=other)})
        assert (answers(old), answers(other), answers(new)) == (False, True, True)
        await listeners.follow({"lab": Listener(port=new)})
        assert (answers(other), answers(new)) == (False, True)

    assert [text.partition(":")[0] for text in play(scenario)] == ["lab", "icu", "lab"], "icu is not disturbed"
    assert not any(answers(port) for port in (old, new, other))


def test_two_that_change_ports_with_each_other(play: Callable[[Scenario], list[str]]) -> None:
    one, other = free_port(), free_port()

    async def scenario(listeners: Listeners) -> None:
        await listeners.follow({"lab": Listener(port=one), "icu": Listener(port=other)})
        await listeners.follow({"lab": Listener(port=other), "icu": Listener(port=one)})
        assert answers(one)
        assert answers(other)

    assert len(play(scenario)) == 4


def test_changed_peers_are_those_who_may_connect(play: Callable[[Scenario], list[str]]) -> None:
    port = free_port()

    async def scenario(listeners: Listeners) -> None:
        await listeners.follow({"lab": Listener(port=port)})
        await listeners.follow({"lab": Listener(port=port, peers=("10.0.0.0/8",))})
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            with suppress(ConnectionResetError):
                assert await reader.read() == b"", "it is turned away"
        writer.close()

    play(scenario)


def test_an_address_that_cannot_be_had_leaves_the_one_before(play: Callable[[Scenario], list[str]]) -> None:
    old, added = free_port(), free_port()

    async def scenario(listeners: Listeners) -> None:
        await listeners.follow({"lab": Listener(port=old)})
        with socket.create_server(("127.0.0.1", 0)) as taken:
            wanted = {"lab": Listener(port=taken.getsockname()[1]), "icu": Listener(port=added)}
            with pytest.raises(ListenerError, match="is in use"):
                await listeners.follow(wanted)
            assert (answers(old), answers(added)) == (True, True)
            await listeners.follow(wanted)  # said once, and not tried again until it changes

    play(scenario)
