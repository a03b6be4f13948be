"""The published case from admission to discharge: every page, every grade, with each page answered after 4 minutes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.assessment.dose_ledger import ledger
from alerts.message_json import read_message
from config.site import DEFAULTS
from tests.support.ward import WORKLIST, Ward

PATIENT = "REF-1"
ON_CALL = "haematologist-1"
LINES = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def case() -> Ward:
    ward = Ward(day=-8)
    ward.play([read_message(line) for line in LINES], answer_after=timedelta(minutes=4))
    return ward


def course(case: Ward, system: str) -> list[tuple[int, object]]:
    """Each change of a grade: the day and what it became."""
    return [
        (event["day"], event["grade"] if event["applicable"] else "not applicable")
        for event in case.events
        if event["kind"] == "grade" and event["system"] == system
    ]


def by_the_end_of(case: Ward, system: str, day: int) -> object:
    return [grade for on, grade in course(case, system) if on <= day][-1]


def worst(case: Ward, system: str) -> object:
    return max(grade for _, grade in course(case, system) if isinstance(grade, int))


def test_the_case_pages_these_and_no_others(case: Ward) -> None:
    notified = [page for page in case.pages if page.to != WORKLIST and page.reason != "still_on_it"]
    assert [(page.day, page.urgency, page.condition, page.reason) for page in notified] == [
        (1, "medium", "crs", "new"),
        (2, "high", "crs", "worse"),
        (5, "high", "crs", "recurrent"),
        (5, "critical", "icans", "new"),
        (7, "medium", "cytopenia", "new"),
        (8, "low", "crs", "resolved"),
        (8, "low", "icans", "resolved"),
        (9, "medium", "cytopenia", "worse"),
    ]


def test_the_worklist_is_notified_of_car_hematotox_and_m_easix_once_each(case: Ward) -> None:
    for condition, day in (("hematotox", -7), ("m_easix", 3)):
        (page,) = case.listed(condition)
        assert (page.urgency, page.reason, page.day) == ("low", "new", day)


def test_while_steroids_are_charted_nobody_is_asked_whether_they_are_still_on_it(case: Ward) -> None:
    assert [page for page in case.pages if page.reason == "still_on_it"] == []


@pytest.mark.parametrize("minutes", [4, 5])
def test_the_whole_stay_pages_12_times_at_most(minutes: int) -> None:
    ward = Ward(day=-8)
    ward.play([read_message(line) for line in LINES], answer_after=timedelta(minutes=minutes))
    assert 0 < len(ward.pages) <= 12


def test_a_doctor_who_answers_within_4_minutes_is_the_only_person_disturbed(case: Ward) -> None:
    assert {page.to for page in case.pages} == {ON_CALL, WORKLIST}


def test_nothing_of_the_case_is_rejected(case: Ward) -> None:
    assert case.dead_letters == []


def test_every_page_of_the_case_has_an_id_of_its_own(case: Ward) -> None:
    assert len({page.id for page in case.pages}) == len(case.pages)


def test_on_day_2_the_page_says_fever_plus_hypotension(case: Ward) -> None:
    (page,) = [page for page in case.pages if page.day == 2]
    assert "CRS 2" in page.title
    assert "tocilizumab 8 mg/kg" in page.text


def test_on_day_5_one_page_reports_the_relapse_and_the_falling_ice(case: Ward) -> None:
    page = next(page for page in case.pages if page.urgency == "critical")
    assert "ICANS 3, CRS 2" in page.title
    assert "ICE fell by 9, from 10 to 1" in page.text
    assert "tocilizumab 2 of 4 doses" in page.text
    assert "fever not required" in page.text


def test_crs_takes_its_course(case: Ward) -> None:
    assert course(case, "crs") == [(-7, "not applicable"), (0, 0), (1, 1), (2, 2), (2, 1), (2, 0), (5, 2), (7, 0)]


def test_icans_takes_its_course(case: Ward) -> None:
    assert course(case, "icans") == [(-7, "not applicable"), (0, 0), (5, 3), (5, 2), (6, 1), (8, 0)]


@pytest.mark.parametrize(
    ("term", "grade"), [("anemia", 4), ("platelets", 4), ("neutrophils", 4), ("febrile_neutropenia", 0)]
)
def test_the_worst_counts_of_the_stay(case: Ward, term: str, grade: int) -> None:
    assert worst(case, f"ctcae.{term}") == grade


@pytest.mark.parametrize(("term", "grade"), [("anemia", 2), ("platelets", 3), ("neutrophils", 0)])
def test_the_counts_at_discharge(case: Ward, term: str, grade: int) -> None:
    assert by_the_end_of(case, f"ctcae.{term}", 15) == grade


def test_m_easix_on_day_3_is_over_the_threshold(case: Ward) -> None:
    values = [event["value"] for event in case.events if event.get("system") == "m_easix" and event["day"] == 3]
    assert values == [61.2]


def test_car_hematotox_is_high_with_3_points(case: Ward) -> None:
    scores = [(event["score"], event["risk"]) for event in case.events if event.get("system") == "hematotox"]
    assert scores[-1] == (3, "high")


def test_the_doses_are_counted(case: Ward) -> None:
    given = ledger(case.state(PATIENT).chart, case.now, case.site)
    assert (given.tocilizumab, given.dexamethasone_mg) == (2, Decimal(170))


def test_after_the_discharge_nothing_is_open_and_nobody_is_notified(case: Ward) -> None:
    state = case.state(PATIENT)
    assert state.discharged_at is not None
    assert state.episodes == {}
    assert max(page.at for page in case.pages) < state.discharged_at
