"""A worker that takes nothing though messages wait in its queues is noticed by itself."""

import pytest

from worker.monitoring.stalled_consumer import DEAF_SECONDS, EVERY_SECONDS, Ears


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


def looks(time: Time, ears: Ears, seconds: float, *, waiting: int = 1, every: float = 1.0) -> bool:
    """Look for so many seconds; whether it heard at the last look."""
    heard = ears.hears(waiting)
    for _ in range(int(seconds / every)):
        time.now += every
        heard = ears.hears(waiting)
    return heard


def test_one_that_takes_nothing_while_its_queues_wait_is_deaf(time: Time) -> None:
    ears = Ears()
    assert looks(time, ears, DEAF_SECONDS - 1)
    assert not looks(time, ears, 1)


def test_so_is_one_that_took_something_before(time: Time) -> None:
    ears = Ears()
    looks(time, ears, 5, waiting=0)
    ears.taken += 1
    assert not looks(time, ears, DEAF_SECONDS, every=EVERY_SECONDS)


def test_one_whose_queues_are_empty_is_not(time: Time) -> None:
    ears = Ears()
    assert looks(time, ears, DEAF_SECONDS - 1)
    assert looks(time, ears, 1, waiting=0)
    assert looks(time, ears, DEAF_SECONDS - 1)


def test_one_that_takes_now_and_then_is_not(time: Time) -> None:
    ears = Ears()
    for _ in range(4):
        ears.taken += 1
        assert looks(time, ears, DEAF_SECONDS - 1)


def test_looks_far_apart_say_nothing(time: Time) -> None:
    assert looks(time, Ears(), 10 * DEAF_SECONDS, every=15)


def test_a_look_is_due_at_first_and_then_every_few_seconds(time: Time) -> None:
    ears = Ears()
    assert ears.is_due
    ears.hears(0)
    assert not ears.is_due
    time.now += EVERY_SECONDS
    assert ears.is_due
