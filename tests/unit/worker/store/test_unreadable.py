"""What cannot be read concerns its patient or its page alone, is kept, listed and reported, and comes back."""

from collections.abc import Iterator

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT
from alerts.pages.page import Page
from tests.support.delivery import FakeProvider, Sender, fake_provider
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Body,
    Clock,
    crs2,
    owed,
    raw,
    reading,
    send,
    waiting,
)
from tests.support.wording import english
from worker.processing.advance import ShardRun, advance
from worker.store import schema, unreadable
from worker.store.codec import unpack_journal, unpack_owed
from worker.store.inbox import accept
from worker.store.keys import Shard
from worker.store.shard import Store
from worker.store.state_cache import StateCache
from worker.ticker import pending

P1 = KEYS.of("P1")
SITES = KEYS.of(SITE_SUBJECT)


def neighbour(patient: str, number: int = 0) -> str:
    """Another patient of the same shard."""
    names = (name for tries in range(999) if KEYS.of(name := f"beside {tries}") == KEYS.of(patient))
    return [next(names) for _ in range(number + 1)][number]


OTHER = neighbour("P1")


def spoil(store: Store, patient: str = "P1", value: bytes = b"cut short") -> bytes:
    """What stood there before, or nothing."""
    states = KEYS.of(patient).key("states")
    before: bytes = store.redis.hget(states, patient) or b""
    store.redis.hset(states, patient, value)
    store.state_cache = StateCache()  # as in another process: who remembers the state goes on, and writes it again
    return before


def run(store: Store, clock: Clock, shard: Shard = P1) -> ShardRun:
    return advance(store, shard, clock, SITE)


def repair(store: Store, packed: bytes, patient: str = "P1") -> None:
    if packed:
        store.redis.hset(KEYS.of(patient).key("states"), patient, packed)
    else:
        store.redis.hdel(KEYS.of(patient).key("states"), patient)


def technical(store: Store, clock: Clock) -> dict[str, str]:
    """The open incidents, each with its urgency."""
    while waiting(store, SITE_SUBJECT):
        run(store, clock, SITES)
    state = store.state(SITE_SUBJECT)
    return {name: episode.urgency for name, episode in state.episodes.items()} if state is not None else {}


def of(store: Store) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for _, one in unreadable.listed(store.redis, KEYS)]


# -- states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"", b"cut short", b"\xc1\x01cut short", b"\xc1\x09of a newer version"])
def test_a_state_that_cannot_be_read_concerns_its_patient_alone(store: Store, clock: Clock, value: bytes) -> None:
    spoil(store, "P1", value)
    send(store, [*crs2("P1"), *crs2(OTHER)])
    run(store, clock)
    assert {item.page.patient for item in owed(store, OTHER)} == {OTHER}
    assert store.redis.hget(P1.key("states"), "P1") == value
    assert of(store) == [("state", "P1")]
    assert (waiting(store), store.redis.xlen(P1.key("suspended")), store.dead_letters()) == (0, 3, [])
    assert sorted(technical(store, clock).values()) == ["high", "technical"]


def test_neither_incident_names_the_patient(store: Store, clock: Clock) -> None:
    spoil(store, "Mr Rossi")
    send(store, crs2("Mr Rossi"))
    run(store, clock, KEYS.of("Mr Rossi"))
    technical(store, clock)
    state = store.state(SITE_SUBJECT)
    assert state is not None
    assert len(state.episodes) == 2
    assert not any("Rossi" in english(episode.title) + episode.condition for episode in state.episodes.values())
    owed_now = map(unpack_owed, store.redis.hvals(SITES.key("outbox")))
    assert {item.page.to for item in owed_now} == {"haematologist-1", "technician-1"}


def test_more_messages_of_the_patient_wait_without_another_incident(store: Store, clock: Clock) -> None:
    spoil(store)
    send(store, crs2())
    run(store, clock)
    before = technical(store, clock)
    pages = len(owed(store, SITE_SUBJECT))
    send(store, [reading("temperature", "39.4", at=clock.forward(seconds=10))], clock.at)
    run(store, clock)
    assert store.redis.xlen(P1.key("suspended")) == 4
    assert technical(store, clock) == before
    assert len(owed(store, SITE_SUBJECT)) == pages


