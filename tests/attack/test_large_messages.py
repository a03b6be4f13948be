"""Messages made to be slow to read: other senders are answered meanwhile, and another patient's page arrives."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.test_gateway import Served, gateway
from tests.support.hospital import Hospital, crs2, eventually
from tests.support.senders import Listening, Sender, listening, result
from worker.intake.source_keys import SourceKeys

pytestmark = pytest.mark.server

WITHIN = 25.0
"""Seconds. Each of these held up somebody for longer; a quiet machine answers within half a second."""

MSH_LINES = b"MSH|^~\\&|A\r" * 300_000
PENDING = result("P9", "results", 38).replace(b"Fresults", b"").partition(b"OBX")[0]
PENDING += b"OBX|1|NM|1988-5^CRP^LN||38|mg/L|||||I|||20240614080000+0200\r" * 19_000
"""Results that are still to come, and are charted by nobody, without an order number."""

MERGES = (
    b"MSH|^~\\&|LAB|HOSP|||||ADT^A40|merges|P|2.5\rEVN||20240614080000+0200\rPID|1||"
    + b"~".join(b"%d^^^X^XX" % at for at in range(10_000))
    + b"\r"
    + b"MRG|7^^^HOSP^MR\r" * 10_000
)


def resource(kind: str, **more: Any) -> dict[str, Any]:
    """A resource that is understood and charted by nobody."""
    code = {"coding": [{"system": "http://loinc.org", "code": "1988-5"}]}
    return {"resourceType": kind, "status": "registered", "code": code, "subject": {"reference": "Patient/1"}} | more


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    """All of them in one request."""
    return {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": one} for one in resources]}


CONTAINED = resource("DiagnosticReport", contained=[resource("Observation")] * 3_000)
IDENTIFIERS = bundle(
    {"resourceType": "Patient", "id": "1", "identifier": [{"value": f"{at}"} for at in range(3_000)]},
    *[resource("Observation", id="o")] * 3_000,
)


@pytest.fixture(scope="module")
def ways_in(hospital: Hospital) -> Iterator[tuple[Served, Listening]]:
    """A gateway and a listener of an installation whose worker runs."""
    assert hospital.settings.config_dir is not None
    sources = {"ehr": {"type": "record"}, "ward": {"type": "record"}, "monitor-7": {"type": "monitor"}}
    body = {"sources": sources, "listeners": {"lab": {"port": 0}}}
    (Path(hospital.settings.config_dir) / "intake.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
    with hospital.workers(1), gateway(hospital) as served, listening(hospital) as listener:
        yield served, listener


class Http:
    """A source that posts."""

    def __init__(self, hospital: Hospital, served: Served, source: str) -> None:
        keys = SourceKeys(hospital.redis, hospital.store.keys)
        self._headers = {"Authorization": f"Bearer {keys.add(source, datetime.now(UTC))}"}
        self._address = served.address

    def post(self, path: str, body: object) -> int:
        """The status of the answer."""
        headers = self._headers | {"Content-Type": "application/json"}
        return httpx.post(f"{self._address}{path}", content=json.dumps(body), headers=headers, timeout=120).status_code


def is_paged(hospital: Hospital, served: Served, patient: str, deadline: float) -> None:
    """The patient gets worse, as the gateway hears from two others, and the critical page arrives."""
    for message in crs2(patient):
        assert Http(hospital, served, message["source"]).post("/messages", message) == 202
    eventually(lambda: hospital.paged("CRS", patient), "the other patient is paged", deadline - time.monotonic())


def test_frames_that_are_slow_to_read_hold_up_nobody_else(
    hospital: Hospital, ways_in: tuple[Served, Listening]
) -> None:
    served, listener = ways_in
    with ExitStack() as connections:
        slow = [connections.enter_context(Sender(listener.port)) for _ in range(3)]
        for sender, body in zip(slow, (MSH_LINES, PENDING, MERGES), strict=True):
            sender.send(body)
        deadline = time.monotonic() + WITHIN
        for number in range(3):
            with Sender(listener.port) as other:
                other.send(result(f"other {number}", number, 85))
                assert other.answers(1) == [f"AA {number}"]
        is_paged(hospital, served, "beside frames", deadline)
        assert time.monotonic() < deadline
        assert [sender.answers(1) for sender in slow] == [["AE"], ["AA results"], ["AA merges"]]


def test_bodies_that_are_slow_to_read_hold_up_nobody_else(
    hospital: Hospital, ways_in: tuple[Served, Listening]
) -> None:
    served, _ = ways_in
    found: list[int] = []
    monitor = Http(hospital, served, "monitor-7")
    bodies = [CONTAINED, IDENTIFIERS] * 3
    threads = [threading.Thread(target=lambda body=body: found.append(monitor.post("/fhir", body))) for body in bodies]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + WITHIN
    is_paged(hospital, served, "beside bodies", deadline)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert found == [200] * len(bodies), "each has been read to the end"
