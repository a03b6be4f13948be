"""Everything below `/fhir`: what a FHIR client does first, and what it is answered when it errs."""

import gzip
import json
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from redis import Redis

from tests.support.feeds import (
    INTAKE,
    NOW,
    administration,
    bundle,
    coding,
    concept,
    observation,
    quantity,
    source,
)
from tests.support.stored_ward import KEYS
from tests.unit.worker.intake.test_http import FHIR, Ward
from worker.intake.fhir import versions
from worker.intake.fhir.capability import INTERACTIONS
from worker.store.erasure import erase, erased

IDENTIFIER = {"system": "urn:lab", "value": "77"}
SEARCH = "identifier=urn:lab|77"
PACKED = gzip.compress(b"{}", mtime=0)
RIVAL = versions.Written("Observation/o1")


class Client:
    """A FHIR client with the key of `monitor-7`."""

    def __init__(self, redis: Redis) -> None:
        self.ward = Ward(redis, INTAKE._replace(sources={"ehr": source("ehr")}))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        known = {"Authorization": f"Bearer {self.ward.key}", **FHIR}
        answer: httpx.Response = self.ward.request(method, f"/fhir{path}", content, {**known, **named})
        return answer

    def create(self, resource: dict[str, Any], **headers: str) -> httpx.Response:
        return self.send("POST", f"/{resource['resourceType']}", resource, **headers)

    def update(self, resource: dict[str, Any], **headers: str) -> httpx.Response:
        return self.send("PUT", f"/{resource['resourceType']}/{resource['id']}", resource, **headers)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every message in the inboxes, those of a patient in order."""
        return [json.loads(fields[b"m"]) for one in KEYS.all() for _, fields in self.ward.redis.xrange(one.inbox)]


@pytest.fixture
def client(redis: Redis) -> Client:
    return Client(redis)


def said(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/fhir+json"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return "; ".join(issue["diagnostics"] for issue in body["issue"])


# -- metadata --------------------------------------------------------------------------------------


def test_metadata_needs_no_key_and_is_a_valid_capability_statement(client: Client) -> None:
    for path in ("/metadata", "/metadata/", "/metadata?_format=json", "/metadata?_format=application/fhir%2Bjson"):
        answer = client.ward.request("GET", f"/fhir{path}", headers={"Accept": "application/fhir+json"})
        assert answer.status_code == 200
        statement = CapabilityStatement.model_validate(answer.json())
        assert (statement.fhirVersion, statement.kind) == ("4.0.1", "instance")
    assert client.ward.request("HEAD", "/fhir/metadata").status_code == 200


@pytest.mark.parametrize(
    ("query", "accept"),
    [("?_format=xml", "*/*"), ("?_format=application/fhir%2Bxml", ""), ("", "application/fhir+xml")],
)
def test_metadata_is_spoken_in_json_alone(client: Client, query: str, accept: str) -> None:
    assert client.ward.request("GET", f"/fhir/metadata{query}", headers={"Accept": accept}).status_code == 406


def test_the_capability_statement_says_what_is_there_and_nothing_else(client: Client) -> None:
    [rest] = client.send("GET", "/metadata").json()["rest"]
    stated = {one["type"]: {item["code"] for item in one["interaction"]} for one in rest["resource"]}
    assert stated == {kind: set(codes) for kind, codes in INTERACTIONS.items()}
    probes = {
        "create": ("POST", ""),
        "update": ("PUT", "/x1"),
        "read": ("GET", "/x1"),
        "vread": ("GET", "/x1/_history/1"),
        "delete": ("DELETE", "/x1"),
        "patch": ("PATCH", "/x1"),
        "search-type": ("GET", ""),
        "history-type": ("GET", "/_history"),
    }
    for kind in (*stated, "Encounter", "Condition", "Nonsense"):
        body = {"resourceType": kind, "id": "x1", "status": "final"}
        answers = {
            code: client.send(method, f"/{kind}{rest}", body if method in ("POST", "PUT") else None).status_code
            for code, (method, rest) in probes.items()
        }
        offered = {code for code, status in answers.items() if status not in (404, 405)}
        assert offered == stated.get(kind, set()), kind
    assert {item["code"] for item in rest["interaction"]} == {"batch", "transaction"}


# -- create ----------------------------------------------------------------------------------------


def test_a_created_resource_is_given_back_with_its_address_and_version(client: Client) -> None:
    answer = client.create(observation(id=None))
    body = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, 'W/"1"')
    assert answer.headers["Location"] == f"/fhir/Observation/{body['id']}/_history/1"
    assert answer.headers["Last-Modified"] == "Sat, 15 Jun 2024 12:00:00 GMT"
    assert (body["meta"]["versionId"], body["valueQuantity"]["value"]) == ("1", 85)
    [message] = client.messages
    assert message["id"] == f"Observation/{body['id']}"


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [
        ("return=representation", "Observation"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("respond-async; return=representation", "Observation"),
        ("nonsense", "Observation"),
    ],
)
def test_the_answer_is_what_the_client_prefers(client: Client, prefer: str, kind: str) -> None:
    assert client.create(observation(), prefer=prefer).json()["resourceType"] == kind


def test_a_minimal_answer_is_empty(client: Client) -> None:
    answer = client.create(observation(), prefer="return=minimal")
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (201, b"", 'W/"1"')


def test_numbers_are_given_back_as_they_came(client: Client) -> None:
    raw = json.dumps(observation()).replace("85", "85.00000000000000000010").encode()
    assert b"85.00000000000000000010" in client.send("POST", "/Observation", raw).content


def test_a_repeated_create_names_the_same_resource(client: Client) -> None:
    first, second = (client.create(observation(id=None)) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert (second.status_code, second.headers["ETag"]) == (201, 'W/"2"')


def test_what_is_no_result_or_not_usable_has_no_address(client: Client) -> None:
    for resource, status in ((observation("15074-8"), 200), (observation(effectiveDateTime=None), 202)):
        answer = client.create(resource)
        assert (answer.status_code, "Location" in answer.headers, "ETag" in answer.headers) == (status, False, False)
        assert said(answer)


def test_a_conditional_create_is_done_once(client: Client) -> None:
    resource = observation(id=None, identifier=[{"system": "urn:other", "value": "1"}, IDENTIFIER])
    first = client.create(resource, if_none_exist=SEARCH)
    changed = resource | {"valueQuantity": quantity(99)}
    second = client.create(changed, if_none_exist=f"?{SEARCH}")
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["ETag"] == 'W/"1"'
    assert "exists already" in said(second)
    assert len(client.messages) == 1


def test_the_condition_of_a_create_may_stand_in_its_address(client: Client) -> None:
    resource = observation(id=None, identifier=[IDENTIFIER])
    first, second = (client.send("POST", f"/Observation?{SEARCH}", resource) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert client.send("POST", "/Observation?code=1", observation()).status_code == 400
    assert client.send("POST", "/Observation?_format=json&_pretty=true", observation()).status_code == 201


@pytest.mark.parametrize(
    "search", ["code=1", "_id=1", "identifier=77", "identifier=a|b&code=1", "identifier=a|", "nonsense"]
)
def test_another_condition_is_refused(client: Client, search: str) -> None:
    answer = client.create(observation(), if_none_exist=search)
    assert (answer.status_code, client.messages) == (400, [])
    assert "only identifier=SYSTEM|VALUE" in said(answer)


# -- update ----------------------------------------------------------------------------------------


def test_an_update_corrects_the_message_of_its_resource(client: Client) -> None:
    created = client.create(observation(id=None)).json()
    answer = client.update(created | {"valueQuantity": quantity(99)})
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"2"')
    first, second = client.messages
    assert (second["id"], second["status"], second["value"]) == (first["id"], "corrected", "99")


def test_the_first_update_creates_and_is_final(client: Client) -> None:
    answer = client.update(observation())
    assert (answer.status_code, answer.headers["ETag"]) == (201, 'W/"1"')
    assert "status" not in client.messages[0]


def test_an_update_withdraws(client: Client) -> None:
    created = client.create(observation()).json()
    assert client.update(created | {"status": "entered-in-error"}).status_code == 200
    assert client.messages[1]["status"] == "entered_in_error"


def moved(resource: dict[str, Any], patient: str) -> dict[str, Any]:
    return resource | {"subject": {"identifier": {"system": "urn:hospital", "value": patient}}}


def test_an_update_that_names_another_patient_withdraws_from_the_first(client: Client) -> None:
    client.create(observation())
    client.update(moved(observation(), "P2"))
    _, withdrawn = [message for message in client.messages if message["patient"] == "P1"]
    [given] = [message for message in client.messages if message["patient"] == "P2"]
    assert (withdrawn["status"], withdrawn["reading"], given["status"]) == ("entered_in_error", "crp", "corrected")
    assert withdrawn["id"] == given["id"]
    client.update(moved(observation(), "P1"))
    assert [message.get("status") for message in client.messages if message["patient"] == "P2"] == [
        "corrected",
        "entered_in_error",
    ]


def pressures(*codes: str) -> dict[str, Any]:
    components = [{"code": concept(coding(code)), "valueQuantity": quantity(80, "mm[Hg]")} for code in codes]
    return observation("85354-9", valueQuantity=None, component=components)


def test_a_component_that_an_update_leaves_out_is_withdrawn(client: Client) -> None:
    client.create(pressures("8480-6", "8462-4"))
    client.update(pressures("8480-6"))
    found = [(one["reading"], one.get("status", "final")) for one in client.messages]
    assert found == [
        ("systolic_bp", "final"),
        ("diastolic_bp", "final"),
        ("systolic_bp", "corrected"),
        ("diastolic_bp", "entered_in_error"),
    ]


def test_an_update_to_what_is_not_watched_withdraws(client: Client) -> None:
    client.create(observation())
    assert client.update(observation("15074-8")).status_code == 200
    assert client.messages[-1]["status"] == "entered_in_error"
    client.update(observation())
    assert client.messages[-1]["status"] == "corrected"


def test_an_update_of_which_a_part_cannot_be_used_withdraws_nothing(client: Client) -> None:
    client.create(pressures("8480-6", "8462-4"))
    bad = pressures("8480-6", "8462-4")
    bad["component"][1]["valueQuantity"] = quantity(80, "furlong")
    answer = client.update(bad)
    assert (answer.status_code, answer.headers["ETag"]) == (202, 'W/"2"')
    assert "entered_in_error" not in {one.get("status") for one in client.messages}


def test_another_code_under_the_same_id_moves_the_result(client: Client) -> None:
    """The chart knows a message by its id, whatever kind of reading it is."""
    client.create(observation())
    client.update(observation("2276-4", 500, "ng/mL"))
    assert [(one["reading"], one.get("status")) for one in client.messages] == [
        ("crp", None),
        ("ferritin", "corrected"),
    ]


def test_an_administration_at_another_time_is_the_same_one(client: Client) -> None:
    client.ward.key = client.ward.keys.add("ehr", NOW)
    client.create(administration())
    client.update(administration(effectiveDateTime="2024-06-14T14:00:00+02:00"))
    assert [(one["id"], one.get("status")) for one in client.messages] == [
        ("MedicationAdministration/m1", None),
        ("MedicationAdministration/m1", "corrected"),
    ]


def test_a_preliminary_update_stays_preliminary(client: Client) -> None:
    client.create(observation(status="preliminary"))
    client.update(observation(status="preliminary", value=86))
    assert client.messages[1]["status"] == "preliminary"


def test_a_source_updates_its_own_resources_alone(client: Client) -> None:
    client.create(observation())
    client.ward.key = client.ward.keys.add("monitor-8", NOW)
    assert client.update(observation()).headers["ETag"] == 'W/"1"'
    assert [message["source"] for message in client.messages] == ["monitor-7", "monitor-8"]


def test_an_update_names_the_version_it_meets(client: Client) -> None:
    client.create(observation())
    assert client.update(observation(value=86), if_match='W/"1"').headers["ETag"] == 'W/"2"'
    late = client.update(observation(value=87), if_match='W/"1"')
    assert (late.status_code, said(late)) == (412, 'If-Match: the version is W/"2"')
    assert client.update(observation(value=88), if_match='"2"').status_code == 200
    assert client.update(observation(value=89), if_match="*").status_code == 200
    unknown = client.update(observation(id="o9"), if_match='W/"1"')
    assert (unknown.status_code, "send it without If-Match" in said(unknown)) == (412, True)
    assert client.update(observation(), if_match="1").status_code == 400
    assert [message["value"] for message in client.messages] == ["85", "86", "88", "89"]


def test_two_updates_of_one_version_at_once_succeed_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is stored between our look and our transaction."""
    client.create(observation())
    real, calls = versions.ResourceVersions.require, []

    def require(self: Any, pipe: Any, *given: Any, **named: Any) -> None:
        real(self, pipe, *given, **named)
        if not calls:
            calls.append(1)
            versions.ResourceVersions.queue(self, direct := client.ward.redis.pipeline(), [RIVAL], NOW)
            direct.execute()

    monkeypatch.setattr(versions.ResourceVersions, "require", require)
    late = client.update(observation(value=87), if_match='W/"1"')
    assert (late.status_code, said(late)) == (412, 'If-Match: the version is W/"2"')
    assert len(client.messages) == 1


