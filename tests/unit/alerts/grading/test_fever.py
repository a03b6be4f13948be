"""The fever row of CRS around the infusion, and the fever that it leaves out."""

from datetime import datetime, timedelta

import pytest

from alerts.grading.fever import fever, has_other_fever
from tests.support.charts import INFUSED, NOW, SITE, chart, hours, reading, statement
from tests.support.wording import english

INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(("measured", "level"), [(INFUSED - INSTANT, 0), (INFUSED, 1), (INFUSED + INSTANT, 1)])
def test_only_a_fever_from_before_the_infusion_is_not_that_of_crs(measured: datetime, level: int) -> None:
    patient = chart(reading("temperature", "38.4", measured))
    row = fever(patient, INFUSED + hours(1), SITE)
    assert (row.level, "fever from before infusion: not CRS" in english(row.flags)) == (level, not level)


def test_there_is_another_fever_where_it_is_from_before_the_infusion() -> None:
    patient = chart(reading("temperature", "38.4", INFUSED - hours(1)))
    assert has_other_fever(patient, INFUSED + hours(23), SITE)
    assert not has_other_fever(patient, INFUSED + hours(23) + INSTANT, SITE)


def test_a_fever_of_the_very_moment_of_infusion_is_no_other_one_as_long_as_it_holds() -> None:
    patient = chart(reading("temperature", "38.4", INFUSED))
    assert fever(patient, INFUSED + hours(24), SITE).level == 1
    assert not has_other_fever(patient, INFUSED + hours(24), SITE)


def test_there_is_another_fever_where_a_person_said_that_it_has_another_cause() -> None:
    measured = reading("temperature", "38.4")
    assert has_other_fever(chart(measured, statement("fever_other_cause")), NOW, SITE)
    assert not has_other_fever(chart(measured, statement("fever_other_cause", False)), NOW, SITE)
    assert not has_other_fever(chart(measured), NOW, SITE)


def test_another_cause_without_a_fever_is_no_fever() -> None:
    assert not has_other_fever(chart(reading("temperature", "37.9"), statement("fever_other_cause")), NOW, SITE)


def test_where_no_infusion_is_known_no_fever_is_from_before_it() -> None:
    patient = chart(reading("temperature", "38.4"), infused=None)
    assert fever(patient, NOW, SITE).level == 1
    assert not has_other_fever(patient, NOW, SITE)
