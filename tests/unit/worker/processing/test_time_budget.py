"""What one patient, one source or one slow batch may cost the others of its shard."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any

import pytest
from redis import Redis

from alerts.messages import AnyMessage
from alerts.state import Effects, PatientState
from alerts.step.step import step
from config.site import Site
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Body,
    Clock,
    crs2,
    message,
    owed,
    reading,
    registration,
    send,
    waiting,
)
from worker.processing import advance as module
from worker.processing.advance import ShardRun
from worker.store.fair_shares import BUDGET_PART, OF_A_PATIENT, PIECE
from worker.store.shard import Store

SHARD = KEYS.of("P1")
LEASE_SECONDS = 5
POISON = "poison"


class Ward:
    """A shard whose evaluation costs time: so many seconds of a stopwatch a message."""

    def __init__(self, redis: Redis, monkeypatch: pytest.MonkeyPatch, batch: int = 500) -> None:
        self.redis = redis
        self.store = Store(redis, KEYS, batch=batch, lease_seconds=LEASE_SECONDS, journal_length=1000)
        self.clock = Clock()
        self.seconds = 0.0
        self.cost = 0.0
        self.pieces: list[tuple[str, int]] = []
        self.dies = False
        self._leased = 0.0
        take = self.store.take
        monkeypatch.setattr("worker.processing.poison.step", self._step)
        monkeypatch.setattr(self.store, "take", lambda *given: self._begin() or take(*given))

    def _begin(self) -> None:
        self._leased = self.seconds

    def _step(
        self, state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
    ) -> tuple[PatientState, Effects]:
        if self.dies and any(item.id == POISON for item in messages):
            raise Killed
        self.pieces.append((state.patient, len(messages)))
        self.seconds += self.cost * len(messages)
        if self.seconds - self._leased > LEASE_SECONDS:
            self.redis.set(SHARD.lease, "another worker")
        return step(state, messages, now, site)

    def run(self) -> ShardRun:
        """One wake-up; a lease that was lost to another worker, which does nothing, has run out before the next."""
        done = module.advance(self.store, SHARD, self.clock, SITE, lambda: self.seconds)
        self.redis.delete(SHARD.lease)
        return done

    def run_all(self, most: int = 100) -> list[ShardRun]:
        """Wake-ups until nothing waits."""
        done = []
        for _ in range(most):
            if not waiting(self.store):
                return done
            done.append(self.run())
        raise AssertionError(f"after {most} runs there still wait {waiting(self.store)}")

    def charted(self, patient: str = "P1") -> dict[str, int]:
        return entries(self.store.state(patient))

    def paged(self, patient: str) -> bool:
        return any("CRS" in item.page.title for item in owed(self.store, patient))


def entries(state: PatientState | None) -> dict[str, int]:
    """How many entries of each kind are charted."""
    return {kind: len(series) for kind, series in state.chart.entries.items()} if state else {}


def at_once(bodies: Sequence[Body]) -> dict[str, int]:
    """What is charted of a patient's messages that are evaluated together."""
    return entries(step(PatientState(patient="P1"), [message(body) for body in bodies], NOW, SITE)[0])


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(autouse=True)
def _runs_are_not_cut_by_a_slow_machine() -> None:
    """Here they are, by the stopwatch."""


