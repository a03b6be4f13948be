"""What an OBX becomes, rule by rule: laboratory and monitor."""

from typing import Any

import pytest

from tests.support.feeds import AT, INTAKE, TABLES, hl7, obr, obx, one, oru, pid, source, taken
from worker.intake import read
from worker.intake.hl7.statuses import worse
from worker.intake.parsed import ElementOutcome


def native(*segments: str, patient: str | None = None, order: str | None = None, **policy: Any) -> dict[str, Any]:
    element = one(taken(oru(*segments, patient=patient, order=order), source(**policy)))
    assert element.outcome is ElementOutcome.STORED, element.why
    return element.messages[0]


def test_a_result_becomes_a_native_reading() -> None:
    message = native(obx(limits="0 - 5"))
    assert message.pop("id").startswith("hl7/")
    assert message == {
        "type": "reading",
        "source": "lab",
        "patient": "P1",
        "effective": AT,
        "reading": "crp",
        "value": "85",
        "unit": "mg/L",
        "by": "laboratory",
        "low": "0",
        "high": "5",
    }


@pytest.mark.parametrize(
    ("status", "expected"), [("F", None), ("C", "corrected"), ("A", "corrected"), ("P", "preliminary")]
)
def test_statuses_that_are_used(status: str, expected: str | None) -> None:
    assert native(obx(status=status)).get("status") == expected


@pytest.mark.parametrize("status", list("ISONVUB"))
def test_statuses_that_are_no_result(status: str) -> None:
    element = one(taken(oru(obx(status=status))))
    assert (element.outcome, element.messages, element.understood) == (ElementOutcome.IGNORED, (), True)


def test_unverified_results_count_from_a_monitor_alone() -> None:
    assert one(taken(oru(obx(status="R")))).outcome is ElementOutcome.IGNORED
    assert native(obx(status="R"), type="monitor")["value"] == "85"
    assert native(obx(status="R"), unverified=True)["value"] == "85"
    assert one(taken(oru(obx(status="R")), source(type="monitor", unverified=False))).outcome is ElementOutcome.IGNORED


def test_x_has_no_value_unless_the_policy_says_so() -> None:
    assert "value" not in native(obx(status="X"))
    assert native(obx(status="X"))["absent"].startswith("the result could not be obtained")
    assert native(obx(status="X"), value_beside_x=True)["value"] == "85"


def test_d_retracts_what_it_finds_by_its_id() -> None:
    first, deleted = native(obx()), native(obx(status="D", value=""))
    assert (first["id"], deleted["status"]) == (deleted["id"], "entered_in_error")


def test_w_retracts_and_says_that_somebody_else_is_concerned() -> None:
    retraction, note = one(taken(oru(obx(status="W")))).messages
    assert retraction["status"] == "entered_in_error"
    assert (note["type"], "wrong patient" in note["text"]) == ("note", True)


@pytest.mark.parametrize(
    ("result", "order", "counts"),
    [
        ("F", "", "F"),
        ("F", "P", "P"),
        ("F", "C", "C"),
        ("F", "A", "F"),
        ("F", "X", "X"),
        ("F", "I", "I"),
        ("P", "F", "P"),
        ("P", "C", "P"),
        ("C", "P", "C"),
        ("C", "X", "X"),
        ("D", "F", "D"),
        ("F", "Z", "F"),
        ("", "F", "F"),
        ("?", "F", "?"),
    ],
)
def test_the_worse_status_counts(result: str, order: str, counts: str) -> None:
    assert worse(result, order) == counts


def test_no_status_is_dead_lettered() -> None:
    assert "OBX-11" in one(taken(oru(obx(status="")))).why


def test_a_correction_finds_what_it_corrects() -> None:
    first, second = native(obx(value="85")), native(obx(value="58", status="C"))
    assert first["id"] == second["id"]
    ids = {
        native(obx(sub="2"))["id"],
        native(obx(), order=obr("F2"))["id"],
        native(obx(at="20240614090000+0200"))["id"],
    }
    assert first["id"] not in ids
    assert len(ids) == 3


