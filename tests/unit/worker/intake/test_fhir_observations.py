"""What an Observation becomes, rule by rule."""

import json
from typing import Any

import pytest

from tests.support.feeds import (
    AT,
    LOINC,
    MDC,
    SNOMED,
    bundle,
    coding,
    concept,
    fhir,
    observation,
    one,
    quantity,
    source,
)
from worker.intake.fhir.logical_id import hashed
from worker.intake.parsed import ElementOutcome


def native(resource: dict[str, Any], **policy: Any) -> dict[str, Any]:
    element = one(fhir(resource, source(**policy)))
    assert element.outcome is ElementOutcome.STORED, element.why
    (message,) = element.messages
    return message


def why(resource: dict[str, Any], outcome: ElementOutcome = ElementOutcome.DEAD_LETTER) -> str:
    element = one(fhir(resource))
    assert element.outcome is outcome, element
    return element.why


def test_a_result_becomes_a_native_reading() -> None:
    assert native(observation("1988-5", 85, "mg/L")) == {
        "type": "reading",
        "id": "Observation/o1",
        "source": "lab",
        "patient": "P1",
        "effective": AT,
        "reading": "crp",
        "value": "85",
        "unit": "mg/L",
        "by": "laboratory",
    }


def test_numbers_are_exact() -> None:
    raw = b'{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org",'
    raw += b'"code":"8310-5"}]},"subject":{"identifier":{"value":"P1"}},"effectiveDateTime":"2024-06-14T08:00:00Z",'
    raw += b'"valueQuantity":{"value":101.30,"code":"[degF]","system":"http://unitsofmeasure.org"}}'
    element = one(fhir(raw))
    assert element.messages[0]["value"] == "101.30"
    assert element.shown is not None
    assert element.shown.value == "38.5"


@pytest.mark.parametrize("value", ["85", "85 ", True, [85], {"value": 85}])
def test_a_number_that_is_none_refuses_the_resource_by_field(value: Any) -> None:
    assert "valueQuantity.value: write a JSON number" in why(observation(value=value), ElementOutcome.REFUSED)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("final", None), ("amended", "corrected"), ("corrected", "corrected"), ("preliminary", "preliminary")],
)
def test_statuses_that_are_used(status: str, expected: str | None) -> None:
    assert native(observation(status=status)).get("status") == expected


@pytest.mark.parametrize("status", ["registered", "unknown"])
def test_statuses_that_are_no_result(status: str) -> None:
    element = one(fhir(observation(status=status)))
    assert (element.outcome, element.messages) == (ElementOutcome.IGNORED, ())
    assert element.shown is not None
    assert element.shown.use == "not-usable"


def test_an_error_is_retracted_under_the_id_it_had() -> None:
    message = native(observation("8310-5", 39, "Cel", status="entered-in-error"))
    assert (message["id"], message["status"]) == ("Observation/o1", "entered_in_error")
    assert "value" not in message


def test_a_cancelled_result_has_no_value() -> None:
    message = native(observation(status="cancelled", valueQuantity=None))
    assert message["absent"] == "cancelled"
    assert "value" not in message


def test_a_status_that_is_not_known_is_dead_lettered() -> None:
    assert "status: 'nearly'" in why(observation(status="nearly"))


def test_an_absent_value_keeps_its_reason() -> None:
    reason = concept(coding("not-performed", display="Not Performed"))
    message = native(observation(valueQuantity=None, dataAbsentReason=reason))
    assert (message["absent"], "value" in message) == ("Not Performed", False)


def test_why_ice_could_not_be_done_is_kept() -> None:
    body = observation("ICE", valueQuantity=None, dataAbsentReason=concept(text="unable to perform"))
    element = one(fhir(body, source(codes={LOINC: {"ICE": "ice"}})))
    assert element.messages[0]["absent"] == "unable to perform"
    assert element.messages[0]["by"] == "person"


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
def test_comparators_make_bounds(comparator: str) -> None:
    message = native(observation(valueQuantity=quantity(5, comparator=comparator)))
    assert message["value"] == f"{comparator}5"


def test_another_comparator_is_dead_lettered() -> None:
    assert "comparator" in why(observation(valueQuantity=quantity(5, comparator="ad")))


