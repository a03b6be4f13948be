"""`cartwatch unreadable`: the list, and what a person does about it."""

import json

import pytest
from click.testing import CliRunner, Result

from alerts.state import PatientState
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, send
from worker.cli import main
from worker.clock import StoreClock
from worker.processing.advance import advance
from worker.store import unreadable
from worker.store.codec import pack
from worker.store.keys import Shard
from worker.store.shard import Store
from worker.store.state_cache import StateCache

P1 = KEYS.of("P1")


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StoreClock, "now", lambda _: NOW)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["unreadable", *arguments])


def settle(store: Store, clock: Clock, shard: Shard = P1) -> None:
    advance(store, shard, clock, SITE)


@pytest.fixture
def spoiled(service: Store, clock: Clock) -> Store:
    """P1 had a page of CRS 2; then the state was damaged, and one message came for it."""
    send(service, crs2())
    settle(service, clock)
    service.redis.delete(P1.key("outbox"), P1.key("urgent"), P1.key("due"))
    service.redis.hset(P1.key("states"), "P1", b"damaged")
    service.state_cache = StateCache()
    send(service, [crs2(at=clock.forward(minutes=1))[1]], clock.at)
    settle(service, clock)
    return service


def test_nothing_to_list_is_well(service: Store) -> None:
    del service
    found = run()
    assert (found.exit_code, found.output) == (0, "")


@pytest.mark.usefixtures("spoiled")
def test_the_list_names_the_patient_and_the_reason() -> None:
    found = run()
    assert found.exit_code == 1
    assert "state P1: it is cut short, or another program wrote it" in found.output
    [line] = run("--json").output.splitlines()
    assert json.loads(line)["name"] == "P1"


def test_a_patient_begins_anew_from_the_journal(spoiled: Store, clock: Clock) -> None:
    found = run("--rebuild", "P1")
    assert (found.exit_code, found.output) == (
        0,
        "P1: 3 message(s) of the journal are evaluated again; check the board\n",
    )
    settle(spoiled, clock)
    state = spoiled.state("P1")
    assert state is not None
    assert state.registered
    assert {len(entries) for entries in state.chart.entries.values()} == {1, 2}
    assert [item.page.condition for item in owed(spoiled)] == ["crs"]
    assert spoiled.redis.hget(P1.key("unreadable_values"), "state P1") == b"damaged"
    assert unreadable.listed(spoiled.redis, KEYS) == []


def test_a_patient_who_can_be_read_is_not_begun_anew(service: Store, clock: Clock) -> None:
    send(service, crs2())
    settle(service, clock)
    before = service.redis.hget(P1.key("states"), "P1")
    found = run("--rebuild", "P1")
    assert (found.exit_code, found.output) == (1, "Error: P1: is not on the list; see `cartwatch unreadable`\n")
    assert service.redis.hget(P1.key("states"), "P1") == before


def test_a_state_that_was_repaired_meanwhile_is_not_begun_anew(spoiled: Store, service: Store) -> None:
    good = pack(PatientState(patient="P1", registered=True))
    spoiled.redis.hset(P1.key("states"), "P1", good)
    assert run("--rebuild", "P1").exit_code == 0
    assert service.redis.hget(P1.key("states"), "P1") == good


def test_what_can_be_read_again_leaves_the_list(spoiled: Store) -> None:
    spoiled.redis.hdel(P1.key("states"), "P1")
    assert run("--retry").exit_code == 0


def test_dead_letters_that_cannot_be_read_are_listed_too(service: Store) -> None:
    service.redis.hset(KEYS.dead_letters, "one", b"junk")
    assert run().output == "dead letter one: it is cut short, or another program wrote it\n"


def test_pages_may_be_forgotten_and_states_not(spoiled: Store) -> None:
    pipe = spoiled.redis.pipeline()
    unreadable.move(pipe, KEYS, P1, "page", "p.1", b"junk", unreadable.UnreadableError("junk"), NOW)
    pipe.execute()
    assert "1 dropped" in run("--forget").output
    assert [one.kind for _, one in unreadable.listed(spoiled.redis, KEYS)] == ["state"]
