"""The one transaction: taken under a lease, committed whole and once, or not at all."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT, read_message
from alerts.state import DeadLetter, Effects, PatientState, Unregistered
from alerts.step.step import step
from alerts.step.system_faults import fault
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Clock,
    crs2,
    everything,
    message,
    of_interest,
    owed,
    raw,
    registration,
    send,
    waiting,
)
from worker.clock import milliseconds
from worker.store.codec import Owed, unpack_journal
from worker.store.commit import Commit, Committed, LostLeaseError, Transaction
from worker.store.journal import journal_record
from worker.store.shard import HEAD, Batch, Store

SHARD = KEYS.of("P1")
NOTHING = Commit()


def outcome(states: dict[str, PatientState] | None = None, owed: Sequence[Owed] = (), **effects: Any) -> Commit:
    return Commit(states=states or {}, owed=list(owed), effects=Effects(**effects))


def taken(store: Store, now: datetime = NOW) -> Batch:
    batch = store.take(SHARD, now)
    assert batch is not None
    return batch


def commit(store: Store, batch: Batch, result: Commit = NOTHING, now: datetime = NOW) -> Committed:
    with Transaction(store, batch) as transaction:
        transaction.states([])
        return transaction.commit(batch, result, now)


def evaluated() -> Commit:
    """What three messages of a patient with CRS 2 lead to."""
    state, effects = step(PatientState(patient="P1"), [message(body) for body in crs2()], NOW, SITE)
    pages = [Owed(page=page) for page in effects.pages if of_interest(page)]
    return outcome(states={"P1": state}, owed=pages, events=list(effects.events))


# -- taking ----------------------------------------------------------------------------------------


def test_what_waits_is_taken_in_order(store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    assert [item.raw for item in batch.waiting] == [raw(body) for body in crs2()]
    assert {item.received for item in batch.waiting} == {NOW}
    assert batch.due == []


def test_where_nothing_waits_there_is_no_batch_and_no_lease(redis: Redis, store: Store) -> None:
    assert store.take(SHARD, NOW) is None
    assert not redis.exists(SHARD.lease)


def test_a_second_worker_gets_nothing_while_the_first_has_the_shard(store: Store) -> None:
    send(store, crs2())
    first = taken(store)
    assert store.take(SHARD, NOW) is None
    commit(store, first)


def test_another_shard_is_free_meanwhile(store: Store) -> None:
    send(store, [*crs2("P1"), *crs2("P2")])
    taken(store)
    assert store.take(KEYS.of("P2"), NOW) is not None


def test_the_lease_of_a_worker_that_hangs_runs_out(redis: Redis, store: Store) -> None:
    send(store, crs2())
    taken(store)
    assert 4000 < redis.pttl(SHARD.lease) <= 5000


def test_taking_leaves_everything_in_the_inbox(store: Store) -> None:
    send(store, crs2())
    taken(store)
    assert waiting(store) == 3


def test_no_more_is_taken_than_a_batch_holds(redis: Redis) -> None:
    small = Store(redis, KEYS, batch=2, lease_seconds=5, journal_length=0)
    send(small, crs2())
    assert len(taken(small).waiting) == 2


def test_only_the_commit_answers_the_wake_up(redis: Redis, store: Store) -> None:
    """Who appends before it is seen by the commit and need wake nobody; who appends after it wakes."""
    send(store, crs2())
    batch = taken(store)
    assert redis.exists(SHARD.wakeup_pending)
    with Transaction(store, batch) as transaction:
        transaction.states([])
        transaction.commit(batch, NOTHING, NOW)
    assert not redis.exists(SHARD.wakeup_pending)


@pytest.mark.parametrize(("wait", "due"), [(-1, []), (0, ["P1"]), (1, ["P1"])])
def test_a_timer_is_taken_from_its_moment_on(redis: Redis, store: Store, wait: int, due: list[str]) -> None:
    redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    batch = store.take(SHARD, NOW + timedelta(milliseconds=wait))
    assert (batch.due if batch else []) == due


# -- entries as producers append them --------------------------------------------------------------


def received(redis: Redis, store: Store, fields: dict[str, bytes], entry: str = "*") -> tuple[bytes, datetime]:
    redis.xadd(SHARD.inbox, fields, id=entry)
    item = taken(store).waiting[0]
    return item.raw, item.received


def test_an_entry_without_a_time_is_dated_by_its_id(redis: Redis, store: Store) -> None:
    assert received(redis, store, {"m": b"{}"}, "1718352000123-0") == (
        b"{}",
        datetime(2024, 6, 14, 8, 0, 0, 123000, tzinfo=UTC),
    )


@pytest.mark.parametrize("time", [b"yesterday", b"\xff", b"", b"2024-06-14T08:00:00"])
def test_an_entry_with_a_time_that_cannot_be_read_is_dated_by_its_id(redis: Redis, store: Store, time: bytes) -> None:
    assert received(redis, store, {"m": b"{}", "r": time}, "1718352000123-0")[1] == datetime(
        2024, 6, 14, 8, 0, 0, 123000, tzinfo=UTC
    )


def test_an_entry_whose_id_is_no_time_is_dated_now(redis: Redis, store: Store) -> None:
    assert received(redis, store, {"m": b"{}"}, "18446744073709551614-0")[1] == NOW


def test_an_entry_without_a_message_has_an_empty_text(redis: Redis, store: Store) -> None:
    assert received(redis, store, {"message": b"{}"})[0] == b""


# -- committing ------------------------------------------------------------------------------------


def test_state_pages_and_timers_are_stored_and_the_entries_leave_the_inbox(redis: Redis, store: Store) -> None:
    send(store, crs2())
    result = evaluated()
    assert not commit(store, taken(store), result).more
    assert waiting(store) == 0
    assert store.state("P1") == result.states["P1"]
    assert owed(store) == result.owed
    assert redis.zscore(SHARD.key("due"), result.owed[0].page.id) == milliseconds(NOW)
    looked_at = result.states["P1"].next_at()
    assert looked_at is not None
    assert redis.zscore(SHARD.key("timers"), "P1") == milliseconds(looked_at)
    assert not redis.exists(SHARD.lease)


def test_what_came_in_meanwhile_stays_and_is_said_to_wait(store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    send(store, [registration("P1", ward="ICU")])
    assert commit(store, batch, evaluated()).more
    assert [item.raw for item in taken(store).waiting] == [raw(registration("P1", ward="ICU"))]


def test_a_timer_that_is_due_by_then_is_said_to_wait(redis: Redis, store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    redis.zadd(SHARD.key("timers"), {"P2": milliseconds(NOW)})
    assert commit(store, batch).more


def test_a_commit_answers_the_wake_up_so_that_the_next_message_sends_another(redis: Redis, store: Store) -> None:
    """The wake-up of a message that came meanwhile found the shard taken, and was of no use."""
    send(store, crs2())
    batch = taken(store)
    send(store, [registration("P1", ward="ICU")])
    assert redis.exists(SHARD.wakeup_pending)
    commit(store, batch, evaluated())
    assert not redis.exists(SHARD.wakeup_pending)


def test_the_beginning_of_a_batch_can_be_committed_alone(store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    assert commit(store, batch._replace(waiting=batch.waiting[:1])).more
    assert len(taken(store).waiting) == 2


def test_everything_is_changed_in_one_transaction(redis: Redis, store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    sent: list[int] = []
    with Transaction(store, batch) as transaction:
        before = everything(redis)
        pipe = transaction._pipe
        execute = pipe.execute

        def spy(*args: Any, **more: Any) -> Any:
            assert everything(redis) == before
            sent.append(len(pipe.command_stack))
            return execute(*args, **more)

        pipe.execute = spy  # type: ignore[method-assign]
        transaction.commit(batch, evaluated(), NOW)
    assert len(sent) == 1
    assert waiting(store) == 0


@pytest.mark.parametrize("thief", ["other", None], ids=["taken by another", "run out"])
def test_a_lease_lost_before_the_states_were_read_commits_nothing(
    redis: Redis, store: Store, thief: str | None
) -> None:
    send(store, crs2())
    batch = taken(store)
    redis.set(SHARD.lease, thief) if thief else redis.delete(SHARD.lease)
    before = everything(redis)
    with Transaction(store, batch) as transaction, pytest.raises(LostLeaseError):
        transaction.states(["P1"])
    assert everything(redis) == before


@pytest.mark.parametrize("thief", ["other", None], ids=["taken by another", "run out"])
def test_a_lease_lost_before_the_commit_commits_nothing(redis: Redis, store: Store, thief: str | None) -> None:
    send(store, crs2())
    batch = taken(store)
    with Transaction(store, batch) as transaction:
        transaction.states(["P1"])
        redis.set(SHARD.lease, thief) if thief else redis.delete(SHARD.lease)
        before = everything(redis)
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, evaluated(), NOW)
    assert everything(redis) == before
    assert waiting(store) == 3


def test_of_two_workers_with_the_same_batch_one_commits(redis: Redis, store: Store) -> None:
    send(store, crs2())
    slow = taken(store)
    redis.delete(SHARD.lease)
    quick = taken(store)
    assert not commit(store, quick, evaluated()).more
    with pytest.raises(LostLeaseError):
        commit(store, slow, evaluated())
    assert len(store.journal(SHARD)) == 1


def test_a_lease_is_not_given_back_in_anothers_name(redis: Redis, store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    redis.set(SHARD.lease, "other")
    store.release(batch)
    assert redis.get(SHARD.lease) == b"other"


def test_a_lease_given_back_is_free_and_the_entries_stay(redis: Redis, store: Store) -> None:
    send(store, crs2())
    store.release(taken(store))
    assert not redis.exists(SHARD.lease)
    assert len(taken(store).waiting) == 3


def test_crashes_are_counted_and_each_commit_takes_one_off(redis: Redis, store: Store) -> None:
    send(store, crs2())
    for number in (1, 2, 3):
        batch = taken(store)
        assert batch.crashes == number
        with mock.patch.object(redis, "incr", side_effect=AssertionError("who comes in vain counts nothing")):
            assert store.take(SHARD, NOW) is None
        redis.delete(SHARD.lease)  # its worker is killed, and the lease runs out
    for number in (4, 3, 2, 1, 1):
        batch = taken(store)
        assert batch.crashes == number
        commit(store, batch)
        send(store, crs2())


def test_what_is_given_back_was_no_crash(store: Store) -> None:
    send(store, crs2())
    store.release(taken(store))
    assert taken(store).crashes == 1


@pytest.mark.parametrize("waits", ["message", "timer"])
def test_a_shard_is_idle_where_nothing_waits(redis: Redis, store: Store, waits: str) -> None:
    assert store.peek(SHARD, Clock()) is None
    if waits == "message":
        send(store, crs2())
    else:
        redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    assert store.peek(SHARD, Clock()) == HEAD


def test_a_patient_not_seen_before_gets_a_fresh_state(store: Store) -> None:
    send(store, crs2())
    with Transaction(store, taken(store)) as transaction:
        assert transaction.states(["P1", "P3"]) == {"P1": PatientState(patient="P1"), "P3": PatientState(patient="P3")}


# -- what a commit writes beside the state ---------------------------------------------------------


def committed(store: Store, result: Commit) -> None:
    store.redis.xadd(SHARD.inbox, {"m": b"{}"})
    commit(store, taken(store), result)


def test_a_timer_goes_with_the_last_ladder(redis: Redis, store: Store) -> None:
    state = evaluated().states["P1"]
    committed(store, outcome(states={"P1": state}))
    assert redis.zcard(SHARD.key("timers")) == 1
    committed(store, outcome(states={"P1": PatientState(patient="P1", chart=state.chart)}))
    assert redis.zcard(SHARD.key("timers")) == 0


def test_a_cancelled_page_is_no_longer_owed(redis: Redis, store: Store) -> None:
    result = evaluated()
    committed(store, result)
    committed(store, outcome(cancelled=[result.owed[0].page.id]))
    assert owed(store) == []
    assert redis.zcard(SHARD.key("due")) == 0


def test_a_page_written_and_cancelled_in_one_batch_is_not_owed(redis: Redis, store: Store) -> None:
    result = evaluated()
    committed(store, outcome(result.states, result.owed, cancelled=[result.owed[0].page.id]))
    assert owed(store) == []
    assert redis.zcard(SHARD.key("due")) == 0


def test_a_patient_nobody_registered_is_listed_until_somebody_does(store: Store) -> None:
    note = Unregistered(3, NOW, NOW + timedelta(hours=1), ("monitor-7",))
    committed(store, outcome(states={"P1": PatientState(patient="P1", unregistered=note)}))
    assert store.unregistered() == {"P1": note}
    assert store.states() == [], "whoever is not registered and does not page costs the board nothing"
    committed(store, outcome(states={"P1": PatientState(patient="P1", registered=True)}))
    assert store.unregistered() == {}
    assert [state.patient for state in store.states()] == ["P1"]


def test_an_episode_leads_to_its_patient_also_when_it_is_over(store: Store) -> None:
    result = evaluated()
    committed(store, result)
    episode = result.states["P1"].episodes["crs"].id
    committed(store, outcome(states={"P1": PatientState(patient="P1")}))
    assert store.patient_of(episode) == "P1"
    assert store.patient_of("nobody") is None


def test_what_is_dead_lettered_is_listed_by_time_over_all_shards(store: Store) -> None:
    later = DeadLetter(NOW + timedelta(hours=1), "lab", "P1", "m2", "why", "{2}")
    earlier = DeadLetter(NOW, "lab", "P1", "m1", "why", "{1}")
    committed(store, outcome(dead_letters=[later, earlier]))
    listed = store.dead_letters()
    assert [record for _, record in listed] == [earlier, later]
    assert len({name for name, _ in listed}) == 2


FAULT = fault("feed silent", "no message for 30 min", "monitor-7", NOW)
SITES = KEYS.of(SITE_SUBJECT)


def test_a_message_for_another_shard_is_committed_to_its_inbox_with_the_wake_up(redis: Redis, store: Store) -> None:
    send(store, crs2())
    result = commit(store, taken(store), outcome(faults=[FAULT]))
    assert result == Committed(more=False, wake=[SITES])
    assert redis.exists(SITES.wakeup_pending)
    [(_, fields)] = store.stream(SITES.inbox)
    assert read_message(fields[b"m"]) == FAULT


def test_another_shard_that_a_wake_up_is_pending_for_is_not_woken_again(redis: Redis, store: Store) -> None:
    redis.set(SITES.wakeup_pending, 1)
    send(store, crs2())
    assert commit(store, taken(store), outcome(faults=[FAULT])).wake == []
    assert redis.xlen(SITES.inbox) == 1


def test_a_message_for_the_same_shard_waits_in_it(redis: Redis, store: Store) -> None:
    send(store, crs2())
    merged = FAULT.model_copy(update={"patient": "P1"})
    assert commit(store, taken(store), outcome(faults=[merged])) == Committed(more=True, wake=[])
    assert redis.xlen(SHARD.inbox) == 1
    assert not redis.exists(SHARD.wakeup_pending)


def test_a_worker_that_lost_its_lease_forwards_nothing(redis: Redis, store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    with Transaction(store, batch) as transaction:
        redis.set(SHARD.lease, "another")
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, outcome(faults=[FAULT]), NOW)
    assert not redis.exists(SITES.inbox, SITES.wakeup_pending)


def test_every_patient_is_found_in_order_of_names(store: Store) -> None:
    committed(store, outcome(states={name: PatientState(patient=name) for name in ("P3", "P1")}))
    assert [state.patient for state in store.states()] == ["P1", "P3"]
    assert store.state("P2") is None


# -- the journal -----------------------------------------------------------------------------------


def test_the_journal_keeps_what_came_in_and_what_followed(store: Store) -> None:
    send(store, crs2())
    result = evaluated()
    commit(store, taken(store), result)
    [(_, record)] = store.journal(SHARD)
    assert record["at"] == NOW.isoformat()
    assert [item["message"].encode() for item in record["in"]] == [raw(body) for body in crs2()]
    assert {item["received"] for item in record["in"]} == {NOW.isoformat()}
    assert record["events"] == result.effects.events


def test_a_journal_record_survives_bytes_that_are_no_text(redis: Redis, store: Store) -> None:
    redis.xadd(SHARD.inbox, {"m": b"\xff{"})
    record = unpack_journal(journal_record(taken(store).waiting, [], NOW))
    assert record["in"][0]["message"] == "�{"


def test_the_journal_is_read_on_from_where_one_stood(store: Store) -> None:
    committed(store, outcome(events=[{"kind": "one"}]))
    [(place, _)] = store.journal(SHARD)
    committed(store, outcome(events=[{"kind": "two"}]))
    assert [record["events"] for _, record in store.journal(SHARD, place)] == [[{"kind": "two"}]]
    assert len(store.journal(SHARD)) == 2


def test_a_due_timer_after_which_nothing_happens_is_not_journalled(redis: Redis, store: Store) -> None:
    redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    commit(store, taken(store))
    assert store.journal(SHARD) == []


@pytest.mark.parametrize(("length", "kept"), [(0, range(1)), (100, range(100, 250))], ids=["none", "about a hundred"])
def test_the_journal_is_kept_to_its_length(redis: Redis, length: int, kept: range) -> None:
    store = Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=length)
    for number in range(400):
        committed(store, outcome(events=[{"number": number}]))
    assert len(store.journal(SHARD)) in kept
