"""The listeners as a process: how it says to its container that it works."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.listeners import Listener
from config.settings import Settings
from tests.support.desk import SleepingClient
from tests.support.stored_ward import SITE, Clock
from worker.intake.mllp import run as module
from worker.intake.mllp.listener import MllpListener
from worker.runtime.runtime import Runtime
from worker.store.shard import Store

Healthy = Callable[[dict[str, Listener]], bool]
LISTENERS = {"lab": Listener(port=0, source="lab")}


@pytest.fixture
def healthy(store: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Healthy:
    """Listen until the configuration is looked at; whether the health file was touched."""
    settings = Settings(health_file=tmp_path / "healthy")
    run = Runtime(settings, SITE, store, clock)

    async def listen(in_force: Any) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        monkeypatch.setattr(module, "refresh_and_report", lambda *_: loop.call_soon_threadsafe(stop.set))
        await module.serve((), in_force, run, SleepingClient(settings, store.redis), lambda _: None, stop)

    def listened(listeners: dict[str, Listener]) -> bool:
        intake = SimpleNamespace(listeners=listeners)
        asyncio.run(listen(SimpleNamespace(value=SimpleNamespace(intake=intake))))
        return (tmp_path / "healthy").exists()

    return listened


@pytest.mark.parametrize("listeners", [LISTENERS, {}], ids=["it listens", "it waits for the first listener"])
def test_listeners_that_serve_and_reach_the_store_touch_the_health_file(
    healthy: Healthy, listeners: dict[str, Listener]
) -> None:
    assert healthy(listeners)


@pytest.mark.parametrize("listeners", [LISTENERS, {}], ids=["it listens", "it waits for the first listener"])
def test_listeners_that_do_not_reach_the_store_do_not(
    redis: Redis, healthy: Healthy, listeners: dict[str, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise RedisConnectionError

    monkeypatch.setattr(redis, "ping", gone)
    assert not healthy(listeners)


def test_listeners_one_of_which_takes_no_connections_do_not(healthy: Healthy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MllpListener, "is_serving", False)
    assert not healthy(LISTENERS)