def test_a_conditional_update_finds_its_resource_or_creates_it(client: Client) -> None:
    resource = observation(id=None, identifier=[IDENTIFIER])
    first = client.send("PUT", f"/Observation?{SEARCH}", resource)
    second = client.send("PUT", f"/Observation?{SEARCH}", resource | {"valueQuantity": quantity(99)})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["Location"] == first.headers["Location"].replace("/1", "/2")
    other = client.send("PUT", f"/Observation?{SEARCH}", resource | {"id": "another"})
    assert other.status_code == 400
    assert [message.get("status") for message in client.messages] == [None, "corrected"]


def test_a_resource_created_with_an_id_is_found_by_its_identifier(client: Client) -> None:
    client.create(observation(id="o7", identifier=[IDENTIFIER]))
    answer = client.send("PUT", f"/Observation?{SEARCH}", observation(id=None, identifier=[IDENTIFIER], value=86))
    assert answer.headers["Location"] == "/fhir/Observation/o7/_history/2"


def test_of_what_was_dropped_the_versions_begin_anew_and_results_lose_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "KEPT", 2)
    for number in range(4):
        client.create(observation(id=f"o{number}"))
    assert client.ward.redis.zcard(KEYS.of("~site").key("fhir_written:monitor-7")) == 2
    assert client.ward.redis.hlen(KEYS.of("~site").key("fhir_versions:monitor-7")) == 2
    assert client.update(observation(id="o3", value=86)).headers["ETag"] == 'W/"2"'
    assert client.update(observation(id="o0", value=86)).headers["ETag"] == 'W/"1"'
    assert client.messages[-1]["id"] == "Observation/o0"


