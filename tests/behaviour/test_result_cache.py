"""What is held from one assessment to the next is, in every field and at every moment, what would be computed anew."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.assessment.assessment import assess, assess_onward
from alerts.assessment.result_cache import ResultCache
from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message
from alerts.grading import crs
from alerts.message_json import read_message
from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from config.site import DEFAULTS
from config.vocabulary import READINGS
from tests.support.ward import PATIENT, SITE, changed, message
from worker.store.codec import pack, unpack_state

INFUSED = datetime(2024, 10, 20, 8, tzinfo=UTC)
"""A week before the clocks of the hospital go back, so that a stay has a day of 25 hours."""

INSTANT = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOWS = [12 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY]
JUMPS = [
    timedelta(0),
    INSTANT,
    *(timedelta(minutes=minutes) for minutes in (1, 3, 7, 45)),
    *(HOUR * hours for hours in (1, 5, 14)),
    *WINDOWS,
    *(window + INSTANT for window in WINDOWS),
]
"""How far the clock goes on between two messages: up to the last instant of every window, and past it."""
LATE = [*[timedelta(0)] * 6, timedelta(minutes=2), HOUR, DAY, 5 * DAY, -timedelta(minutes=4)]
"""How late a message comes; one comes early, by a clock that runs ahead."""

LABORATORY = {
    "platelets": ["8", "45", "180", "<20"],
    "neutrophils": ["0.05", "0.4", "0.9", "2.1", "<0.1"],
    "white_cells": ["0.3", "4"],
    "lymphocytes": ["0.1", "1.2"],
    "hemoglobin": ["7.4", "9.0", "12"],
    "ldh": ["210", "900", ">2000"],
    "creatinine": ["0.9", "3.1"],
    "crp": ["4", "30", "140"],
    "ferritin": ["300", "1500", "4000", "12000", ">40000"],
    "fibrinogen": ["120", "300"],
    "alt": ["20", "400"],
    "ast": ["20", "900"],
    "bilirubin": ["0.6", "4"],
    "inr": ["1.0", "2.1"],
}
SIGNS = {
    "temperature": ["36.8", "38.0", "38.6", "40.2"],
    "systolic_bp": ["76", "89", "118"],
    "spo2": ["84", "91", "97"],
    "respiratory_rate": ["16", "26"],
    "heart_rate": ["88", "132"],
    "oxygen_flow": ["2", "9"],
}
CODES: dict[str, list[object]] = {
    "ice": [10, 9, 6, 0],
    "capd": [2, 12],
    "consciousness": ["spontaneous", "voice", "touch", "unarousable"],
    "seizure": ["none", "brief", "prolonged"],
    "motor_weakness": ["none", "deep_focal"],
    "oxygen_device": ["none", "nasal_cannula", "face_mask"],
}
STATEMENTS = [
    "hypotension",
    "fever_other_cause",
    "consciousness_other_cause",
    "anticoagulated",
    "anemia_life_threatening",
    "febrile_neutropenia_life_threatening",
    "died_of_icans",
]
DRUGS = ["tocilizumab", "platelet_transfusion", "filgrastim", "dexamethasone", "norepinephrine"]

Fields = dict[str, Any]


def _one(type_: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Fields]]:
    return st.tuples(st.just(type_), st.fixed_dictionaries(fields))


def _numbers(kind: str, values: list[str], by: list[str]) -> st.SearchStrategy[tuple[str, Fields]]:
    """Values of a kind: one in five without its unit, which is kept and never computed with."""
    unit = READINGS[kind].unit
    return _one(
        "reading",
        reading=st.just(kind),
        value=st.sampled_from(values),
        unit=st.sampled_from([*[unit] * 4, None]) if unit else st.none(),
        by=st.sampled_from(by),
        status=st.sampled_from(["final"] * 4 + ["preliminary"]),
        low=st.sampled_from([None, "1.5", "150"]),
        high=st.sampled_from([None, "40", "300"]),
    )


LABORATORY_VALUES = st.one_of(*(_numbers(kind, values, ["laboratory"]) for kind, values in LABORATORY.items()))
OTHERS = st.one_of(
    *(_numbers(kind, values, ["person", "monitor"]) for kind, values in SIGNS.items()),
    *(
        _one("reading", reading=st.just(kind), value=st.sampled_from(values), by=st.just("person"))
        for kind, values in CODES.items()
    ),
    _one("reading", reading=st.sampled_from(["platelets", "ice", "temperature"]), absent=st.just("refused")),
    _one("statement", statement=st.sampled_from(STATEMENTS), value=st.booleans(), by=st.just("N. N.")),
    _one("treatment", drug=st.sampled_from(DRUGS), action=st.sampled_from(["given", "started", "stopped"])),
    _one(
        "registration",
        infused=st.sampled_from([None, INFUSED, INFUSED - 2 * DAY, INFUSED + 3 * DAY]),
        born=st.sampled_from([None, "1960-05-01", "2012-10-28"]),
    ),
    _one("again", status=st.sampled_from(["corrected", "entered_in_error"]), nth=st.integers(0, 9)),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(JUMPS), st.sampled_from(LATE), st.one_of(LABORATORY_VALUES, OTHERS), st.sampled_from(JUMPS)
    ),
    min_size=4,
    max_size=24,
)


@dataclass
class Stay:
    """A stay that is drawn message by message, and its clock."""

    now: datetime = INFUSED - 9 * DAY
    sent: list[AnyMessage] = field(default_factory=list)

    def next(self, jump: timedelta, late: timedelta, drawn: tuple[str, Fields]) -> AnyMessage:
        """The clock goes on, and a message comes in: a new one, or a later version of one that came before."""
        self.now += jump
        type_, fields = drawn
        if type_ == "again":
            readings = [item for item in self.sent if item.type == "reading"]
            if not readings:
                type_, fields = "statement", {"statement": "hypotension", "value": False, "by": "N. N."}
            else:
                original = readings[-1 - fields["nth"] % len(readings)]
                return changed(original, status=fields["status"], received=self.now)
        drawn_message = message(type_, self.now - late, id=f"m{len(self.sent)}", **fields)
        self.sent.append(drawn_message)
        return drawn_message


def registered() -> AnyMessage:
    return message("registration", INFUSED - 9 * DAY, id="r", source="ehr", infused=INFUSED)


def packed_and_unpacked(cache: ResultCache) -> ResultCache:
    """As it comes back from the store."""
    return unpack_state(pack(PatientState(patient=PATIENT, result_cache=cache))).result_cache


RUNS = settings(max_examples=60)


@RUNS
@given(EVENTS, st.booleans())
def test_an_assessment_carried_on_is_the_one_computed_anew(events: list[Any], stored: bool) -> None:
    stay, cache = Stay(), ResultCache()
    chart = chart_message(Chart(), registered(), stay.now, SITE).chart
    for jump, late, drawn, ahead in events:
        before, coming = chart, stay.next(jump, late, drawn)
        chart = chart_message(before, coming, stay.now, SITE).chart
        cache = cache.after(before, chart)
        cache = packed_and_unpacked(cache) if stored else cache
        for at in (coming.effective.astimezone(UTC), stay.now, stay.now + ahead):
            carried, cache = assess_onward(chart, at, SITE, cache)
            assert carried == assess(chart, at, SITE)


@RUNS
@given(EVENTS)
def test_the_shown_values_are_those_of_the_results_in_their_order(events: list[Any]) -> None:
    stay, chart = Stay(), Chart()
    for jump, late, drawn, _ in events:
        chart = chart_message(chart, stay.next(jump, late, drawn), stay.now, SITE).chart
        now = assess(chart, stay.now, SITE)
        values = [(name, result.shown_value) for name, result in now.grades().items()]
        assert list(now.shown_values().items()) == values


@RUNS
@given(EVENTS)
def test_a_crs_grade_that_came_with_the_course_is_the_one_read_after_it(events: list[Any]) -> None:
    stay, chart = Stay(), Chart()
    for jump, late, drawn, _ in events:
        chart = chart_message(chart, stay.next(jump, late, drawn), stay.now, SITE).chart
        course, grade, would_be, *_ = crs.followed(chart, stay.now, SITE)
        assert crs.followed(chart, stay.now, SITE, course) == (course, grade, would_be, (), {})
        assert grade.applicable is (would_be is None) is (chart.infused is None or stay.now >= chart.infused)


@RUNS
@given(EVENTS, st.booleans())
def test_what_a_step_leaves_held_is_true_at_any_time(events: list[Any], stored: bool) -> None:
    stay = Stay()
    state, _ = step(PatientState(patient=PATIENT), [registered()], stay.now, SITE)
    for jump, late, drawn, ahead in events:
        coming = stay.next(jump, late, drawn)
        state, _ = step(unpack_state(pack(state)) if stored else state, [coming], stay.now, SITE)
        for at in (stay.now, stay.now + ahead, stay.now - ahead):
            carried, _ = assess_onward(state.chart, at, SITE, state.result_cache)
            assert carried == assess(state.chart, at, SITE)


def test_every_assessment_of_the_published_case_is_the_one_computed_anew() -> None:
    lines = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()
    chart, cache = Chart(), ResultCache()
    for coming in sorted((read_message(line) for line in lines), key=lambda item: item.received or item.effective):
        before, now = chart, (coming.received or coming.effective).astimezone(UTC)
        chart = chart_message(before, coming, now, SITE).chart
        cache = cache.after(before, chart)
        carried, cache = assess_onward(chart, now, SITE, cache)
        assert carried == assess(chart, now, SITE)
