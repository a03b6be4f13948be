"""FHIR clients that nobody here wrote: each creates, updates, corrects, withdraws and sends a transaction.

fhir-kit-client is installed by npm for the run, in the version that `tests/support/fhir_clients/package.json` names.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fhirpy
import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.observation import Observation
from fhirpy.base.exceptions import MultipleResourcesFound

from tests.support.hospital import Hospital, eventually, iso, registration
from tests.support.npm import installed
from tests.support.with_gateway import with_gateway
from worker.intake.source_keys import SourceKeys

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "support" / "fhir_clients"
STALE = 'W/"1"'

Resource = dict[str, Any]
Script = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _running(hospital: Hospital) -> Iterator[None]:
    with with_gateway(hospital):
        yield


def observation(patient: str, code: str, value: float, unit: str, **more: Any) -> Resource:
    body: Resource = {"resourceType": "Observation", "status": "final"}
    body |= {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}}
    body |= {"subject": {"identifier": {"system": "urn:oid:1.2.3", "value": patient}}}
    return body | {"effectiveDateTime": iso(datetime.now(UTC) - timedelta(minutes=5)), **valued(value, unit)} | more


def valued(value: float, unit: str) -> Resource:
    return {"valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}}


def script(patient: str) -> Script:
    """What each client is to do. Only what was updated, corrected and sent in the transaction is CRS 2."""
    identifier = {"identifier": [{"system": "urn:lab", "value": f"{patient}-crp"}]}
    crp = observation(patient, "1988-5", 85, "mg/L", **identifier)
    request = {"method": "POST", "url": "Observation", "ifNoneExist": f"identifier=urn:lab|{patient}-crp"}
    put = {"method": "PUT", "url": f"Observation/{patient}-spo2"}
    spo2 = observation(patient, "59408-5", 97, "%", id=f"{patient}-spo2")
    entries = [{"resource": crp, "request": request}, {"resource": spo2, "request": put}]
    return {
        "created": [
            observation(patient, "8310-5", 37.0, "Cel"),
            observation(patient, "8480-6", 120, "mm[Hg]"),
            observation(patient, "8867-4", 250, "/min"),
        ],
        "updated": [(0, valued(38.9, "Cel"))],
        "corrected": [(1, {"status": "corrected", **valued(84, "mm[Hg]")})],
        "withdrawn": [(2, {"status": "entered-in-error"})],
        "transaction": {"resourceType": "Bundle", "type": "transaction", "entry": entries},
        "stale": STALE,
    }


Answered = dict[str, Any]
"""What a client received: the version of FHIR, ids, versions, the statuses of the transaction, the refusal."""


def by_fhir_kit(base: str, key: str, given: Script, folder: Path) -> Answered:
    """fhir-kit-client, on Node."""
    node = installed(FOLDER, folder)
    done = subprocess.run(  # noqa: S603 - our own script
        [node, "client.mjs", base, key],
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def by_fhirpy(base: str, key: str, given: Script, _: Path) -> Answered:
    """fhirpy, which reads each resource that is answered."""
    return asyncio.run(_by_fhirpy(base, key, given))


async def _by_fhirpy(base: str, key: str, given: Script) -> Answered:
    client = fhirpy.AsyncFHIRClient(base, authorization=f"Bearer {key}")
    statement = await client.execute("metadata", method="get")
    created = [client.resource("Observation", **body) for body in given["created"]]
    for resource in created:
        await resource.save()
    versions = []
    for place, change in (*given["updated"], *given["corrected"], *given["withdrawn"]):
        for element, value in change.items():
            created[place][element] = value
        await created[place].save()
        versions.append(created[place]["meta"]["versionId"])
    answer = await client.execute("", method="post", data=given["transaction"])
    refusal = {}
    try:
        headers = {"If-Match": given["stale"]}
        await client._do_request("put", f"Observation/{created[0].id}", created[0].serialize(), extra_headers=headers)
    except MultipleResourcesFound as error:  # so it calls every 412
        refusal = {"status": 412, "says": json.loads(str(error))["issue"][0]["diagnostics"]}
    return answered(statement["fhirVersion"], [one.id for one in created], versions, answer, refusal)


def by_fhirclient(base: str, key: str, given: Script, _: Path) -> Answered:
    """fhirclient (SMART), whose models validate what is sent and what is answered."""
    server = FHIRClient(settings={"app_id": "cartwatch", "api_base": base}).server
    server.session.headers["Authorization"] = f"Bearer {key}"
    statement = CapabilityStatement.read_from("metadata", server)
    created = []
    for body in given["created"]:
        answer = Observation(body).create(server)
        created.append(Observation(answer))
    versions = []
    for place, change in (*given["updated"], *given["corrected"], *given["withdrawn"]):
        changed = Observation({**created[place].as_json(), **change})
        created[place] = Observation(changed.update(server))
        versions.append(created[place].meta.versionId)
    answer = Bundle(Bundle(given["transaction"]).create(server)).as_json()
    refusal = {}
    server.session.headers["If-Match"] = given["stale"]
    try:
        created[0].update(server)
    except requests.HTTPError as error:
        refusal = {"status": error.response.status_code, "says": error.response.json()["issue"][0]["diagnostics"]}
    return answered(statement.fhirVersion, [one.id for one in created], versions, answer, refusal)


def answered(
    statement: str, ids: list[str], versions: list[str], bundle: Resource, refusal: dict[str, Any]
) -> Answered:
    statuses = [entry["response"]["status"] for entry in bundle["entry"]]
    return {"statement": statement, "ids": ids, "versions": versions, "statuses": statuses, "refusal": refusal}


CLIENTS: dict[str, Callable[[str, str, Script, Path], Answered]] = {
    "fhir-kit-client": by_fhir_kit,
    "fhirpy": by_fhirpy,
    "fhirclient": by_fhirclient,
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_creates_updates_corrects_withdraws_and_sends_a_transaction(
    hospital: Hospital, name: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    key = SourceKeys(hospital.redis, hospital.store.keys).add(name, now)
    hospital.client.send([registration(name, now)])
    found = CLIENTS[name](f"{hospital.settings.public_url}/fhir", key, script(name), tmp_path)
    assert (found["statement"], len(set(found["ids"]))) == ("4.0.1", 3)
    assert found["versions"] == ["2", "2", "2"]
    assert found["statuses"] == ["201 Created", "201 Created"]
    assert found["refusal"] == {"status": 412, "says": 'If-Match: the version is W/"2"'}
    eventually(lambda: hospital.paged("CRS 2", name), "the page that follows from the corrections arrives")
    expected = {"temperature": ["38.9"], "systolic_bp": ["84"], "crp": ["85"], "spo2": ["97"]}
    eventually(lambda: charted(hospital, name) == expected, "the chart is as corrected")


def charted(hospital: Hospital, patient: str) -> dict[str, list[str]]:
    state = hospital.store.state(patient)
    entries = state.chart.entries if state is not None else {}
    return {kind: [str(entry.value) for entry in series] for kind, series in entries.items() if series}


def test_the_examples_of_the_documents_send_what_they_say(hospital: Hospital) -> None:
    """By curl, where there is one, and by Python."""
    now = datetime.now(UTC)
    hospital.client.send([registration("P1", now - timedelta(days=900))])
    key = SourceKeys(hospital.redis, hospital.store.keys).add("laboratory", now)
    text = (ROOT / "docs" / "integrators" / "http.md").read_text(encoding="utf-8").partition("## Examples")[2]
    expected = {"ferritin": [">2000"], "platelets": ["40"]}
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.M | re.S):
        if language == "sh" and not shutil.which("curl"):
            continue
        command = ["bash", "-c"] if language == "sh" else [sys.executable, "-c"]
        code = block.replace("https://HOST", str(hospital.settings.public_url))
        environment = {**os.environ, "KEY": key}
        done = subprocess.run([*command, code], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, (done.stdout, done.stderr)
    if shutil.which("curl"):
        expected |= {"crp": ["85"], "platelets": ["42", "40"]}
    eventually(lambda: bounds(hospital, "P1") == expected, "every example is charted")


def bounds(hospital: Hospital, patient: str) -> dict[str, list[str]]:
    state = hospital.store.state(patient)
    entries = state.chart.entries if state is not None else {}
    return {kind: [f"{one.comparator}{one.value}" for one in series] for kind, series in entries.items() if series}
