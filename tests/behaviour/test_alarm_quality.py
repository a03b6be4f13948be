"""What the rules page on a small seeded cohort whose truth is known: nothing charted is missed, the burden is bounded.

The aims are those of docs/evidence/alarms.md. A bound here is what was measured and some room; whoever changes a rule
for fewer pages lowers it.
"""

from zoneinfo import ZoneInfo

import pytest

from config.site import load_site
from worker.quality.answers import DEFAULT, parse_answer
from worker.quality.cohort import CohortPlan, PatientTruth, decoded, simulate
from worker.quality.evaluation import measured
from worker.quality.measures import Measures
from worker.quality.policies import NEWS2_5, OURS, StayOutcome, outcome
from worker.quality.stream import Stay, read

PATIENTS = 8
OFTEN = 5
"""Onsets that rang of themselves. One within an episode that rests counts as paged before, though it pages again."""

LATE_AT_MOST = 2
PAGES_PER_PATIENT_DAY = 1.25
URGENT_PER_PATIENT_DAY = 0.7
GROUNDLESS_PER_PATIENT_DAY = 0.12
NIGHTLY = 6.3


@pytest.fixture(scope="module")
def policies() -> dict[str, Measures]:
    plan, site, answers = CohortPlan("axi-cel", "ward", 10, 5), load_site(), parse_answer(DEFAULT)
    outcomes: list[StayOutcome] = []
    truths: dict[str, PatientTruth] = {}
    for number in range(PATIENTS):
        lines, truth = simulate(plan, number)
        (known,) = decoded([truth])
        found = read(Stay(known.patient, lines))
        truths[known.patient] = known
        outcomes.append(outcome(known.patient, found.messages, found.unread, site, answers, 1, more=True))
    assert site.zone == ZoneInfo("Europe/Rome")
    return measured(outcomes, truths, site)


@pytest.fixture(scope="module")
def measures(policies: dict[str, Measures]) -> Measures:
    return policies[OURS]


def test_no_charted_onset_of_any_grade_is_missed(measures: Measures) -> None:
    assert sum(one.charted for one in measures.conditions) > 30
    assert [patient for one in measures.conditions for patient in one.unpaged] == []


def test_an_onset_is_paged_within_a_minute_of_its_charting_and_seldom_later(measures: Measures) -> None:
    often = [one.from_charting for one in measures.conditions if one.paged - one.already >= OFTEN]
    assert len(often) >= 3
    assert [found.median for found in often if found is not None and found.median >= 1] == []
    assert sum(one.late for one in measures.conditions) <= LATE_AT_MOST


def test_the_burden_is_no_larger_than_it_was(measures: Measures) -> None:
    assert measures.burden.per_day() <= PAGES_PER_PATIENT_DAY
    assert measures.burden.urgent_per_day <= URGENT_PER_PATIENT_DAY
    assert measures.groundless_per_day <= GROUNDLESS_PER_PATIENT_DAY
    assert measures.burden.nightly("haematologist-1") <= NIGHTLY


def test_first_pages_are_fewer_than_the_alerts_of_news2_which_misses_onsets(policies: dict[str, Measures]) -> None:
    ours, news2 = policies[OURS], policies[NEWS2_5]
    assert ours.burden.first <= news2.burden.first
    assert sum(one.missed for one in news2.conditions) >= 3
    assert sum(one.missed for one in ours.conditions) == 0
