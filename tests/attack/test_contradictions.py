"""A contradiction never silences: an infusion still to come, a statement against what was measured after it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from alerts.chart.charting import UNNAMED
from alerts.state import PatientState
from tests.support.hospital import Body, Hospital, crs2, eventually, iso, reading, registration
from tests.support.wording import english
from worker.standalone.supervisor import Supervised

pytestmark = pytest.mark.server

WITHIN = 30.0
"""Seconds in which a page arrives at all; without the mending it never does."""


@pytest.fixture(scope="module")
def worker(hospital: Hospital) -> Iterator[Supervised]:
    """One worker for every queue."""
    with hospital.workers(1) as running:
        yield running


def shock(patient: str, at: datetime) -> list[Body]:
    """Fever, a pressure of 70, a saturation of 85, and norepinephrine."""
    started = {"type": "treatment", "id": f"n {patient}", "source": "ehr", "patient": patient}
    started |= {"effective": iso(at), "drug": "norepinephrine", "action": "started"}
    signs = {"temperature": "39.2", "systolic_bp": 70, "spo2": 85}
    return [*(reading(kind, value, patient, at) for kind, value in signs.items()), started]


def said(statement: str, value: bool, patient: str, at: datetime) -> Body:
    body = {"type": "statement", "id": f"{statement} {at}", "source": "ehr", "patient": patient, "effective": iso(at)}
    return body | {"statement": statement, "value": value, "by": "N. N."}


def states(hospital: Hospital, patient: str) -> list[PatientState]:
    return [state for state in hospital.store.states() if state.patient == patient]


def others_are_paged(hospital: Hospital, name: str) -> None:
    """Another patient falls ill meanwhile, and is paged."""
    hospital.client.send(crs2(f"other {name}"))
    eventually(lambda: hospital.paged("CRS", f"other {name}"), "the other patient is paged", WITHIN)


@pytest.mark.usefixtures("worker")
def test_an_infusion_20_days_ahead_hides_nobody(hospital: Hospital) -> None:
    at = datetime.now(UTC)
    hospital.client.send([registration("ahead", at, infused=iso(at + timedelta(days=20))), *shock("ahead", at)])
    others_are_paged(hospital, "ahead")
    eventually(lambda: hospital.paged("before infusion: would be CRS 3", "ahead"), "the patient is paged", WITHIN)
    (page,) = [event for event in hospital.events("page") if event["patient"] == "ahead"]
    assert page["urgency"] == "high"


@pytest.mark.usefixtures("worker")
def test_an_infusion_moved_ahead_of_an_open_episode_hides_nobody(hospital: Hospital) -> None:
    at = datetime.now(UTC)
    hospital.client.send(crs2("moved", at))
    eventually(lambda: hospital.paged("CRS 2", "moved"), "the patient is paged", WITHIN)
    later = datetime.now(UTC)
    moved = registration("moved", later, infused=iso(later + timedelta(days=20))) | {"id": "r moved again"}
    hospital.client.send([moved])
    others_are_paged(hospital, "moved")
    eventually(lambda: hospital.paged("before infusion: would be CRS 2", "moved"), "that is paged", WITHIN)
    eventually(lambda: hospital.paged("CRS 2 withdrawn", "moved"), "the ending is notified", WITHIN)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("statement", "value"), [("hypotension", False), ("hypotension_other_cause", True), ("fever_other_cause", True)]
)
def test_no_statement_stands_against_what_is_worse_after_it(hospital: Hospital, statement: str, value: bool) -> None:
    bed = f"{statement} stated"
    at = datetime.now(UTC) - timedelta(minutes=5)
    hospital.client.send([registration(bed, at), said(statement, value, bed, at)])
    eventually(lambda: any(state.chart.entries for state in states(hospital, bed)), "the statement is charted", WITHIN)
    hospital.client.send([reading("temperature", "38.9", bed, at), reading("systolic_bp", 84, bed, at)])
    others_are_paged(hospital, statement)
    assert not hospital.paged("CRS 2", bed)
    now = datetime.now(UTC)
    hospital.client.send([reading("systolic_bp", 60, bed, now), reading("diastolic_bp", 30, bed, now)])
    eventually(lambda: hospital.paged("CRS 2", bed), "the pressure is paged", WITHIN)
    page = next(page for page in hospital.phone.received if "CRS 2" in page.title and bed in page.title)
    assert "says N. N." in page.body
    assert "ended by systolic pressure 60 mmHg" in page.body


@pytest.mark.usefixtures("worker")
def test_a_statement_that_names_nobody_counts_for_nothing_by_way_of_celery_too(hospital: Hospital) -> None:
    at = datetime.now(UTC)
    nobody = {name: field for name, field in said("hypotension", False, "nobody", at).items() if name != "by"}
    tasks = [nobody, *crs2("nobody", at)]
    with Celery("producer", broker=hospital.settings.broker, set_as_current=False) as app:
        app.send_task("ingest", [tasks], queue="ingest")
    eventually(lambda: hospital.paged("CRS 2", "nobody"), "the patient is paged", WITHIN)
    assert [one.why for _, one in hospital.store.dead_letters() if one.patient == "nobody"] == [english(UNNAMED)]