def test_components_are_readings_of_their_own() -> None:
    parts = [
        {"code": concept(coding("8480-6")), "valueQuantity": quantity(107, "mm[Hg]")},
        {"code": concept(coding("8462-4")), "dataAbsentReason": concept(coding("not-asked"))},
        {"code": concept(coding("8478-0")), "valueQuantity": quantity(70, "furlong")},
    ]
    elements = fhir(observation("85354-9", valueQuantity=None, component=parts)).elements
    panel, systolic, diastolic, mean = elements
    assert (panel.outcome, panel.understood) == (ElementOutcome.IGNORED, True)
    assert (systolic.messages[0]["reading"], systolic.messages[0]["id"]) == ("systolic_bp", "Observation/o1#8480-6")
    assert diastolic.messages[0]["absent"] == "not-asked"
    assert (mean.outcome, mean.where) == (ElementOutcome.DEAD_LETTER, "Observation.component[2]")


def test_a_value_and_its_components_are_all_taken() -> None:
    flow = {"code": concept(coding("3151-8")), "valueQuantity": quantity(6, "L/min")}
    codes = concept(coding("2708-6"), coding("59408-5"), coding("150456", MDC))
    body = observation(valueQuantity=quantity(95, "%"), component=[flow]) | {"code": codes}
    elements = fhir(body).elements
    assert [element.messages[0]["reading"] for element in elements] == ["spo2", "oxygen_flow"]


def test_two_components_of_one_code_have_ids_of_their_own() -> None:
    part = {"code": concept(coding("8480-6")), "valueQuantity": quantity(107, "mm[Hg]")}
    elements = fhir(observation("85354-9", valueQuantity=None, component=[part, part])).elements
    assert len({element.messages[0]["id"] for element in elements[1:]}) == 2


def test_the_code_of_a_unit_outweighs_its_text() -> None:
    message = native(observation("8310-5", valueQuantity=quantity(38, "Cel") | {"unit": "C"}))
    assert message["unit"] == "Cel"


def test_code_and_text_of_a_unit_that_contradict_are_dead_lettered() -> None:
    assert "different units" in why(observation(valueQuantity=quantity(8, "mg/L") | {"unit": "mg/dL"}))


def test_a_unit_code_of_another_system_is_no_unit() -> None:
    held = {"value": 122, "unit": "umol/L", "system": SNOMED, "code": "258814008"}
    assert native(observation("2160-0", valueQuantity=held))["unit"] == "umol/L"


@pytest.mark.parametrize(
    ("code", "value", "unit", "because"),
    [
        ("1988-5", 85, "furlong", "not known"),
        ("1988-5", 85, "", "unit is missing"),
        ("718-7", 12, "g/mL", "not used"),
        ("2160-0", 1, "umol/L", "not plausible"),
        ("8310-5", 101, "Cel", "not plausible"),
        ("751-8", 55, "%", "not known"),
    ],
)
def test_what_cannot_be_believed_is_dead_lettered_and_goes_on_to_be_shown(
    code: str, value: int, unit: str, because: str
) -> None:
    element = one(fhir(observation(code, value, unit)))
    assert element.outcome is ElementOutcome.DEAD_LETTER
    assert because in element.why
    assert element.messages[0]["value"] == str(value)
    assert element.shown is not None
    assert element.shown.use == "implausible"


def test_an_unknown_unit_is_counted_with_an_example() -> None:
    assert one(fhir(observation(value=85, unit="furlong"))).unmapped == ("unit", "crp", "furlong", "85 furlong")
    assert one(fhir(observation("2160-0", 1, "umol/L"))).unmapped is None


def test_limits_of_the_laboratory_are_kept_where_they_are_in_its_unit() -> None:
    limits = [{"low": quantity(0), "high": {"value": 5}}]
    message = native(observation(referenceRange=limits))
    assert (message["low"], message["high"]) == ("0", "5")
    other = [{"high": quantity(1, "mg/dL")}]
    assert "high" not in native(observation(referenceRange=other))


