"""The export to a FHIR server that nobody here wrote: stored, validated by it, and found again by its search.

Medplum's router is installed by npm for the run, in the version that `tests/support/fhir_server/package.json` names.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fakeredis import FakeRedis, FakeServer

from config.settings import Settings
from config.site import DEFAULTS
from tests.support.hospital import Hospital, crs2, eventually, iso
from tests.support.npm import installed
from tests.support.servers import free_port, running
from tests.support.stored_ward import KEYS, SITE, Clock
from worker.fhir_export.client import FhirClient, PutOutcome, PutResult
from worker.fhir_export.export import export
from worker.fhir_export.names import GRADE, PAGE
from worker.fhir_export.records import Item
from worker.fhir_export.refused import refused
from worker.processing.advance import advance
from worker.standalone.demo import read_case
from worker.standalone.replay import moments
from worker.standalone.supervisor import Supervised, worker_command
from worker.store import backlog
from worker.store.codec import unpack_export
from worker.store.inbox import accept
from worker.store.shard import Store

pytestmark = pytest.mark.server

FOLDER = Path(__file__).parents[1] / "support" / "fhir_server"
SYSTEM = "urn:oid:1.2.3"
TOKEN = "a-token"  # noqa: S105 - of this test
UNTIL = datetime(2024, 6, 17, tzinfo=UTC)
"""Of the reference case that much: by then every system has been graded, and its search still answers soon."""

PATIENT, CORRECTED = "bed 1", "bed 2"

Resource = dict[str, Any]


class Medplum(NamedTuple):
    """The server, as whoever reads the record asks it."""

    base: str

    def find(self, kind: str, **by: str) -> list[Resource]:
        """What its search finds, all of it."""
        answer = httpx.get(f"{self.base}/{kind}", params={**by, "_count": "1000"}, headers=_headers())
        return [entry["resource"] for entry in answer.raise_for_status().json().get("entry", ())]

    def grades(self, patient: str) -> list[Resource]:
        """The grades of CRS that a patient has, found by their code."""
        found = self.find("Observation", code="urn:cartwatch:system|crs")
        subject = {"system": SYSTEM, "value": patient}
        return [one for one in found if one["subject"]["identifier"] == subject]

    def versions(self, resource: Resource) -> list[Resource]:
        """Every version it has of a resource, the newest first."""
        answer = httpx.get(f"{self.base}/{resource['resourceType']}/{resource['id']}/_history", headers=_headers())
        return [entry["resource"] for entry in answer.raise_for_status().json()["entry"]]


def waiting(store: Store) -> int:
    """Batches that wait to be exported."""
    found = backlog.read(store.redis, store.keys, datetime.now(UTC), exports=True).exports
    return found.batches if found is not None else -1


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def medplum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medplum]:
    """The server, installed for this run; skipped where there is no Node, no npm, or no registry that npm reaches."""
    folder = tmp_path_factory.mktemp("medplum")
    node = installed(FOLDER, folder)
    port = free_port()
    with running([node, str(folder / "server.mjs"), str(port), TOKEN], port, folder / "server.log"):
        yield Medplum(f"http://127.0.0.1:{port}/fhir")
    shutil.rmtree(folder / "node_modules")


@pytest.fixture(scope="module")
def exported(hospital: Hospital, medplum: Medplum) -> Hospital:
    """A patient whose page was answered and one whose fever was charted in error, once all of it was exported."""
    named = {"fhir_base": medplum.base, "fhir_token": TOKEN, "fhir_system": SYSTEM}
    hospital.settings = hospital.settings.model_copy(update=named)
    exporter = worker_command(["export"], 1)
    with hospital.workers(), Supervised(exporter, hospital.settings.as_environment(), str(hospital.log)):
        hospital.client.send(crs2(PATIENT))
        eventually(lambda: hospital.paged("CRS 2", PATIENT), "the page arrives")
        hospital.client.send([_acknowledgement(hospital)])
        eventually(lambda: hospital.events("acknowledged"), "it is answered")
        corrected = crs2(CORRECTED)
        hospital.client.send(corrected)
        eventually(lambda: medplum.grades(CORRECTED), "the grade is exported")
        hospital.client.send([{**corrected[1], "status": "entered_in_error"}])
        eventually(lambda: hospital.events("regrade"), "it is retracted")
        hospital.is_idle_soon()
        eventually(lambda: waiting(hospital.store) == 0, "everything is exported")
    return hospital


def _acknowledgement(hospital: Hospital) -> Resource:
    state = hospital.store.state(PATIENT)
    assert state is not None
    answer = {"type": "acknowledgement", "id": "a1", "source": "gateway", "patient": PATIENT, "by": "haematologist-1"}
    return answer | {"episode": state.episodes["crs"].id, "effective": iso(datetime.now(UTC))}


def test_nothing_of_a_stay_is_refused(medplum: Medplum) -> None:
    """The server validates each resource: elements, types, cardinalities and the invariants of FHIR R4."""
    settings = Settings(fhir_base=medplum.base, fhir_token=TOKEN)
    base, clock = FhirClient(settings), Clock()
    given: list[Item] = []
    with FakeRedis(server=FakeServer(version=(7,))) as redis, closing(base):
        store = Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=1000, exports=True)
        shard = store.keys.of("REF-1")
        for at, messages in moments(read_case(DEFAULTS / "reference_case.ndjson")):
            if at > UNTIL:
                break
            clock.at = at
            accept(redis, KEYS, [message.model_dump_json(exclude_none=True).encode() for message in messages], at)
            advance(store, shard, clock, SITE)
        for _, fields in store.stream(shard.exports):
            given += unpack_export(fields[b"e"])
        while export(store, shard, clock, settings, base):
            pass
        assert list(refused(store)) == []
        assert waiting(store) == 0
    grades = {item["id"]: item["system"] for item in given if item["kind"] in ("grade", "regrade")}
    stored = Counter(found["identifier"][0]["value"] for found in medplum.find("Observation"))
    assert {id: stored[id] for id in grades} == dict.fromkeys(grades, 1), "each stands once"
    assert {"crs", "icans", "ice", "m_easix", "news2", "icaht.early"} <= set(grades.values())
    pages = {item["page"] for item in given if item["kind"] == "page"}
    assert pages <= {found["identifier"][0]["value"] for found in medplum.find("Communication")}
    assert pages


def test_a_grade_is_found_by_code_and_patient_and_says_what_it_rests_on(exported: Hospital, medplum: Medplum) -> None:
    [crs] = medplum.grades(PATIENT)
    [event] = [one for one in exported.events("grade") if (one["patient"], one["system"]) == (PATIENT, "crs")]
    assert (crs["status"], crs["valueQuantity"]["value"], crs["effectiveDateTime"]) == (
        "final",
        event["grade"],
        event["at"],
    )
    assert {part["identifier"]["value"] for part in crs["derivedFrom"]} == {
        f"{used['source']}|{used['id']}" for used in event["evidence"]
    }


def test_a_page_stands_once_with_what_became_of_it(exported: Hospital, medplum: Medplum) -> None:
    [event] = [one for one in exported.events("page") if (one["patient"], one["condition"]) == (PATIENT, "crs")]
    [page] = medplum.find("Communication", identifier=f"{PAGE}|{event['page']}")
    assert [part["contentString"] for part in page["payload"]] == [event["title"], event["text"]]
    assert (page["status"], page["note"][0]["authorString"]) == ("completed", "haematologist-1")
    assert page["sent"] <= page["received"]
    [about] = page["about"]
    [grade] = medplum.find("Observation", identifier=f"{GRADE}|{about['identifier']['value']}")
    assert grade["code"]["coding"][0]["code"] == "crs"


@pytest.mark.usefixtures("exported")
def test_a_grade_that_is_retracted_stays_as_entered_in_error_beside_the_one_that_stands(medplum: Medplum) -> None:
    by_status = {grade["status"]: grade for grade in medplum.grades(CORRECTED)}
    assert set(by_status) == {"final", "entered-in-error"}
    back, stands = by_status["entered-in-error"], by_status["final"]
    assert [version["status"] for version in medplum.versions(back)] == ["entered-in-error", "final"]
    assert "valueQuantity" not in back
    assert stands["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_what_it_refuses_is_listed_with_its_own_reason(medplum: Medplum) -> None:
    settings = Settings(fhir_base=medplum.base, fhir_token=TOKEN)
    resource: Resource = {"resourceType": "Observation", "identifier": [{"system": GRADE, "value": "no code"}]}
    answer = _put(settings, resource | {"status": "final"})
    assert answer.outcome is PutOutcome.REFUSED
    assert answer.diagnostics == "Missing required property (Observation.code)"
    assert medplum.find("Observation", identifier=f"{GRADE}|no code") == []


def test_a_token_that_it_does_not_know_keeps_everything(medplum: Medplum) -> None:
    resource: Resource = {"resourceType": "Observation", "identifier": [{"system": GRADE, "value": "x"}]}
    answer = _put(Settings(fhir_base=medplum.base, fhir_token=TOKEN[::-1]), resource)
    assert (answer.outcome, answer.why) == (PutOutcome.FAILED, "it answered 401: the token is not accepted")


def _put(settings: Settings, resource: Resource) -> PutResult:
    with closing(FhirClient(settings)) as base:
        return base.put([resource], datetime.now(UTC))
