"""Observations inside another resource: read where they stand, with the patient and the time of what is around them."""

import json
from typing import Any

import pytest

from tests.support.feeds import AT, INTAKE, NOW, TABLES, administration, bundle, fhir, observation, source
from tests.unit.worker.intake.test_fhir_bundles import patient, typed
from worker.intake.fhir.logical_id import hashed
from worker.intake.parsed import ElementOutcome, ElementResult
from worker.intake.retry import again
from worker.intake.store import _records

EARLIER = "2024-06-14T07:00:00+02:00"


def inner(code: str = "1988-5", value: Any = 85, **more: Any) -> dict[str, Any]:
    """An Observation without a patient and a time of its own."""
    return observation(code, value, **{"id": "crp", "subject": None, "effectiveDateTime": None} | more)


def report(*contained: Any, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "subject": {"identifier": {"system": "urn:hospital", "value": "P1"}},
        "effectiveDateTime": AT,
        "contained": list(contained),
        "result": [{"reference": f"#{one['id']}"} for one in contained if isinstance(one, dict) and "id" in one],
    }
    return {name: held for name, held in (body | more).items() if held is not None}


def inside(resource: dict[str, Any], **policy: Any) -> list[ElementResult]:
    """What the contained Observations became."""
    return [element for element in fhir(resource, source(**policy)).elements if "contained" in element.where]


def test_a_result_inside_a_report_has_its_patient_and_time() -> None:
    (element,) = inside(report(inner()))
    assert (element.outcome, element.where) == (ElementOutcome.STORED, "DiagnosticReport.contained[0]")
    (message,) = element.messages
    assert (message["patient"], message["effective"], message["value"]) == ("P1", AT, "85")


def test_its_own_patient_and_time_outweigh_them() -> None:
    own = inner(effectiveDateTime=EARLIER, subject={"identifier": {"value": "P2"}})
    (message,) = inside(report(own))[0].messages
    assert (message["patient"], message["effective"]) == ("P2", EARLIER)


def test_each_is_called_by_both_so_that_its_correction_finds_it_and_no_other() -> None:
    two = (inner(id="1"), inner("2276-4", 500, id="2", valueQuantity={"value": 500, "unit": "ng/mL", "code": "ng/mL"}))
    names = [element.messages[0]["id"] for element in inside(report(*two))]
    assert names == ["DiagnosticReport/r1/1", "DiagnosticReport/r1/2"]
    assert [element.messages[0]["id"] for element in inside(report(*two, status="corrected"))] == names
    assert inside(report(inner(id="1"), id="r2"))[0].messages[0]["id"] == "DiagnosticReport/r2/1"
    by_identifier = report(inner(id="1"), id=None, identifier=[{"system": "urn:lab", "value": "7"}])
    assert inside(by_identifier)[0].messages[0]["id"] == f"DiagnosticReport/{hashed('urn:lab|7')}/1"


def test_a_long_name_is_shortened_and_stays_the_same() -> None:
    first, second = (inside(report(inner(id="x" * 60), id="y" * 60))[0].messages[0]["id"] for _ in range(2))
    assert first == second
    assert len(first) < 60


def test_it_is_retracted_with_what_is_around_it() -> None:
    (message,) = inside(report(inner(), status="entered-in-error"))[0].messages
    assert message["status"] == "entered_in_error"


def test_members_of_a_panel_stand_inside_it() -> None:
    panel = observation("58410-2", valueQuantity=None, hasMember=[{"reference": "#crp"}], contained=[inner()])
    (message,) = inside(panel)[0].messages
    assert (message["id"], message["patient"], message["effective"]) == ("Observation/o1/crp", "P1", AT)


def test_inside_what_is_not_read_it_needs_a_time_of_its_own() -> None:
    body = {"resourceType": "Procedure", "id": "p", "subject": {"identifier": {"value": "P1"}}}
    body["effectiveDateTime"] = AT
    good, bad = inside(body | {"contained": [inner(effectiveDateTime=EARLIER), inner(id="2")]})
    assert good.messages[0]["effective"] == EARLIER
    assert (bad.outcome, "time" in bad.why) == (ElementOutcome.DEAD_LETTER, True)
    (element, *_) = fhir(body | {"contained": [inner()]}).elements
    assert (element.outcome, element.why) == (
        ElementOutcome.IGNORED,
        "Procedure is not read, but for the Observations in it",
    )


def test_an_infusion_lends_no_time() -> None:
    (element,) = inside(administration("completed", contained=[inner()]))
    assert element.outcome is ElementOutcome.DEAD_LETTER


@pytest.mark.parametrize(
    ("one", "outcome", "says"),
    [
        (inner(value="many"), ElementOutcome.REFUSED, "valueQuantity.value: write a JSON number"),
        (inner("15074-8"), ElementOutcome.IGNORED, "not mapped"),
        (inner(subject={"reference": "#p"}), ElementOutcome.DEAD_LETTER, "'#p' leads to no patient"),
    ],
)
def test_one_that_is_not_stored_says_why_and_leaves_its_neighbours(
    one: dict[str, Any], outcome: ElementOutcome, says: str
) -> None:
    bad, good = inside(report(one, inner(id="2")))
    assert (bad.outcome, good.outcome) == (outcome, ElementOutcome.STORED)
    assert says in bad.why


@pytest.mark.parametrize("contained", [None, 7, {"resourceType": "Observation"}, [1, "x", None, {}, {"id": "p"}]])
def test_what_is_no_list_of_resources_holds_none(contained: Any) -> None:
    assert inside(report() | {"contained": contained}) == []


def test_a_report_that_cannot_be_read_lends_nothing() -> None:
    (element,) = inside(report(inner(), effectiveDateTime=7))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())


def test_one_that_is_dead_lettered_can_be_read_again_without_its_bundle() -> None:
    known = patient(identifier=[typed("P1", "MR")])
    there = {"subject": {"reference": "Patient/7"}}
    lost = inner("67775-7", valueQuantity=None, valueString="sleepy")
    taken = fhir(bundle(known, report(inner(id="2"), lost | there, **there)))
    (record,) = _records(taken, NOW)
    assert record.id.endswith("entry[1].contained[1]")
    unlisted = source()
    words = {("text consciousness", "sleepy"): unlisted.codes["text consciousness", "voice"]}
    fixed = INTAKE._replace(unlisted=unlisted._replace(codes={**unlisted.codes, **words}))
    messages = again(record, fixed, TABLES, NOW)
    assert messages is not None
    assert [(one["patient"], one["effective"], one["value"]) for one in messages] == [("P1", AT, "voice")]


def test_the_product_of_an_administration_joins_what_it_contains() -> None:
    product = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": "x", "code": "y"}]}}
    product["code"]["text"] = "Tocilizumab"  # type: ignore[index]
    given = administration(
        medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"}, contained=[inner()]
    )
    raw = json.loads(fhir(bundle(product, given)).items[1].raw)
    assert [one["id"] for one in raw["contained"]] == ["crp", "product"]