def test_its_ladder_is_looked_at_again_later(store: Store, clock: Clock) -> None:
    spoil(store)
    store.redis.zadd(P1.key("timers"), {"P1": 1})
    run(store, clock)
    assert P1.number not in pending(store, clock.now()).shards
    assert P1.number in pending(store, clock.forward(minutes=1)).shards


def test_messages_beyond_the_bound_become_dead_letters(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable, "SUSPENDED_AT_MOST", 2)
    spoil(store)
    send(store, crs2())
    run(store, clock)
    assert store.redis.xlen(P1.key("suspended")) == 2
    assert [record.patient for _, record in store.dead_letters()] == ["P1"]


def test_of_many_patients_of_a_shard_the_later_ones_share_an_incident(store: Store, clock: Clock) -> None:
    beds = [neighbour("P1", number) for number in range(unreadable.INCIDENTS_OF_A_SHARD + 3)]
    for bed in beds:
        spoil(store, bed)
        send(store, [reading("temperature", "38.9", bed)])
        run(store, clock)
    assert len(of(store)) == len(beds)
    assert len(technical(store, clock)) == 2 * (unreadable.INCIDENTS_OF_A_SHARD + 1)


# -- the way back ----------------------------------------------------------------------------------


def pages(store: Store, patient: str = "P1") -> set[tuple[str, str]]:
    return {(item.page.id, item.page.text) for item in owed(store, patient)}


def test_after_a_repair_the_messages_that_waited_are_evaluated(store: Store, clock: Clock, redis: Redis) -> None:
    bodies = crs2()
    send(store, bodies[:1])
    run(store, clock)
    before = spoil(store)
    send(store, bodies[1:], clock.forward(seconds=1))
    run(store, clock)
    assert pages(store) == set()
    assert unreadable.retry(store.redis, KEYS, clock.forward(minutes=5)) == []  # nothing is repaired yet
    repair(store, before)
    assert P1 in unreadable.retry(store.redis, KEYS, clock.at)
    run(store, clock)
    assert len(pages(store)) == 1
    assert (of(store), redis.xlen(P1.key("suspended"))) == ([], 0)
    assert technical(store, clock) == {}


def test_what_waited_is_evaluated_as_accepted_when_it_came(store: Store, clock: Clock) -> None:
    """Of two corrections the one accepted later holds, though the other waited until after it."""
    spoil(store)
    came = clock.now()
    send(store, [*crs2(), reading("crp", 1, id="c"), reading("crp", 2, id="c2", supersedes="c", status="corrected")])
    run(store, clock)
    clock.forward(hours=1)
    repair(store, b"")
    unreadable.retry(store.redis, KEYS, clock.at)
    run(store, clock)
    entries = [entry for _, fields in store.stream(P1.key("journal")) for entry in unpack_journal(fields[b"j"])["in"]]
    assert [entry["received"] for entry in entries] == [came.isoformat()] * 5
    state = store.state("P1")
    assert state is not None
    assert [str(entry.value) for entry in state.chart.entries["crp"]] == ["2"]


def test_the_journal_holds_what_waited_once(store: Store, clock: Clock) -> None:
    spoil(store)
    send(store, crs2())
    run(store, clock)
    assert store.journal(P1) == []
    repair(store, b"")
    unreadable.retry(store.redis, KEYS, NOW)
    run(store, clock)
    assert sum(len(record["in"]) for _, record in store.journal(P1)) == 3


def test_what_waits_of_a_source_is_counted_again_when_it_goes_back(store: Store, clock: Clock) -> None:
    spoil(store)
    accept_of(store, "ehr", crs2())
    run(store, clock)
    repair(store, b"")
    unreadable.retry(store.redis, KEYS, NOW)
    assert int(store.redis.hget(KEYS.waiting_bytes, "ehr") or 0) > 0
    run(store, clock)
    assert int(store.redis.hget(KEYS.waiting_bytes, "ehr") or 0) == 0


def accept_of(store: Store, source: str, bodies: list[Body]) -> None:
    accept(store.redis, KEYS, map(raw, bodies), NOW, source)


