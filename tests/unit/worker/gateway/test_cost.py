"""What the board, the probes and the metrics ask of the store does not grow with what else stands in it."""

from collections.abc import Callable

import pytest
from redis import Redis
from redis.client import Pipeline

from config.settings import Settings
from tests.support.desk import Desk
from tests.support.stored_ward import KEYS, NOW, crs2
from worker.monitoring import watchdog
from worker.monitoring.health import examine
from worker.runtime.runtime import Runtime

SEEN = 30_000
"""Deliveries of a day that the intake remembers, each by a key."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that were sent to the store."""
    sent: list[str] = []
    execute, execute_all = Redis.execute_command, Pipeline.execute

    def one(self: Redis, *command: object, **how: object) -> object:
        if not isinstance(self, Pipeline):
            sent.append(str(command[0]))
        return execute(self, *command, **how)

    def many(self: Pipeline, *how: object, **more: object) -> object:
        sent.extend(str(command[0][0]) for command in self.command_stack)
        return execute_all(self, *how, **more)

    monkeypatch.setattr(Redis, "execute_command", one)
    monkeypatch.setattr(Pipeline, "execute", many)
    return sent


LOOKS: dict[str, Callable[[Desk], object]] = {
    "board": lambda desk: desk.app.state.live.look(),
    "metrics": lambda desk: desk.get("/metrics"),
    "health": lambda desk: examine(desk.store, NOW, desk.site.on_call.channels),
    "watchdog": lambda desk: watchdog.run_watchdog(Runtime(Settings(), desk.site, desk.store, desk.clock), NOW),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_it_costs_the_same_number_of_commands_with_many_other_keys(
    desk: Desk, commands: list[str], look: Callable[[Desk], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.gateway.snapshot.examine", examine)
    monkeypatch.setattr("worker.monitoring.health._store", lambda _: [])  # a store in memory has no INFO
    monkeypatch.setattr(watchdog, "violations", lambda *_, **__: [])
    monkeypatch.setattr(desk.redis, "info", lambda _: {})
    desk.send(*crs2())
    look(desk)  # what is done once only: the first look at a feed, the schema
    desk.redis.delete(KEYS.watchdog_claim, KEYS.canary.inbox)
    commands.clear()
    look(desk)
    before = len(commands)
    desk.redis.mset({f"{KEYS.namespace}:seen:{number}": 1 for number in range(SEEN)})
    desk.redis.delete(KEYS.watchdog_claim, KEYS.canary.inbox)
    commands.clear()
    look(desk)
    assert len(commands) == before > 20
    assert "SCAN" not in commands
