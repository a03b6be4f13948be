"""Which replicas must have a message: those that the Sentinels could choose, as they report them."""

from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as StoreConnectionError

from worker.store import live_replicas
from worker.store.live_replicas import LiveReplicas, could_be_chosen

FOLLOWS: dict[str, Any] = {
    "flags": "slave",
    "role-reported": "slave",
    "role-reported-time": 90_000,
    "master-link-status": "ok",
}


@pytest.mark.parametrize(
    ("differs", "counts"),
    [
        ({}, True),
        ({"flags": "s_down,slave"}, False),
        # A replica closes its connections when it becomes the primary.
        ({"flags": "slave,disconnected"}, True),
        # Copies the whole store, or was listed anew and has not answered yet.
        ({"master-link-status": "err"}, False),
        # Was just chosen: this Sentinel has not heard of it.
        ({"role-reported": "master", "role-reported-time": 800, "master-link-status": "err"}, True),
        # A former primary that returned, and is not yet a replica.
        ({"role-reported": "master", "role-reported-time": 6000, "master-link-status": "err"}, False),
    ],
)
def test_a_replica_counts_that_could_become_the_primary(differs: dict[str, Any], counts: bool) -> None:
    assert could_be_chosen(FOLLOWS | differs) is counts


class Sentinel:
    """Answers with its primary and its replicas, and counts the questions."""

    def __init__(self, *replicas: dict[str, Any]) -> None:
        self.primary, self.replicas, self.asked, self.dead = "h1", list(replicas), 0, False

    def sentinel_get_master_addr_by_name(self, _: str) -> list[bytes]:
        if self.dead:
            raise StoreConnectionError("dead")
        self.asked += 1
        return [self.primary.encode(), b"6379"]

    def sentinel_slaves(self, _: str) -> list[dict[str, Any]]:
        return self.replicas


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=100.0)
    monkeypatch.setattr(live_replicas.time, "monotonic", lambda: found.now)
    return found


def live(*sentinels: Sentinel) -> LiveReplicas:
    return LiveReplicas(SimpleNamespace(sentinels=list(sentinels)), "ward")  # type: ignore[arg-type]


def test_the_sentinels_are_asked_once_a_second(clock: SimpleNamespace) -> None:
    sentinel = Sentinel(FOLLOWS, FOLLOWS)
    replicas = live(sentinel)
    assert [replicas.required("h1", 6379) for _ in range(3)] == [2, 2, 2]
    clock.now += 1.1
    replicas.required("h1", 6379)
    assert sentinel.asked == 2


def test_while_no_sentinel_answers_the_last_replicas_are_required(clock: SimpleNamespace) -> None:
    """Cut off with one replica, a primary may have been replaced by the other."""
    sentinel = Sentinel(FOLLOWS, FOLLOWS)
    replicas = live(sentinel)
    replicas.required("h1", 6379)
    sentinel.dead = True
    clock.now += 60
    assert replicas.required("h1", 6379) == 2


@pytest.mark.usefixtures("clock")
def test_a_dead_sentinel_is_passed_over() -> None:
    dead = Sentinel()
    dead.dead = True
    assert live(dead, Sentinel(FOLLOWS)).required("h1", 6379) == 1


@pytest.mark.usefixtures("clock")
def test_what_was_written_on_a_server_that_is_no_longer_the_primary_is_written_again() -> None:
    sentinel = Sentinel(FOLLOWS)
    sentinel.primary = "h2"
    with pytest.raises(StoreConnectionError, match="another server is the primary"):
        live(sentinel).required("h1", 6379)
