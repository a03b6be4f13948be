"""What can come in: what is taken, and what is refused by name."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from alerts.message_fields import Status
from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage, Reading, Registration, Statement, Treatment
from config.vocabulary import DRUGS, READINGS, STATEMENTS, Sort

COMMON = {"id": "m1", "source": "ward", "patient": "P1", "effective": "2024-06-15T06:00:00+02:00"}
ITEMS = {
    "year": 1,
    "month": 0,
    "city": 0,
    "hospital": 0,
    "naming": 0,
    "command": 1,
    "writing": 0,
    "attention": 0,
}
OF_EACH_TYPE: dict[str, dict[str, Any]] = {
    "registration": {"infused": "2024-06-12T10:00:00+02:00", "born": "1955-05-01", "ward": "HAEM-2"},
    "reading": {"reading": "crp", "value": "85", "unit": "mg/L", "by": "laboratory", "low": "0", "high": "5"},
    "statement": {"statement": "hypotension", "value": True},
    "treatment": {"drug": "tocilizumab", "action": "given", "dose": "480", "unit": "mg"},
    "note": {"text": "EEG slowed"},
    "acknowledgement": {"episode": "e1", "by": "haematologist-1"},
    "silence": {"episode": "e1", "until": "2024-06-15T08:00:00+02:00", "by": "h", "why": "seen"},
    "closure": {"episode": "e1", "by": "h", "why": "not CRS"},
    "receipt": {"page": "p1", "channel": "phone-1", "outcome": "sent"},
    "fault": {"condition": "feed silent", "what": "no message for 30 min"},
    "discharge": {},
}


def read(type_: str, **fields: Any) -> AnyMessage:
    return read_message(json.dumps({"type": type_, **COMMON, **fields}))


def reading(**fields: Any) -> Reading:
    message = read("reading", **{"reading": "crp", "unit": "mg/L", **fields})
    assert isinstance(message, Reading)
    return message


def refusal(type_: str, **fields: Any) -> str:
    with pytest.raises(BadMessage) as caught:
        read(type_, **fields)
    return str(caught.value)


def reading_refusal(**fields: Any) -> str:
    return refusal("reading", **{"reading": "crp", "unit": "mg/L", **fields})


# -- every type ------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", list(OF_EACH_TYPE))
def test_each_type_is_read_and_written_back_the_same(type_: str) -> None:
    message = read(type_, **OF_EACH_TYPE[type_])
    assert message.type == type_
    assert read_message(message.model_dump_json()) == message


@pytest.mark.parametrize("type_", list(OF_EACH_TYPE))
@pytest.mark.parametrize("field", list(COMMON))
def test_each_type_needs_every_common_field(type_: str, field: str) -> None:
    message = {"type": type_, **COMMON, **OF_EACH_TYPE[type_]}
    del message[field]
    with pytest.raises(BadMessage, match=f"^{field}: missing$"):
        read_message(json.dumps(message))


@pytest.mark.parametrize("type_", list(OF_EACH_TYPE))
def test_an_unknown_field_is_refused_by_name(type_: str) -> None:
    said = refusal(type_, **OF_EACH_TYPE[type_], vlaue=1)
    assert said == "vlaue: unknown field; remove it or correct its name"


def test_times_keep_their_instant() -> None:
    assert reading(value=1).effective == datetime(2024, 6, 15, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("effective", ["2024-06-15T06:00:00", "2024-06-15"])
def test_a_time_without_its_offset_is_refused_with_the_fix(effective: str) -> None:
    assert reading_refusal(value=1, effective=effective).startswith("effective: write the offset from UTC")


def test_a_message_is_final_unless_it_says_otherwise() -> None:
    assert reading(value=1).status is Status.FINAL


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_read_by_its_name(status: Status) -> None:
    assert reading(value=1, status=status.name.lower()).status is status


def test_an_unknown_status_is_refused_with_the_known_ones() -> None:
    said = reading_refusal(value=1, status="amended")
    assert said == "status: 'amended' is not one of preliminary, final, corrected, entered_in_error"


@pytest.mark.parametrize("field", ["id", "source", "patient"])
@pytest.mark.parametrize("text", ["", "   ", "x" * 201])
def test_names_are_neither_blank_nor_without_end(field: str, text: str) -> None:
    assert reading_refusal(value=1, **{field: text}).startswith(f"{field}: ")


@pytest.mark.parametrize("raw", ["", "{", "nothing", "[]", "3", '"reading"'])
def test_what_is_not_a_json_object_is_refused(raw: str) -> None:
    with pytest.raises(BadMessage):
        read_message(raw)


def test_a_missing_type_names_the_types_there_are() -> None:
    with pytest.raises(BadMessage, match=r"^type: missing; write one of registration, reading, statement"):
        read_message(json.dumps(COMMON))


def test_an_unknown_type_names_the_types_there_are() -> None:
    assert refusal("observation").startswith("type: not one of registration, reading")


def test_every_trouble_is_named_at_once() -> None:
    said = refusal("treatment", drug="aspirin", action="swallowed", effective="yesterday")
    assert [part.split(":")[0] for part in said.split("; ")] == ["effective", "drug", "action"]


def test_a_refusal_does_not_repeat_the_patient() -> None:
    assert "Rossi" not in reading_refusal(value="high", patient="Rossi Maria", effective="today")


def test_bytes_are_read_like_text() -> None:
    raw = json.dumps({"type": "discharge", **COMMON}).encode()
    assert read_message(raw).type == "discharge"


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("85", "85"),
        (85, "85"),
        (8.5, "8.5"),
        (0.1, "0.1"),
        ("0.10", "0.10"),
        (" 85 ", "85"),
        ("+5", "5"),
        ("-5", "-5"),
        ("1e3", "1000"),
        (1e-07, "0.0000001"),
        ("999999999999", "999999999999"),
    ],
)
def test_numbers_and_numbers_in_text_are_the_same_decimal(value: Any, number: str) -> None:
    message = reading(value=value)
    assert message.number == Decimal(number)
    assert message.comparator == ""


@pytest.mark.parametrize(
    ("value", "comparator", "number"),
    [("<0.1", "<", "0.1"), ("< 0.1", "<", "0.1"), ("<=5", "<=", "5"), (">100000", ">", "100000"), (">= 2", ">=", "2")],
)
def test_a_bound_keeps_its_comparator(value: str, comparator: str, number: str) -> None:
    message = reading(value=value)
    assert (message.comparator, message.number) == (comparator, Decimal(number))


@pytest.mark.parametrize(
    "value",
    ["", "high", "8,5", "85 mg/L", "<", "<>5", "1e", "0x10", "--5", "1" * 16, "NaN", "inf", "-Infinity", "5-8"],
)
def test_what_is_not_a_number_is_refused(value: str) -> None:
    assert reading_refusal(value=value).startswith("value: ")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_json_literals_that_are_no_numbers_are_refused(literal: str) -> None:
    raw = json.dumps({"type": "reading", **COMMON, "reading": "crp", "value": 1}).replace("1}", f"{literal}}}")
    with pytest.raises(BadMessage, match=r"^value: "):
        read_message(raw)


@pytest.mark.parametrize("value", ["1e13", "-1e13", 1e300])
def test_a_number_that_nothing_measures_is_refused(value: Any) -> None:
    assert reading_refusal(value=value).startswith("value: ")


@pytest.mark.parametrize("field", ["low", "high"])
@pytest.mark.parametrize("limit", ["<5", "5-8", True, "NaN"])
def test_a_reference_limit_is_a_plain_number(field: str, limit: Any) -> None:
    assert reading_refusal(value=1, **{field: limit}).startswith(f"{field}: ")


def test_reference_limits_become_decimals() -> None:
    message = reading(value=1, low="0.0", high=5)
    assert (message.low, message.high) == (Decimal("0.0"), Decimal(5))


# -- readings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", READINGS.values(), ids=lambda kind: kind.name)
def test_every_reading_of_the_vocabulary_is_taken(kind: Any) -> None:
    value = kind.codes[0] if kind.sort is Sort.CODE else 7
    assert reading(reading=kind.name, value=value, unit=kind.unit or None).reading == kind.name


def test_an_unknown_reading_is_refused_by_name() -> None:
    assert reading_refusal(reading="crpp", value=1).startswith("reading: 'crpp' is not a reading")


@pytest.mark.parametrize("unit", [None, "", "furlong"])
def test_a_missing_or_strange_unit_is_taken_and_left_to_the_conversion(unit: str | None) -> None:
    assert reading(value=85, unit=unit).unit == unit


@pytest.mark.parametrize(("kind", "code"), [(kind.name, code) for kind in READINGS.values() for code in kind.codes])
def test_every_code_of_a_coded_reading_is_taken(kind: str, code: str) -> None:
    message = reading(reading=kind, value=code, unit=None)
    assert (message.value, message.number, message.comparator) == (code, None, "")


@pytest.mark.parametrize("kind", [kind.name for kind in READINGS.values() if kind.codes])
@pytest.mark.parametrize("value", ["sleepy", "NONE", "", 1])
def test_another_code_is_refused_with_the_codes_there_are(kind: str, value: Any) -> None:
    said = reading_refusal(reading=kind, value=value, unit=None)
    assert said == f"value: {kind} is one of {', '.join(READINGS[kind].codes)}"


@pytest.mark.parametrize("fields", [{}, {"value": None}])
def test_a_reading_needs_a_value_or_a_reason(fields: dict[str, Any]) -> None:
    assert reading_refusal(**fields) == ("value: a reading needs a value, or `absent` with the reason there is none")


@pytest.mark.parametrize("kind", ["ice", "platelets", "consciousness"])
def test_a_reading_that_was_not_done_says_why(kind: str) -> None:
    message = reading(reading=kind, unit=None, absent="asleep")
    assert (message.absent, message.value, message.number) == ("asleep", None, None)


def test_a_reading_entered_in_error_needs_no_value() -> None:
    assert reading(status="entered_in_error").number is None


@pytest.mark.parametrize("by", ["person", "cuff", "arterial_line", "monitor", "patch", "device", "laboratory"])
def test_who_or_what_found_it_is_taken(by: str) -> None:
    assert reading(value=1, by=by).by == by


def test_an_unknown_finder_is_refused() -> None:
    assert reading_refusal(value=1, by="robot").startswith("by: ")


# -- ICE and CAPD ----------------------------------------------------------------------------------


@pytest.mark.parametrize("points", range(11))
def test_every_ice_total_is_taken(points: int) -> None:
    assert reading(reading="ice", value=points, unit=None).number == points


@pytest.mark.parametrize(
    ("kind", "value"),
    [("ice", 11), ("ice", -1), ("ice", 5.5), ("ice", "<5"), ("capd", 33), ("capd", -1), ("capd", ">9")],
)
def test_a_bedside_score_is_a_whole_number_in_its_range(kind: str, value: Any) -> None:
    highest = 10 if kind == "ice" else 32
    said = reading_refusal(reading=kind, value=value, unit=None)
    assert said == f"value: {kind} is a whole number from 0 to {highest}"


def test_the_items_alone_give_their_sum() -> None:
    assert reading(reading="ice", items=ITEMS, unit=None).number == 2


def test_all_items_full_give_10() -> None:
    full = {**dict.fromkeys(ITEMS, 1), "naming": 3}
    assert reading(reading="ice", items=full, unit=None).number == 10


def test_a_total_that_agrees_with_the_items_is_taken() -> None:
    assert reading(reading="ice", value=2, items=ITEMS, unit=None).number == 2


@pytest.mark.parametrize("total", [1, 3, 10])
def test_a_total_that_disagrees_with_the_items_is_refused(total: int) -> None:
    said = reading_refusal(reading="ice", value=total, items=ITEMS, unit=None)
    assert said == f"value: the total {total} and the items' sum 2 disagree"


@pytest.mark.parametrize(
    ("item", "points"), [("naming", 4), ("naming", -1), ("year", 2), ("attention", 2), ("writing", -1)]
)
def test_an_item_gives_no_more_than_its_points(item: str, points: int) -> None:
    said = reading_refusal(reading="ice", items={**ITEMS, item: points}, unit=None)
    assert said.startswith(f"items.{item}: {points} is not within 0 to ")


def test_some_of_the_items_are_not_enough() -> None:
    assert reading_refusal(reading="ice", items={"year": 1}, unit=None).startswith("items: give all of year")


def test_an_unknown_item_is_refused() -> None:
    assert reading_refusal(reading="ice", items={**ITEMS, "floor": 1}, unit=None).startswith("items: give all of")


def test_only_ice_has_items() -> None:
    assert reading_refusal(reading="capd", items=ITEMS, unit=None) == "items: only ice has items"


# -- the other types -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_of_the_vocabulary_is_taken(name: str) -> None:
    message = read("statement", statement=name, value=False)
    assert isinstance(message, Statement)
    assert message.value is False


def test_an_unknown_statement_is_refused() -> None:
    assert refusal("statement", statement="pain", value=True).startswith("statement: 'pain' is not one of")


@pytest.mark.parametrize("drug", DRUGS)
@pytest.mark.parametrize("action", ["given", "started", "stopped"])
def test_every_drug_of_the_vocabulary_is_taken(drug: str, action: str) -> None:
    message = read("treatment", drug=drug, action=action)
    assert isinstance(message, Treatment)
    assert (message.drug, message.action, message.dose) == (drug, action, None)


def test_an_order_is_not_a_treatment() -> None:
    assert refusal("treatment", drug="tocilizumab", action="ordered").startswith("action: ")


def test_a_registration_may_know_nothing_but_the_patient() -> None:
    message = read("registration")
    assert isinstance(message, Registration)
    assert (message.infused, message.born, message.product) == (None, None, None)


def test_a_date_of_birth_is_a_date() -> None:
    message = read("registration", born="1955-05-01")
    assert isinstance(message, Registration)
    assert message.born == date(1955, 5, 1)


def test_a_time_of_infusion_needs_its_offset() -> None:
    assert refusal("registration", infused="2024-06-12T10:00:00").startswith("infused: write the offset")


@pytest.mark.parametrize("outcome", ["sent", "undeliverable"])
def test_every_outcome_of_a_delivery_is_taken(outcome: str) -> None:
    assert read("receipt", page="p1", channel="phone-1", outcome=outcome).type == "receipt"


@pytest.mark.parametrize(
    ("type_", "field"), [("acknowledgement", "by"), ("silence", "why"), ("silence", "until"), ("closure", "by")]
)
def test_who_acts_on_an_episode_says_who_and_why(type_: str, field: str) -> None:
    fields = {name: value for name, value in OF_EACH_TYPE[type_].items() if name != field}
    assert refusal(type_, **fields) == f"{field}: missing"


@pytest.mark.parametrize("year", ["0001", "1899", "2201", "9999"])
def test_a_time_that_no_patient_lives_in_is_refused(year: str) -> None:
    said = reading_refusal(value=1, effective=f"{year}-06-15T06:00:00+02:00")
    assert said.startswith("effective: the year must lie from 1900 to 2200")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("HAEM-2\nCRS 4", "HAEM-2\\nCRS 4"),
        ("HAEM\u202e2", "HAEM\\u202e2"),
        ("HAEM\x1b[2J", "HAEM\\x1b[2J"),
        ("HAEM\xa02", "HAEM\\xa02"),
        ("reparto à è", "reparto à è"),
    ],
)
def test_what_nobody_sees_in_a_name_is_written_out(sent: str, shown: str) -> None:
    message = read("registration", ward=sent)
    assert isinstance(message, Registration)
    assert message.ward == shown
    assert read_message(message.model_dump_json(exclude_none=True)) == message


def test_two_ids_that_look_alike_do_not() -> None:
    assert read("registration", patient="P1\u200b").patient == "P1\\u200b"


def test_an_id_too_long_once_it_is_written_out_is_refused() -> None:
    why = refusal("registration", patient="P" + "\u200b" * 50)
    assert why == "patient: more than 200 characters once its invisible ones are written out"


def test_line_ends_of_what_a_person_typed_are_spaces() -> None:
    assert read("note", text="looks ill\r\nsleeps\u202e").model_dump()["text"] == "looks ill sleeps\\u202e"


def test_a_unit_is_shown_in_one_line() -> None:
    assert reading(value="85", unit="mg\n/L").unit == "mg\\n/L"
