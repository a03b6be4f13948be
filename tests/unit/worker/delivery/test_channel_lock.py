"""The lock of a channel: one sender at a time, critical pages apart, and few on failing channels."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE
from worker.clock import milliseconds
from worker.delivery import channel_lock
from worker.delivery.channel_lock import (
    FAILING_FOR,
    MAX_FAILING_AT_ONCE,
    SLOW_AFTER,
    TASKS,
    ChannelLock,
    Place,
    Priority,
    count_as_slow,
    enqueue,
    extend,
    one_per_channel,
    pop_waiting,
    priority_of,
    read_state,
    record_outcome,
    release,
    try_lock,
)
from worker.delivery.outcome import Outcome
from worker.standalone.service import DELIVERS as PROCESSES

PERIOD = timedelta(seconds=20)


def lock(
    redis: Redis, channel: str = "phone-1", kind: Priority = "ordinary", after: timedelta = timedelta()
) -> ChannelLock | None:
    """Lock a channel as `ChannelRun` does."""
    wanted, now = channel_lock.new_lock(channel, kind), NOW + after
    pipe = redis.pipeline()
    try_lock(pipe, KEYS, wanted, now, PERIOD)
    state = read_state(iter(pipe.execute()))
    if not state.ours:
        done(redis, wanted, ours=state.free)
        return None
    if state.failing:
        count_as_slow(redis, KEYS, wanted, now)
    return wanted


def done(redis: Redis, held: ChannelLock, *, ours: bool = True) -> int:
    """Release the lock; return how many pages wait for the channel."""
    pipe = redis.pipeline()
    release(pipe, KEYS, held, ours=ours)
    *_, waiting = pipe.execute()
    return int(waiting)


def finish(redis: Redis, held: ChannelLock, outcome: Outcome) -> None:
    record_outcome(redis, KEYS, held.channel, outcome)
    done(redis, held)


def queue(redis: Redis, held: ChannelLock, where: Place, after: int = 0) -> None:
    pipe = redis.pipeline()
    enqueue(pipe, KEYS, held, [(where, page(where.page, at=NOW + timedelta(seconds=after)))])
    pipe.execute()


def locked(redis: Redis, channel: str = "phone-1") -> ChannelLock:
    found = lock(redis, channel)
    assert found is not None
    return found


def test_a_channel_is_one_senders_at_a_time(redis: Redis) -> None:
    assert lock(redis)
    assert lock(redis) is None
    assert lock(redis, "phone-2")


def test_a_critical_page_does_not_wait_for_a_lesser_one_on_its_channel(redis: Redis) -> None:
    assert lock(redis)
    assert lock(redis, kind="urgent")
    assert lock(redis, kind="urgent") is None


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [("critical", "urgent"), ("high", "ordinary"), ("low", "ordinary"), ("technical", "ordinary")],
)
def test_critical_pages_have_a_priority_of_their_own(urgency: str, expected: Priority) -> None:
    assert priority_of(urgency) == expected


def test_a_released_lock_is_free(redis: Redis) -> None:
    done(redis, locked(redis))
    assert lock(redis)


def test_a_failed_attempt_does_not_release_the_lock_of_the_holder(redis: Redis) -> None:
    locked(redis)
    assert [lock(redis) for _ in range(3)] == [None] * 3


def test_each_page_extends_the_lock(redis: Redis) -> None:
    held = locked(redis)
    redis.pexpire(KEYS.channel_lock("phone-1", "ordinary"), 10)
    pipe = redis.pipeline()
    extend(pipe, KEYS, held, NOW + SLOW_AFTER, PERIOD)
    pipe.execute()
    assert redis.pttl(KEYS.channel_lock("phone-1", "ordinary")) > 10
    fail(redis, "a", "b")
    assert lock(redis, "a", after=SLOW_AFTER)
    assert lock(redis, "b", after=SLOW_AFTER), "the send on phone-1 has only just begun"


def test_the_lock_of_a_dead_worker_expires(redis: Redis) -> None:
    locked(redis)
    assert 0 < redis.pttl(KEYS.channel_lock("phone-1", "ordinary")) <= PERIOD / timedelta(milliseconds=1)


def test_an_expired_lock_does_not_release_the_next(redis: Redis) -> None:
    first = locked(redis)
    redis.delete(KEYS.channel_lock("phone-1", "ordinary"))
    assert lock(redis)
    done(redis, first, ours=False)
    assert lock(redis) is None


def fail(redis: Redis, *channels: str) -> None:
    for channel in channels:
        record_outcome(redis, KEYS, channel, Outcome.TEMPORARY)


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.UNKNOWN])
def test_a_channel_that_fails_is_failing(redis: Redis, outcome: Outcome) -> None:
    finish(redis, locked(redis), outcome)
    assert 0 < redis.pttl(KEYS.failing("phone-1")) <= FAILING_FOR / timedelta(milliseconds=1)
    assert max(SITE.on_call.delivery.retry_backoff) < FAILING_FOR


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.PERMANENT])
def test_a_channel_that_answers_is_well_again(redis: Redis, outcome: Outcome) -> None:
    fail(redis, "phone-1")
    finish(redis, locked(redis), outcome)
    assert not redis.exists(KEYS.failing("phone-1"))


def test_of_channels_that_ail_only_a_few_are_tried_at_once_and_the_others_are_free(redis: Redis) -> None:
    channels = [f"phone-{number}" for number in range(6)]
    fail(redis, *channels)
    tried = [found for channel in channels if (found := lock(redis, channel))]
    assert len(tried) == MAX_FAILING_AT_ONCE
    assert lock(redis, "well") is not None
    finish(redis, tried[0], Outcome.UNKNOWN)
    assert lock(redis, channels[-1])


def test_a_send_that_takes_long_counts_like_one_on_a_failing_channel(redis: Redis) -> None:
    """So that providers that hang for the first time leave no room for another try of those known to fail."""
    fail(redis, "broken")
    for number in range(MAX_FAILING_AT_ONCE):
        assert lock(redis, f"hangs {number}")
    assert lock(redis, "broken", after=SLOW_AFTER / 2)
    redis.delete(KEYS.channel_lock("broken", "ordinary"))
    assert lock(redis, "broken", after=SLOW_AFTER) is None


def test_sends_whose_worker_died_are_forgotten(redis: Redis) -> None:
    fail(redis, "a", "b", "c")
    assert lock(redis, "a")
    assert lock(redis, "b")
    assert lock(redis, "c", after=PERIOD / 2) is None
    assert lock(redis, "c", after=PERIOD)


@pytest.mark.parametrize("kind", ["ordinary", "urgent"])
def test_a_lane_has_more_processes_than_it_gives_to_channels_that_ail(kind: Priority) -> None:
    assert PROCESSES[TASKS[kind]] > MAX_FAILING_AT_ONCE


def test_who_has_waited_longest_is_next(redis: Redis) -> None:
    held = locked(redis)
    for number, after in ((3, 0), (1, 2), (2, 1)):
        queue(redis, held, Place(number, f"e {number}.1"), after=after)
    assert done(redis, held) == 3
    assert pop_waiting(redis, KEYS, held, 2) == [Place(3, "e 3.1"), Place(2, "e 2.1")]
    assert pop_waiting(redis, KEYS, held, 2) == [Place(1, "e 1.1")]
    assert pop_waiting(redis, KEYS, held, 2) == []


def test_the_lanes_of_a_channel_wait_apart(redis: Redis) -> None:
    queue(redis, channel_lock.new_lock("phone-1", "ordinary"), Place(1, "e1.1"))
    assert pop_waiting(redis, KEYS, channel_lock.new_lock("phone-1", "urgent")) == []


# -- who is woken for what is owed ---------------------------------------------------------------------

OWED = [
    (Place(0, "a.1"), page("a.1", channel="phone-1")),
    (Place(1, "b.1"), page("b.1", channel="phone-1")),
    (Place(2, "c.1"), page("c.1", channel="phone-2")),
    (Place(3, "d.1"), page("d.1", channel="phone-1", urgency="critical")),
]


def woken(redis: Redis) -> list[tuple[Priority, Place]]:
    return one_per_channel(redis, KEYS, OWED, NOW, timedelta(seconds=2))


def test_one_process_is_woken_for_each_channel_and_the_others_wait_behind(redis: Redis) -> None:
    assert woken(redis) == [("ordinary", Place(0, "a.1")), ("ordinary", Place(2, "c.1")), ("urgent", Place(3, "d.1"))]
    assert pop_waiting(redis, KEYS, channel_lock.new_lock("phone-1", "ordinary"), 9) == [Place(1, "b.1")]
    assert pop_waiting(redis, KEYS, channel_lock.new_lock("phone-2", "ordinary"), 9) == []


def test_nobody_is_woken_for_a_channel_that_somebody_sends_on(redis: Redis) -> None:
    locked(redis)
    assert woken(redis) == [("ordinary", Place(2, "c.1")), ("urgent", Place(3, "d.1"))]
    assert pop_waiting(redis, KEYS, channel_lock.new_lock("phone-1", "ordinary"), 9) == [
        Place(0, "a.1"),
        Place(1, "b.1"),
    ]


def test_a_release_while_pages_are_queued_leaves_none_behind(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    held = locked(redis)

    def queue_late(*given: Any) -> None:
        done(redis, held)
        enqueue(*given)

    monkeypatch.setattr(channel_lock, "enqueue", queue_late)
    assert ("ordinary", Place(0, "a.1")) in woken(redis)


def test_the_tick_looks_at_what_waits_a_little_later(redis: Redis) -> None:
    """Should whoever has the lock die."""
    for place, _ in OWED:
        redis.zadd(KEYS.shard(place.shard).key("due"), {place.page: milliseconds(NOW)})
    woken(redis)
    assert redis.zscore(KEYS.shard(0).key("due"), "a.1") == milliseconds(NOW)
    assert redis.zscore(KEYS.shard(1).key("due"), "b.1") == milliseconds(NOW + timedelta(seconds=2))


def test_a_page_that_was_cancelled_meanwhile_is_not_owed_again(redis: Redis) -> None:
    woken(redis)
    assert not redis.exists(KEYS.shard(1).key("due"))
