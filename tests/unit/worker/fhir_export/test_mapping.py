"""Grades as Observations and pages as Communications: valid FHIR R4, and nothing said that was not graded."""

from decimal import Decimal
from typing import Any

import pytest

from alerts.assessment.assessment import assess
from alerts.step.journal_events import GradeStatus, grade_event, regrade_event
from alerts.wording.catalogue import DISCLAIMER
from config.settings import Settings
from tests.support.charts import INFUSED, NOW, SITE, Item, chart, dose, hours, reading
from worker.fhir_export.bundle import latest, transaction
from worker.fhir_export.communication import ExportedPage, communication, pack, unpack, updated
from worker.fhir_export.observation import observation

Resource = dict[str, Any]

SETTINGS = Settings(fhir_base="https://record.example/fhir", fhir_system="urn:oid:1.2.3")
ISSUED = "2024-06-17T08:00:01.000+00:00"
PAGE = {
    "at": "2024-06-17T10:00:00+02:00",
    "kind": "page",
    "patient": "P1",
    "page": "abc.1",
    "episode": "abc",
    "episodes": ["abc"],
    "condition": "crs",
    "urgency": "critical",
    "to": "haematologist-1",
    "channel": "phone-1",
    "title": "[CRITICAL] CRS grade 3",
    "text": "CRS grade 3\nbecause ...",
    "about": ["g1"],
}
SENT = {"kind": "receipt", "page": "abc.1", "outcome": "sent", "at": "2024-06-17T08:00:05+00:00"}
UNDELIVERABLE = {**SENT, "outcome": "undeliverable"}
CANCELLED = {"kind": "cancelled", "page": "abc.1"}
ACCEPTED = {"kind": "acknowledged", "pages": ["abc.1"], "by": "haematologist-1", "at": "2024-06-17T10:04:00+02:00"}


def observed(system: str, *items: Item, status: GradeStatus = "final", settings: Settings = SETTINGS) -> Resource:
    """The Observation of a system, of a patient with this chart; what it says is valid FHIR."""
    from fhir.resources.R4B.observation import Observation

    event = _event(system, *items, status=status)
    found = observation(event if status != "entered_in_error" else regrade_event(event, status), ISSUED, settings)
    assert Observation.model_validate(found).status == found["status"]
    return found


def _event(system: str, *items: Item, status: GradeStatus = "final") -> dict[str, Any]:
    assessment = assess(chart(*items), NOW, SITE)
    return grade_event("P1", system, assessment.grades()[system], None, assessment, SITE, id="g1", status=status)


def exported(*items: dict[str, Any], settings: Settings = SETTINGS) -> Resource:
    """The Communication of a page after some of what became of it; it is valid FHIR."""
    from fhir.resources.R4B.communication import Communication

    page = ExportedPage(page=PAGE)
    for item in items:
        page = updated(page, item)
    found = communication(unpack(pack(page)), settings)
    assert Communication.model_validate(found).status == found["status"]
    return found


def crs2() -> list[Item]:
    return [reading("temperature", "38.9", id="t1"), reading("systolic_bp", 84, id="p1")]


# -- Observations ------------------------------------------------------------------------------------


def test_a_grade_says_of_whom_when_and_by_which_rules() -> None:
    found = observed("crs", *crs2())
    assert found["identifier"] == [{"system": "urn:cartwatch:grade", "value": "g1"}]
    assert found["subject"]["identifier"] == {"system": "urn:oid:1.2.3", "value": "P1"}
    assert (found["effectiveDateTime"], found["issued"]) == ("2024-06-17T10:00:00+02:00", ISSUED)
    assert found["code"]["coding"][0]["code"] == "crs"
    assert found["method"]["coding"][0]["code"] == "crs|ASTCT 2019"


def test_a_grade_that_is_at_least_this_carries_the_comparator() -> None:
    assert observed("crs", *crs2())["valueQuantity"] == {
        "value": 2,
        "comparator": ">=",
        "unit": "grade",
        "system": "http://unitsofmeasure.org",
        "code": "{grade}",
    }
    assert "comparator" not in observed("ctcae.fever", *crs2())["valueQuantity"]