@pytest.fixture
def ward(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(redis, monkeypatch)


def live(number: int, patient: str = "P1", **more: Any) -> list[Body]:
    """Values of the last minutes."""
    return [
        reading("crp", 10, patient, id=f"live {n}", at=NOW - timedelta(milliseconds=140 * n), **more)
        for n in range(number)
    ]


def late(number: int, patient: str = "P1", **more: Any) -> list[Body]:
    """Values of the last hours."""
    since = timedelta(hours=1)
    return [
        reading("crp", 10, patient, id=f"late {n}", at=NOW - since - timedelta(seconds=n), **more)
        for n in range(number)
    ]


def mates(number: int) -> list[str]:
    """Other patients of the shard."""
    return list(islice((f"M{n}" for n in count() if KEYS.of(f"M{n}") == SHARD), number))


# -- the budget ------------------------------------------------------------------------------------


def test_work_that_takes_longer_than_a_lease_is_committed_in_parts_and_each_message_counts_once(ward: Ward) -> None:
    ward.cost = 0.02
    send(ward.store, [registration(), *live(400)])
    runs = ward.run_all()
    assert all(run.batches for run in runs), "a run was thrown away"
    assert ward.seconds > LEASE_SECONDS
    assert ward.charted() == at_once([registration(), *live(400)])
    assert sum(size for _, size in ward.pieces) == 401
    assert sum(run.messages for run in runs) == 401


def test_a_run_whose_budget_is_spent_gives_the_worker_back_and_says_that_more_waits(ward: Ward) -> None:
    ward.cost = 0.01
    send(ward.store, [registration(), *live(150)])
    done = ward.run()
    assert (done.batches, done.messages, done.more) == (1, PIECE, True)
    assert not ward.redis.exists(SHARD.lease)


def test_a_run_within_its_budget_takes_everything(ward: Ward) -> None:
    send(ward.store, [registration(), *live(150), *crs2("P3")])
    done = ward.run()
    assert (done.batches, done.messages, done.more) == (1, 154, False)


def test_a_timer_that_the_budget_did_not_reach_is_due_in_the_next_run(ward: Ward) -> None:
    names = mates(3)
    for name in names:
        send(ward.store, crs2(name))
    ward.run()
    ward.clock.forward(minutes=10)
    ward.cost = 0.01
    send(ward.store, live(PIECE), ward.clock.at)
    first = ward.run()
    assert first.more
    ward.cost = 0
    ward.run()
    assert all(any(item.page.reason == "repeat" for item in owed(ward.store, name)) for name in names)


def test_a_lost_lease_halves_the_next_pieces_and_each_success_lets_them_grow_again(ward: Ward) -> None:
    ward.cost = LEASE_SECONDS / (PIECE / 4) * 0.9  # a quarter of a piece just fits the lease
    send(ward.store, [registration(), *live(190)])
    ward.run_all()
    sizes = [size for _, size in ward.pieces]
    assert sizes[:3] == [PIECE, PIECE // 2, PIECE // 4]
    assert sizes[3] == PIECE // 2, "after a success they grow"
    assert ward.charted() == at_once([registration(), *live(190)])


def test_a_lease_lost_between_two_batches_loses_and_doubles_nothing(ward: Ward) -> None:
    ward.cost = 0.03
    send(ward.store, [registration(), *live(190), *crs2("P3")])
    ward.run()
    ward.cost = LEASE_SECONDS
    assert ward.run().batches == 0, "it took longer than the lease"
    ward.cost = 0.001
    ward.run_all()
    assert ward.charted() == at_once([registration(), *live(190)])
    assert ward.charted("P3") == {"temperature": 1, "systolic_bp": 1}
    assert ward.store.dead_letters() == []


# -- fair shares ----------------------------------------------------------------------------


@pytest.mark.parametrize("flood", [live, late])
def test_a_patient_behind_thousands_of_messages_of_another_is_evaluated_in_the_first_run(
    ward: Ward, flood: Callable[[int], list[Body]]
) -> None:
    ward.cost = 0.002
    send(ward.store, [registration(), *flood(4000)])
    send(ward.store, crs2("P3"))
    ward.run()
    assert ward.paged("P3")
    assert waiting(ward.store) >= 4000 - OF_A_PATIENT


def test_who_comes_while_a_backlog_waits_does_not_wait_for_it(ward: Ward) -> None:
    ward.cost = 0.002
    send(ward.store, [registration(), *late(2000)])
    ward.run()
    for name in mates(3):
        send(ward.store, crs2(name))
        ward.run()
        assert ward.paged(name)
    assert waiting(ward.store) > 1000


def test_a_backlog_is_worked_off_whatever_comes_meanwhile(ward: Ward) -> None:
    ward.cost = 0.003
    send(ward.store, [registration(), *late(1000)])
    ward.run()
    for number in range(15):
        send(ward.store, [reading("crp", 10, "P3", id=f"m{number} {n}") for n in range(PIECE)])
        ward.run()
    assert sum(size for patient, size in ward.pieces if patient == "P1") == 1001


def test_live_messages_of_a_patient_come_before_the_late_ones(ward: Ward) -> None:
    ward.cost = 0.01
    send(ward.store, [registration(), *late(1000), *crs2()[1:]])
    ward.run()
    assert ward.paged("P1")
    assert waiting(ward.store) > 1000 - PIECE


def test_a_registration_and_an_answer_come_before_readings(ward: Ward) -> None:
    ward.cost = 0.01
    send(ward.store, [*live(450), registration()])
    ward.run()
    state = ward.store.state("P1")
    assert state is not None
    assert state.registered


def test_a_source_that_sends_for_many_patients_has_its_share(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ward = Ward(redis, monkeypatch, batch=100)
    ward.cost = 0.02
    send(ward.store, [reading("crp", 10, name, source="bulk", id=name) for name in mates(150)])
    send(ward.store, [body | {"source": "ward"} for body in crs2("P3")])
    ward.run()
    assert ward.paged("P3")


def test_behind_thousands_of_messages_of_a_source_for_many_patients_others_are_seen_in_the_first_run(
    ward: Ward,
) -> None:
    """Each of its patients is within the share of a patient; the source is not."""
    ward.cost = 0.002
    names = list(mates(50))
    junk = [reading("crp", 10, names[n % 50], source="monitor-9", id=f"m{n}") for n in range(4000)]
    send(ward.store, junk)
    send(ward.store, [body | {"source": "ward"} for body in crs2("P3")])
    run = ward.run()
    assert ward.paged("P3")
    assert run.more
    assert ward.seconds < LEASE_SECONDS / BUDGET_PART, "the other shards wait no longer than for a usual run"
    ward.run_all(200)
    assert sum(size for _, size in ward.pieces) == 4003


def test_the_cursor_is_gone_when_nothing_waits(ward: Ward) -> None:
    ward.cost = 0.002
    send(ward.store, [registration(), *late(1500)])
    ward.run()
    assert ward.redis.exists(SHARD.key("cursor"))
    ward.run_all()
    send(ward.store, live(1))
    ward.run()
    assert not ward.redis.exists(SHARD.key("cursor"))


def test_a_cursor_that_is_out_of_date_costs_no_message(ward: Ward) -> None:
    send(ward.store, [registration(), *live(1)])
    [*_, (last, _)] = ward.store.stream(SHARD.inbox)
    ward.redis.set(SHARD.key("cursor"), last)
    ward.run_all()
    assert ward.charted() == {"crp": 1}


# -- a message that kills workers --------------------------------------------------------------------


@pytest.mark.parametrize("poisoned", ["P1", "P3"], ids=["in the backlog", "behind the backlog"])
def test_a_message_that_kills_workers_is_found_in_and_behind_a_backlog(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, poisoned: str
) -> None:
    ward = Ward(redis, monkeypatch, batch=100)
    ward.dies = True
    bad = reading("crp", 11, poisoned, id=POISON, at=NOW - timedelta(hours=2))
    send(ward.store, [registration(), *late(220), bad, *late(400, source="monitor-8"), *crs2("P3")])
    died = 0
    while waiting(ward.store):
        try:
            ward.run()
        except Killed:
            ward.redis.delete(SHARD.lease)  # it runs out
            send(ward.store, [reading("crp", 10, mates(1)[0], id=f"meanwhile {died}")])
            died += 1
            assert died < 150, "workers die for ever"
    assert [record.id for _, record in ward.store.dead_letters()] == [POISON]
    assert ward.paged("P3")