# -- bad addresses and bodies ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "", "POST"),
        ("PUT", "", "POST"),
        ("POST", "/metadata", "GET, HEAD"),
        ("GET", "/Observation", "POST, PUT"),
        ("GET", "/Observation/1", "PUT"),
        ("HEAD", "/Observation/1", "PUT"),
        ("POST", "/Observation/1", "PUT"),
        ("DELETE", "/Observation/1", "PUT"),
        ("PATCH", "/Observation/1", "PUT"),
        ("OPTIONS", "/Observation", "POST, PUT"),
    ],
)
def test_another_method_is_answered_with_those_there_are(client: Client, method: str, path: str, allow: str) -> None:
    answer = client.send(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    if method != "HEAD":
        assert said(answer)


@pytest.mark.parametrize(
    "path", ["/Encounter", "/Encounter/1", "/observation", "/Observation/$validate", "/Observation/_search",
             "/Observation/1/_history/1", "/Bundle", "/nothing", "/.well-known/smart-configuration"],
)  # fmt: skip
def test_an_address_that_is_not_there_is_said_in_json(client: Client, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = client.send(method, path, observation() if method != "GET" else None)
        assert answer.status_code == 404
        assert "Observation" in said(answer)


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/Patient", observation(), "Observation was sent to Patient"),
        ("PUT", "/Observation/o2", observation(), "write 'o2', as in the address"),
        ("PUT", "/Observation/o2", observation(id=None), "write 'o2', as in the address"),
        ("PUT", "/Observation", observation(), "write PUT Observation/ID"),
        ("PUT", "/Observation/a_b", observation(id="a_b"), "is no FHIR id"),
        ("PUT", f"/Observation/{'x' * 65}", observation(id="x" * 65), "is no FHIR id"),
        ("POST", "/Observation", bundle(observation()), "a Bundle is sent to the base"),
        ("POST", "/Observation", b"{", "not JSON"),
        ("POST", "/Observation", b"[]", "resourceType: missing"),
    ],
)
def test_a_request_that_does_not_fit_its_address_is_refused(
    client: Client, method: str, path: str, body: Any, says: str
) -> None:
    answer = client.send(method, path, body)
    assert (answer.status_code, client.messages) == (400, [])
    assert says in said(answer)


