"""The one transaction: a batch is committed whole and once, or not at all."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT
from alerts.state import DeadLetter, PatientState, Unregistered
from alerts.step.system_faults import fault
from alerts.wording.phrase import Phrase
from tests.support.shard_commits import NOTHING, SHARD, commit, committed, evaluated, outcome, taken
from tests.support.stored_ward import (
    KEYS,
    NOW,
    Clock,
    crs2,
    everything,
    owed,
    raw,
    registration,
    send,
    waiting,
)
from worker.clock import milliseconds
from worker.store.commit import Committed, LostLeaseError, Transaction
from worker.store.keys import Place
from worker.store.lease import Lease
from worker.store.shard import Store
from worker.store.take import take


def test_state_pages_and_timers_are_stored_and_the_entries_leave_the_inbox(redis: Redis, store: Store) -> None:
    send(store, crs2())
    result = evaluated()
    assert not commit(store, taken(store), result).more
    assert waiting(store) == 0
    assert store.state("P1") == result.states["P1"]
    assert owed(store) == result.owed
    place = Place(SHARD.number, result.owed[0].page.id)
    assert redis.zscore(KEYS.queue("queue:phone-1"), place.text) == milliseconds(NOW)
    assert redis.zscore(KEYS.partition_of("phone-1").agenda, "queue:phone-1") == milliseconds(NOW)
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
        transaction.states([])
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
        assert store.take(SHARD, Clock()) is None
        assert redis.get(SHARD.crashes) == str(number).encode(), "who comes in vain counts nothing"
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
def test_a_shard_where_nothing_waits_is_left_as_it_is(redis: Redis, store: Store, waits: str) -> None:
    before = everything(redis)
    assert store.take(SHARD, Clock()) is None
    assert everything(redis) == before
    if waits == "message":
        send(store, crs2())
    else:
        redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    assert store.take(SHARD, Clock()) is not None


def test_a_take_whose_reply_was_lost_is_repeated_and_counts_once(redis: Redis, store: Store) -> None:
    send(store, crs2())
    lease = Lease.of(SHARD.lease)
    once, again = (take(redis, KEYS, SHARD, lease, 5000, 500, Clock()) for _ in range(2))
    assert once is not None
    assert again == once
    assert again.crashes == 1


@pytest.mark.parametrize("key", ["timers", "inbox", "crashes"])
def test_a_take_that_fails_leaves_nothing_behind(redis: Redis, store: Store, key: str) -> None:
    committed(store, NOTHING)
    send(store, crs2())
    redis.delete(SHARD.key(key))
    redis.set(SHARD.key(key), "text of another program")
    if key == "inbox":
        redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    before = everything(redis)
    with pytest.raises(ResponseError):
        store.take(SHARD, Clock())
    assert everything(redis) == before


def test_a_commit_that_watches_nothing_is_refused(store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    with Transaction(store, batch) as transaction, pytest.raises(RuntimeError, match="not fenced"):
        transaction.commit(batch, NOTHING, NOW)


def test_a_patient_not_seen_before_gets_a_fresh_state(store: Store) -> None:
    send(store, crs2())
    with Transaction(store, taken(store)) as transaction:
        assert transaction.states(["P1", "P3"]) == {"P1": PatientState(patient="P1"), "P3": PatientState(patient="P3")}


# -- what a commit writes beside the state ---------------------------------------------------------


def test_a_timer_goes_with_the_last_ladder(redis: Redis, store: Store) -> None:
    state = evaluated().states["P1"]
    committed(store, outcome(states={"P1": state}))
    assert redis.zcard(SHARD.key("timers")) == 1
    committed(store, outcome(states={"P1": PatientState(patient="P1", chart=state.chart)}))
    assert redis.zcard(SHARD.key("timers")) == 0


def test_a_cancelled_page_is_no_longer_owed(store: Store) -> None:
    result = evaluated()
    committed(store, result)
    committed(store, outcome(cancelled=[result.owed[0].page.id]))
    assert owed(store) == []


def test_a_page_written_and_cancelled_in_one_batch_is_not_owed(store: Store) -> None:
    result = evaluated()
    committed(store, outcome(result.states, result.owed, cancelled=[result.owed[0].page.id]))
    assert owed(store) == []


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


FAULT = fault("feed silent", Phrase("no message for 30 min"), "monitor-7", NOW)
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
        transaction.states([])
        redis.set(SHARD.lease, "another")
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, outcome(faults=[FAULT]), NOW)
    assert not redis.exists(SITES.inbox, SITES.wakeup_pending)


def test_every_patient_is_found_in_order_of_names(store: Store) -> None:
    committed(store, outcome(states={name: PatientState(patient=name) for name in ("P3", "P1")}))
    assert [state.patient for state in store.states()] == ["P1", "P3"]
    assert store.state("P2") is None