def test_grade_0_is_a_value() -> None:
    found = observed("ctcae.fever", reading("temperature", "36.8"))
    assert found["valueQuantity"]["value"] == 0


def test_what_is_undetermined_has_no_value_and_says_what_is_missing() -> None:
    found = observed("crs")
    assert [name for name in found if name.startswith("value")] == []
    assert found["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert found["dataAbsentReason"]["text"] == "undetermined: missing temperature"


def test_before_the_infusion_crs_has_no_value_and_is_not_applicable() -> None:
    at = INFUSED - hours(1)
    assessment = assess(chart(reading("temperature", "38.9", at)), at, SITE)
    for system in ("crs", "icans"):
        event = grade_event("P1", system, assessment.grades()[system], "not applicable", assessment, SITE, id="g1")
        assert (event["grade"], event["applicable"], event["was"]) == (None, False, None)
        found = observation(event, ISSUED, SETTINGS)
        assert [name for name in found if name.startswith("value")] == []
        assert found["dataAbsentReason"]["coding"][0]["code"] == "not-applicable"
        assert found["note"][0] == {"text": "before infusion"}


def test_it_is_derived_from_the_messages_it_rests_on() -> None:
    found = observed("crs", *crs2())
    assert [item["identifier"] for item in found["derivedFrom"]] == [
        {"system": "urn:cartwatch:message", "value": "ward|t1"},
        {"system": "urn:cartwatch:message", "value": "ward|p1"},
    ]
    assert "extension" not in found


def test_a_drug_it_rests_on_is_supporting_information_for_no_observation_derives_from_it() -> None:
    found = observed("crs", *crs2(), dose("norepinephrine", NOW - hours(1), "started"))
    [drug] = [extension["valueReference"] for extension in found["extension"]]
    assert drug["type"] == "MedicationAdministration"
    assert drug["identifier"]["value"] == "emar|norepinephrine started 17 07:00"
    assert {item["type"] for item in found["derivedFrom"]} == {"Observation"}


def test_its_notes_give_reasons_conventions_and_what_it_is_not() -> None:
    notes = [note["text"] for note in observed("crs", *crs2())["note"]]
    assert notes[0] == "fever 38.9 °C (>= 38.0)"
    assert any("crs.hypotension_systolic" in note for note in notes)
    assert "provisional: at least this" in notes
    assert notes[-1] == DISCLAIMER


def test_a_score_and_its_group() -> None:
    found = observed("ice", reading("ice", 7))
    assert (found["valueQuantity"]["value"], found["valueQuantity"]["code"]) == (7, "{score}")
    assert "interpretation" not in found
    event = _event("hematotox") | {"score": 4, "risk": "high"}
    assert observation(event, ISSUED, SETTINGS)["interpretation"] == [{"text": "high"}]


def test_a_number_of_a_formula_is_exact_to_12_digits() -> None:
    found = observed("m_easix", reading("ldh", 320), reading("crp", 85), reading("platelets", 45))
    assert Decimal(str(found["valueQuantity"]["value"])) == Decimal("604.444444444") / 10
    assert found["valueQuantity"]["code"] == "1"


def test_of_a_number_that_is_only_a_bound_the_bound_is_exported() -> None:
    found = observed("m_easix", reading("ldh", "<100"), reading("crp", 97), reading("platelets", 50))
    assert (found["valueQuantity"]["comparator"], found["valueQuantity"]["value"]) == ("<", 19.4)


def test_a_screen_says_yes_or_no() -> None:
    found = observed("iec_hs", reading("temperature", "36.8"), reading("ferritin", 300, low=20, high=300))
    assert found["valueBoolean"] is False


def test_what_rests_on_a_preliminary_value_is_preliminary() -> None:
    from alerts.message_fields import Status

    item = reading("platelets", 40, status=Status.PRELIMINARY)
    assert observed("ctcae.platelets", item)["status"] == "preliminary"
    assert observed("ctcae.platelets", reading("platelets", 40))["status"] == "final"


def test_what_was_retracted_has_no_value_and_no_reasons() -> None:
    found = observed("crs", *crs2(), status="entered_in_error")
    assert found["status"] == "entered-in-error"
    assert "valueQuantity" not in found
    assert [note["text"] for note in found["note"]] == [DISCLAIMER]


def test_without_a_system_the_patient_is_named_by_the_value_alone() -> None:
    settings = Settings(fhir_base="https://record.example/fhir")
    assert observed("crs", *crs2(), settings=settings)["subject"]["identifier"] == {"value": "P1"}


@pytest.mark.parametrize("system", list(assess(chart(), NOW, SITE).grades()))
def test_every_system_has_words_and_is_valid_of_an_empty_chart(system: str) -> None:
    found = observed(system)
    assert found["code"]["text"] != system


# -- Communications ----------------------------------------------------------------------------------


def test_a_page_says_to_whom_how_urgently_and_what() -> None:
    found = exported()
    assert (found["status"], found["priority"]) == ("in-progress", "stat")
    assert found["identifier"] == [{"system": "urn:cartwatch:page", "value": "abc.1"}]
    assert found["recipient"][0]["identifier"]["value"] == "haematologist-1"
    assert [part["contentString"] for part in found["payload"]] == [PAGE["title"], PAGE["text"]]
    assert found["about"] == [{"type": "Observation", "identifier": {"system": "urn:cartwatch:grade", "value": "g1"}}]
    assert not {"sent", "received", "statusReason"} & set(found)


def test_in_minimal_words_nothing_of_the_patient_is_said() -> None:
    settings = Settings(fhir_base="https://record.example/fhir", fhir_detail="minimal")
    found = exported(settings=settings)
    assert [part["contentString"] for part in found["payload"]] == ["cartwatch page abc.1"]
    assert "CRS" not in str(found).upper().replace("ABC.1", "")


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ((SENT,), "completed"),
        (({**SENT, "outcome": "failed"},), "in-progress"),
        (({**SENT, "outcome": "unknown"},), "in-progress"),
        ((UNDELIVERABLE,), "not-done"),
        ((UNDELIVERABLE, SENT), "completed"),
        ((SENT, UNDELIVERABLE), "completed"),
        ((CANCELLED,), "not-done"),
        ((SENT, CANCELLED), "completed"),
        ((SENT, ACCEPTED), "completed"),
    ],
)
def test_a_page_s_status(items: tuple[dict[str, Any], ...], status: str) -> None:
    found = exported(*items)
    assert found["status"] == status
    assert ("statusReason" in found) == (status == "not-done")
    assert ("sent" in found) == (status == "completed")