def test_one_patient_of_two_comes_back_alone(store: Store, clock: Clock) -> None:
    for bed in ("P1", OTHER):
        spoil(store, bed)
        send(store, crs2(bed))
        run(store, clock)
    repair(store, b"", OTHER)
    unreadable.retry(store.redis, KEYS, NOW)
    run(store, clock)
    assert of(store) == [("state", "P1")]
    assert store.redis.xlen(P1.key("suspended")) == 3
    assert len(pages(store, OTHER)) == 1
    assert len(technical(store, clock)) == 2


# -- the site's own state --------------------------------------------------------------------------


def test_the_state_of_the_technical_incidents_begins_anew_and_is_kept(store: Store, clock: Clock) -> None:
    accept(store.redis, KEYS, [b"{"], NOW)
    assert technical(store, clock)
    before = spoil(store, SITE_SUBJECT, b"damaged")
    assert before
    spoil(store)
    send(store, crs2())
    run(store, clock)
    assert "high" in technical(store, clock).values()
    assert ("site", SITE_SUBJECT) in of(store)
    assert store.redis.hget(SITES.key("unreadable_values"), f"site {SITE_SUBJECT}") == b"damaged"


# -- pages and exports -----------------------------------------------------------------------------


@pytest.fixture
def page(store: Store, clock: Clock) -> Page:
    send(store, crs2())
    run(store, clock)
    [one] = owed(store)
    return one.page


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    return fake_provider(monkeypatch)


def test_a_page_that_cannot_be_read_is_listed_once_and_no_longer_tried(
    store: Store, clock: Clock, page: Page, provider: FakeProvider
) -> None:
    packed = store.redis.hget(P1.key("outbox"), page.id) or b""
    store.redis.hset(P1.key("outbox"), page.id, b"junk")
    Sender(store, clock=clock).deliver()
    assert of(store) == [("page", page.id)]
    assert store.redis.hget(P1.key("unreadable_values"), f"page {page.id}") == b"junk"
    assert technical(store, clock) == {"unreadable page": "technical"}
    assert page.id not in provider.ids
    store.redis.hset(P1.key("unreadable_values"), f"page {page.id}", packed)
    unreadable.retry(store.redis, KEYS, clock.at)
    assert technical(store, clock) == {}
    Sender(store, clock=clock).deliver()
    assert page.id in provider.ids


# -- a newer version at work -----------------------------------------------------------------------


@pytest.fixture
def newer(store: Store) -> Iterator[None]:
    store.redis.set(KEYS.schema, schema.VERSION + 1)
    yield
    assert of(store) == []


@pytest.mark.usefixtures("newer")
def test_a_shard_is_left_to_the_newer_version_that_has_written_to_the_store(store: Store, clock: Clock) -> None:
    send(store, crs2())
    run(store, clock)
    assert (waiting(store), store.redis.get(P1.lease), store.redis.hlen(P1.key("states"))) == (3, None, 0)


def test_a_state_that_a_newer_version_writes_meanwhile_is_left_to_it(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(store, "P1", b"\xc1\x09of a newer version")
    send(store, crs2())
    real = store.take

    def taken(*args: object, **named: object) -> object:
        store.redis.set(KEYS.schema, schema.VERSION + 1)
        return real(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "take", taken)
    run(store, clock)
    assert (waiting(store), store.redis.get(P1.lease), of(store)) == (3, None, [])


@pytest.mark.parametrize("has_written", [True, False])
def test_a_page_of_a_newer_version_is_left_to_it(
    store: Store, clock: Clock, page: Page, provider: FakeProvider, has_written: bool
) -> None:
    """Also where it has not recorded its version yet, or an older one has since."""
    store.redis.hset(P1.key("outbox"), page.id, b"\xc1\x09of a newer version")
    if has_written:
        store.redis.set(KEYS.schema, schema.VERSION + 1)
    Sender(store, clock=clock).deliver()
    assert (of(store), store.redis.hexists(P1.key("outbox"), page.id)) == ([], True)
    assert page.id not in provider.ids


def test_whoever_evaluates_records_its_version_first(store: Store, clock: Clock) -> None:
    send(store, crs2())
    run(store, clock)
    assert store.redis.get(KEYS.schema) == str(schema.VERSION).encode()
