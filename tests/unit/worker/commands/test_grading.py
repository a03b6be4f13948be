"""`cartwatch grade` without the command line: what is read, what is refused by name, what is answered."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alerts.message_json import BadMessage
from tests.support.stored_ward import NOW, SITE, Body, crs2, reading, registration
from worker.commands.grading import grade_case, read_case


def line(*messages: Body, **more: Any) -> str:
    return json.dumps({"id": 1, "at": NOW.isoformat(), "messages": list(messages)} | more)


def refusal(text: str | bytes) -> str:
    with pytest.raises(BadMessage) as caught:
        read_case(text)
    return str(caught.value)


def graded(*messages: Body, **more: Any) -> dict[str, Any]:
    answer = grade_case(read_case(line(*messages, **more)), SITE)
    assert json.loads(json.dumps(answer)) == answer, "everything in the answer is JSON"
    return answer


# -- reading ---------------------------------------------------------------------------------------


def test_a_case_is_read_with_its_messages() -> None:
    asked = read_case(line(*crs2(), id="case 1"))
    assert (asked.case.id, asked.case.at) == ("case 1", NOW)
    assert [message.id for message in asked.messages] == [body["id"] for body in crs2()]
    assert asked.unread == ()


@pytest.mark.parametrize("text", ["{", "", "[]", b"\xff\xfe", "[" * 1000])
def test_what_is_no_case_is_refused(text: str | bytes) -> None:
    assert refusal(text)


@pytest.mark.parametrize("field", ["id", "at", "messages"])
def test_a_missing_field_of_the_line_is_named(field: str) -> None:
    body = json.loads(line())
    del body[field]
    assert refusal(json.dumps(body)) == f"{field}: missing"


def test_an_unknown_field_of_the_line_is_named() -> None:
    assert refusal(line(patient="P1")) == "patient: unknown field; remove it or correct its name"


def test_a_time_without_an_offset_is_refused_by_name() -> None:
    assert refusal(line(at="2024-06-14T08:00:00")).startswith("at: write the offset from UTC")


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_outside_the_calendar_is_refused_by_name(at: str) -> None:
    assert refusal(line(at=at)) == "at: this time lies outside the calendar"


def unread(*messages: Any) -> list[str]:
    """What is said of the messages that cannot be read."""
    return [item.why for item in read_case(line(*messages)).unread]


def test_a_wrong_message_is_named_by_its_place_and_its_field() -> None:
    wrong = {name: value for name, value in reading("crp", 85).items() if name != "effective"}
    assert unread(registration(), wrong) == ["messages[1].effective: missing"]


def test_every_wrong_field_of_every_message_is_named() -> None:
    first = {name: value for name, value in registration().items() if name not in ("id", "patient")}
    second = reading("crp", "1e15", color="red")
    said = "; ".join(unread(first, second)).split("; messages")
    assert [part.partition(":")[0].removeprefix("messages") for part in said] == ["[0].id", "[0].patient", "[1].color"]


def test_a_reason_with_a_semicolon_in_it_is_not_taken_for_another_field() -> None:
    [said] = unread({"id": "m1"})
    assert said.startswith("messages[0].type: missing; write one of registration, ")
    assert said.count("messages[") == 1
    [unknown] = unread(reading("color", 1))
    assert unknown.count("messages[") == 1


@pytest.mark.parametrize("item", [1, None, "reading", []])
def test_what_is_no_message_at_all_is_named_by_its_place(item: object) -> None:
    [said] = unread(item)
    assert said.startswith("messages[0]: ")


def test_messages_of_two_patients_are_refused_with_their_names() -> None:
    said = refusal(line(registration("P2"), reading("crp", 85, "P1")))
    assert said == "messages: of one patient only, these name P1, P2"


# -- answering -------------------------------------------------------------------------------------


def test_fever_and_low_pressure_are_crs_2() -> None:
    answer = graded(*crs2())
    crs = answer["results"]["crs"]
    assert (answer["id"], crs["grade"], crs["provisional"]) == (1, 2, True)
    assert "spo2" in crs["missing"]
    assert {item["reading"]: item["value"] for item in crs["evidence"]} == {"temperature": "38.9", "systolic_bp": "84"}


def test_the_shape_of_the_answer_stands() -> None:
    results = graded()["results"]
    assert set(results["crs"]) >= {"grade", "provisional", "because", "missing"}
    assert set(results["icans"]) >= {"grade", "provisional", "because", "missing"}
    assert "score" in results["ice"]
    assert set(results["ctcae"]) >= {
        "version",
        "anemia",
        "platelets",
        "neutrophils",
        "white_cells",
        "lymphocytes",
        "febrile_neutropenia",
    }
    assert "5" in results["ctcae"]["version"]
    for score in ("easix", "s_easix", "m_easix"):
        assert set(results[score]) >= {"value", "log2"}
    assert set(results["hematotox"]) >= {"score", "risk"}


def test_without_readings_everything_is_undetermined_and_nothing_is_zero() -> None:
    results = graded()["results"]
    assert [results[name]["grade"] for name in ("crs", "icans")] == [None, None]
    assert results["ice"]["score"] is None
    assert {results["ctcae"][term]["grade"] for term in results["ctcae"] if term != "version"} == {None}
    assert [results[name]["value"] for name in ("easix", "s_easix", "m_easix")] == [None] * 3
    assert results["hematotox"]["score"] is None
    assert results["crs"]["missing"]


@pytest.mark.parametrize("unit", [None, "furlong"])
def test_a_number_without_a_known_unit_is_shown_as_unused_and_never_computed_with(unit: str | None) -> None:
    bad = reading("temperature", "38.9", unit=unit)
    answer = graded(registration(), bad)
    assert answer["results"]["crs"]["grade"] is None
    [unused] = answer["unused"]
    assert (unused["id"], unused["source"]) == (bad["id"], "monitor-7")
    assert "unit" in unused["why"]


def test_a_message_that_cannot_be_read_is_listed_and_takes_no_neighbour_with_it() -> None:
    items = {"year": 1, "month": 1, "city": 1, "hospital": 1, "naming": 3, "command": 1, "writing": 1, "attention": 1}
    ice = reading("ice", 4, id="i1", unit=None, items=items)
    answer = graded(*crs2(), ice, {"type": "telegram"})
    assert (answer["results"]["crs"]["grade"], answer["results"]["ice"]["score"]) == (2, None)
    disagree, telegram = answer["unused"]
    place = len(crs2())
    assert disagree == {
        "id": "i1",
        "source": "monitor-7",
        "why": f"messages[{place}].value: the total 4 and the items' sum 10 disagree",
    }
    assert (telegram["id"], telegram["source"]) == (None, None)
    assert telegram["why"].startswith(f"messages[{place + 1}].type: not one of ")


def test_a_value_far_from_the_usual_is_used_and_flagged_on_what_rests_on_it() -> None:
    results = graded(registration(), reading("temperature", 42))["results"]
    remark = "temperature 42.0 °C: unusual, check it"
    assert (results["crs"]["grade"], results["ctcae"]["fever"]["grade"]) == (1, 3)
    assert remark in results["crs"]["flags"]
    assert remark in results["ctcae"]["fever"]["flags"]
    assert remark not in results["ctcae"]["platelets"]["flags"]


def test_m_easix_says_what_it_was() -> None:
    def set_of(crp: str, hours: int) -> list[Body]:
        at = NOW - timedelta(hours=hours)
        values = {"ldh": "320", "crp": crp, "platelets": "45"}
        return [reading(kind, value, at=at, unit=None) | UNITS[kind] for kind, value in values.items()]

    m_easix = graded(registration(), *set_of("40", 24), *set_of("85", 0))["results"]["m_easix"]
    assert round(m_easix["previous"]["value"], 2) == 28.44
    assert m_easix["previous"]["at"] == (NOW - timedelta(hours=24)).astimezone(UTC).isoformat(timespec="seconds")
    assert "previous" not in graded(registration(), *set_of("85", 0))["results"]["m_easix"]


UNITS = {"ldh": {"unit": "U/L"}, "crp": {"unit": "mg/L"}, "platelets": {"unit": "10*9/L"}}


def test_a_reading_after_the_time_asked_for_does_not_count() -> None:
    answer = graded(*crs2(at=NOW + timedelta(minutes=4)))
    assert answer["results"]["crs"]["grade"] is None


def test_the_order_of_the_messages_does_not_matter() -> None:
    assert graded(*crs2()) == graded(*reversed(crs2()))


def test_what_happened_before_counts_though_it_is_no_longer_so() -> None:
    """A fever yesterday and tocilizumab since: CRS goes on without a fever now."""
    yesterday = NOW - timedelta(hours=20)
    dose = {"type": "treatment", "id": "t1", "source": "emar", "patient": "P1", "drug": "tocilizumab"}
    dose |= {"effective": (yesterday + timedelta(hours=1)).isoformat(), "action": "given", "dose": "480", "unit": "mg"}
    now = [reading("temperature", "36.8"), reading("systolic_bp", 84), reading("spo2", 97, unit="%")]
    answer = graded(registration(at=yesterday), *crs2(at=yesterday)[1:], dose, *now)
    assert answer["results"]["crs"]["grade"] == 2


def test_a_value_converted_on_the_way_in_is_graded_in_its_canonical_unit() -> None:
    answer = graded(registration(), reading("temperature", "102.2", unit="[degF]"))
    [evidence] = answer["results"]["crs"]["evidence"][:1]
    assert Decimal(evidence["value"]).quantize(Decimal("0.1")) == Decimal("39.0")


def test_times_are_answered_in_utc_to_the_second() -> None:
    answer = graded(*crs2(), at="2024-06-14T10:00:00+02:00")
    times = {item["effective"] for item in answer["results"]["crs"]["evidence"]}
    assert times == {datetime(2024, 6, 14, 8, 0, tzinfo=UTC).isoformat()}
