"""A worker that takes nothing though messages wait in its queues is noticed by itself."""

import pytest

from worker.monitoring.stalled_consumer import EVERY_SECONDS, STALLED_AFTER_SECONDS, ConsumerWatch


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr("worker.monitoring.stalled_consumer.time", made)
    return made


def stalled_after(
    time: Time, consumer_watch: ConsumerWatch, seconds: float, *, waiting: int = 1, every: float = 1.0
) -> bool:
    """Check for so many seconds; whether it was stalled at the last check."""
    stalled = consumer_watch.is_stalled(waiting)
    for _ in range(int(seconds / every)):
        time.now += every
        stalled = consumer_watch.is_stalled(waiting)
    return stalled


def test_one_that_takes_nothing_while_its_queues_wait_is_stalled(time: Time) -> None:
    consumer_watch = ConsumerWatch()
    assert not stalled_after(time, consumer_watch, STALLED_AFTER_SECONDS - 1)
    assert stalled_after(time, consumer_watch, 1)


def test_so_is_one_that_took_something_before(time: Time) -> None:
    consumer_watch = ConsumerWatch()
    stalled_after(time, consumer_watch, 5, waiting=0)
    consumer_watch.taken += 1
    assert stalled_after(time, consumer_watch, STALLED_AFTER_SECONDS, every=EVERY_SECONDS)


def test_one_whose_queues_are_empty_is_not(time: Time) -> None:
    consumer_watch = ConsumerWatch()
    assert not stalled_after(time, consumer_watch, STALLED_AFTER_SECONDS - 1)
    assert not stalled_after(time, consumer_watch, 1, waiting=0)
    assert not stalled_after(time, consumer_watch, STALLED_AFTER_SECONDS - 1)


def test_one_that_takes_now_and_then_is_not(time: Time) -> None:
    consumer_watch = ConsumerWatch()
    for _ in range(4):
        consumer_watch.taken += 1
        assert not stalled_after(time, consumer_watch, STALLED_AFTER_SECONDS - 1)


def test_checks_far_apart_say_nothing(time: Time) -> None:
    assert not stalled_after(time, ConsumerWatch(), 10 * STALLED_AFTER_SECONDS, every=15)


def test_a_check_is_due_at_first_and_then_every_few_seconds(time: Time) -> None:
    consumer_watch = ConsumerWatch()
    assert consumer_watch.is_due
    consumer_watch.is_stalled(0)
    assert not consumer_watch.is_due
    time.now += EVERY_SECONDS
    assert consumer_watch.is_due
