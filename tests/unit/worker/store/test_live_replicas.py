"""Which replicas must have a message: those that the Sentinels could choose, and those that the primary has."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.sentinel import MasterNotFoundError

from worker.store import live_replicas
from worker.store.live_replicas import LiveReplicas, could_be_chosen
from worker.store.sentinels import Quorum

PRIMARY, ONE, OTHER = ("h1", 6379), ("h2", 6379), ("h3", 6379)


def replica(host: str = "h2", **differs: Any) -> dict[str, Any]:
    """What a Sentinel reports of one that follows."""
    follows = {
        "ip": host,
        "port": 6379,
        "is_sdown": False,
        "is_odown": False,
        "role-reported": "slave",
        "role-reported-time": 90_000,
        "master-link-status": "ok",
    }
    return follows | {name.replace("__", "-"): value for name, value in differs.items()}


UNKNOWN = {"master__link__status": "err"}
"""Copies the whole store, or came back and was not asked again yet."""


@pytest.mark.parametrize(
    ("differs", "counts"),
    [
        ({}, True),
        ({"is_sdown": True}, False),
        # A replica closes its connections when it becomes the primary.
        ({"flags": "slave,disconnected"}, True),
        (UNKNOWN, False),
        # Was just chosen: this Sentinel has not heard of it.
        (UNKNOWN | {"role__reported": "master", "role__reported__time": 800}, True),
        # A former primary that returned, and is not yet a replica.
        (UNKNOWN | {"role__reported": "master", "role__reported__time": 6000}, False),
    ],
)
def test_a_replica_counts_that_could_become_the_primary(differs: dict[str, Any], counts: bool) -> None:
    assert could_be_chosen(replica(**differs)) is counts


class Asked:
    """A Sentinel: answers with its primary and its replicas, and counts the questions."""

    def __init__(self, *replicas: Mapping[str, Any], primary: str = "h1", epoch: int = 1) -> None:
        self.primary, self.epoch, self.replicas = primary, epoch, list(replicas)
        self.asked, self.is_dead, self.is_down = 0, False, False

    def pipeline(self, transaction: bool) -> "Asked":
        assert not transaction, "a Sentinel has no transactions"
        return self

    def sentinel_get_master_addr_by_name(self, _: str) -> None: ...

    def sentinel_master(self, _: str) -> None: ...

    def sentinel_slaves(self, _: str) -> None: ...

    def execute(self) -> list[Any]:
        self.asked += 1
        if self.is_dead:
            raise StoreConnectionError("dead")
        known = {"config-epoch": self.epoch, "is_sdown": self.is_down, "is_odown": False}
        return [(self.primary.encode(), 6379), known, self.replicas]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=100.0)
    monkeypatch.setattr(live_replicas.time, "monotonic", lambda: found.now)
    return found


def quorum(*sentinels: Asked) -> Quorum:
    made = Quorum([])  # type: ignore[no-untyped-call]
    made.sentinels = list(sentinels)
    return made


def live(*sentinels: Asked) -> LiveReplicas:
    return LiveReplicas(quorum(*sentinels), "ward")


def test_the_sentinels_are_asked_once_a_second(clock: SimpleNamespace) -> None:
    sentinel = Asked(replica("h2"), replica("h3"))
    replicas = live(sentinel)
    assert [replicas.required(PRIMARY) for _ in range(3)] == [2, 2, 2]
    clock.now += 1.1
    replicas.required(PRIMARY)
    assert sentinel.asked == 2


def test_while_no_sentinel_answers_the_last_replicas_are_required(clock: SimpleNamespace) -> None:
    """Cut off with one replica, a primary may have been replaced by the other."""
    sentinel = Asked(replica("h2"), replica("h3"))
    replicas = live(sentinel)
    replicas.required(PRIMARY)
    sentinel.is_dead = True
    clock.now += 60
    assert replicas.required(PRIMARY) == 2


def test_a_client_cut_off_with_the_fewer_sentinels_misses_every_replica(clock: SimpleNamespace) -> None:
    """To that Sentinel the other replica is down: it may be the new primary."""
    sentinels = [Asked(replica("h2"), replica("h3")) for _ in range(3)]
    replicas = live(*sentinels)
    for sentinel in sentinels[:2]:
        sentinel.is_dead = True
    sentinels[2].replicas[1] = replica("h3", is_sdown=True)
    assert replicas.required(PRIMARY, [ONE]) == 2
    for sentinel in sentinels:
        sentinel.is_dead, sentinel.replicas = False, sentinels[2].replicas
    clock.now += 1.1
    assert replicas.required(PRIMARY, [ONE]) == 1, "the most of them say that it is down"


def test_a_dead_sentinel_is_passed_over_and_then_asked_last(clock: SimpleNamespace) -> None:
    dead = Asked()
    dead.is_dead = True
    replicas = live(dead, Asked(replica()), Asked(replica()))
    for _ in range(5):
        assert replicas.required(PRIMARY) == 1
        clock.now += 1.1
    assert dead.asked == 1


def test_what_was_written_on_a_server_that_is_no_longer_the_primary_is_written_again() -> None:
    with pytest.raises(StoreConnectionError, match="another server is the primary"):
        live(Asked(replica(), primary="h2")).required(PRIMARY)


def test_the_primary_that_was_replaced_is_not_waited_for(clock: SimpleNamespace) -> None:
    """For about ten seconds it believes that it is the primary: with the other replica everything goes on."""
    old = replica("h1", **UNKNOWN, role__reported="master", role__reported__time=100)
    sentinel = Asked(replica("h2"), replica("h3"))
    replicas = live(sentinel)
    assert replicas.required(PRIMARY) == 2
    sentinel.primary, sentinel.epoch, sentinel.replicas = "h2", 2, [old, replica("h3")]
    assert live(sentinel).required(ONE) == 2, "a new client cannot know which of them was replaced"
    assert replicas.required(ONE) == 1, "the connection may know the new primary first"
    sentinel.replicas[0] = replica("h1")
    clock.now += 1.1
    assert replicas.required(ONE) == 2, "it follows now"


def test_a_chosen_replica_is_waited_for_though_an_older_answer_follows_the_newer() -> None:
    """For a moment one Sentinel knows of the failover. What the old primary takes with its other replica is lost."""
    sentinel = Asked(replica("h2"), replica("h3"))
    replicas = live(sentinel)
    replicas.required(PRIMARY)
    sentinel.primary, sentinel.epoch = "h2", 2
    replicas.required(ONE)
    sentinel.primary, sentinel.epoch = "h1", 1
    sentinel.replicas = [replica("h2", **UNKNOWN, role__reported="master", role__reported__time=100), replica("h3")]
    assert replicas.required(PRIMARY, [OTHER]) == 2


def test_of_two_answers_that_differ_the_newer_failover_counts() -> None:
    """The first Sentinel stands beside the old primary."""
    old, new = Asked(epoch=3), Asked(primary="h2", epoch=4)
    assert quorum(old, new, Asked()).discover_master("ward") == ONE


def test_without_more_than_half_of_the_sentinels_the_primary_is_found_all_the_same() -> None:
    """What was accepted is evaluated and paged on either side of a cut."""
    alone, dead = Asked(), Asked()
    dead.is_dead = True
    assert quorum(dead, dead, alone).discover_master("ward") == PRIMARY


def test_a_primary_that_does_not_answer_its_sentinels_is_none() -> None:
    down = Asked()
    down.is_down = True
    with pytest.raises(MasterNotFoundError):
        quorum(down, down, down).discover_master("ward")


# -- a replica that came back: the Sentinels do not know yet that it follows ----------------------


def test_a_replica_counts_while_the_primary_reports_it() -> None:
    """The other one was chosen and has left: this one must not stand for it."""
    replicas = live(Asked(replica("h2"), replica("h3", **UNKNOWN)))
    assert replicas.required(PRIMARY) == 1
    assert replicas.required(PRIMARY, [OTHER]) == 2


def test_a_replica_that_the_primary_has_just_reported_may_have_been_chosen(clock: SimpleNamespace) -> None:
    replicas = live(Asked(replica("h2"), replica("h3", **UNKNOWN)))
    replicas.required(PRIMARY, [ONE, OTHER])
    clock.now += 3
    assert replicas.required(PRIMARY, [ONE]) == 2
    clock.now += 3
    assert replicas.required(PRIMARY, [ONE]) == 1


def test_a_replica_that_was_down_when_the_sentinels_were_asked_may_have_been_chosen_since(
    clock: SimpleNamespace,
) -> None:
    replicas = live(Asked(replica("h2"), replica("h3", is_sdown=True)))
    replicas.required(PRIMARY, [ONE])
    clock.now += 0.5
    replicas.required(PRIMARY, [ONE, OTHER])
    assert replicas.required(PRIMARY, [ONE]) == 2


def test_a_replica_that_died_is_not_waited_for(clock: SimpleNamespace) -> None:
    sentinel = Asked(replica("h2"), replica("h3"))
    replicas = live(sentinel)
    replicas.required(PRIMARY, [ONE, OTHER])
    sentinel.replicas[1] = replica("h3", is_sdown=True)
    clock.now += 1.1
    assert replicas.required(PRIMARY, [ONE]) == 1