def test_every_way_needs_the_key(client: Client) -> None:
    client.ward.key = "cw_000000000000_x"
    for method, path in (("POST", "/"), ("POST", "/Observation"), ("PUT", "/Observation/o1")):
        answer = client.send(method, path, observation())
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert said(answer)


def test_a_slash_at_the_end_changes_nothing(client: Client) -> None:
    assert client.send("POST", "/", observation()).status_code == 201
    assert client.send("POST", "/Observation/", observation()).status_code == 201
    assert client.send("PUT", "/Observation/o1/", observation()).status_code == 200


@pytest.mark.parametrize("kind", ["application/fhir+json; charset=utf-8", "application/fhir+json; fhirVersion=4.0"])
def test_parameters_of_the_content_type_change_nothing(client: Client, kind: str) -> None:
    assert client.create(observation(), content_type=kind).status_code == 201


def test_xml_is_not_read(client: Client) -> None:
    answer = client.send("POST", "/Observation", b"<Observation/>", content_type="application/fhir+xml")
    assert (answer.status_code, "application/fhir+json" in said(answer)) == (415, True)


# -- packed bodies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/fhir/Observation", "/fhir"])
def test_a_body_packed_by_gzip_is_read(client: Client, path: str) -> None:
    raw = gzip.compress(json.dumps(observation()).encode())
    assert client.ward.post(path, raw, {**FHIR, "Content-Encoding": "gzip"}).status_code == 201
    halves = gzip.compress(json.dumps(observation()).encode()[:50]) + gzip.compress(
        json.dumps(observation()).encode()[50:]
    )
    assert client.ward.post(path, halves, {**FHIR, "Content-Encoding": "GZIP"}).status_code == 201


