"""CRS begins with the infusion; what is carried on from an earlier moment is what would be found anew."""

from datetime import timedelta

from alerts.grading import crs
from tests.support.charts import INFUSED, SITE, Item, chart, day, dose, hours, reading
from tests.support.wording import english

INSTANT = timedelta(microseconds=1)


def sets(*at_hours: float, temperature: float, sbp: float = 118) -> list[Item]:
    """Whole sets of vital signs, so many hours after the infusion."""
    return [
        item
        for number in at_hours
        for item in (
            reading("temperature", temperature, INFUSED + hours(number)),
            reading("systolic_bp", sbp, INFUSED + hours(number)),
            reading("spo2", 97, INFUSED + hours(number)),
        )
    ]


def test_a_fever_of_the_very_moment_of_infusion_counts_and_one_before_it_does_not() -> None:
    at = chart(*sets(0, temperature=38.6))
    assert crs.grade(at, INFUSED, SITE).grade == 1
    assert crs.course(at, INFUSED, SITE).opened_at == INFUSED
    before = chart(reading("temperature", 38.6, INFUSED - INSTANT), *sets(1, temperature=36.8))
    assert english(crs.grade(before, INFUSED - INSTANT, SITE).because) == ("before infusion",)
    assert crs.course(before, INFUSED + hours(2), SITE).episodes == 0
    assert crs.course(before, INFUSED, SITE).as_of is None


def test_a_course_that_is_carried_on_is_the_one_that_would_be_found_anew() -> None:
    stay = chart(*sets(0, 2, temperature=38.6), *sets(10, 20, temperature=36.8), *sets(30, temperature=38.4))
    anew = crs.course(stay, day(3), SITE)
    assert (anew.episodes, anew.is_open) == (2, True)
    for moment in (INFUSED - hours(1), INFUSED, INFUSED + hours(2), INFUSED + hours(20), INFUSED + hours(30)):
        assert crs.course(stay, day(3), SITE, crs.course(stay, moment, SITE)) == anew


def test_of_a_patient_who_never_had_crs_nothing_was_ever_lower() -> None:
    well = crs.course(chart(*sets(1, 5, temperature=36.8)), day(1), SITE)
    assert (well.lower_since, well.clear_since, well.episodes) == (None, None, 0)
    assert (well.treated, well.highest) == (False, 0)
    unknown = crs.course(chart(*sets(1, temperature=38.6), reading("spo2", 97, INFUSED + hours(40))), day(2), SITE)
    assert (unknown.is_open, unknown.lower_since) == (True, None)


def test_a_row_that_is_abnormal_and_does_not_decide_names_its_conventions_too() -> None:
    at = INFUSED + hours(5)
    stay = chart(*sets(5, temperature=38.6), reading("spo2", 90, at + INSTANT), dose("norepinephrine", at, "started"))
    grade = crs.grade(stay, at + INSTANT, SITE)
    assert grade.grade == 3
    assert "crs.hypoxia_spo2" in grade.conventions
