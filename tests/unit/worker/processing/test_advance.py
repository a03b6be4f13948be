"""Advancing a shard: whole batches, poison dead-lettered alone, faults reported to the site."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count, islice
from math import ceil
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT, AnyMessage
from alerts.state import Effects, PatientState
from alerts.step.step import step
from config.site import Site
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Body,
    Clock,
    acknowledgement,
    crs2,
    of_interest,
    owed,
    raw,
    reading,
    registration,
    send,
    waiting,
)
from tests.support.wording import english
from worker.processing import advance as module
from worker.processing import poison as isolation
from worker.processing.advance import advance
from worker.store.codec import unpack_owed
from worker.store.commit import Transaction
from worker.store.fair_shares import PIECE
from worker.store.keys import Shard
from worker.store.shard import Store

SHARD = KEYS.of("P1")
POISON = "poison"


@pytest.fixture
def run_shard(store: Store, clock: Clock) -> Callable[..., module.ShardRun]:
    """Advance the shard of P1, or another, at the clock's time; its pages are those of interest."""

    def advanced(shard: Shard = SHARD) -> module.ShardRun:
        done = advance(store, shard, clock, SITE)
        known = {unpack_owed(value) for value in store.redis.hvals(shard.key("outbox"))}
        followed = {item.page.id for item in known if of_interest(item.page)}
        done.pages = [page for page in done.pages if page.id in followed]
        return done

    return advanced


def fails_on(wanted: Callable[[PatientState, Sequence[AnyMessage]], bool], error: BaseException) -> Callable[..., Any]:
    def evaluated(
        state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
    ) -> tuple[PatientState, Effects]:
        if wanted(state, messages):
            raise error
        return step(state, messages, now, site)

    return evaluated


def holds_poison(_: PatientState, messages: Sequence[AnyMessage]) -> bool:
    return any(POISON in message.id for message in messages)


def poison(patient: str = "P1", **more: Any) -> Body:
    return reading("crp", 85, patient, id=POISON, **more)


def charted(store: Store, patient: str = "P1") -> set[str]:
    state = store.state(patient)
    return set(state.chart.entries) if state else set()


def titles(store: Store, patient: str = "P1") -> list[str]:
    return [item.page.title for item in owed(store, patient)]


# -- whole batches ---------------------------------------------------------------------------------


def test_a_batch_is_evaluated_and_its_page_owed(store: Store, run_shard: Callable[..., module.ShardRun]) -> None:
    send(store, crs2())
    done = run_shard()
    assert (done.batches, done.messages, done.more) == (1, 3, False)
    assert [item.page for item in owed(store)] == done.pages
    assert titles(store) == ["[HIGH] HAEM-2/12 P1 D+2 · CRS 2 · T 38.9 · SBP 84"]
    assert waiting(store) == 0


