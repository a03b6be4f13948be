"""Bundles, references, patients: one bad entry never takes its neighbours, nobody gets another's result."""

import json
from typing import Any

import pytest

from tests.support.feeds import AT, bundle, fhir, observation, one, source
from worker.intake.fhir.entries import UnreadableResource
from worker.intake.parsed import ElementOutcome


def patient(id: str = "7", identifier: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"resourceType": "Patient", "id": id}
    return body | ({"identifier": identifier} if identifier is not None else {}) | more


def typed(value: str, kind: str, system: str = "urn:hospital") -> dict[str, Any]:
    return {"system": system, "value": value, "type": {"coding": [{"code": kind}]}}


def patients(resource: dict[str, Any], **policy: Any) -> list[str]:
    return [element.patient for element in fhir(resource, source(**policy)).elements if element.messages]


def test_one_bad_entry_of_two_hundred_leaves_199() -> None:
    good = [observation(id=f"o{number}") for number in range(199)]
    good.insert(100, observation(id="bad", value="many"))
    taken = fhir(bundle(*good))
    assert len(taken.items) == 200
    assert len(taken.messages) == 199
    assert [index for index, item in enumerate(taken.items) if item.outcome is ElementOutcome.REFUSED] == [100]


@pytest.mark.parametrize(
    "entry", [1, "x", None, {}, {"resource": 3}, {"resource": {}}, {"resource": {"resourceType": 1}}]
)
def test_an_entry_that_is_none_is_refused_alone(entry: Any) -> None:
    taken = fhir({"resourceType": "Bundle", "type": "batch", "entry": [entry, {"resource": observation()}]})
    assert [item.outcome for item in taken.items] == [ElementOutcome.REFUSED, ElementOutcome.STORED]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", 7])
def test_only_what_is_sent_is_taken(method: Any) -> None:
    entry = {"request": {"method": method, "url": "Observation/1"}, "resource": observation()}
    assert one(fhir(bundle(entry))).outcome is ElementOutcome.REFUSED


@pytest.mark.parametrize("kind", ["batch", "transaction", "collection", "searchset", "message"])
def test_every_sort_of_bundle_is_read(kind: str) -> None:
    assert len(fhir(bundle(observation(), kind=kind)).messages) == 1


def test_an_answer_is_no_input() -> None:
    assert (
        one(fhir({"resourceType": "Bundle", "type": "transaction-response", "entry": []})).outcome
        is ElementOutcome.IGNORED
    )


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"1", b'"x"', b"<Bundle/>", b'{"a":NaN}', b"[" * 100_000, b"\xff\xfe", b'{"resourceType":7}'],
)
def test_what_is_no_resource_says_so(raw: bytes) -> None:
    with pytest.raises(UnreadableResource):
        fhir(raw)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert one(fhir(b"\xef\xbb\xbf" + b'{"resourceType":"Procedure"}')).outcome is ElementOutcome.IGNORED


def test_a_subject_by_identifier() -> None:
    assert patients(observation()) == ["P1"]


def test_a_reference_out_of_the_bundle_names_a_patient_of_that_server_alone() -> None:
    assert patients(observation(subject={"reference": "Patient/7"})) == ["Patient/7"]
    assert patients(observation(subject={"reference": "Patient/7"}), references="identifier") == ["7"]
    assert patients(observation(subject={"reference": "Patient/7/_history/2"})) == ["Patient/7"]
    assert patients(observation(subject={"reference": "https://a.example/r4/Patient/7"})) == [
        "https://a.example/r4/Patient/7"
    ]


def test_the_patient_of_the_bundle_lends_its_identifier() -> None:
    entries = bundle(
        patient(identifier=[typed("V9", "VN"), typed("P1", "MR")]), observation(subject={"reference": "Patient/7"})
    )
    assert patients(entries) == ["P1"]


def test_a_reference_by_uuid() -> None:
    address = "urn:uuid:04121321-4af5-424c-a0e1-ed3aab1c349d"
    first = {"fullUrl": address, "resource": patient(identifier=[typed("P1", "MR")])}
    assert patients(bundle(first, observation(subject={"reference": address}))) == ["P1"]
    lost = fhir(bundle(observation(subject={"reference": address})))
    assert one(lost).outcome is ElementOutcome.DEAD_LETTER
    assert "leads to no patient" in one(lost).why


def test_nobody_gets_a_result_of_another_server() -> None:
    known = {"fullUrl": "https://a.example/r4/Patient/7", "resource": patient(identifier=[typed("P1", "MR")])}
    own = {"fullUrl": "https://a.example/r4/Observation/1", "resource": observation(subject={"reference": "Patient/7"})}
    other = {
        "fullUrl": "https://b.example/r4/Observation/1",
        "resource": observation(subject={"reference": "Patient/7"}),
    }
    assert patients(bundle(known, own, other)) == ["P1", "https://b.example/r4/Patient/7"]


