"""Whose turn it is on a channel: one sender at a time, critical pages apart, and few on channels that fail."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE
from worker.clock import milliseconds
from worker.delivery import channel_lock
from worker.delivery.channel_lock import (
    DELIVERS,
    MAX_FAILING_AT_ONCE,
    REMEMBERED,
    SLOW_AFTER,
    Lane,
    Place,
    Turn,
    answered,
    ask,
    count_as_slow,
    end,
    keep,
    lane,
    next_waiting,
    note,
    queue_up,
    spread,
)
from worker.delivery.outcome import Outcome
from worker.standalone.service import DELIVERS as PROCESSES

HELD = timedelta(seconds=20)


def turn(
    redis: Redis, channel: str = "phone-1", kind: Lane = "ordinary", after: timedelta = timedelta()
) -> Turn | None:
    """As `ChannelRun` asks for it."""
    wanted, now = channel_lock.turn(channel, kind), NOW + after
    pipe = redis.pipeline()
    ask(pipe, KEYS, wanted, now, HELD)
    channel_says = answered(iter(pipe.execute()))
    if not channel_says.ours:
        done(redis, wanted, ours=channel_says.free)
        return None
    if channel_says.ails:
        count_as_slow(redis, KEYS, wanted, now)
    return wanted


def done(redis: Redis, held: Turn, *, ours: bool = True) -> int:
    """The turn ends; how many pages wait for the channel."""
    pipe = redis.pipeline()
    end(pipe, KEYS, held, ours=ours)
    *_, waiting = pipe.execute()
    return int(waiting)


def give_back(redis: Redis, held: Turn, outcome: Outcome) -> None:
    note(redis, KEYS, held.channel, outcome)
    done(redis, held)


def queue(redis: Redis, held: Turn, where: Place, after: int = 0) -> None:
    pipe = redis.pipeline()
    queue_up(pipe, KEYS, held, [(where, page(where.page, at=NOW + timedelta(seconds=after)))])
    pipe.execute()


def taken(redis: Redis, channel: str = "phone-1") -> Turn:
    found = turn(redis, channel)
    assert found is not None
    return found


def test_a_channel_is_one_senders_at_a_time(redis: Redis) -> None:
    assert turn(redis)
    assert turn(redis) is None
    assert turn(redis, "phone-2")


def test_a_critical_page_does_not_wait_for_a_lesser_one_on_its_channel(redis: Redis) -> None:
    assert turn(redis)
    assert turn(redis, kind="urgent")
    assert turn(redis, kind="urgent") is None


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [("critical", "urgent"), ("high", "ordinary"), ("low", "ordinary"), ("technical", "ordinary")],
)
def test_critical_pages_are_a_lane_of_their_own(urgency: str, expected: Lane) -> None:
    assert lane(urgency) == expected


def test_a_turn_that_has_ended_is_the_next_ones(redis: Redis) -> None:
    done(redis, taken(redis))
    assert turn(redis)


def test_who_asks_in_vain_does_not_end_the_turn_of_the_other(redis: Redis) -> None:
    taken(redis)
    assert [turn(redis) for _ in range(3)] == [None] * 3


def test_a_turn_lasts_on_from_each_page(redis: Redis) -> None:
    held = taken(redis)
    redis.pexpire(KEYS.trying("phone-1", "ordinary"), 10)
    pipe = redis.pipeline()
    keep(pipe, KEYS, held, NOW + SLOW_AFTER, HELD)
    pipe.execute()
    assert redis.pttl(KEYS.trying("phone-1", "ordinary")) > 10
    ails(redis, "a", "b")
    assert turn(redis, "a", after=SLOW_AFTER)
    assert turn(redis, "b", after=SLOW_AFTER), "the send on phone-1 has only just begun"


def test_the_turn_of_a_worker_that_died_runs_out(redis: Redis) -> None:
    taken(redis)
    assert 0 < redis.pttl(KEYS.trying("phone-1", "ordinary")) <= HELD / timedelta(milliseconds=1)


def test_a_turn_that_ran_out_does_not_end_the_next(redis: Redis) -> None:
    first = taken(redis)
    redis.delete(KEYS.trying("phone-1", "ordinary"))
    assert turn(redis)
    done(redis, first, ours=False)
    assert turn(redis) is None


def ails(redis: Redis, *channels: str) -> None:
    for channel in channels:
        note(redis, KEYS, channel, Outcome.TEMPORARY)


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.UNKNOWN])
def test_a_channel_that_fails_ails(redis: Redis, outcome: Outcome) -> None:
    give_back(redis, taken(redis), outcome)
    assert 0 < redis.pttl(KEYS.ailing("phone-1")) <= REMEMBERED / timedelta(milliseconds=1)
    assert max(SITE.on_call.delivery.retry_backoff) < REMEMBERED


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.PERMANENT])
def test_a_channel_that_answers_is_well_again(redis: Redis, outcome: Outcome) -> None:
    ails(redis, "phone-1")
    give_back(redis, taken(redis), outcome)
    assert not redis.exists(KEYS.ailing("phone-1"))


def test_of_channels_that_ail_only_a_few_are_tried_at_once_and_the_others_are_free(redis: Redis) -> None:
    channels = [f"phone-{number}" for number in range(6)]
    ails(redis, *channels)
    tried = [found for channel in channels if (found := turn(redis, channel))]
    assert len(tried) == MAX_FAILING_AT_ONCE
    assert turn(redis, "well") is not None
    give_back(redis, tried[0], Outcome.UNKNOWN)
    assert turn(redis, channels[-1])


def test_a_send_that_takes_long_counts_like_one_on_a_channel_that_ails(redis: Redis) -> None:
    """So that providers that hang for the first time leave no room for another try of those known to fail."""
    ails(redis, "broken")
    for number in range(MAX_FAILING_AT_ONCE):
        assert turn(redis, f"hangs {number}")
    assert turn(redis, "broken", after=SLOW_AFTER / 2)
    redis.delete(KEYS.trying("broken", "ordinary"))
    assert turn(redis, "broken", after=SLOW_AFTER) is None


def test_sends_whose_worker_died_are_forgotten(redis: Redis) -> None:
    ails(redis, "a", "b", "c")
    assert turn(redis, "a")
    assert turn(redis, "b")
    assert turn(redis, "c", after=HELD / 2) is None
    assert turn(redis, "c", after=HELD)


@pytest.mark.parametrize("kind", ["ordinary", "urgent"])
def test_a_lane_has_more_processes_than_it_gives_to_channels_that_ail(kind: Lane) -> None:
    assert PROCESSES[DELIVERS[kind]] > MAX_FAILING_AT_ONCE


def test_who_has_waited_longest_is_next(redis: Redis) -> None:
    held = taken(redis)
    for number, after in ((3, 0), (1, 2), (2, 1)):
        queue(redis, held, Place(number, f"e {number}.1"), after=after)
    assert done(redis, held) == 3
    assert next_waiting(redis, KEYS, held, 2) == [Place(3, "e 3.1"), Place(2, "e 2.1")]
    assert next_waiting(redis, KEYS, held, 2) == [Place(1, "e 1.1")]
    assert next_waiting(redis, KEYS, held, 2) == []


def test_the_lanes_of_a_channel_wait_apart(redis: Redis) -> None:
    queue(redis, channel_lock.turn("phone-1", "ordinary"), Place(1, "e1.1"))
    assert next_waiting(redis, KEYS, channel_lock.turn("phone-1", "urgent")) == []


# -- who is woken for what is owed ---------------------------------------------------------------------

OWED = [
    (Place(0, "a.1"), page("a.1", channel="phone-1")),
    (Place(1, "b.1"), page("b.1", channel="phone-1")),
    (Place(2, "c.1"), page("c.1", channel="phone-2")),
    (Place(3, "d.1"), page("d.1", channel="phone-1", urgency="critical")),
]


def woken(redis: Redis) -> list[tuple[Lane, Place]]:
    return spread(redis, KEYS, OWED, NOW, timedelta(seconds=2))


def test_one_process_is_woken_for_each_channel_and_the_others_wait_behind(redis: Redis) -> None:
    assert woken(redis) == [("ordinary", Place(0, "a.1")), ("ordinary", Place(2, "c.1")), ("urgent", Place(3, "d.1"))]
    assert next_waiting(redis, KEYS, channel_lock.turn("phone-1", "ordinary"), 9) == [Place(1, "b.1")]
    assert next_waiting(redis, KEYS, channel_lock.turn("phone-2", "ordinary"), 9) == []


def test_nobody_is_woken_for_a_channel_that_somebody_sends_on(redis: Redis) -> None:
    taken(redis)
    assert woken(redis) == [("ordinary", Place(2, "c.1")), ("urgent", Place(3, "d.1"))]
    assert next_waiting(redis, KEYS, channel_lock.turn("phone-1", "ordinary"), 9) == [Place(0, "a.1"), Place(1, "b.1")]


def test_who_ends_a_turn_while_pages_are_queued_leaves_none_behind(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = taken(redis)

    def queue_late(*given: Any) -> None:
        done(redis, held)
        queue_up(*given)

    monkeypatch.setattr(channel_lock, "queue_up", queue_late)
    assert ("ordinary", Place(0, "a.1")) in woken(redis)


def test_the_tick_looks_at_what_waits_a_little_later(redis: Redis) -> None:
    """Should whoever has the turn die."""
    for place, _ in OWED:
        redis.zadd(KEYS.shard(place.shard).key("due"), {place.page: milliseconds(NOW)})
    woken(redis)
    assert redis.zscore(KEYS.shard(0).key("due"), "a.1") == milliseconds(NOW)
    assert redis.zscore(KEYS.shard(1).key("due"), "b.1") == milliseconds(NOW + timedelta(seconds=2))


def test_a_page_that_was_cancelled_meanwhile_is_not_owed_again(redis: Redis) -> None:
    woken(redis)
    assert not redis.exists(KEYS.shard(1).key("due"))
