"""Flags of open episodes and Tasks of overdue assessments, from the first message to the end of the episode."""

from typing import Any

import pytest
from fhir.resources.R4B.flag import Flag
from fhir.resources.R4B.task import Task

from config.settings import Settings
from tests.support.exporting import Exporting
from tests.support.stored_ward import NOW, Body, crs2, reading


@pytest.fixture
def flagged(ward: Exporting) -> Exporting:
    return with_settings(ward, fhir_flags=True)


def with_settings(ward: Exporting, **changes: Any) -> Exporting:
    ward.settings = ward.settings.model_copy(update=changes)
    return ward


def flag(ward: Exporting, condition: str = "crs") -> dict[str, Any]:
    found = [one for one in ward.record.resources_of("Flag") if one["code"]["coding"][0]["code"] == condition]
    return found[-1]


def closure(ward: Exporting) -> Body:
    episode = ward.crs_page()["episode"]
    body = {"type": "closure", "id": "c1", "source": "gateway", "patient": "P1", "by": "haematologist-1", "why": "no"}
    return body | {"episode": episode, "effective": ward.clock.now().isoformat()}


def test_an_open_episode_is_an_active_flag(flagged: Exporting) -> None:
    flagged.comes(*crs2())
    episode = flagged.crs_page()["episode"]
    flagged.export()
    found = flag(flagged)
    Flag.model_validate(found)
    assert found == {
        "resourceType": "Flag",
        "identifier": [{"system": "urn:cartwatch:episode", "value": episode}],
        "status": "active",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "safety"}]}],
        "code": {
            "coding": [{"system": "urn:cartwatch:system", "code": "crs"}],
            "text": "CRS grade 2: fever plus hypotension, D+2",
        },
        "subject": {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": "P1"}},
        "period": {"start": "2024-06-14T10:00:00+02:00"},
        "author": {"display": "cartwatch"},
    }


def test_the_end_makes_it_inactive_with_its_time(flagged: Exporting) -> None:
    flagged.comes(*crs2())
    over = closure(flagged)
    flagged.export()
    flagged.clock.forward(hours=2)
    flagged.comes(over | {"effective": flagged.clock.now().isoformat()})
    flagged.export()
    found = flag(flagged)
    Flag.model_validate(found)
    assert (found["status"], found["period"]["end"]) == ("inactive", "2024-06-14T12:00:00+02:00")
    assert flagged.record.statuses(found) == ["active", "inactive"]


def test_a_worsening_changes_its_words(flagged: Exporting) -> None:
    flagged.comes(*crs2())
    flagged.export()
    flagged.clock.forward(minutes=10)
    drug = {"type": "treatment", "id": "t1", "source": "emar", "patient": "P1", "drug": "norepinephrine"}
    flagged.comes(drug | {"action": "started", "effective": flagged.clock.now().isoformat()})
    flagged.export()
    assert flag(flagged)["code"]["text"].startswith("CRS grade 3")


def test_a_correction_enters_it_in_error(flagged: Exporting) -> None:
    _, *measured = crs2()
    flagged.comes(*crs2())
    flagged.export()
    flagged.comes(*(one | {"status": "entered_in_error"} for one in measured))
    flagged.export()
    assert flag(flagged)["status"] == "entered-in-error"


def test_what_changes_nothing_of_it_is_not_sent(flagged: Exporting) -> None:
    flagged.comes(*crs2())
    flagged.export()
    at = flagged.clock.forward(minutes=1)
    flagged.comes(reading("temperature", "38.8", at=at))
    assert [item for item in flagged.items() if item["kind"] == "episode" and item["condition"] == "crs"] == []


@pytest.mark.parametrize("kinds", [{}, {"fhir_tasks": True}])
def test_without_being_asked_for_there_is_none(ward: Exporting, kinds: dict[str, bool]) -> None:
    with_settings(ward, **kinds).comes(*crs2())
    ward.export()
    assert ward.record.resources_of("Flag") == []
    assert ward.record.resources_of("Observation") != []


def test_a_minimal_flag_names_neither_finding_nor_grade(flagged: Exporting) -> None:
    with_settings(flagged, fhir_detail="minimal").comes(*crs2())
    flagged.export()
    for found in flagged.record.resources_of("Flag"):
        assert found["code"] == {"text": f"cartwatch episode {found['identifier'][0]['value']}"}


def test_an_overdue_assessment_is_a_task_until_it_is_done(ward: Exporting) -> None:
    with_settings(ward, fhir_flags=True, fhir_tasks=True).comes(*crs2(), reading("ice", 10, at=NOW))
    at = ward.clock.forward(hours=40)
    ward.comes(reading("temperature", "37.0", at=at))
    ward.export()
    owed = {one["code"]["coding"][0]["code"]: one for one in ward.record.resources_of("Task")}
    task = owed["overdue_ice"]
    Task.model_validate(task)
    assert (task["status"], task["intent"], task["for"]["identifier"]["value"]) == ("requested", "order", "P1")
    assert not [one for one in ward.record.resources_of("Flag") if "overdue" in one["code"]["coding"][0]["code"]]
    at = ward.clock.forward(minutes=5)
    ward.comes(reading("ice", 10, at=at))
    ward.export()
    assert ward.record.statuses(task) == ["requested", "completed"]


def test_a_refused_task_is_listed_with_its_patient(ward: Exporting) -> None:
    from worker.fhir_export.refused import refused

    with_settings(ward, fhir_tasks=True)
    ward.record.refuses = lambda resource: resource["resourceType"] == "Task"
    ward.comes(*crs2(), reading("ice", 10, at=NOW))
    at = ward.clock.forward(hours=40)
    ward.comes(reading("temperature", "37.0", at=at))
    while ward.export():
        pass
    assert {record.patient for record in refused(ward.store)} == {"P1"}


def test_settings_say_what_is_exported() -> None:
    assert (Settings().fhir_flags, Settings().fhir_tasks) == (False, False)
