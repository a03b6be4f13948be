"""For how long what a system looks at stays the same."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import ctcae, easix, hematotox, icaht, icans, iec_hs
from alerts.grading.dependencies import Dependencies, validity_around
from config.site import Site
from tests.support.charts import INFUSED, NOW, SITE, absent, chart, dose, hours, reading, rejected_value, statement

INSTANT = timedelta(microseconds=1)
WEEK = Dependencies(frozenset(("platelets",)), (timedelta(days=7),))


def test_from_the_last_result_until_it_is_too_old() -> None:
    folded = chart(reading("platelets", 90, NOW))
    assert validity_around(WEEK, folded, NOW + hours(5)) == (NOW, NOW + timedelta(days=7) + INSTANT)


def test_the_last_instant_of_a_window_still_counts_and_the_next_does_not() -> None:
    folded = chart(reading("platelets", 90, NOW))
    ends = NOW + timedelta(days=7)
    assert validity_around(WEEK, folded, ends) == (NOW, ends + INSTANT)
    assert validity_around(WEEK, folded, ends + INSTANT) == (ends + INSTANT, None)


def test_until_the_next_result_that_is_charted() -> None:
    folded = chart(reading("platelets", 90, NOW), reading("platelets", 80, NOW + hours(3)))
    assert validity_around(WEEK, folded, NOW + hours(1)) == (NOW, NOW + hours(3))


def test_other_kinds_do_not_count() -> None:
    folded = chart(reading("platelets", 90, NOW), reading("ldh", 300, NOW + hours(3)))
    assert validity_around(WEEK, folded, NOW + hours(1)).ends == NOW + timedelta(days=7) + INSTANT


def test_a_value_that_was_rejected_counts_like_a_result() -> None:
    folded = chart(rejected=(rejected_value("platelets", "90", "no unit", NOW),))
    assert validity_around(WEEK, folded, NOW) == (NOW, NOW + timedelta(days=7) + INSTANT)


def test_before_and_after_the_infusion_are_two() -> None:
    folded = chart()
    dependencies = Dependencies(frozenset(("platelets",)))
    assert validity_around(dependencies, folded, INFUSED - hours(1)) == (None, INFUSED)
    assert validity_around(dependencies, folded, INFUSED) == (INFUSED, None)


def test_of_a_patient_who_was_never_registered_nothing_is_bounded() -> None:
    assert validity_around(WEEK, Chart(), NOW) == (None, None)


class Watched(dict[str, tuple[Entry, ...]]):
    """A chart's entries, which remember the kinds they were asked for."""

    def __init__(self, entries: dict[str, tuple[Entry, ...]]) -> None:
        super().__init__(entries)
        self.asked: set[str] = set()

    def get(self, kind: str, default: Any = None) -> Any:
        self.asked.add(kind)
        return super().get(kind, default)


LABORATORY = [
    reading(kind, value, NOW - hours(ago), low=100, high=40)
    for kind in sorted(easix.KINDS | iec_hs.KINDS | ctcae.LABORATORY_KINDS | hematotox.KINDS)
    if kind not in (*easix.CONFOUNDERS, "anticoagulated", "anemia_life_threatening")
    for ago, value in ((60, 0.6), (30, 0.2), (2, 90))
]
CHARTS = [
    chart(),
    chart(infused=None),
    chart(*LABORATORY, dose("tocilizumab", NOW - hours(20)), statement("anticoagulated", False)),
    chart(*LABORATORY, reading("ice", 0), reading("consciousness", "voice"), reading("seizure", "brief")),
    chart(absent("ice", "refused"), reading("capd", 3), born=date(2018, 1, 1)),
    chart(absent("ice", "refused"), reading("capd", 3)),
]
Compute = Callable[[Chart, datetime, Site], object]


@pytest.mark.parametrize(
    ("compute", "kinds"),
    [
        (ctcae.laboratory_grades, ctcae.LABORATORY_KINDS),
        (easix.family, easix.KINDS),
        (hematotox.score, hematotox.KINDS),
        (icaht.both, icaht.KINDS),
        (icans.both, icans.KINDS),
        (iec_hs.criteria, iec_hs.KINDS),
    ],
    ids=["ctcae", "easix", "hematotox", "icaht", "icans", "iec_hs"],
)
def test_a_system_looks_at_nothing_but_what_it_says(compute: Compute, kinds: frozenset[str]) -> None:
    asked: set[str] = set()
    for folded in CHARTS:
        watched = Watched(folded.entries)
        compute(Chart(watched, rejected=folded.rejected, admission=folded.admission), NOW.astimezone(UTC), SITE)
        asked |= watched.asked
    assert asked <= kinds