def test_who_took_it_has_received_it() -> None:
    found = exported(SENT, ACCEPTED)
    assert (found["sent"], found["received"]) == (SENT["at"], ACCEPTED["at"])
    assert found["note"][0] == {"authorString": "haematologist-1", "time": ACCEPTED["at"], "text": "acknowledged"}


def test_of_a_page_that_somebody_else_took_it_is_not_said_that_it_was_received() -> None:
    found = exported(SENT, {**ACCEPTED, "by": "haematologist-2"})
    assert "received" not in found
    assert found["note"][0]["authorString"] == "haematologist-2"


def test_the_first_who_took_it_has_it() -> None:
    assert exported(SENT, ACCEPTED, {**ACCEPTED, "at": "2024-06-17T11:00:00+02:00"})["received"] == ACCEPTED["at"]


# -- transactions ------------------------------------------------------------------------------------


def test_a_transaction_finds_each_resource_by_its_identifier() -> None:
    from fhir.resources.R4B.bundle import Bundle

    bundle = transaction([observed("crs", *crs2()), exported(SENT)])
    assert [entry["request"] for entry in bundle["entry"]] == [
        {"method": "PUT", "url": "Observation?identifier=urn:cartwatch:grade%7Cg1"},
        {"method": "PUT", "url": "Communication?identifier=urn:cartwatch:page%7Cabc.1"},
    ]
    assert Bundle.model_validate(bundle).type == "transaction"


def test_of_versions_of_one_resource_the_last_is_put_in_its_own_place() -> None:
    first, other, last = observed("crs", *crs2()), exported(), observed("crs", *crs2(), status="amended")
    assert latest([first, other, last]) == [other, last]