def test_the_placers_number_serves_where_the_filler_sends_none() -> None:
    assert native(obx(), order=obr("", placer="O1"))["id"] == native(obx(value="9"), order=obr("", placer="O1"))["id"]


def test_without_any_order_number_the_message_itself_is_the_name() -> None:
    first, second = native(obx(), order=obr("")), native(obx(value="9"), order=obr(""))
    assert first["id"] != second["id"]
    assert first["id"] == native(obx(), order=obr(""))["id"]


def test_two_results_of_one_name_that_differ_are_both_dead_lettered() -> None:
    elements = taken(oru(obx(value="85"), obx(value="58"))).elements
    assert [element.outcome for element in elements] == [ElementOutcome.DEAD_LETTER] * 2
    assert len(taken(oru(obx(), obx())).messages) == 2
    assert len(taken(oru(obx(value="85", sub="1"), obx(value="58", sub="2"))).messages) == 2


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NM", "85", "85"),
        ("NM", " 85.50 ", "85.50"),
        ("NM", ".5", "0.5"),
        ("NM", "5.", "5"),
        ("NM", "<0.1", "<0.1"),
        ("ST", ">1000", ">1000"),
        ("", "85", "85"),
        ("FN", "85", "85"),
        ("SN", "^182", "182"),
        ("SN", "<^5", "<5"),
        ("SN", ">=^5", ">=5"),
        ("SN", "=^5", "5"),
    ],
)
def test_values_that_are_one_number(kind: str, value: str, expected: str) -> None:
    assert native(obx(kind=kind, value=value))["value"] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("NM", "60~120"),
        ("NM", "1,5"),
        ("NM", "1E+400"),
        ("NM", "12345678901234567890"),
        ("SN", "^100^-^200"),
        ("SN", "^1^:^128"),
        ("SN", "~^5"),
        ("ST", "haemolysed, 85"),
        ("CWE", "260385009^Negative^SCT"),
        ("NR", "1^2"),
        ("TM", "0800"),
    ],
)
def test_values_that_are_none_are_dead_lettered(kind: str, value: str) -> None:
    element = one(taken(oru(obx(kind=kind, value=value))))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())


@pytest.mark.parametrize("value", ["", '""'])
def test_an_empty_value_is_absent_never_nought(value: str) -> None:
    message = native(obx(value=value))
    assert ("value" in message, "OBX-5" in message["absent"]) == (False, True)


@pytest.mark.parametrize("kind", ["RP", "ED"])
def test_pointers_hold_no_result(kind: str) -> None:
    assert one(taken(oru(obx(kind=kind, value="https://x^^IM^PNG")))).outcome is ElementOutcome.IGNORED


@pytest.mark.parametrize(
    ("unit", "chosen"),
    [
        ("mg/L^milligram per litre^UCUM", "mg/L"),
        ("^mg/L", "mg/L"),
        ("strange^mg/L", "mg/L"),
    ],
)
def test_the_first_spelling_of_a_unit_that_is_known(unit: str, chosen: str) -> None:
    assert native(obx(unit=unit))["unit"] == chosen


def test_of_a_monitors_unit_the_reference_id_counts() -> None:
    code = "150456^MDC_PULS_OXIM_SAT_O2^MDC"
    message = native(obx(code, "97", "262688^MDC_DIM_PERCENT^MDC", "R"), type="monitor")
    assert (message["reading"], message["unit"], message["by"]) == ("spo2", "MDC_DIM_PERCENT", "monitor")


def test_a_reference_id_beside_a_local_number_is_known() -> None:
    assert native(obx("tt-5^MDC_TEMP^MDC", "37.2", "MDC_DIM_DEGC"))["reading"] == "temperature"


def test_loinc_may_stand_in_the_alternate_code() -> None:
    assert native(obx("CRP1^CRP^L^1988-5^C reactive protein^LN"))["reading"] == "crp"


