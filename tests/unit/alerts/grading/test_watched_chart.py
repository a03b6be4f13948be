"""How far back was looked at each vital sign: as far as a value that comes late would be seen."""

from datetime import datetime, timedelta

import pytest

from alerts.chart.contents import BEGINNING
from alerts.grading.watched_chart import NEVER, WATCHED, WatchedChart
from tests.support.charts import NOW, chart, hours, reading


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


SIGNS = chart(
    *(reading("temperature", 36.8, NOW - minutes(number)) for number in range(5)),
    *(reading("mean_bp", 80, NOW - minutes(number)) for number in (1, 3)),
    reading("systolic_bp", 118, NOW - minutes(2)),
)


def looked(watched: WatchedChart) -> dict[str, datetime]:
    return {kind: at for kind, at in zip(WATCHED, watched.looked_back(), strict=True) if at != NEVER}


@pytest.fixture
def watched() -> WatchedChart:
    return WatchedChart.of(SIGNS)


def test_it_answers_as_the_chart_does(watched: WatchedChart) -> None:
    assert watched.latest("temperature", NOW) == SIGNS.latest("temperature", NOW)
    assert watched.until("mean_bp", NOW) == SIGNS.until("mean_bp", NOW)
    assert watched.between("mean_bp", NOW - minutes(2), NOW) == SIGNS.between("mean_bp", NOW - minutes(2), NOW)
    assert watched.at("systolic_bp", NOW - minutes(2)) == SIGNS.at("systolic_bp", NOW - minutes(2))


def test_of_a_series_what_was_read_counts(watched: WatchedChart) -> None:
    found = watched.newest_first("temperature", NOW)
    assert [next(found), next(found)]
    assert looked(watched) == {"temperature": NOW - minutes(1)}
    assert looked(watched) == {}


def test_a_series_that_was_read_to_its_end_would_have_shown_any_earlier_value(watched: WatchedChart) -> None:
    assert list(watched.newest_first("temperature", NOW))
    assert watched.latest("spo2", NOW) is None
    assert looked(watched) == {"temperature": BEGINNING, "spo2": BEGINNING}


def test_a_pressure_was_looked_at_with_all_of_its_set(watched: WatchedChart) -> None:
    assert watched.latest("systolic_bp", NOW)
    assert looked(watched) == dict.fromkeys(("systolic_bp", "diastolic_bp", "mean_bp"), NOW - minutes(2))
    assert watched.latest("mean_bp", NOW)
    assert next(watched.newest_first("systolic_bp", NOW))
    assert looked(watched) == {
        "systolic_bp": NOW - minutes(2),
        "diastolic_bp": NOW - minutes(2),
        "mean_bp": NOW - minutes(2),
    }


def test_a_period_counts_from_its_start(watched: WatchedChart) -> None:
    assert watched.between("spo2", NOW - hours(1), NOW) == ()
    assert watched.at("temperature", NOW)
    assert looked(watched) == {"spo2": NOW - hours(1), "temperature": NOW}


def test_a_baseline_looks_only_at_what_was_before_the_infusion(watched: WatchedChart) -> None:
    assert watched.baseline("systolic_bp", hours(48)) == SIGNS.baseline("systolic_bp", hours(48))
    assert looked(watched) == {}