@pytest.mark.parametrize(
    "subject",
    [None, {"display": "somebody"}, {"reference": "Group/1"}, {"reference": "Patient/"}, {"reference": "nonsense"}],
)
def test_a_result_of_nobody_is_dead_lettered(subject: Any) -> None:
    element = one(fhir(observation(subject=subject)))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())
    assert "subject" in element.why


def test_what_is_not_watched_needs_no_patient() -> None:
    assert one(fhir(observation("15074-8", subject=None))).outcome is ElementOutcome.IGNORED


def test_identifiers_by_authority_and_type() -> None:
    rules = [{"authority": "urn:hospital", "type": "MR"}]
    held = bundle(
        patient(identifier=[typed("X", "MR", "urn:other"), typed("P1", "MR")]),
        observation(subject={"reference": "Patient/7"}),
    )
    assert patients(held, identifiers=rules) == ["P1"]
    assert one(fhir(observation(), source(identifiers=rules))).outcome is ElementOutcome.DEAD_LETTER


def test_two_identifiers_that_fit_are_ambiguous() -> None:
    held = bundle(
        patient(identifier=[typed("A", "MR"), typed("B", "MR")]), observation(subject={"reference": "Patient/7"})
    )
    assert "two identifiers fit" in fhir(held).elements[1].why


@pytest.mark.parametrize("kind", ["AN", "VN", "SS"])
def test_account_and_visit_numbers_are_nobody(kind: str) -> None:
    assert one(fhir(observation(subject={"identifier": typed("P1", kind)}))).outcome is ElementOutcome.DEAD_LETTER


def test_reserved_names_are_nobody() -> None:
    assert "reserved" in one(fhir(observation(subject={"identifier": {"value": "~site"}}))).why


def test_a_patient_registers_only_where_the_source_says_so() -> None:
    held = patient(identifier=[typed("P1", "MR")], birthDate="1955-05-01", meta={"lastUpdated": AT})
    assert one(fhir(held)).outcome is ElementOutcome.IGNORED
    (message,) = one(fhir(held, source(registers=["*"]))).messages
    assert message == {
        "type": "registration",
        "id": "Patient/7",
        "source": "lab",
        "patient": "P1",
        "effective": AT,
        "born": "1955-05-01",
    }


@pytest.mark.parametrize("born", [{}, {"birthDate": "1955"}, {"birthDate": "1955-05"}])
def test_a_patient_whose_date_of_birth_is_not_known_registers_without_it(born: dict[str, str]) -> None:
    held = patient(identifier=[typed("P1", "MR")], meta={"lastUpdated": AT}, **born)
    (message,) = one(fhir(held, source(registers=["*"]))).messages
    assert (message["type"], message["patient"]) == ("registration", "P1")
    assert "born" not in message


def test_test_data_is_marked() -> None:
    assert fhir(observation(meta={"security": [{"code": "HTEST"}]})).test
    assert not fhir(observation()).test


def test_a_result_that_is_dead_lettered_can_be_read_again_without_its_bundle() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d",
        "effectiveDateTime": AT,
        "result": [{"reference": "Observation/o1"}],
    }
    lost = observation(
        "67775-7", valueQuantity=None, valueString="sleepy", subject={"reference": "Patient/7"}, effectiveDateTime=None
    )
    taken = fhir(bundle(patient(identifier=[typed("P1", "MR")]), report, lost))
    again = source()._replace(codes={**source().codes, ("text consciousness", "sleepy"): _voice()})
    (message,) = fhir(taken.items[2].raw.encode(), again).messages
    assert (message["patient"], message["effective"], message["value"]) == ("P1", AT, "voice")


def _voice() -> Any:
    from config.codes import Code

    return Code("consciousness", "accept", "voice")


@pytest.mark.parametrize("depth", [50, 400, 900, 1500])
def test_what_is_nested_deeply_takes_nobody_with_it(depth: int) -> None:
    nest = b'{"a":' * depth + b"1" + b"}" * depth
    raw = json.dumps(bundle(observation(id="deep", note="NEST"), observation())).encode().replace(b'"NEST"', nest)
    try:
        taken = fhir(raw)
    except UnreadableResource:
        return
    assert len(taken.messages) >= 1


def test_a_name_that_is_too_long_is_shortened_and_stays_the_same() -> None:
    first, second = (fhir(observation(id=None, identifier=[{"value": "x" * 300}])).messages[0] for _ in range(2))
    assert first["id"] == second["id"]
    assert len(first["id"]) < 100
