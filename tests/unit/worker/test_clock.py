"""The clock: milliseconds never before their time, and the time a replay sets."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.stored_ward import KEYS, NOW
from worker import clock as module
from worker.clock import JUMP_SECONDS, READ_AGAIN_SECONDS, StoreClock, milliseconds
from worker.runtime.simulated_clock import SimulatedClock
from worker.store.delivery_trip import Trip, make_trips
from worker.store.shard import Store


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


# -- the store's clock -----------------------------------------------------------------------------


class Machines:
    """A store and a machine, each with a clock that is set; `trips` counts how often the store is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.monotonic = NOW, 100.0
        self.trips, self.trip_takes, self.is_away = 0, 0.0, False
        monkeypatch.setattr(module.time, "monotonic", lambda: self.monotonic)

    def time(self) -> tuple[int, int]:
        self.trips += 1
        self.monotonic += self.trip_takes
        if self.is_away:
            raise RedisConnectionError
        return int(self.store.timestamp()), self.store.microsecond

    def forward(self, seconds: float) -> None:
        self.store += timedelta(seconds=seconds)
        self.monotonic += seconds


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(monkeypatch)


@pytest.fixture
def clock(machines: Machines) -> StoreClock:
    return StoreClock(machines)  # type: ignore[arg-type]


def test_it_shows_what_the_store_s_clock_shows_whatever_the_machine_s_does(redis: Redis) -> None:
    seconds, micro = redis.time()
    shown = StoreClock(redis).now()
    assert shown.utcoffset() == timedelta(0)
    assert abs(shown.timestamp() - seconds - micro / 1e6) < READ_AGAIN_SECONDS


def test_between_two_readings_the_monotonic_clock_carries_it_on(machines: Machines, clock: StoreClock) -> None:
    assert clock.now() == NOW
    machines.forward(READ_AGAIN_SECONDS - 1)
    assert clock.now() == machines.store
    assert machines.trips == 1


def test_it_is_read_again_after_a_while(machines: Machines, clock: StoreClock) -> None:
    clock.now()
    machines.monotonic += READ_AGAIN_SECONDS
    assert clock.now() == NOW
    assert machines.trips == 2


def test_what_a_trip_that_is_made_anyway_answers_saves_a_reading(machines: Machines, clock: StoreClock) -> None:
    for _ in range(10):
        machines.forward(READ_AGAIN_SECONDS)
        clock.learn(machines.time(), machines.monotonic)
        assert clock.now() == machines.store
    assert machines.trips == 10


def test_while_the_store_is_away_it_goes_on_and_asks_no_more_often(machines: Machines, clock: StoreClock) -> None:
    clock.now()
    machines.is_away = True
    for _ in range(3):
        machines.forward(READ_AGAIN_SECONDS)
        assert clock.now() == clock.now() == clock.estimate() == machines.store
    assert machines.trips == 4


def test_a_store_that_was_never_read_is_an_error_not_the_machine_s_time(machines: Machines, clock: StoreClock) -> None:
    machines.is_away = True
    with pytest.raises(RedisConnectionError):
        clock.now()
    assert abs(clock.estimate() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("seconds", [86_400, -86_400, JUMP_SECONDS + 1, -JUMP_SECONDS - 1])
def test_a_jump_of_the_store_s_clock_is_noticed_once(machines: Machines, clock: StoreClock, seconds: float) -> None:
    clock.now()
    machines.store += timedelta(seconds=seconds)
    machines.forward(READ_AGAIN_SECONDS)
    assert clock.now() == machines.store
    assert clock.jumped() == pytest.approx(seconds)
    assert clock.jumped() == 0


@pytest.mark.parametrize("seconds", [0, JUMP_SECONDS - 1, 1 - JUMP_SECONDS])
def test_what_a_time_service_corrects_is_no_jump(machines: Machines, clock: StoreClock, seconds: float) -> None:
    clock.now()
    machines.store += timedelta(seconds=seconds)
    machines.forward(READ_AGAIN_SECONDS)
    clock.now()
    assert clock.jumped() == 0


def test_an_answer_that_was_long_on_its_way_is_no_jump(machines: Machines, clock: StoreClock) -> None:
    clock.now()
    machines.forward(READ_AGAIN_SECONDS)
    machines.trip_takes = 3 * JUMP_SECONDS
    clock.now()
    assert clock.jumped() == 0


def test_taking_a_batch_or_a_page_reads_it_in_its_own_trip(store: Store, machines: Machines) -> None:
    """What another process knows of it may be seconds old: after a jump it would judge by the wrong day."""
    machines.is_away = True
    for take in (
        lambda clock: store.take(KEYS.of("P1"), clock),
        lambda clock: make_trips(
            store.redis, KEYS, clock, [(Trip(KEYS, KEYS.partition(0)), b"token")], timedelta(seconds=20), {}
        ),
    ):
        clock = StoreClock(machines)  # type: ignore[arg-type]
        take(clock)
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=60)
    assert machines.trips == 0


READS_ITS_OWN = {
    "monitoring/beats.py": "compares it with the store's",
    "clock.py": "a process that never reached the store",
    "monitoring/last_alarm.py": "the store may not be used",
    "runtime/broker_fetch.py": "kombu records by it when a message is given out again",
    "commands/configuration.py": "needs no store",
    "commands/intake.py": "needs no store",
    "commands/offline.py": "needs no store",
    "commands/route.py": "needs no store",
}
"""Where a machine's own clock is read, and why that may be."""


def test_a_machine_s_clock_is_read_nowhere_else() -> None:
    worker = Path(module.__file__).parent
    reads = re.compile(r"datetime\.(now|utcnow|today)\(|\btime\.(time|time_ns|localtime|gmtime)\(|SystemClock")
    found = {str(file.relative_to(worker)) for file in worker.rglob("*.py") if reads.search(file.read_text("utf-8"))}
    assert found == set(READS_ITS_OWN)


# -- the time of a replay --------------------------------------------------------------------------


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
