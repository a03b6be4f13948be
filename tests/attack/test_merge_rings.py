"""Merges in a ring, across shards: somebody is watched, nothing goes round, and the pages of others arrive."""

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from alerts.messages import SITE_SUBJECT
from tests.support.hospital import Body, Hospital, crs2, eventually, iso, reading, registration
from worker.standalone.supervisor import Supervised

pytestmark = pytest.mark.server

WITHIN = 15.0


@pytest.fixture(scope="module")
def workers(hospital: Hospital) -> Iterator[Supervised]:
    """The workers of the hospital."""
    with hospital.workers() as running:
        yield running


def apart(hospital: Hospital, name: str, count: int) -> list[str]:
    """Records in as many shards, none of them the site's."""
    found = {hospital.store.keys.of(f"{name} {number}").number: f"{name} {number}" for number in range(200)}
    found.pop(hospital.store.keys.of(SITE_SUBJECT).number)
    return list(found.values())[:count]


def merge(old: str, into: str, at: datetime) -> Body:
    body = {"type": "merge", "id": f"{old} {into}", "source": "ehr", "patient": old, "into": into}
    return body | {"effective": iso(at)}


def evaluated(hospital: Hospital, patients: Collection[str]) -> int:
    """How many messages about these patients the shards have evaluated, with those they forwarded to each other."""
    records = [record for shard in hospital.store.keys.all() for _, record in hospital.store.journal(shard)]
    return sum(json.loads(item["message"])["patient"] in patients for record in records for item in record["in"])


def merged_into(hospital: Hospital, patient: str) -> str | None:
    state = hospital.store.state(patient)
    return state.merged_into if state is not None else None


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("count", [2, 3])
def test_a_ring_of_merges_ends_and_its_patient_pages(hospital: Hospital, count: int) -> None:
    ring = apart(hospital, f"ring {count} of", count)
    now = datetime.now(UTC)
    hospital.client.send([registration(patient, now - timedelta(hours=1)) for patient in ring])
    for minutes, (old, into) in enumerate(zip(ring, [*ring[1:], ring[0]], strict=True)):
        hospital.client.send([merge(old, into, now - timedelta(minutes=10 - minutes))])
        eventually(lambda old=old, into=into: merged_into(hospital, old) == into, f"{old} goes on as {into}", WITHIN)
    hospital.client.send(crs2(f"bed {count}"))
    hospital.client.send([reading("temperature", "38.9", ring[-1], now), reading("systolic_bp", 84, ring[-1], now)])
    eventually(lambda: hospital.paged("CRS", f"bed {count}"), "the other patient is paged", WITHIN)
    eventually(lambda: any(hospital.paged("CRS", patient) for patient in ring), "the merged patient is paged", WITHIN)
    eventually(hospital.idle, "nothing waits", WITHIN)
    assert [merged_into(hospital, patient) for patient in ring] == ["", *ring[2:], ring[0]]
    before = evaluated(hospital, ring)
    hospital.client.send(crs2(f"bed after {count}"))
    eventually(lambda: hospital.paged("CRS", f"bed after {count}"), "another patient is paged", WITHIN)
    assert evaluated(hospital, ring) == before
    site = hospital.store.state(SITE_SUBJECT)
    assert site is not None
    assert any(condition.startswith("merge ") and episode.pages for condition, episode in site.episodes.items())
