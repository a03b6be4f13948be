"""The clock: milliseconds never before their time, and the time a replay sets."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from tests.unit.worker.ward import KEYS, NOW
from worker.clock import SimulatedClock, SystemClock, milliseconds


def set_to(redis: Redis, at: datetime) -> SimulatedClock:
    clock = SimulatedClock(redis, KEYS)
    pipe = redis.pipeline()
    clock.set(at, pipe)
    pipe.execute()
    return clock


@pytest.mark.parametrize(("microseconds", "expected"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)])
def test_milliseconds_round_up(microseconds: int, expected: int) -> None:
    at = NOW + timedelta(microseconds=microseconds)
    assert milliseconds(at) - milliseconds(NOW) == expected


def test_milliseconds_count_from_1970_in_any_zone() -> None:
    assert milliseconds(datetime(1970, 1, 1, 2, 0, 1, tzinfo=timezone(timedelta(hours=2)))) == 1000


@given(st.integers(946_684_800_000_000, 4_102_444_800_000_000))
def test_nothing_is_due_before_its_time_nor_a_millisecond_late(microseconds: int) -> None:
    """Over this century; a float of this size may be off by half a microsecond."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    exact = Decimal(microseconds) / 1000
    assert exact <= milliseconds(at) < exact + Decimal("1.001")


def test_the_system_clock_reads_utc() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_simulated_clock_reads_what_was_set_in_utc(redis: Redis) -> None:
    local = NOW.astimezone(timezone(timedelta(hours=2))) + timedelta(microseconds=5)
    clock = set_to(redis, local)
    assert clock.now() == local
    assert clock.now().utcoffset() == timedelta(0)


def test_the_simulated_clock_is_set_with_its_transaction(redis: Redis) -> None:
    clock = set_to(redis, NOW)
    pipe = redis.pipeline()
    clock.set(NOW + timedelta(hours=1), pipe)
    assert clock.now() == NOW
    pipe.execute()
    assert clock.now() == NOW + timedelta(hours=1)


def test_a_simulated_clock_nobody_has_set_is_an_error(redis: Redis) -> None:
    with pytest.raises(RuntimeError, match="not been set"):
        SimulatedClock(redis, KEYS).now()
