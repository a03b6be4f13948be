"""The course of CRS at earlier times: exact, bounded, and resumed shortly before what changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.assessment.assessment import assess, assess_onward
from alerts.assessment.course_history import PERIODS_KEPT, CourseHistory
from alerts.assessment.result_cache import ResultCache
from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message, place_message
from alerts.chart.draft import ChartDraft
from alerts.grading import crs
from alerts.grading.crs import CrsCourse
from alerts.messages import AnyMessage
from tests.support.ward import SITE, message

INFUSED = datetime(2024, 6, 12, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = INFUSED + 30 * DAY


def charted(*items: AnyMessage, onto: Chart = Chart()) -> Chart:  # noqa: B008 - frozen
    chart = onto
    for item in items:
        chart = chart_message(chart, item, END + DAY, SITE).chart
    return chart


def registered() -> AnyMessage:
    return message("registration", INFUSED, source="ehr", infused=INFUSED)


def temperature(at: datetime, value: str = "36.8", **fields: Any) -> AnyMessage:
    return message("reading", at, reading="temperature", value=value, unit="Cel", by="person", **fields)


def unsteady() -> CourseHistory:
    """A course that changes every 15 minutes of 30 days."""
    courses = [CrsCourse(INFUSED + number * 15 * MINUTE, episodes=number) for number in range(30 * 96 + 1)]
    return CourseHistory().followed_by(courses)


def test_a_course_that_stays_as_it_is_takes_one_period() -> None:
    history = CourseHistory().followed_by(CrsCourse(INFUSED + number * MINUTE) for number in range(1000))
    assert len(history.periods) == 1
    assert history.end == INFUSED + 999 * MINUTE


def test_a_history_is_bounded_however_often_the_course_changes() -> None:
    assert len(unsteady().periods) == PERIODS_KEPT


@pytest.mark.parametrize("late", [15 * MINUTE, HOUR, 4 * HOUR, DAY, 5 * DAY, 20 * DAY])
def test_what_is_late_by_a_time_resumes_from_at_most_twice_that_time_ago(late: timedelta) -> None:
    resumed = unsteady().until(END - late, Chart())
    assert resumed.end is not None
    assert END - 2 * late <= resumed.end <= END - late


def test_a_period_is_cut_at_the_last_moment_before() -> None:
    chart = charted(registered(), *(temperature(INFUSED + number * HOUR) for number in range(10)))
    history = assess_onward(chart, INFUSED + 9 * HOUR, SITE, ResultCache())[1].course
    assert len(history.periods) == 1
    cut = history.until(INFUSED + 4 * HOUR + MINUTE, chart)
    assert cut.last == crs.course(chart, INFUSED + 4 * HOUR, SITE)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moments at which the table is read."""
    moments: list[datetime] = []
    whole = crs._read

    def counted(chart: Any, at: datetime, *rest: Any, **more: Any) -> Any:
        moments.append(at)
        return whole(chart, at, *rest, **more)

    monkeypatch.setattr(crs, "_read", counted)
    return moments


def test_a_late_reading_of_a_long_stay_reads_the_table_only_from_its_own_time_on(read: list[datetime]) -> None:
    chart = charted(registered(), *(temperature(INFUSED + number * 12 * MINUTE) for number in range(30 * 120)))
    newest = chart.newest
    assert newest is not None
    cache = assess_onward(chart, newest, SITE, ResultCache())[1]
    late = newest - HOUR - MINUTE
    read.clear()
    then = charted(temperature(late), onto=chart)
    assess_onward(then, newest, SITE, cache.after(chart, then))
    assert len(read) <= 7
    assert min(read) == late


def by_monitor(kind: str, at: datetime, value: str, unit: str) -> AnyMessage:
    return message("reading", at, reading=kind, value=value, unit=unit, by="monitor")


def test_a_late_set_of_a_dense_stream_is_looked_at_by_few_later_moments(read: list[datetime]) -> None:
    signs = (("temperature", "37.0", "Cel"), ("systolic_bp", "118", "mm[Hg]"), ("spo2", "97", "%"))
    late = INFUSED + 30 * MINUTE
    moments = [INFUSED + number * MINUTE for number in range(1, 61)]
    sets = {at: [by_monitor(kind, at, value, unit) for kind, value, unit in signs] for at in moments}
    chart = charted(registered(), *(item for at in moments if at != late for item in sets[at]))
    cache = assess_onward(chart, moments[-1], SITE, ResultCache())[1]
    read.clear()
    then = charted(*sets[late], onto=chart)
    cache = cache.after(chart, then)
    history = assess_onward(then, moments[-1], SITE, cache)[1].course
    assert late in read
    assert len(read) <= 8
    read.clear()
    assert history == assess_onward(then, moments[-1], SITE, ResultCache())[1].course
    assert len(read) == len(moments)


def test_a_late_statement_is_looked_at_by_every_later_moment(read: list[datetime]) -> None:
    moments = [INFUSED + number * MINUTE for number in range(1, 61)]
    chart = charted(registered(), *(by_monitor("temperature", at, "38.6", "Cel") for at in moments))
    cache = assess_onward(chart, moments[-1], SITE, ResultCache())[1]
    said = message("statement", INFUSED + 30 * MINUTE, statement="fever_other_cause", value=True, by="N. N.")
    then = charted(said, onto=chart)
    read.clear()
    assess_onward(then, moments[-1], SITE, cache.after(chart, then))
    assert {at for at in moments if at >= INFUSED + 30 * MINUTE} <= {*read}


def test_a_late_reading_that_the_table_does_not_use_leaves_the_course() -> None:
    chart = charted(registered(), *(temperature(INFUSED + number * HOUR) for number in range(10)))
    history = assess_onward(chart, INFUSED + 9 * HOUR, SITE, ResultCache())[1].course
    pulse = message("reading", INFUSED + HOUR, reading="heart_rate", value="90", unit="/min", by="monitor")
    then = charted(pulse, onto=chart)
    assert history.after(chart, then, then) is history


def test_a_late_reading_of_which_nothing_is_kept_leaves_the_course() -> None:
    end = INFUSED + 9 * HOUR
    values = ("36.6", "36.8", "36.9", "36.7")
    of_an_hour = [temperature(INFUSED + HOUR + number * MINUTE, value) for number, value in enumerate(values)]
    chart = charted(registered(), *of_an_hour, temperature(end))
    cache = assess_onward(chart, end, SITE, ResultCache())[1]
    draft = ChartDraft(chart)
    placed = place_message(draft, temperature(INFUSED + HOUR + 1.5 * MINUTE, "36.7"), END, SITE)
    kept = draft.chart().thinned(chart, [placed.entry] if placed.entry else [])
    assert draft.chart().entries != chart.entries == kept.entries
    assert cache.after(chart, kept, unthinned=draft.chart()) == cache


def test_what_was_followed_before_the_infusion_is_not_carried_across_it() -> None:
    """A moment before the infusion that no assessment came to is not taken for one without CRS."""
    well, fever = temperature(INFUSED - 5 * HOUR), temperature(INFUSED - 3 * HOUR, "38.6")
    chart = charted(registered(), well)
    cache = assess_onward(chart, INFUSED - 5 * HOUR, SITE, ResultCache())[1]
    then = charted(fever, temperature(INFUSED + HOUR), onto=chart)
    cache = assess_onward(then, INFUSED + HOUR, SITE, cache.after(chart, then))[1]
    at = INFUSED - 2 * HOUR
    assert assess(then, at, SITE, cache) == assess(then, at, SITE)
