"""What a monitor's key may not say, and names with what nobody sees: the patient it names is paged all the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.test_gateway import gateway
from tests.support.hospital import Hospital, crs2, eventually, iso, reading, registration
from worker.intake.source_keys import SourceKeys

pytestmark = pytest.mark.server

MONITOR = "monitor-7"


@pytest.fixture(scope="module")
def monitor(hospital: Hospital) -> Iterator[httpx.Client]:
    """The real gateway and a worker; a client with the key of a monitor."""
    listed = {"sources": {"ehr": {"type": "record"}, MONITOR: {"type": "monitor"}}}
    (Path(str(hospital.settings.config_dir)) / "intake.yaml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    key = SourceKeys(hospital.redis, hospital.store.keys).add(MONITOR, datetime.now(UTC))
    with hospital.workers(1), gateway(hospital) as served:
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=served.address, headers=headers, timeout=30) as client:
            yield client


def forbidden(bed: str) -> list[dict[str, Any]]:
    """What would end an open episode of a patient, or hide what follows."""
    at = iso(datetime.now(UTC) - timedelta(minutes=1))
    said = {"source": MONITOR, "patient": bed, "effective": at, "by": "N. N."}
    return [
        said | {"type": "discharge", "id": "d"},
        said | {"type": "merge", "id": "m", "into": "nobody"},
        registration(bed, datetime.now(UTC), source=MONITOR, infused=iso(datetime.now(UTC) + timedelta(days=20))),
        said | {"type": "statement", "id": "s1", "statement": "hypotension", "value": False},
        said | {"type": "statement", "id": "s2", "statement": "fever_other_cause", "value": True},
    ]


def test_a_monitor_ends_no_episode_and_hides_nothing(hospital: Hospital, monitor: httpx.Client) -> None:
    bed = "attacked"
    hospital.client.send(crs2(bed))
    eventually(lambda: hospital.paged("CRS 2", bed), "the patient is paged")
    for body in forbidden(bed):
        answer = monitor.post("/messages", json=body)
        assert answer.status_code == 422, body["type"]
        assert f"type: {body['type']} is not accepted from" in answer.text
    hospital.client.send(crs2("beside"))
    eventually(lambda: hospital.paged("CRS 2", "beside"), "another patient is paged")
    worse = reading("spo2", 80, bed, datetime.now(UTC), source=MONITOR, by="monitor")
    worse |= {"id": "worse", "by": "person"}
    assert monitor.post("/messages", json=worse).status_code == 202
    now = iso(datetime.now(UTC))
    given = {"type": "treatment", "id": "n", "source": "ehr", "patient": bed, "effective": now, "action": "started"}
    hospital.client.send([given | {"drug": "norepinephrine"}, given | {"id": "v", "drug": "vasopressin"}])
    eventually(lambda: hospital.paged("CRS 3", bed) or hospital.paged("CRS 4", bed), "that it got worse is paged")


def test_names_with_what_nobody_sees_forge_nothing(hospital: Hospital, monitor: httpx.Client) -> None:
    bed = "7\n[LOW] all is well\u202e\u200b"
    hospital.client.send(crs2(bed))
    shown = "7\\n[LOW] all is well\\u202e\\u200b"
    eventually(lambda: any(shown[:20] in page.title for page in hospital.phone.received), "the patient is paged")
    [page] = [page for page in hospital.phone.received if "all is well" in page.title + page.body]
    assert "CRS 2" in page.title.splitlines()[0]
    assert page.title.isprintable()
    strange = monitor.post("/messages", json=reading("spo2", 97, bed, datetime.now(UTC), source="x\nERROR all is well"))
    assert strange.status_code == 422
    assert not any(line.startswith("ERROR all") for line in hospital.log.read_text(encoding="utf-8").splitlines())
