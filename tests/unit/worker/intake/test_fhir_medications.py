"""What a MedicationAdministration becomes: a dose, or an infusion that runs."""

from typing import Any

import pytest

from tests.support.feeds import AT, RXNORM, administration, bundle, coding, concept, fhir, one
from worker.intake.parsed import ElementOutcome

LATER = "2024-06-14T20:00:00+02:00"
NOREPINEPHRINE = coding("7512", RXNORM, "norepinephrine")


def actions(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    element = one(fhir(resource))
    assert element.outcome is ElementOutcome.STORED, element.why
    return [(message["id"], message["action"], message["effective"]) for message in element.messages]


def infusion(status: str, **period: str) -> dict[str, Any]:
    return administration(status, NOREPINEPHRINE, effectiveDateTime=None, effectivePeriod=period)


@pytest.mark.parametrize("status", ["in-progress", "completed", "stopped"])
def test_a_dose_that_was_given(status: str) -> None:
    dosage = {"dose": {"value": 480, "unit": "mg", "code": "mg", "system": "http://unitsofmeasure.org"}}
    (message,) = one(fhir(administration(status, dosage=dosage))).messages
    assert message == {
        "type": "treatment",
        "id": "MedicationAdministration/m1",
        "source": "lab",
        "patient": "P1",
        "effective": AT,
        "drug": "tocilizumab",
        "action": "given",
        "dose": "480",
        "unit": "mg",
    }


@pytest.mark.parametrize("status", ["not-done", "on-hold", "unknown"])
def test_what_was_not_given(status: str) -> None:
    element = one(fhir(administration(status)))
    assert (element.outcome, element.messages) == (ElementOutcome.IGNORED, ())


def test_an_open_period_is_a_running_infusion() -> None:
    assert actions(infusion("in-progress", start=AT)) == [("MedicationAdministration/m1/started", "started", AT)]


def test_a_closed_period_started_and_stopped() -> None:
    assert actions(infusion("completed", start=AT, end=LATER)) == [
        ("MedicationAdministration/m1/started", "started", AT),
        ("MedicationAdministration/m1/stopped", "stopped", LATER),
    ]


def test_an_infusion_that_ended_at_no_time_is_dead_lettered() -> None:
    assert "effectivePeriod.end" in one(fhir(infusion("completed", start=AT))).why


def test_of_another_drug_the_beginning_counts() -> None:
    held = administration("completed", effectiveDateTime=None, effectivePeriod={"start": AT, "end": LATER})
    assert actions(held) == [("MedicationAdministration/m1", "given", AT)]


def test_an_error_retracts_whatever_it_had_been() -> None:
    element = one(fhir(infusion("entered-in-error", start=AT)))
    assert {message["status"] for message in element.messages} == {"entered_in_error"}
    assert {message["id"].rpartition("/")[2] for message in element.messages} == {"m1", "started", "stopped"}


def test_requests_and_dispenses_are_no_administrations() -> None:
    for kind in ("MedicationRequest", "MedicationDispense", "Procedure"):
        assert one(fhir(administration() | {"resourceType": kind})).outcome is ElementOutcome.IGNORED


def test_a_contained_product_and_its_ingredients() -> None:
    product = {
        "resourceType": "Medication",
        "id": "p",
        "ingredient": [{"itemCodeableConcept": concept(NOREPINEPHRINE)}],
    }
    held = administration(medicationCodeableConcept=None, medicationReference={"reference": "#p"}, contained=[product])
    assert one(fhir(held)).messages[0]["drug"] == "norepinephrine"


def test_a_product_of_the_bundle() -> None:
    product = {"resourceType": "Medication", "id": "p", "code": concept(NOREPINEPHRINE)}
    held = administration(medicationCodeableConcept=None, medicationReference={"reference": "Medication/p"})
    assert fhir(bundle(product, held)).messages[0]["drug"] == "norepinephrine"


def test_code_and_name_that_disagree_are_dead_lettered() -> None:
    element = one(fhir(administration("completed", coding("612865", RXNORM, "anakinra"))))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())


def test_a_drug_that_is_not_watched_is_ignored_and_counted() -> None:
    element = one(fhir(administration("completed", coding("11124", RXNORM, "vancomycin"))))
    assert (element.outcome, element.unmapped) == (ElementOutcome.IGNORED, ("code", RXNORM, "11124", "vancomycin"))


def test_an_administration_needs_the_hour() -> None:
    assert "needs the hour" in one(fhir(administration(effectiveDateTime="2024-06-14"))).why
    assert one(fhir(administration(effectiveDateTime=None))).outcome is ElementOutcome.DEAD_LETTER
