"""A device that sends a value a second: it is charted by the minute, assessed at little cost, and paged as soon."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts.assessment.assessment import assess
from alerts.grading import crs
from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step import step as steps
from alerts.step.step import step
from tests.behaviour.test_order import NOW, PATIENT, REGISTRATION, SITE, encoded, run, shuffled
from tests.support.ward import Ward, changed, message

BEATS = 16 * 60


@pytest.fixture
def febrile(ward: Ward) -> Ward:
    """A patient whose fever somebody is on: what makes it CRS 2 pages."""
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.to("10:01")
    return ward


def seconds_until_paged(ward: Ward, by: str, value: Callable[[int], dict[str, Any]], most: int) -> int:
    """How many values a second a device has to send until somebody is paged."""
    for second in range(most):
        ward.sample(by, **value(second))
        if ward.notified():
            return second
        ward.jump(seconds=1)
    pytest.fail("nobody was paged")


@pytest.mark.parametrize("begins", [0, 35])
def test_a_saturation_that_falls_each_second_pages_with_the_second_low_value(febrile: Ward, begins: int) -> None:
    low = seconds_until_paged(febrile, "monitor", lambda second: {"spo2": min(97, 91 + (begins - second) * 0.1)}, 120)
    assert low <= begins + 3


@pytest.mark.parametrize("begins", [0, 35])
def test_an_arterial_pressure_that_falls_each_second_pages_after_a_minute_of_it(febrile: Ward, begins: int) -> None:
    def falling(second: int) -> dict[str, Any]:
        return {"sbp": 110 if second < begins else 89 - (second - begins) * 0.25}

    paged = seconds_until_paged(febrile, "arterial_line", falling, 200)
    assert begins + 60 <= paged <= begins + 70


def beats(kinds: Sequence[str] = ("heart_rate",), number: int = BEATS) -> list[AnyMessage]:
    """Values once a second until now."""
    rng = random.Random(1)
    units = {"heart_rate": "/min", "spo2": "%", "systolic_bp": "mm[Hg]", "diastolic_bp": "mm[Hg]"}
    means = {"heart_rate": 90, "spo2": 96, "systolic_bp": 112, "diastolic_bp": 70}
    return [
        message(
            "reading",
            NOW - timedelta(seconds=second),
            id=f"{kind} {second}",
            source="monitor-7",
            reading=kind,
            value=means[kind] + rng.randint(-4, 4),
            unit=units[kind],
            by="monitor",
        )
        for second in range(number)
        for kind in kinds
    ]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_batching_of_a_stream_is_the_same_chart_and_grades(seed: int) -> None:
    """Of pressures whole sets; single kinds in any order."""
    streams = beats(("heart_rate", "spo2"), 200)
    sets = beats(("systolic_bp", "diastolic_bp"), 150)
    whole = run([[REGISTRATION, *streams, *sets]])
    pairs = [sets[first : first + 2] for first in range(0, len(sets), 2)]
    random.Random(seed).shuffle(pairs)
    other = run([*shuffled([REGISTRATION, *streams], seed), *pairs])
    assert encoded(other.chart) == encoded(whole.chart)
    assert assess(other.chart, NOW, SITE).grades() == assess(whole.chart, NOW, SITE).grades()


@pytest.fixture
def assessed(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moments that a step assesses, in order."""
    moments: list[datetime] = []
    whole = steps.assess_onward

    def counted(chart: Any, at: datetime, *rest: Any) -> Any:
        moments.append(at)
        return whole(chart, at, *rest)

    monkeypatch.setattr(steps, "assess_onward", counted)
    return moments


def test_a_back_fill_at_one_a_second_is_assessed_a_few_times_a_minute(assessed: list[datetime]) -> None:
    state, _ = step(PatientState(patient=PATIENT), [REGISTRATION], NOW, SITE)
    assessed.clear()
    step(state, beats(), NOW, SITE)
    assert len(assessed) <= 4 * (BEATS // 60 + 1) + 1
    assert assessed[-1] == NOW


def test_eight_thousand_values_of_one_time_are_assessed_once(assessed: list[datetime]) -> None:
    flood = [changed(beats(number=1)[0], id=f"{number:04}", value=60 + number % 90) for number in range(8000)]
    state = PatientState(patient=PATIENT)
    for first in range(0, len(flood), 1000):
        state, _ = step(state, flood[first : first + 1000], NOW, SITE)
    assert set(assessed) == {NOW}
    assert len(state.chart.entries["heart_rate"]) < 10


def test_one_value_among_many_pages_though_it_came_in_a_back_fill(ward: Ward) -> None:
    """What a page rests on is the lowest or the highest value: it is kept, and its moment is assessed."""
    ward.normal()
    since = ward.now
    ward.sleep(minutes=5)
    sent = [
        message(
            "reading",
            since + timedelta(seconds=second),
            id=f"t{second}",
            source="monitor",
            reading="temperature",
            value="39.6" if second == 90 else "37.1",
            unit="Cel",
            by="monitor",
        )
        for second in range(300)
    ]
    ward.send(*sent)
    assert ward.page().condition == "crs"


def test_many_values_that_cannot_be_used_are_one_fault_of_their_source() -> None:
    wrong = [changed(item, unit="mm[Hg]") for item in beats(number=30)]
    _, effects = step(PatientState(patient=PATIENT), wrong, NOW, SITE)
    assert (len(effects.dead_letters), [fault.condition for fault in effects.faults]) == (30, ["intake monitor-7"])


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moments for which the course of CRS is followed from its beginning."""
    moments: list[datetime] = []
    whole = crs.followed

    def counted(chart: Any, at: datetime, site: Any, known: crs.CrsCourse | None = None, *steps: Any) -> Any:
        if known is None:
            moments.append(at)
        return whole(chart, at, site, known, *steps)

    monkeypatch.setattr(crs, "followed", counted)
    return moments


def feverish(*after: AnyMessage) -> PatientState:
    """A patient with CRS since the beginning of a stream of saturations."""
    begin = NOW - timedelta(seconds=BEATS)
    fever = message("reading", begin, id="fever", reading="temperature", value="38.9", unit="Cel", by="person")
    state, _ = step(PatientState(patient=PATIENT), [REGISTRATION, fever], begin, SITE)
    state, _ = step(state, after, NOW, SITE)
    assert state.episodes["crs"].level == 1
    return state


def test_a_correction_follows_the_course_of_a_stream_few_times(anew: list[datetime]) -> None:
    state = feverish(*beats(("spo2",)))
    fever = state.chart.entries["temperature"][0]
    fields = {"id": fever.id, "reading": "temperature", "value": "36.9", "unit": "Cel", "status": "corrected"}
    anew.clear()
    state, _ = step(state, [message("reading", fever.effective, by="person", received=NOW, **fields)], NOW, SITE)
    assert "crs" not in state.episodes
    assert len(anew) <= 6


def test_what_comes_late_follows_the_course_of_a_stream_few_times(anew: list[datetime]) -> None:
    state = feverish(*beats(("spo2",)))
    anew.clear()
    late = [changed(item, source="monitor-8") for item in beats(("spo2",))[60:]]
    step(state, late, NOW, SITE)
    assert len(anew) <= 3