@pytest.mark.parametrize("path", ["/fhir/Observation", "/messages"])
def test_what_unpacks_to_too_much_is_refused(client: Client, path: str) -> None:
    kind = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * 100_001)
    assert len(bomb) < 1000
    assert client.ward.post(path, bomb, kind).status_code == 413
    several = gzip.compress(b" " * 60_000) * 2
    assert client.ward.post(path, several, kind).status_code == 413


@pytest.mark.parametrize("raw", [b"", b"{}", PACKED[:-1], PACKED + b"x"])
def test_what_is_not_packed_by_gzip_is_said_to_be_so(client: Client, raw: bytes) -> None:
    answer = client.send("POST", "/Observation", raw, content_encoding="gzip")
    assert (answer.status_code, said(answer)) == (400, "the body is not packed by gzip")


@pytest.mark.parametrize("packing", ["br", "deflate", "zstd", "gzip, gzip", "compress"])
def test_another_packing_is_refused_with_the_one_there_is(client: Client, packing: str) -> None:
    answer = client.send("POST", "/Observation", b"x", content_encoding=packing)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "gzip")
    assert "gzip" in said(answer)


# -- Bundles ---------------------------------------------------------------------------------------


def entry(resource: dict[str, Any], method: str = "POST", url: str = "", **more: str) -> dict[str, Any]:
    kind = resource["resourceType"]
    where = url or (f"{kind}/{resource['id']}" if method == "PUT" else kind)
    return {"resource": resource, "request": {"method": method, "url": where, **more}}