def test_a_local_code_through_the_sites_map() -> None:
    element = one(taken(oru(obx("CRP1^CRP^LAB")), source(codes={"LAB": {"CRP1": "crp"}})))
    assert element.messages[0]["reading"] == "crp"
    unknown = one(taken(oru(obx("CRP1^CRP^LAB"))))
    assert (unknown.outcome, unknown.unmapped) == (ElementOutcome.IGNORED, ("code", "LAB", "CRP1", "CRP"))


def test_arterial_lines_and_cuffs_are_distinguished() -> None:
    line = native(obx("150037^MDC_PRESS_BLD_ART_ABP_SYS^MDC", "84", "mm[Hg]", "R"), type="monitor")
    cuff = native(obx("150021^MDC_PRESS_BLD_NONINV_SYS^MDC", "84", "mm[Hg]", "R"), type="monitor")
    assert (line["by"], cuff["by"]) == ("arterial_line", "cuff")


def test_a_coded_reading() -> None:
    assert native(obx("67775-7^LOC^LN", "Alert", "", kind="ST"))["value"] == "spontaneous"
    code = "1^Awake^L"
    assert native(obx("67775-7^LOC^LN", code, "", kind="CWE"))["value"] == "spontaneous"


def test_the_time_is_of_the_result_else_of_the_order_never_of_the_message() -> None:
    assert native(obx(at=""), order=obr(at="20240614070000+0200"))["effective"] == "2024-06-14T07:00:00+02:00"
    element = one(taken(oru(obx(at=""), order=obr(at=""))))
    assert (element.outcome, "time" in element.why) == (ElementOutcome.DEAD_LETTER, True)


def test_a_time_without_offset_is_of_the_zone_of_the_source() -> None:
    assert native(obx(at="20241214080000"))["effective"] == "2024-12-14T08:00:00+01:00"
    element = one(taken(oru(obx(at="20241214080000")), source(zone=False)))
    assert "time_zone" in element.why


def test_a_day_is_no_time_of_a_vital_sign() -> None:
    assert native(obx(at="20240614"))["effective"] == "2024-06-14T00:00:00+02:00"
    assert "is a day" in one(taken(oru(obx("8310-5^T^LN", "39", "Cel", at="20240614")))).why


@pytest.mark.parametrize(
    ("identifiers", "patient"),
    [
        ("P1^^^HOSP^MR", "P1"),
        ("P1^^^HOSP^MRN~N9^^^NHS^NHSNMBR", "P1"),
        ("A1^^^HOSP^AN~P1^^^HOSP^MR~V1^^^HOSP^VN", "P1"),
        ("P1", "P1"),
        ("P1~A1^^^HOSP^AN", "P1"),
    ],
)
def test_who_it_is(identifiers: str, patient: str) -> None:
    assert native(obx(), patient=pid(identifiers))["patient"] == patient


@pytest.mark.parametrize(
    "identifiers", ["", '""', "A1^^^HOSP^AN", "V1^^^HOSP^VN", "P1^^^A^MR~P2^^^B^MR", "X^^^NHS^NHSNMBR", "~site^^^H^MR"]
)
def test_who_it_is_not(identifiers: str) -> None:
    element = one(taken(oru(obx(), patient=pid(identifiers.replace("~site", "\\R\\site")))))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())
    assert "PID-3" in element.why


def test_the_configured_authority_decides() -> None:
    rules = [{"authority": "B", "type": "MR"}]
    assert native(obx(), patient=pid("P1^^^A^MR~P2^^^B^MR"), identifiers=rules)["patient"] == "P2"


def test_a_result_without_a_pid_is_refused() -> None:
    assert one(taken(hl7(obr(), obx()))).outcome is ElementOutcome.REFUSED