def test_patients_of_one_shard_are_evaluated_each_for_themselves(
    store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    assert KEYS.of("P1") == KEYS.of("P3")
    send(store, [*crs2("P1"), *crs2("P3")])
    assert len(run_shard().pages) == 2
    assert {item.page.patient for item in owed(store)} == {"P1", "P3"}


def test_more_than_one_batch_is_taken_in_one_run(redis: Redis, clock: Clock) -> None:
    small = Store(redis, KEYS, batch=2, lease_seconds=5, journal_length=100)
    send(small, [registration(), *[reading("crp", number) for number in range(8)]])
    done = advance(small, SHARD, clock, SITE)
    assert (done.batches, done.messages, done.more) == (5, 9, False)


def test_a_batch_after_which_nothing_waits_ends_the_run_at_once(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that is taken to find nothing, and given back, is two writes to disk."""
    taken: list[Shard] = []
    take = store.take
    monkeypatch.setattr(store, "take", lambda shard, *args: taken.append(shard) or take(shard, *args))
    send(store, crs2())
    advance(store, SHARD, clock, SITE)
    assert taken == [SHARD]


def test_a_message_that_came_while_a_batch_was_evaluated_is_taken_in_the_same_run(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluated(
        state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
    ) -> tuple[PatientState, Effects]:
        if len(messages) == 3:
            send(store, [reading("crp", 85)])
        return step(state, messages, now, site)

    monkeypatch.setattr(isolation, "step", evaluated)
    send(store, crs2())
    done = advance(store, SHARD, clock, SITE)
    assert (done.batches, done.messages, done.more) == (2, 4, False)


def test_where_nothing_waits_nothing_is_done(redis: Redis, run_shard: Callable[..., module.ShardRun]) -> None:
    assert run_shard().batches == 0
    assert redis.keys() == []


def test_a_message_delivered_twice_takes_effect_once(store: Store, run_shard: Callable[..., module.ShardRun]) -> None:
    send(store, [*crs2(), *crs2()])
    run_shard()
    send(store, crs2())
    run_shard()
    assert len(owed(store)) == 1


def test_a_ladder_climbs_when_its_time_has_come(
    store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun]
) -> None:
    send(store, crs2())
    run_shard()
    clock.forward(minutes=9, seconds=59)
    assert run_shard().pages == []
    clock.forward(seconds=1)
    assert len(run_shard().pages) == 1
    assert "CRS 2 (repeat)" in titles(store)[-1]


def test_an_acknowledgement_stops_the_ladder_and_cancels_what_is_owed(
    redis: Redis, store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun]
) -> None:
    send(store, crs2())
    [page] = run_shard().pages
    episode = owed(store)[0].page.episode
    send(store, [acknowledgement(episode, at=clock.forward(minutes=2))], clock.at)
    run_shard()
    assert owed(store) == []
    assert redis.zscore(SHARD.key("due"), page.id) is None
    clock.forward(hours=1)
    assert run_shard().pages == []


def test_a_patient_nobody_registered_is_charted_listed_and_paged_once(
    store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    first, *rest = crs2()
    send(store, rest)
    [page] = run_shard().pages
    assert (page.urgency, page.condition) == ("high", "crs")
    assert store.unregistered()["P1"].count == 2
    assert [state.patient for state in store.states()] == ["P1"], "who pages is shown, registered or not"
    send(store, [first])
    assert run_shard().pages == [], "the same thing is not paged again"
    assert store.unregistered() == {}


def test_a_correction_without_a_time_of_receipt_counts_from_its_acceptance(
    store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun]
) -> None:
    """Of two corrections of one reading the one accepted later holds, whatever order they are folded in."""
    early = reading("crp", 20, id="m1", status="corrected")
    send(store, [registration(), early], clock.at)
    send(store, [early | {"value": 30}], clock.forward(minutes=1))
    run_shard()
    state = store.state("P1")
    assert state is not None
    assert [str(entry.value) for entry in state.chart.entries["crp"]] == ["30"]


# -- what cannot be read or used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"m": b"{"}, "not JSON"),
        ({"m": b"\xff"}, "not JSON"),
        ({"message": b"{}"}, "not JSON"),
        ({"m": b'{"type": "telegram"}'}, "type: not one of"),
        ({"m": raw(reading("crp", "1e15"))}, "value: the number is too large"),
    ],
)
def test_an_entry_that_cannot_be_read_is_dead_lettered_and_its_neighbours_are_not(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun], fields: dict[str, bytes], why: str
) -> None:
    send(store, crs2()[:2])
    redis.xadd(SHARD.inbox, fields)
    send(store, crs2()[2:])
    assert len(run_shard().pages) == 1
    [(_, record)] = store.dead_letters()
    assert why in record.why
    assert record.source == "inbox"
    assert waiting(store) == 0


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (reading("crp", 85, unit=None), "unit"),
        (reading("crp", 85, unit="mg"), "unit"),
        (reading("temperature", "3890"), ""),
        (reading("crp", 85, at=NOW.replace(hour=9)), "future"),
        (acknowledgement("nobody"), "no such episode"),
    ],
    ids=["unit missing", "unit unknown", "implausible", "in the future", "unknown episode"],
)
def test_a_message_that_can_be_read_and_not_used_is_dead_lettered_with_the_reason(
    store: Store, run_shard: Callable[..., module.ShardRun], bad: Body, why: str
) -> None:
    send(store, [*crs2(), bad])
    assert len(run_shard().pages) == 1
    [(_, record)] = store.dead_letters()
    assert why in record.why
    assert (record.source, record.patient, record.id) == (bad["source"], "P1", bad["id"])
    assert json.loads(record.raw)["id"] == bad["id"]


def test_what_a_person_charted_ahead_stands_where_it_was_accepted_and_its_journal_places_it_there_again(
    store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun]
) -> None:
    """However long it waits for a worker, and in a replay of the journal."""
    send(store, [registration(), reading("temperature", "38.9", at=NOW + timedelta(minutes=45))])
    clock.forward(minutes=20)
    run_shard()
    state = store.state("P1")
    assert state is not None
    (entry,) = state.chart.entries["temperature"]
    assert (entry.effective, entry.charted_for) == (NOW, NOW + timedelta(minutes=45))
    [(_, record)] = store.journal(SHARD)
    again = [
        read_message(item["message"]).model_copy(update={"received": datetime.fromisoformat(item["received"])})
        for item in record["in"]
    ]
    replayed, _ = step(PatientState(patient="P1"), again, NOW + timedelta(days=1), SITE)
    assert replayed.chart.entries["temperature"] == (entry,)


def test_a_message_in_another_patients_shard_is_moved_to_its_own(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    """A producer in another language may compute the shard wrongly; a patient must never stand in two."""
    for body in crs2("P2"):
        redis.xadd(SHARD.inbox, {"m": raw(body)})
    assert [shard.number for shard in run_shard().wake] == [KEYS.of("P2").number]
    assert len(run_shard(KEYS.of("P2")).pages) == 1
    assert [state.patient for state in store.states()] == ["P2"]


# -- poison ----------------------------------------------------------------------------------------


def test_a_message_on_which_the_evaluation_fails_is_dead_lettered_alone(
    store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "step", fails_on(holds_poison, ZeroDivisionError("secret")))
    registered, fever, pressure = crs2()
    send(store, [registered, fever, poison(), pressure, *crs2("P3")])
    assert len(run_shard().pages) == 2
    [(_, record)] = store.dead_letters()
    assert (record.id, record.patient) == (POISON, "P1")
    assert record.why == "internal error ZeroDivisionError while evaluating this message"
    assert charted(store) == {"temperature", "systolic_bp"}
    assert waiting(store) == 0


def test_poison_in_a_large_batch_costs_one_evaluation_a_message(
    store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More would outlast the lease, and the whole shard would stand still."""
    evaluated: list[int] = []

    def counted(
        state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
    ) -> tuple[PatientState, Effects]:
        evaluated.append(len(messages))
        return fails_on(holds_poison, ZeroDivisionError())(state, messages, now, site)

    monkeypatch.setattr(isolation, "step", counted)
    send(store, [*[reading("crp", number) for number in range(PIECE - 4)], poison(), *crs2()])
    assert len(run_shard().pages) == 1
    assert evaluated == [PIECE, *[1] * PIECE, PIECE - 1]
    assert [record.id for _, record in store.dead_letters()] == [POISON]


def test_a_time_limit_is_no_messages_fault(
    store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "step", fails_on(holds_poison, SoftTimeLimitExceeded()))
    send(store, [*crs2(), poison()])
    with pytest.raises(SoftTimeLimitExceeded):
        run_shard()
    assert store.dead_letters() == []
    assert waiting(store) == 4


def test_what_is_said_of_poison_names_no_patient(
    store: Store,
    run_shard: Callable[..., module.ShardRun],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(isolation, "step", fails_on(holds_poison, KeyError("P-secret 38.9")))
    send(store, [registration("P-secret"), poison("P-secret")])
    run_shard(KEYS.of("P-secret"))
    [(_, entry)] = store.stream(KEYS.of(SITE_SUBJECT).inbox)
    assert b"secret" not in entry[b"m"]
    assert "secret" not in caplog.text


def test_poison_from_a_source_with_the_longest_name_is_dead_lettered_too(
    store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "step", fails_on(holds_poison, ZeroDivisionError()))
    send(store, [*crs2(), poison(source="m" * 200)])
    assert len(run_shard().pages) == 1
    assert [record.id for _, record in store.dead_letters()] == [POISON]


def test_an_unusable_reading_from_a_source_with_the_longest_name_is_dead_lettered_too(
    store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    send(store, [*crs2(), reading("crp", 85, unit=None, source="m" * 200)])
    assert len(run_shard().pages) == 1
    assert len(store.dead_letters()) == 1


def test_a_patient_whose_ladder_cannot_be_evaluated_holds_up_no_other(
    store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, [*crs2("P1"), *crs2("P3")])
    run_shard()
    monkeypatch.setattr(isolation, "step", fails_on(lambda state, _: state.patient == "P1", KeyError("technician-2")))
    clock.forward(minutes=10)
    assert len(run_shard().pages) == 1
    assert {item.page.patient for item in owed(store) if item.page.reason == "repeat"} == {"P3"}
    site = run_shard(KEYS.of(SITE_SUBJECT))
    assert len(site.pages) == 1
    reported = {item.page.condition for item in owed(store, SITE_SUBJECT)}
    assert reported == {"evaluation ladder"}


def test_a_ladder_that_cannot_be_evaluated_is_tried_again_after_a_minute_not_at_once(
    store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, crs2())
    run_shard()
    monkeypatch.setattr(isolation, "step", fails_on(lambda state, _: state.patient == "P1", KeyError("technician-2")))
    clock.forward(minutes=10)
    assert run_shard().batches == 1
    monkeypatch.undo()
    clock.forward(seconds=59)
    assert run_shard().batches == 0
    clock.forward(seconds=1)
    assert len(run_shard().pages) == 1


# -- a worker that dies ----------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


def until_it_lives(redis: Redis, run_shard: Callable[..., module.ShardRun], shard: Shard = SHARD) -> int:
    """Advance again and again, as the tick does, until a worker survives; return how many died."""
    for deaths in range(100):
        try:
            run_shard(shard)
        except Killed:
            redis.delete(shard.lease)  # it runs out
        else:
            return deaths
    raise AssertionError("workers die for ever")


def test_a_worker_that_died_before_the_commit_leaves_everything_to_the_next(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, crs2())
    with monkeypatch.context() as dying:
        dying.setattr(Transaction, "commit", fails_on_call(Killed()))
        with pytest.raises(Killed):
            run_shard()
    assert waiting(store) == 3
    assert run_shard().batches == 0, "the dead worker's lease still holds"
    redis.delete(SHARD.lease)
    assert len(run_shard().pages) == 1
    assert len(owed(store)) == 1


def fails_on_call(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_message_that_kills_its_worker_is_isolated_and_dead_lettered(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "step", fails_on(holds_poison, Killed()))
    send(store, [*crs2()[:2], poison(), crs2()[2], *crs2("P3")])
    assert until_it_lives(redis, run_shard) <= 12
    [(_, record)] = store.dead_letters()
    assert (record.id, record.why) == (POISON, "a worker died each time it took this message")
    assert {item.page.patient for item in owed(store)} == {"P1", "P3"}
    assert waiting(store) == 0
    [(_, reported)] = store.stream(KEYS.of(SITE_SUBJECT).inbox)
    assert b"worker died" in reported[b"m"]


@pytest.mark.parametrize(("crashes", "taken"), [(2, 5), (3, 1)])
def test_after_the_third_crash_messages_are_taken_one_at_a_time(
    redis: Redis,
    store: Store,
    run_shard: Callable[..., module.ShardRun],
    monkeypatch: pytest.MonkeyPatch,
    crashes: int,
    taken: int,
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        isolation,
        "step",
        lambda state, messages, now, site: seen.append(len(messages)) or step(state, messages, now, site),
    )
    send(store, [reading("crp", number) for number in range(5)])
    redis.set(SHARD.key("crashes"), crashes)
    run_shard()
    assert seen[0] == taken
    assert sum(seen) == 5
    assert waiting(store) == 0


@pytest.mark.parametrize(("crashes", "dead_letters"), [(7, 0), (8, 1)])
def test_only_after_the_eighth_crash_a_lone_message_is_given_up(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun], crashes: int, dead_letters: int
) -> None:
    send(store, [registration()])
    [(entry, _)] = store.stream(SHARD.inbox)
    redis.mset({SHARD.crashes: crashes, SHARD.key("suspect"): entry})
    run_shard()
    assert len(store.dead_letters()) == dead_letters


def test_only_the_message_that_was_alone_each_time_is_given_up(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    send(store, [registration()])
    redis.set(SHARD.crashes, 8)
    run_shard()
    assert store.dead_letters() == []


def test_a_ladder_that_kills_its_worker_costs_no_message(
    redis: Redis, store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, crs2())
    run_shard()
    clock.forward(minutes=10)
    monkeypatch.setattr(isolation, "step", fails_on(lambda state, rest: state.patient == "P1" and not rest, Killed()))
    send(store, crs2("P3"), clock.at)
    until_it_lives(redis, run_shard)
    assert store.dead_letters() == []
    assert {item.page.patient for item in owed(store)} == {"P1", "P3"}


# -- a lease that was lost -------------------------------------------------------------------------


def test_a_run_whose_lease_was_lost_ends_without_an_error_and_changes_nothing(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(
        state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
    ) -> tuple[PatientState, Effects]:
        redis.set(SHARD.lease, "another worker")
        return step(state, messages, now, site)

    monkeypatch.setattr(isolation, "step", slow)
    send(store, crs2())
    done = run_shard()
    assert (done.pages, done.batches) == ([], 0)
    assert waiting(store) == 3
    assert owed(store) == []
    assert redis.get(SHARD.lease) == b"another worker"


# -- faults reach the site -------------------------------------------------------------------------


def test_a_dead_letter_reaches_the_technician(store: Store, run_shard: Callable[..., module.ShardRun]) -> None:
    send(store, [registration(), reading("crp", 85, unit=None)])
    done = run_shard()
    assert [shard.number for shard in done.wake] == [KEYS.of(SITE_SUBJECT).number]
    assert len(run_shard(KEYS.of(SITE_SUBJECT)).pages) == 1
    pages = owed(store, SITE_SUBJECT)
    assert {item.page.to for item in pages} == {"technician-1"}
    assert {item.page.urgency for item in pages} == {"technical"}


def test_a_source_that_sends_only_rubbish_pages_once(store: Store, run_shard: Callable[..., module.ShardRun]) -> None:
    for number in range(5):
        send(store, [reading("crp", number, unit=None)])
        run_shard()
        run_shard(KEYS.of(SITE_SUBJECT))
    assert len(owed(store, SITE_SUBJECT)) == 1
    assert len(store.dead_letters()) == 5


def test_a_worker_that_died_at_its_commit_reports_the_fault_once(
    store: Store, run_shard: Callable[..., module.ShardRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault stands in the site's inbox if, and only if, the batch was committed."""
    send(store, [registration(), reading("crp", 85, unit=None)])
    with monkeypatch.context() as dying:
        dying.setattr(Transaction, "commit", fails_on_call(Killed()))
        with pytest.raises(Killed):
            run_shard()
    assert waiting(store, SITE_SUBJECT) == 0
    store.redis.delete(SHARD.lease)
    assert run_shard().wake == [KEYS.of(SITE_SUBJECT)]
    assert waiting(store, SITE_SUBJECT) == 1


# -- unregistered patients ---------------------------------------------------------------------------


def stranger(number: int) -> str:
    """One of many patients of one shard."""
    names = (f"X{n}" for n in count())
    return next(islice((name for name in names if KEYS.of(name) == SHARD), number, None))


def test_beyond_the_limit_unregistered_patients_are_dead_lettered_said_once_and_cost_nobody(
    redis: Redis, store: Store, clock: Clock, run_shard: Callable[..., module.ShardRun]
) -> None:
    share = ceil(SITE.conventions.unregistered.at_most.value / KEYS.shards)
    made_up = [reading("temperature", 37, patient=stranger(n), source="made-up", id=f"m{n}") for n in range(share + 5)]
    send(store, made_up)
    run_shard()
    assert len(store.unregistered()) == share
    assert redis.hlen(SHARD.key("states")) == share
    records = [record for _, record in store.dead_letters()]
    assert {record.patient for record in records} == {stranger(n) for n in range(share, share + 5)}
    assert all("too many unregistered patients" in record.why for record in records)
    advance(store, KEYS.of(SITE_SUBJECT), clock, SITE)
    site = store.state(SITE_SUBJECT)
    assert site is not None
    assert "made-up" in english(site.episodes["intake made-up"].title)
    assert store.states() == [site]

    send(store, [reading("temperature", 37, patient=stranger(0), source="made-up", id="again")])
    run_shard()
    assert store.unregistered()[stranger(0)].count == 2, "who is kept goes on being kept"
    send(store, crs2())
    assert len(run_shard().pages) == 1, "a registered patient is not touched by the limit"


def test_a_record_that_another_is_merged_into_is_kept_beyond_the_limit(
    store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    share = ceil(SITE.conventions.unregistered.at_most.value / KEYS.shards)
    old, into = stranger(0), stranger(share + 1)
    send(store, [reading("temperature", 37, patient=stranger(n), source="made-up", id=f"m{n}") for n in range(share)])
    run_shard()
    body = {"type": "merge", "id": "1", "source": "ehr", "patient": old, "into": into, "effective": NOW.isoformat()}
    send(store, [body])
    for _ in range(4):
        run_shard()
    state = store.state(into)
    assert state is not None
    assert "temperature" in state.chart.entries


def test_what_leaves_nothing_of_a_patient_nobody_knows_is_not_kept(
    redis: Redis, store: Store, run_shard: Callable[..., module.ShardRun]
) -> None:
    send(store, [acknowledgement("no-such-episode", at=NOW)])
    run_shard()
    assert redis.hlen(SHARD.key("states")) == 0
