"""A back-fill of one patient, or thousands of values of one time: pages of others in the shard arrive meanwhile."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, islice

import pytest

from tests.support.hospital import Body, Hospital, crs2, eventually, reading, registration

pytestmark = pytest.mark.server

MATES = 3
WITHIN = 12.0
"""Seconds until a page; it was minutes, or for ever, and is less than two on a machine that has nothing else to do."""


@pytest.fixture(scope="module", autouse=True)
def workers(hospital: Hospital) -> Iterator[None]:
    with hospital.workers(2):
        yield


def backfill(patient: str, number: int) -> list[Body]:
    """A heart rate of each second until now, as a monitor sends it that was off the network."""
    now = datetime.now(UTC)
    return [
        reading(
            "heart_rate",
            80 + n % 30,
            patient,
            now - timedelta(seconds=number - n),
            by="monitor",
            source="monitor-7",
        )
        for n in range(number)
    ]


def one_time(patient: str, number: int) -> list[Body]:
    """So many pressures of one moment, each a message of its own."""
    now = datetime.now(UTC)
    return [
        reading("systolic_bp", 100 + n % 40, patient, now, by="monitor", source="monitor-8", id=f"p{n}")
        for n in range(number)
    ]


def send(hospital: Hospital, bodies: list[Body]) -> None:
    hospital.client.send_raw([json.dumps(body).encode() for body in bodies])


def charted(hospital: Hospital, patient: str) -> bool:
    """Whether any reading of a patient is."""
    state = hospital.store.state(patient)
    return state is not None and bool(state.chart.entries)


@pytest.mark.parametrize(("flood", "requests", "each"), [(backfill, 5, 4000), (one_time, 4, 2000)])
def test_patients_of_the_same_shard_are_paged_during_a_flood(
    hospital: Hospital, flood: Callable[[str, int], list[Body]], requests: int, each: int
) -> None:
    name = f"flood {each}"
    shard = hospital.store.keys.of(name)
    names = (f"{name} {n}" for n in count())
    mates = list(islice((mate for mate in names if hospital.store.keys.of(mate) == shard), MATES))
    send(hospital, [registration(name, datetime.now(UTC) - timedelta(days=1))])
    bodies = flood(name, requests * each)
    for number in range(requests):
        send(hospital, bodies[number * each : (number + 1) * each])
        for mate in mates[number : number + 1]:
            send(hospital, crs2(mate))
    for mate in mates:
        eventually(partial(hospital.paged, "CRS", mate), f"{mate} is paged", WITHIN)
    eventually(lambda: charted(hospital, name), "the flood is charted as well", WITHIN)
