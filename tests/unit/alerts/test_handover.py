"""The handover sheet: who is on call next; of each patient what is open, owed, left and overdue; in both languages."""

from datetime import timedelta

import pytest

from alerts.handover import HandoverSheet, handover_sheet, lines
from config.rota import Override, Role
from config.site import Site
from tests.support.ward import PATIENT, SITE, Ward


@pytest.fixture
def night() -> Ward:
    """A patient with CRS 2 at night, whom somebody has."""
    ward = Ward(day=2, clock="22:00")
    ward.admit()
    ward.jump(minutes=1)
    ward.send(*ward.vitals(temp=38.9, sbp=84))
    return ward


def sheet(ward: Ward, site: Site = SITE, language: str = "en") -> HandoverSheet:
    return handover_sheet(ward.states.values(), ward.now, site, language)


def test_an_episode_is_owed_until_somebody_has_it(night: Ward) -> None:
    [page, *_] = [page for page in night.pages if page.condition == "crs"]
    assert sheet(night).owed > 0
    [patient] = sheet(night).patients
    assert (patient.patient, patient.day) == (PATIENT, 2)
    assert "CRS 2" in patient.grades.replace("≥", "")
    assert "Nobody has it yet, next asked " in patient.episodes[0]
    night.ack(page)
    assert sheet(night).owed == 0, "the page reported every open episode"
    assert "Haematologist on call has it since " in sheet(night).patients[0].episodes[0]


def test_the_doses_that_are_left_stand_there(night: Ward) -> None:
    before = sheet(night).patients[0].doses
    assert before[0].startswith("tocilizumab 0 of ")
    night.send(night.give("tocilizumab", 480, "mg"))
    after = sheet(night).patients[0].doses
    assert after[0].startswith("tocilizumab 1 of ")
    assert "doses of tocilizumab left, the next from " in after[1]


def test_what_is_older_than_the_schedule_allows_is_overdue(night: Ward) -> None:
    assert "temperature" not in sheet(night).patients[0].overdue
    night.sleep(hours=9)
    assert sheet(night).patients[0].overdue.startswith("overdue: temperature, systolic pressure")


def test_who_is_on_call_next_stands_there_with_the_time(night: Ward) -> None:
    start = night.now.replace(tzinfo=None) + timedelta(hours=10)
    until = start + timedelta(hours=12)
    override = Override.model_validate({"from": start, "until": until, "people": ["haematologist-2"], "why": "swap"})
    roles = {"first": Role(always=("haematologist-1",), overrides=(override,))}
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"roles": roles}))
    [duty] = sheet(night, site).duties
    people = SITE.on_call.people
    assert (duty.now, duty.then) == (people["haematologist-1"].name, people["haematologist-2"].name)
    shown = "\n".join(lines(sheet(night, site), "en"))
    assert f"first: {duty.now}, from {duty.at} {duty.then}" in shown


def test_who_was_discharged_does_not_stand_there(night: Ward) -> None:
    night.discharge()
    assert sheet(night).patients == ()


def test_it_is_in_the_language_of_its_reader(night: Ward) -> None:
    night.sleep(hours=9)
    shown = "\n".join(lines(sheet(night, language="it"), "it"))
    assert "Consegna, " in shown
    assert "Nessuno" in shown
    assert "da rilevare in ritardo: " in shown
    assert "has it" not in shown
