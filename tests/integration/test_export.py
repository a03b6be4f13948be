"""Real workers send an EHR on loopback what follows, and are killed over it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.fake_ehr import FakeEhr
from tests.support.hospital import Hospital, crs2, descendants, eventually, kill
from worker.standalone.service import DELIVERS
from worker.standalone.supervisor import Supervised, worker_command

pytestmark = pytest.mark.server


@pytest.fixture
def record() -> Iterator[FakeEhr]:
    with FakeEhr() as system:
        yield system


@contextmanager
def exporting(hospital: Hospital, record: FakeEhr) -> Iterator[Supervised]:
    """The hospital's workers, with an EHR: one that evaluates and delivers, one that exports."""
    base = {"fhir_base": record.base, "fhir_token": "a-token", "fhir_system": "urn:oid:1.2.3"}
    environment = hospital.settings.model_copy(update=base).as_environment()
    others = worker_command(["advance", "ingest", *DELIVERS], 2)
    with (
        Supervised(others, environment, str(hospital.log)),
        Supervised(worker_command(["export"], 1), environment, str(hospital.log)) as exporter,
    ):
        eventually(lambda: len(hospital.beats()) == 2, "both workers tick")
        yield exporter


def waits(hospital: Hospital) -> int:
    return sum(hospital.redis.xlen(shard.exports) for shard in hospital.store.keys.all())


def page(record: FakeEhr) -> dict[str, Any]:
    """The Communication about CRS; there is one."""
    [found] = [one for one in record.resources_of("Communication") if one["topic"]["text"] == "crs"]
    return found


def test_an_exporter_killed_between_the_answer_and_the_removal_leaves_each_resource_once(
    hospital: Hospital, record: FakeEhr
) -> None:
    left: list[int] = []
    with exporting(hospital, record) as exporter:

        def kill_once() -> None:
            if not left:
                pid = exporter.pid or 0
                kill(pid, *descendants(pid))
                left.append(waits(hospital))

        record.on_taken = kill_once
        hospital.client.send(crs2("killed"))
        eventually(lambda: left, "it was killed")
        eventually(lambda: not waits(hospital) and page(record)["status"] == "completed", "all of it was exported")
    assert left[0] > 0, "nothing had been taken off the stream"
    assert exporter.starts == 2
    taken = [versions[-1]["identifier"][0]["value"] for versions in record.resources]
    assert len(taken) == len(set(taken))
    assert max(map(len, record.resources)) > 1, "it was sent again"
    [crs] = [one for one in record.resources_of("Observation") if one["code"]["coding"][0]["code"] == "crs"]
    assert set(record.statuses(crs)) == {"final"}
    assert page(record)["about"][0]["identifier"] == crs["identifier"][0]


def test_a_wake_up_that_is_lost_and_a_base_that_is_down_cost_time_and_no_resource(
    hospital: Hospital, record: FakeEhr
) -> None:
    record.answers = [(503, {"Retry-After": "1"}), (500, {})]
    with exporting(hospital, record):
        hospital.client.send(crs2("PAT-4711"))
        eventually(lambda: len(record.requests) > 2 and not waits(hospital), "it was exported after all")
    [crs] = [one for one in record.resources_of("Observation") if one["code"]["coding"][0]["code"] == "crs"]
    assert crs["subject"]["identifier"] == {"system": "urn:oid:1.2.3", "value": "PAT-4711"}
    assert "a-token" not in hospital.log.read_text()
    assert "PAT-4711" not in hospital.log.read_text()
