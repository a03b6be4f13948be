"""Each measure on a stream of a few pages, with the answer counted by hand.

The patient: CRS >= 1 from 10:00 on the 12th to 10:00 on the 13th, CRS >= 2 from 14:00 to 20:00, charted at 10:30 and
14:20. ICANS never. Vital signs measured at 10:30, 14:20, 18:30. Watched for two days.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from worker.quality.cohort import PatientTruth, TrueOnset
from worker.quality.drive import Closed, CountedPage
from worker.quality.measures import ConditionMeasure, Delays, Measures, grounded, measure
from worker.quality.policies import ANY, NEWS2_5, OURS, StayOutcome

ROME = ZoneInfo("Europe/Rome")
BEGINS = datetime(2024, 6, 12, tzinfo=ROME)


def at(hours: float) -> datetime:
    """Hours after midnight of the 12th."""
    return BEGINS + timedelta(hours=hours)


def hourly(**spans: tuple[int, int]) -> list[int]:
    """The worst grade of each of 48 hours; `g2=(14, 20)`: grade 2 from 14:00 to 20:00."""
    grades = [0] * 48
    for name, (start, end) in sorted(spans.items()):
        grades[start:end] = [int(name[1:])] * (end - start)
    return grades


TRUTH = PatientTruth(
    patient="P",
    product="cohort",
    begins=BEGINS,
    crs=hourly(g1=(10, 34), g2=(14, 20)),
    signs=hourly(g1=(10, 34), g2=(14, 20)),
    icans=hourly(),
    temperature=[36.5] * 48,
    neutrophils=[0.1] * 48,
    vitals=[630, 860, 1110],
    ice=[480],
    onsets=[
        TrueOnset("crs", 1, at(10), at(34), at(10.5)),
        TrueOnset("crs", 2, at(14), at(20), at(14 + 1 / 3)),
    ],
)


def page(hours: float, condition: str = "crs", level: int = 1, **fields: Any) -> CountedPage:
    known = {"urgency": "medium", "reason": "new", "to": "haematologist-1"} | fields
    return CountedPage("P", at(hours), condition, {condition: level}, **known)


def outcome(*pages: CountedPage, closed: list[Closed] | None = None, policy: str = OURS) -> StayOutcome:
    return StayOutcome("P", at(0), at(48), 100, 0, 0, {policy: list(pages)}, {policy: closed or []})


def measured(*pages: CountedPage, closed: list[Closed] | None = None, policy: str = OURS) -> Measures:
    return measure(policy, [outcome(*pages, closed=closed, policy=policy)], {"P": TRUTH}, ROME)


def crs(grade: int, *pages: CountedPage, **named: Any) -> ConditionMeasure:
    return measured(*pages, **named).condition(f"crs >= {grade}")


# -- burden ------------------------------------------------------------------------------------------

DAY_AND_NIGHT = (
    page(10.5),
    page(14.5, level=2, urgency="high", reason="worse"),
    page(21, "icans", 1, urgency="critical"),
    page(21, "icans", 1, urgency="critical", to="haematologist-2"),
    page(31.9, urgency="low", reason="resolved"),
    page(32, "overdue_vitals", urgency="low", to="worklist"),
)


def test_pages_are_counted_per_patient_day_and_by_urgency() -> None:
    burden = measured(*DAY_AND_NIGHT).burden
    assert (burden.patient_days, burden.pages, burden.per_day()) == (2.0, 6, 3.0)
    assert burden.urgencies == {"critical": 2, "low": 2, "medium": 1, "high": 1}
    assert burden.urgent_per_day == 1.5
    assert burden.first == 4  # neither the end nor what only a list is notified of
    assert burden.reasons["high crs worse"] == 1
    assert burden.conditions == {"crs": 3, "icans": 2, "overdue_vitals": 1}


def test_a_night_lasts_from_20_to_8_and_is_counted_by_responder_for_a_ward_of_ten() -> None:
    burden = measured(*DAY_AND_NIGHT).burden
    assert burden.night_by_responder == {"haematologist-1": 2, "haematologist-2": 1}
    assert burden.nights == {"haematologist-1": 10.0, "haematologist-2": 5.0}


def test_without_a_truth_there_is_a_burden_only() -> None:
    found = measure(OURS, [outcome(*DAY_AND_NIGHT)], {}, ROME)
    assert found.burden.pages == 6
    assert (found.conditions, found.judged, found.longest_silence) == ([], 0, None)


# -- sensitivity and delay ---------------------------------------------------------------------------


def test_a_page_after_the_onset_counts_with_both_delays() -> None:
    found = crs(1, page(10.75))
    assert (found.onsets, found.charted, found.paged, found.missed, found.already, found.late) == (1, 1, 1, 0, 0, 0)
    assert (found.from_onset, found.from_charting) == (Delays(45, 45), Delays(15, 15))
    assert found.sensitivity == 1.0


def test_a_page_of_a_lower_grade_does_not_count_for_a_higher() -> None:
    found = crs(2, page(14.5, level=1))
    assert (found.charted, found.paged, found.missed, found.sensitivity) == (1, 0, 1, 0.0)
    assert found.unpaged == ["P 12 14:00"]


def test_a_page_of_another_condition_does_not_count() -> None:
    assert crs(1, page(11, "icans")).paged == 0


def test_a_page_more_than_an_hour_after_the_charting_is_late() -> None:
    assert crs(1, page(11.5)).late == 0
    assert crs(1, page(11.6)).late == 1


def test_a_page_counts_for_some_hours_after_the_end_and_then_no_more() -> None:
    assert crs(2, page(23.9, level=2)).paged == 1
    assert crs(2, page(24.1, level=2)).paged == 0


def test_the_end_of_an_episode_pages_nothing() -> None:
    assert crs(1, page(11, reason="resolved")).paged == 0


def test_what_stands_already_at_the_onset_is_paged_without_a_delay() -> None:
    found = crs(1, page(9))
    assert (found.paged, found.already, found.from_onset) == (1, 1, None)


def test_what_was_closed_before_the_onset_stands_no_more() -> None:
    found = crs(1, page(8), closed=[Closed(at(9), "crs", "resolved")])
    assert (found.paged, found.missed) == (0, 1)
    assert crs(1, page(8), closed=[Closed(at(9), "icans", "resolved")]).already == 1


def test_what_nobody_measured_is_not_missed() -> None:
    unmeasured = PatientTruth(**{**_fields(TRUTH), "onsets": [TrueOnset("crs", 2, at(14), at(20), None)]})
    found = measure(OURS, [outcome()], {"P": unmeasured}, ROME).condition("crs >= 2")
    assert (found.onsets, found.charted, found.missed, found.sensitivity) == (1, 0, 0, None)


def _fields(truth: PatientTruth) -> dict[str, Any]:
    return {name: getattr(truth, name) for name in truth.__struct_fields__}


def test_delays_have_a_median_and_a_ninetieth_percentile() -> None:
    stays = [outcome(page(10 + minutes / 60)) for minutes in (6, 12, 30, 60, 90)]
    named = [one._replace(patient=f"P{number}") for number, one in enumerate(stays)]
    truths = {one.patient: TRUTH for one in named}
    assert measure(OURS, named, truths, ROME).condition("crs >= 1").from_onset == Delays(30, 90)


def test_an_alert_that_names_no_condition_stands_for_any() -> None:
    found = crs(2, page(14.6, ANY, 5), policy=NEWS2_5)
    assert (found.paged, found.from_onset) == (1, Delays(36, 36))


def test_a_single_value_beyond_a_threshold_stands_for_its_moment_only() -> None:
    assert crs(1, page(9, ANY, 1), policy="naive thresholds").paged == 0


# -- ground ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "ground"),
    [
        (page(12), True),
        (page(39.9), True),  # true until 34:00, and a chart holds it for six hours
        (page(41.1), False),
        (page(9), False),
        (page(12, "icans"), False),
        (page(12, reason="resolved"), None),
        (page(12, "m_easix"), None),
        (page(20, "overdue_vitals"), False),  # measured at 18:30
        (page(23, "overdue_vitals"), True),
        (page(9, "overdue_ice"), False),  # measured at 08:00
        (page(21, "overdue_ice"), True),
        (page(12, ANY), True),
        (page(8, ANY), False),
    ],
)
def test_a_page_has_ground_if_what_it_names_is_or_was_just_true(sent: CountedPage, ground: bool | None) -> None:
    assert grounded(sent, TRUTH) is ground


def test_a_page_of_two_conditions_has_ground_if_one_of_them_is_true() -> None:
    sent = page(12, "icans")._replace(levels={"icans": 1, "crs": 1})
    assert grounded(sent, TRUTH) is True


def test_pages_without_ground_are_counted_among_those_that_can_be_judged() -> None:
    found = measured(page(12), page(9), page(12, "m_easix"))
    assert (found.judged, found.groundless, found.groundless_per_day) == (2, 1, 0.5)
    assert found.groundless_conditions == {"crs": 1}


def test_the_predictive_value_is_of_first_pages_at_their_grade() -> None:
    pages = (page(15, level=2), page(9, level=2), page(16, level=2, reason="repeat"), page(30, level=1))
    found = crs(2, *pages)
    assert (found.positive, found.right, found.predictive) == (2, 1, 0.5)


def test_the_longest_silence_lies_between_pages_within_a_grade_of_two_or_more() -> None:
    assert measured().longest_silence == pytest.approx(5.7, abs=0.05)
    assert measured(page(14.5), page(18)).longest_silence == 3.5
    assert measured(page(14.5), page(16), page(17)).longest_silence == 3.0
