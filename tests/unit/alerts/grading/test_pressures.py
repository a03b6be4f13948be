"""Which pressures of a set may be used, one by one; what follows from it: tests/behaviour/test_pressures.py."""

from datetime import datetime
from decimal import Decimal

import pytest

from alerts.grading import pressures
from config.site import Site
from tests.support.charts import NOW, SITE, Item, absent, chart, hours, reading
from tests.support.wording import english

SYSTOLIC = "systolic_bp"


def of_set(systolic: object, diastolic: object, at: datetime = NOW) -> tuple[Item, Item]:
    return reading(SYSTOLIC, systolic, at), reading("diastolic_bp", diastolic, at)


def sound(*items: Item, site: Site = SITE) -> bool:
    kind, entry = items[0]
    return pressures.is_sound(chart(*items), kind, entry, site)


def with_least_pulse_pressure(value: int) -> Site:
    least = SITE.conventions.chart.pulse_pressure_least.model_copy(update={"value": Decimal(value)})
    chart_conventions = SITE.conventions.chart.model_copy(update={"pulse_pressure_least": least})
    return SITE._replace(conventions=SITE.conventions.model_copy(update={"chart": chart_conventions}))


@pytest.mark.parametrize(("systolic", "expected"), [(79, False), (80, False), (81, True)])
def test_a_systolic_must_lie_above_its_diastolic_whatever_pulse_pressure_the_site_allows(
    systolic: int, expected: bool
) -> None:
    assert sound(*of_set(systolic, 80), site=with_least_pulse_pressure(0)) is expected


@pytest.mark.parametrize("items", [of_set("<60", 70), (of_set(60, 70)[0], reading("diastolic_bp", ">70"))])
def test_a_bound_contradicts_nothing(items: tuple[Item, Item]) -> None:
    assert sound(*items)


def test_a_pressure_that_was_not_taken_contradicts_nothing() -> None:
    items = (absent(SYSTOLIC, "cuff off"), *of_set(80, 95, NOW - hours(1)))
    said = pressures.contradiction(chart(*items), SYSTOLIC, None, NOW, SITE)
    assert said is not None
    assert english(said).startswith("pressures of 17 Jun 09:00")
    assert pressures.contradiction(chart(items[0]), SYSTOLIC, None, NOW, SITE) is None


def test_of_two_sets_of_one_time_the_contradicting_one_is_not_said_to_be_newer() -> None:
    used = reading(SYSTOLIC, 120, source="monitor")
    patient = chart(used, *of_set(80, 95))
    assert pressures.latest(patient, NOW, None, SITE).systolic == used[1]
    assert pressures.contradiction(patient, SYSTOLIC, used[1], NOW, SITE) is None


def test_a_message_is_contradicted_by_the_set_it_came_in_and_by_no_other() -> None:
    patient = chart(reading(SYSTOLIC, 120, source="monitor", id="a"), *of_set(80, 95))
    assert not pressures.is_contradicted(patient, SYSTOLIC, NOW, "monitor", "a", SITE)
    ward = of_set(80, 95)[0][1]
    assert pressures.is_contradicted(patient, SYSTOLIC, NOW, ward.source, ward.id, SITE)
    both = chart(reading(SYSTOLIC, 120, source="monitor", id=ward.id), *of_set(80, 95))
    assert not pressures.is_contradicted(both, SYSTOLIC, NOW, "monitor", ward.id, SITE)


@pytest.mark.parametrize(
    ("systolic_age", "mean_age", "kind"),
    [(2, 1, "mean_bp"), (1, 2, "systolic_bp"), (1, None, "systolic_bp"), (None, 1, "mean_bp"), (None, None, None)],
)
def test_the_newest_pressure_is_the_one_measured_last(
    systolic_age: float | None, mean_age: float | None, kind: str | None
) -> None:
    """CRS closes on a set that is newly measured, be its pressure a systolic or a mean."""
    ages = {"systolic_bp": systolic_age, "mean_bp": mean_age}
    items = {name: reading(name, 90, NOW - hours(age)) for name, age in ages.items() if age is not None}
    assert pressures.newest(chart(*items.values()), NOW, SITE) == (items[kind][1] if kind else None)