def test_a_number_out_of_all_bounds_is_dead_lettered() -> None:
    text = json.dumps(observation(value=0)).replace('"value": 0', '"value": 1E+400', 1)
    element = one(fhir(text.encode()))
    assert element.outcome is ElementOutcome.DEAD_LETTER


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"effectiveInstant": AT, "effectiveDateTime": None}, AT),
        ({"effectivePeriod": {"start": "2024-06-13T08:00:00+02:00", "end": AT}, "effectiveDateTime": None}, AT),
        ({"effectivePeriod": {"start": AT}, "effectiveDateTime": None}, AT),
        ({"effectiveDateTime": None, "issued": AT}, AT),
    ],
)
def test_where_the_time_is_from(times: dict[str, Any], expected: str) -> None:
    assert native(observation(**times))["effective"] == expected


def test_no_time_is_dead_lettered() -> None:
    assert "time" in why(observation(effectiveDateTime=None))


def test_a_time_without_offset_is_dead_lettered() -> None:
    assert "no offset from UTC" in why(observation(effectiveDateTime="2024-06-14T08:00:00"))


def test_a_day_is_time_enough_for_a_laboratory_and_none_for_a_vital_sign() -> None:
    assert native(observation(effectiveDateTime="2024-06-14"))["effective"] == "2024-06-14T00:00:00+02:00"
    assert "is a day" in why(observation("8310-5", 39, "Cel", effectiveDateTime="2024-06-14"))


def test_words_become_codes() -> None:
    held = concept(text="Alert")
    message = native(observation("67775-7", valueQuantity=None, valueCodeableConcept=held))
    assert (message["reading"], message["value"]) == ("consciousness", "spontaneous")
    element = one(fhir(observation("67775-7", valueQuantity=None, valueString="sleepy")))
    assert element.outcome is ElementOutcome.DEAD_LETTER
    assert element.unmapped == ("value", "consciousness", "sleepy", "sleepy")


def test_the_coma_score_is_shown_as_a_note() -> None:
    message = native(observation("9269-2", valueQuantity=quantity(13, "{score}")))
    assert (message["type"], message["text"]) == ("note", "GCS 13")


def test_a_monitor_says_by_whom() -> None:
    assert native(observation("8867-4", 88, "/min"), type="monitor")["by"] == "monitor"
    assert native(observation("76534-7", 107, "mm[Hg]"), type="monitor")["by"] == "cuff"
    assert "by" not in native(observation("8867-4", 88, "/min"))
    assert native(observation("8867-4", 88, "/min"), type="monitor", by="patch")["by"] == "patch"
    assert native(observation("76534-7", 107, "mm[Hg]"), by="person")["by"] == "cuff"
    assert native(observation(), by="person")["by"] == "laboratory"


def test_ids_from_identifier_and_from_content() -> None:
    named = observation(id=None, identifier=[{"system": "urn:lab", "value": "77"}])
    assert native(named)["id"] == f"Observation/{hashed('urn:lab|77')}"
    assert native(observation(id="no id!"))["id"] == f"Observation/{hashed('no id!')}"
    bare = observation(id=None)
    assert native(bare)["id"] == native(bare)["id"]
    assert native(bare)["id"] != native(observation(id=None, value=86))["id"]


def test_a_panel_of_references_yields_nothing_and_is_no_error() -> None:
    element = one(fhir(observation("85353-1", valueQuantity=None, hasMember=[{"reference": "Observation/a"}])))
    assert (element.outcome, element.understood) == (ElementOutcome.IGNORED, True)


def test_a_report_lends_its_time_and_patient_to_results_and_their_members() -> None:
    member = observation(id="r1", subject=None, effectiveDateTime=None)
    panel = observation(
        "58410-2", id="p", subject=None, valueQuantity=None, hasMember=[{"reference": "Observation/r1"}]
    )
    report = {"resourceType": "DiagnosticReport", "id": "d", "status": "final", "effectiveDateTime": AT}
    report |= {"subject": {"reference": "Patient/7"}, "result": [{"reference": "Observation/p"}]}
    taken = fhir(bundle(report, panel, member, kind="collection"))
    (message,) = taken.messages
    assert (message["patient"], message["effective"]) == ("Patient/7", AT)


def test_members_that_go_round_in_a_circle_do_no_harm() -> None:
    first = observation("58410-2", id="a", valueQuantity=None, hasMember=[{"reference": "Observation/b"}])
    second = observation("58410-2", id="b", valueQuantity=None, hasMember=[{"reference": "Observation/a"}])
    report = {"resourceType": "DiagnosticReport", "id": "d", "result": [{"reference": "Observation/a"}]}
    assert fhir(bundle(report, first, second)).messages == []
