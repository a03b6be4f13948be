"""Whose turn it is on a channel: one sender at a time, critical pages apart, and few on channels that fail."""

from datetime import timedelta

import pytest
from redis import Redis

from tests.unit.worker.ward import KEYS, NOW, SITE
from worker.delivery.outcomes import Outcome
from worker.delivery.turns import (
    AILING_AT_ONCE,
    DELIVERS,
    REMEMBERED,
    SLOW,
    Lane,
    Place,
    Turn,
    give_back,
    lane,
    next_waiting,
    note_failure,
    queue_up,
    take,
)
from worker.service import DELIVERS as PROCESSES

HELD = timedelta(seconds=20)


def turn(
    redis: Redis, channel: str = "phone-1", kind: Lane = "ordinary", after: timedelta = timedelta()
) -> Turn | None:
    return take(redis, KEYS, channel, kind, NOW + after, HELD)


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


@pytest.mark.parametrize("outcome", [*Outcome, None])
def test_a_turn_that_was_given_back_is_the_next_ones(redis: Redis, outcome: Outcome | None) -> None:
    give_back(redis, KEYS, taken(redis), outcome)
    assert turn(redis)


def test_the_turn_of_a_worker_that_died_runs_out(redis: Redis) -> None:
    taken(redis)
    assert 0 < redis.pttl(KEYS.trying("phone-1", "ordinary")) <= HELD / timedelta(milliseconds=1)


def test_a_turn_that_ran_out_does_not_end_the_next(redis: Redis) -> None:
    first = taken(redis)
    redis.delete(KEYS.trying("phone-1", "ordinary"))
    assert turn(redis)
    give_back(redis, KEYS, first, Outcome.SENT)
    assert turn(redis) is None


def ails(redis: Redis, *channels: str) -> None:
    for channel in channels:
        note_failure(redis, KEYS, channel)


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.UNKNOWN])
def test_a_channel_that_fails_ails(redis: Redis, outcome: Outcome) -> None:
    give_back(redis, KEYS, taken(redis), outcome)
    assert 0 < redis.pttl(KEYS.ailing("phone-1")) <= REMEMBERED / timedelta(milliseconds=1)
    assert max(SITE.on_call.delivery.retry_waits) < REMEMBERED


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.PERMANENT])
def test_a_channel_that_answers_is_well_again(redis: Redis, outcome: Outcome) -> None:
    ails(redis, "phone-1")
    give_back(redis, KEYS, taken(redis), outcome)
    assert not redis.exists(KEYS.ailing("phone-1"))


def test_of_channels_that_ail_only_a_few_are_tried_at_once_and_the_others_are_free(redis: Redis) -> None:
    channels = [f"phone-{number}" for number in range(6)]
    ails(redis, *channels)
    tried = [found for channel in channels if (found := turn(redis, channel))]
    assert len(tried) == AILING_AT_ONCE
    assert turn(redis, "well") is not None
    give_back(redis, KEYS, tried[0], Outcome.UNKNOWN)
    assert turn(redis, channels[-1])


def test_a_send_that_takes_long_counts_like_one_on_a_channel_that_ails(redis: Redis) -> None:
    """So that providers that hang for the first time leave no room for another try of those known to fail."""
    ails(redis, "broken")
    for number in range(AILING_AT_ONCE):
        assert turn(redis, f"hangs {number}")
    assert turn(redis, "broken", after=SLOW / 2)
    redis.delete(KEYS.trying("broken", "ordinary"))
    assert turn(redis, "broken", after=SLOW) is None


def test_sends_whose_worker_died_are_forgotten(redis: Redis) -> None:
    ails(redis, "a", "b", "c")
    assert turn(redis, "a")
    assert turn(redis, "b")
    assert turn(redis, "c", after=HELD / 2) is None
    assert turn(redis, "c", after=HELD)


@pytest.mark.parametrize("kind", ["ordinary", "urgent"])
def test_a_lane_has_more_processes_than_it_gives_to_channels_that_ail(kind: Lane) -> None:
    assert PROCESSES[DELIVERS[kind]] > AILING_AT_ONCE


def test_who_has_waited_longest_is_next(redis: Redis) -> None:
    for number, after in ((3, 0), (1, 2), (2, 1)):
        queue_up(redis, KEYS, "phone-1", "ordinary", Place(number, f"e {number}.1"), NOW + timedelta(seconds=after))
    found = [next_waiting(redis, KEYS, "phone-1", "ordinary") for _ in range(4)]
    assert found == [Place(3, "e 3.1"), Place(2, "e 2.1"), Place(1, "e 1.1"), None]
    assert next_waiting(redis, KEYS, "phone-1", "urgent") is None
