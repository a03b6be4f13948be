"""How often a batch, and the delivery of a page, go to Redis and back: counted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from unittest.mock import patch

from harness import Ground, Row, Size
from neighbours import Phone
from redis import Redis
from redis.connection import AbstractConnection
from ward import Ward, fever, minutes, registrations, unhurried

from worker.delivery import deliver
from worker.delivery.deliver import Deliverer
from worker.processing.advance import advance
from worker.runtime.runtime import make


class Counted(NamedTuple):
    """How often something was sent to Redis, and how often that changed something there: then it waits for the disk."""

    trips: int
    writes: int


PEOPLE = 8

RUN = Counted(3, 2)
"""Of a run, at most."""


def counted(probe: Redis, act: Callable[[], object]) -> Counted:
    """What this process sends meanwhile; a pipeline goes as one. `probe` asks Redis and is not counted."""
    changes: list[int] = []
    send = AbstractConnection.send_packed_command
    asking = False

    def look() -> None:
        nonlocal asking
        asking = True
        changes.append(int(probe.info("persistence")["rdb_changes_since_last_save"]))
        asking = False

    def counting(self: AbstractConnection, *command: Any, **how: Any) -> Any:
        if not asking:
            look()
        return send(self, *command, **how)

    with patch.object(AbstractConnection, "send_packed_command", counting):
        act()
    look()
    return Counted(len(changes) - 1, sum(one != other for one, other in pairwise(changes)))


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        ward = Ward(ground, "trips", f"json://127.0.0.1:{Phone(ground).port}")
        run = make(ward.settings, ward.redis)
        start = datetime.now(UTC) - timedelta(minutes=size.minutes)

        shard = run.store.keys.of("P0")
        probe = ground.client(ward.settings.redis_url)

        def run_shard() -> Counted:
            return counted(probe, lambda: advance(run.store, shard, run.clock, run.site, unhurried))

        ward.fill(registrations([f"P{number}" for number in range(size.patients)], start))
        run_shard()
        rows = [_row("a run that finds nothing", run_shard(), Counted(1, 0))]
        ward.fill(iter([fever("P0", datetime.now(UTC))]))
        rows.append(_row("a run of one reading", run_shard(), RUN))
        delivery = Deliverer(run)
        # A look at what became due, while the phone takes its time, is not of the page.
        deliver.LOOK_SECONDS = (5, 5)

        def woken() -> None:
            for partition in run.store.keys.partitions():
                if ward.redis.exists(partition.agenda):
                    delivery.wake(partition.number)

        woken()
        delivery.until_idle()
        ward.fill(iter([fever("P1", datetime.now(UTC))]))
        advance(run.store, run.store.keys.of("P1"), run.clock, run.site, unhurried)
        woken()
        rows.append(_row("a page delivered", counted(probe, delivery.until_idle), Counted(2, 2)))
        rows.append(_in_a_row(ground, size))
        ward.fill(minutes(size.patients, start, size.minutes))
        return [*rows, _row("a run of a backlog", run_shard(), RUN)]


def _row(what: str, seen: Counted, most: Counted) -> Row:
    met = seen.trips <= most.trips and seen.writes <= most.writes
    aim = f"<= {most.trips}, {most.writes} of them write"
    return Row(f"round trips to Redis, {what}", str(seen.trips), aim, met, f"{seen.writes} of them write")


def _in_a_row(ground: Ground, size: Size) -> Row:
    """Pages that are owed on several channels at once."""
    ward = Ward(ground, "row", f"json://127.0.0.1:{Phone(ground).port}", PEOPLE)
    run = make(ward.settings, ward.redis)
    now = datetime.now(UTC)
    patients = [f"P{number}" for number in range(size.patients)]
    ward.fill(registrations(patients, now))
    ward.fill(fever(patient, now) for patient in patients)
    for shard in run.store.keys.all():
        advance(run.store, shard, run.clock, run.site, unhurried)
    delivery, owed = Deliverer(run), ward.pages_owed()
    for partition in run.store.keys.partitions():
        delivery.wake(partition.number)
    trips = counted(ground.client(ward.settings.redis_url), delivery.until_idle).trips / owed
    seen = f"{owed} pages at once, {PEOPLE} channels"
    return Row("round trips to Redis, a page in a row", f"{trips:.2f}", "< 1", trips < 1, seen)
