"""Values by the thousand of one patient: the chart stays small, and pages of others in the shard arrive meanwhile."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.support.hospital import Body, Hospital, crs2, eventually, reading, registration
from worker.store.inbox import Accepted

pytestmark = pytest.mark.server

PATIENT = "flooded"
WITHIN = 15.0
"""Seconds until another patient's page; one to two on a machine that has nothing else to do."""
ONE_TIME = 8000
SECONDS = 3600


@pytest.fixture(scope="module", autouse=True)
def workers(hospital: Hospital) -> Iterator[None]:
    with hospital.workers(2):
        yield


def stream(kind: str, each: timedelta, number: int, **fields: object) -> list[Body]:
    """So many values of a monitor until now."""
    end = datetime.now(UTC)
    return [
        reading(kind, 80 + n % 41, PATIENT, end - n * each, id=f"{kind} {each} {n}", by="monitor", source="monitor-7")
        | fields
        for n in range(number)
    ]


def send(hospital: Hospital, bodies: list[Body]) -> Accepted:
    return hospital.client.send_raw([json.dumps(body).encode() for body in bodies])


def kept(hospital: Hospital, kind: str) -> int:
    """How many entries of a kind the flooded patient's chart keeps."""
    state = hospital.store.state(PATIENT)
    return 0 if state is None else len(state.chart.entries.get(kind, ()))


def test_a_flood_is_charted_in_few_entries_and_others_are_paged_meanwhile(hospital: Hospital) -> None:
    shard = hospital.store.keys.of(PATIENT)
    mate = next(name for n in count() if hospital.store.keys.of(name := f"mate {n}") == shard)
    send(hospital, [registration(PATIENT, datetime.now(UTC) - timedelta(days=1))])
    send(hospital, stream("systolic_bp", timedelta(0), ONE_TIME))
    send(hospital, stream("heart_rate", timedelta(seconds=1), SECONDS))
    send(hospital, crs2(mate))
    eventually(lambda: hospital.paged("CRS", mate), "the other patient is paged", WITHIN)
    hospital.is_idle_soon()
    assert 0 < kept(hospital, "systolic_bp") <= 10
    assert 0 < kept(hospital, "heart_rate") <= SECONDS // 5


def test_a_waveform_is_refused_and_others_are_paged_meanwhile(hospital: Hospital) -> None:
    accepted = send(hospital, stream("heart_rate", timedelta(milliseconds=4), 5000))
    send(hospital, crs2("bystander"))
    eventually(lambda: hospital.paged("CRS", "bystander"), "the other patient is paged", WITHIN)
    [refused] = accepted.refused
    assert "a waveform is not charted" in refused.why
    assert accepted.stored <= 10 * 21
    assert [record.why for _, record in hospital.store.dead_letters()] == [refused.why]
