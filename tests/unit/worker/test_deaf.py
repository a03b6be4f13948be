"""A worker that takes nothing though its queue waits is noticed by itself."""

import pytest

from worker.deaf import DEAF_SECONDS, Ears


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr("worker.deaf.time", made)
    return made


def looks(time: Time, ears: Ears, seconds: float, *, waiting: int = 1, taken: int = 5, every: float = 1.0) -> bool:
    """Look for so many seconds; whether it heard at the last look."""
    heard = ears.hears("advance", waiting, taken)
    for _ in range(int(seconds / every)):
        time.now += every
        heard = ears.hears("advance", waiting, taken)
    return heard


def test_one_that_takes_nothing_while_its_queue_waits_is_deaf(time: Time) -> None:
    ears = Ears()
    assert looks(time, ears, DEAF_SECONDS - 1)
    assert not looks(time, ears, 1)


def test_one_whose_queue_is_empty_is_not(time: Time) -> None:
    ears = Ears()
    assert looks(time, ears, DEAF_SECONDS - 1)
    assert looks(time, ears, 1, waiting=0)
    assert looks(time, ears, DEAF_SECONDS - 1)


def test_one_that_takes_now_and_then_is_not(time: Time) -> None:
    ears = Ears()
    assert all(looks(time, ears, DEAF_SECONDS - 1, taken=taken) for taken in range(4))


def test_looks_far_apart_say_nothing(time: Time) -> None:
    assert looks(time, Ears(), 10 * DEAF_SECONDS, every=10)


def test_each_queue_is_heard_for_itself(time: Time) -> None:
    ears = Ears()
    looks(time, ears, DEAF_SECONDS)
    assert ears.hears("deliver", 1, 0)