def responses(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [one["response"] for one in answer.json()["entry"]]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_each_entry_is_answered_with_its_address_and_version(client: Client, kind: str) -> None:
    one, two = observation(id=None), observation(id="o2")
    sent = bundle(entry(one), entry(two, "PUT"), entry(observation(id="o3"), "PUT", "/Observation/o3"), kind=kind)
    first, second, third = responses(client.send("POST", "", sent))
    assert (first["status"], first["etag"]) == ("201 Created", 'W/"1"')
    assert first["location"].startswith("Observation/")
    assert second["location"] == "Observation/o2/_history/1"
    assert third["location"] == "Observation/o3/_history/1"
    again = responses(client.send("POST", "", bundle(entry(observation(id="o2", value=86), "PUT"), kind=kind)))
    assert (again[0]["status"], again[0]["etag"]) == ("200 OK", 'W/"2"')
    assert client.messages[-1]["status"] == "corrected"


BAD = [
    (entry(observation(id="bad", value="many")), "valueQuantity.value", 422),
    (entry(observation(id="bad"), "PUT", "Observation/other"), "as in the address", 400),
    (entry(observation(id="bad"), "PUT", "Observation/a_b"), "no FHIR id", 400),
    (entry(observation(id="bad"), "POST", "Patient"), "was sent to Patient", 400),
    (entry(observation(id="bad"), "PUT", ifMatch='W/"3"'), "If-Match", 412),
    (entry(observation(id="bad"), "PATCH", "Observation/bad"), "not supported", 422),
    ({"request": {"method": "DELETE", "url": "Observation/bad"}}, "not supported", 422),
    (entry(observation(id="bad"), ifNoneExist="code=1"), "only identifier", 400),
]


@pytest.mark.parametrize(("bad", "says", "status"), BAD)
def test_a_transaction_is_stored_whole_or_not_at_all(client: Client, bad: Any, says: str, status: int) -> None:
    good = [entry(observation(id=f"o{number}")) for number in range(3)]
    answer = client.send("POST", "", bundle(*good, bad, kind="transaction"))
    assert (answer.status_code, client.messages) == (status, [])
    assert says in said(answer)
    assert "nothing of the transaction was stored" in said(answer)
    assert answer.json()["issue"][0]["expression"][0].startswith("entry[3]")
    assert client.update(observation(id="o0")).headers["ETag"] == 'W/"1"', "no version was counted"


@pytest.mark.parametrize(("bad", "says", "status"), BAD)
def test_of_a_batch_each_entry_stands_alone(client: Client, bad: Any, says: str, status: int) -> None:
    first, second, third = responses(
        client.send("POST", "", bundle(entry(observation(id="o1")), bad, entry(observation(id="o2"))))
    )
    assert (first["status"][:3], second["status"][:3], third["status"][:3]) == ("201", str(status), "201")
    assert says in second["outcome"]["issue"][0]["diagnostics"]
    assert len(client.messages) == 2


def test_a_dead_letter_in_a_transaction_is_kept_with_its_neighbours(client: Client) -> None:
    sent = bundle(entry(observation(id="o1")), entry(observation(id="o2", effectiveDateTime=None)), kind="transaction")
    assert [one["status"][:3] for one in responses(client.send("POST", "", sent))] == ["201", "202"]


def test_a_transaction_updates_a_resource_once(client: Client) -> None:
    twice = bundle(entry(observation(), "PUT"), entry(observation(value=86), "PUT"), kind="transaction")
    answer = client.send("POST", "", twice)
    assert (answer.status_code, client.messages) == (400, [])
    assert "several entries update Observation/o1" in said(answer)


def test_conditions_of_entries(client: Client) -> None:
    resource = observation(id=None, identifier=[IDENTIFIER])
    create = bundle(entry(resource, ifNoneExist=SEARCH), kind="transaction")
    update = bundle(entry(resource, "PUT", f"Observation?{SEARCH}", ifMatch='W/"1"'), kind="transaction")
    found = [responses(client.send("POST", "", sent))[0] for sent in (create, create, update)]
    assert [one["status"] for one in found] == ["201 Created", "200 OK", "200 OK"]
    assert [one["etag"] for one in found] == ['W/"1"', 'W/"1"', 'W/"2"']
    assert client.send("POST", "", update).status_code == 412
    assert len(client.messages) == 2


def test_a_test_resource_is_answered_and_has_no_version(client: Client) -> None:
    label = {"security": [{"code": "HTEST"}]}
    answer = client.create(observation(meta=label))
    assert (answer.status_code, "ETag" in answer.headers, client.messages) == (201, False, [])


def test_an_erased_patient_stands_in_no_version(client: Client) -> None:
    for number, patient in enumerate(("P1", "P2", "P1")):
        identifier = {"system": "urn:lab", "value": f"{patient}-{number}"}
        client.create(moved(observation(id=f"o{number}", identifier=[identifier]), patient))
    redis, site = client.ward.redis, KEYS.of("~site")
    erase(redis, KEYS, erased(redis, KEYS, ["P1"]))
    left = {field.decode() for field in redis.hgetall(site.key("fhir_versions:monitor-7"))}
    assert left == {"Observation/o1", "Observation?urn:lab|P2-1"}
    assert {field.decode() for field in redis.zrange(site.key("fhir_written:monitor-7"), 0, -1)} == left