def test_the_next_patient_begins_with_the_next_pid() -> None:
    raw = hl7(pid(), obr(), obx(), pid("P2^^^HOSP^MR"), obr("F2"), obx(), pid("^^^HOSP^MR"), obr("F3"), obx())
    elements = taken(raw).elements
    assert [element.patient for element in elements] == ["P1", "P2", ""]
    assert elements[2].outcome is ElementOutcome.DEAD_LETTER


def test_one_bad_obx_leaves_its_neighbours() -> None:
    elements = taken(oru(obx(), obx("2160-0^K^LN", "1 or 2", "mg/dL"), obx("718-7^Hb^LN", "9.1", "g/dL"))).elements
    assert [element.outcome for element in elements] == [
        ElementOutcome.STORED,
        ElementOutcome.DEAD_LETTER,
        ElementOutcome.STORED,
    ]


def test_what_describes_the_specimen_of_an_oul_is_no_result() -> None:
    raw = hl7(pid(), "SPM|1", obx(), obr(), obx(), event="OUL^R22")
    assert [element.outcome for element in taken(raw).elements] == [ElementOutcome.IGNORED, ElementOutcome.STORED]


@pytest.mark.parametrize("event", ["MDM^T02", "RDE^O11", "RDS^O13", "ORM^O01", "SIU^S12", "ADT^A60", ""])
def test_other_messages_are_acknowledged_and_never_read(event: str) -> None:
    assert one(taken(hl7(pid(), obr(), obx(), event=event))).outcome is ElementOutcome.IGNORED


@pytest.mark.parametrize(("processing", "test"), [("P", False), ("", False), ("T", True), ("D", True)])
def test_test_and_training_messages_are_marked(processing: str, test: bool) -> None:
    assert taken(oru(obx(), processing=processing)).test is test


def test_a_policy_may_let_training_messages_count() -> None:
    assert not taken(oru(obx(), processing="T"), source(processing=["P", "T"])).test


def test_a_repetition_has_the_same_key_and_a_monitor_of_one_control_id_has_not() -> None:
    first = taken(oru(obx(), control="1")).key
    assert first == taken(oru(obx(), control="1")).key
    assert first != taken(oru(obx(value="86"), control="1")).key


def test_what_cannot_be_read_is_one_refused_element() -> None:
    lost = read.hl7(b"nothing", INTAKE, TABLES)
    assert one(lost).outcome is ElementOutcome.REFUSED
    assert lost.key


def test_the_source_is_of_msh_3_and_4() -> None:
    assert read.hl7(oru(obx()), INTAKE, TABLES).source == "LAB/HOSP"
    closed = INTAKE._replace(unlisted=None)
    assert "not listed" in one(read.hl7(oru(obx()), closed, TABLES)).why


def test_a_batch_is_read_message_by_message() -> None:
    body = b"BHS|^~\\&\r" + oru(obx()) + b"MSH|broken\r" + oru(obx(value="9"), control="2") + b"BTS|3\r"
    found = list(
        read.parse_any(body, "x", INTAKE, TABLES, __import__("datetime").datetime.now(__import__("datetime").UTC))
    )
    assert [len(one_.messages) for one_ in found] == [1, 0, 1]


@pytest.mark.parametrize(
    ("limits", "low", "high"),
    [("0-5", "0", "5"), ("<5", None, "5"), ("<= 5.0", None, "5.0"), (">60", "60", None), ("< 5 mg", None, None)],
)
def test_limits_may_have_one_end(limits: str, low: str | None, high: str | None) -> None:
    (message,) = one(taken(oru(obx(limits=limits)))).messages
    assert (message.get("low"), message.get("high")) == (low, high)


def test_results_without_line_ends_do_not_vanish() -> None:
    flat = oru(obx()).replace(b"\rOBX", b" OBX")
    element = one(taken(flat))
    assert (element.outcome, element.where) == (ElementOutcome.DEAD_LETTER, "ORU")
    assert "segments must end with CR" in element.why
    assert one(taken(oru())).outcome is ElementOutcome.IGNORED
