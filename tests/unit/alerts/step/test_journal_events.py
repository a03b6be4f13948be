"""Journal lines: plain JSON objects that say what changed."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alerts.assessment.assessment import assess
from alerts.episodes import lifecycle
from alerts.episodes.episode import Episode
from alerts.episodes.lifecycle import apply_finding
from alerts.pages.page import Page
from alerts.pages.title import Title
from alerts.rules.finding import Finding
from alerts.state import PatientState
from alerts.step.journal_events import answer_event, closed_event, grade_event, local, page_event, plain
from alerts.wording.phrase import Phrase
from tests.support.charts import NOW, SITE, Item, chart, day, reading

WATCH = PatientState(patient="P1")


def event(system: str, *items: Item, was: str | None = None) -> dict[str, Any]:
    assessment = assess(chart(*items), NOW, SITE)
    return grade_event("P1", system, assessment.grades()[system], was, assessment, SITE, id="g1")


def episode() -> Episode:
    said = Finding(condition="crs", level=2, urgency="high", title=Phrase("CRS grade 2"))
    opened = apply_finding("P1", None, None, said, NOW, NOW, timedelta(hours=6)).episode
    assert opened is not None
    return opened


def test_a_time_is_written_with_the_hospitals_offset() -> None:
    assert local(NOW, SITE) == "2024-06-17T10:00:00+02:00"
    assert local(NOW.replace(month=1), SITE) == "2024-01-17T09:00:00+01:00"


@pytest.mark.parametrize(
    ("number", "shown"), [(None, None), (Decimal(61), 61.0), (Decimal(1) / Decimal(3), 0.333333333333)]
)
def test_a_decimal_is_a_number_of_at_most_12_digits(number: Decimal | None, shown: float | None) -> None:
    assert plain(number) == shown


def test_a_grade_that_changed() -> None:
    found = event("crs", reading("temperature", "38.5", NOW), reading("systolic_bp", 84, NOW), was="1")
    assert found["kind"] == "grade"
    assert (found["at"], found["patient"], found["day"]) == ("2024-06-17T10:00:00+02:00", "P1", 5)
    assert (found["system"], found["version"]) == ("crs", "ASTCT 2019")
    assert (found["grade"], found["was"], found["provisional"]) == (2, 1, True)
    assert "fever 38.5 °C (>= 38.0)" in found["because"]
    assert "vasopressor" in found["missing"]


def test_a_grade_names_the_messages_it_rests_on_and_the_conventions() -> None:
    found = event("crs", reading("temperature", "38.5", NOW, id="t1"), reading("systolic_bp", 84, NOW, id="p1"))
    assert (found["id"], found["status"]) == ("g1", "final")
    assert {"kind": "temperature", "source": "ward", "id": "t1", "at": "2024-06-17T10:00:00+02:00"} in found["evidence"]
    assert {item["id"] for item in found["evidence"]} >= {"t1", "p1"}
    assert found["conventions"] == ["crs.hypotension_systolic"]


def test_a_grade_that_is_undetermined_is_null_and_never_0() -> None:
    found = event("crs", was="1")
    assert found["grade"] is None
    assert (found["was"], found["missing"]) == (1, ["temperature"])


def test_a_grade_given_for_the_first_time_was_nothing() -> None:
    assert event("icans", reading("ice", 9, NOW))["was"] is None


def test_points_carry_their_risk() -> None:
    found = event("ice", reading("ice", 7, NOW), was="10")
    assert (found["score"], found["was"]) == (7, 10)
    assert "risk" in found


def test_a_score_carries_value_logarithm_and_bound() -> None:
    sample = (reading("ldh", 320, day(3)), reading("crp", 85, day(3)), reading("platelets", 45, day(3)))
    found = event("m_easix", *sample)
    assert (found["value"], found["log2"], found["bound"]) == (60.4444444444, 5.917538, "")
    assert found["bound_value"] is None


def test_a_score_of_which_only_a_bound_is_known_carries_that() -> None:
    sample = (reading("ldh", "<100", NOW), reading("crp", 97, NOW), reading("platelets", 50, NOW))
    found = event("m_easix", *sample)
    assert (found["value"], found["bound"], found["bound_value"]) == (None, "<", 19.4)


def test_a_page_stands_in_the_journal_as_it_was_written() -> None:
    page = Page(
        id="e.1",
        patient="P1",
        at=NOW,
        day=5,
        episode="e",
        episodes=("e", "f"),
        condition="crs",
        urgency="high",
        reason="new",
        to="haematologist-1",
        channel="phone-1",
        heading=Title("[HIGH]"),
        levels=(("crs", 2),),
        text="CRS",
    )
    assert page_event(page, SITE) == {
        "at": "2024-06-17T10:00:00+02:00",
        "kind": "page",
        "patient": "P1",
        "day": 5,
        "page": "e.1",
        "episode": "e",
        "episodes": ["e", "f"],
        "condition": "crs",
        "levels": {"crs": 2},
        "urgency": "high",
        "reason": "new",
        "to": "haematologist-1",
        "channel": "phone-1",
        "title": "[HIGH]",
        "text": "CRS",
        "evidence": [],
        "conventions": [],
        "rules": {},
    }


def test_an_acknowledgement_names_who_took_what() -> None:
    taken = lifecycle.acknowledge(episode(), "haematologist-2", NOW)
    found = answer_event("acknowledged", WATCH, taken, NOW, SITE, by="haematologist-2")
    assert (found["kind"], found["condition"], found["by"]) == ("acknowledged", "crs", "haematologist-2")
    assert (found["patient"], found["episode"]) == ("P1", taken.id)


@pytest.mark.parametrize(("reason", "by"), [("resolved", ""), ("retracted", ""), ("resolved", "haematologist-1")])
def test_an_end_names_its_reason_and_the_person_if_one_ended_it(reason: str, by: str) -> None:
    found = closed_event(WATCH, episode(), reason, NOW, SITE, by=by)
    assert (found["kind"], found["reason"], found["by"], found["condition"]) == ("closed", reason, by, "crs")


def test_every_line_is_json() -> None:
    lines = [
        event("crs", reading("temperature", "38.5", NOW)),
        event("hematotox"),
        event("m_easix"),
        answer_event("handed_over", WATCH, episode(), NOW, SITE, by="haematologist-2", to=""),
        closed_event(WATCH, episode(), "resolved", NOW, SITE),
    ]
    assert [json.loads(json.dumps(line)) for line in lines] == lines
