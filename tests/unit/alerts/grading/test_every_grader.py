"""What holds for every grader, whatever was charted."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.chart.chart import Chart
from alerts.grading import crs, ctcae, ctcae_chemistry, easix, hematotox, icans, ice
from alerts.grading.result import Grade, Points, Result, Score
from alerts.message_fields import Status
from config.site import Site
from config.vocabulary import DRUGS, READINGS, STATEMENTS, Sort
from tests.support.charts import NOW, SITE, Item, absent, chart, day, dose, hours, reading, statement

Grader = Callable[[Chart, datetime, Site], Result]


def of_term(term: str) -> Grader:
    return lambda patient, at, site: ctcae.grade(term, patient, at, site)


GRADERS: dict[str, Grader] = {
    "crs": crs.grade,
    "ice": ice.score,
    "icans": icans.grade,
    "easix": easix.easix,
    "s_easix": easix.s_easix,
    "m_easix": easix.m_easix,
    "hematotox": hematotox.score,
    **{f"ctcae.{term}": of_term(term) for term in ctcae.TERMS},
}
NUMBERS = ["0", "0.1", "1", "1.2", "5", "9.0", "30", "38.0", "38.4", "75", "175", "650", "999999999999", "1e-15"]
NUMBERED = [kind.name for kind in READINGS.values() if kind.sort in (Sort.VITAL, Sort.LABORATORY)]
CODED = [(kind.name, code) for kind in READINGS.values() for code in kind.codes]
AHEAD = int(SITE.conventions.chart.future_tolerance.value.total_seconds()) // 60
"""Minutes that an effective time may lie ahead: what lies further ahead is refused and never charted."""
TIMES = (st.integers(-30 * 60, 0) | st.integers(-AHEAD, AHEAD)).map(lambda minute: NOW + timedelta(minutes=minute))


@st.composite
def charted(draw: st.DrawFn) -> Item:
    at = draw(TIMES)
    shape = draw(st.integers(0, 5))
    if shape == 0:
        return statement(draw(st.sampled_from(STATEMENTS)), draw(st.booleans()), at)
    if shape == 1:
        return dose(draw(st.sampled_from(DRUGS)), at, draw(st.sampled_from(["given", "started", "stopped"])))
    if shape == 2:
        kind, code = draw(st.sampled_from(CODED))
        return reading(kind, code, at)
    if shape == 3:
        return reading("ice", draw(st.integers(0, 10)), at)
    if shape == 4:
        return absent(draw(st.sampled_from(list(READINGS))), "not possible", at)
    value = draw(st.sampled_from(["", "<", "<=", ">", ">="])) + draw(st.sampled_from(NUMBERS))
    status = draw(st.sampled_from([Status.PRELIMINARY, Status.FINAL]))
    low = draw(st.sampled_from([None, "1.0", "100"]))
    return reading(draw(st.sampled_from(NUMBERED)), value, at, low=low, status=status)


CHARTS = st.lists(charted(), max_size=30)


def answer(result: Result) -> object:
    if isinstance(result, Grade):
        return result.grade
    if isinstance(result, Points):
        return result.score
    assert isinstance(result, Score)
    return result.value


@pytest.mark.parametrize("name", list(GRADERS))
def test_an_empty_chart_is_undetermined_and_says_what_is_missing(name: str) -> None:
    result = GRADERS[name](chart(), NOW, SITE)
    assert answer(result) is None
    assert result.missing


@settings(max_examples=200)
@given(CHARTS)
def test_every_result_carries_its_time_and_undetermined_ones_what_is_missing(items: list[Item]) -> None:
    patient = chart(*items)
    for grader in GRADERS.values():
        result = grader(patient, NOW, SITE)
        assert result.at == NOW
        assert result.system
        assert result.version
        if answer(result) is None:
            assert result.missing or ctcae_chemistry.ANTICOAGULATED in result.flags


@settings(max_examples=100)
@given(CHARTS)
def test_what_is_charted_later_changes_nothing(items: list[Item]) -> None:
    newest = dose("levetiracetam", NOW + timedelta(minutes=AHEAD))  # of both charts, so that both are thinned alike
    now, later = chart(*(item for item in items if item[1].effective <= NOW), newest), chart(*items, newest)
    for grader in GRADERS.values():
        assert grader(now, NOW, SITE) == grader(later, NOW, SITE)


def test_hours_later_a_result_of_then_may_rest_on_another_value_of_its_hour() -> None:
    """The property above ends where intake refuses: of an hour beyond the full resolution a chart keeps the ends."""
    at_once = [reading("platelets", value, NOW, id=id) for id, value in (("a", 20), ("b", 90), ("c", 60))]
    last_of_the_hour = reading("platelets", 70, NOW + hours(0.8))
    within, beyond = (
        GRADERS["ctcae.platelets"](chart(*at_once, last_of_the_hour, dose("levetiracetam", newest)), NOW, SITE)
        for newest in (NOW + hours(1), NOW + hours(3))
    )
    assert [item.entry.id for item in within.evidence] == ["c"]
    assert [item.entry.id for item in beyond.evidence] == ["b"]


@settings(max_examples=100)
@given(CHARTS)
def test_every_reading_a_result_rests_on_is_charted_and_not_from_the_future(items: list[Item]) -> None:
    patient = chart(*items)
    for grader in GRADERS.values():
        for item in grader(patient, NOW, SITE).evidence:
            assert item.entry in patient.entries[item.kind]
            assert item.entry.effective <= NOW


@pytest.mark.parametrize("name", [name for name in GRADERS if name not in ("ice", "icans")])
def test_an_assessment_of_the_mind_does_not_change_other_systems(name: str) -> None:
    items = (reading("ice", 0), reading("consciousness", "unarousable"), reading("seizure", "prolonged"))
    assert GRADERS[name](chart(*items), NOW, SITE) == GRADERS[name](chart(), NOW, SITE)


@pytest.mark.parametrize("name", list(GRADERS))
def test_grading_at_another_time_gives_that_time(name: str) -> None:
    assert GRADERS[name](chart(), day(2), SITE).at == day(2)
