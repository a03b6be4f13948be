"""Any order, any batching and any repetition of the same messages ends in the same chart and the same grades."""

import random
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.assessment.assessment import assess
from alerts.chart.buckets import FULL_RESOLUTION
from alerts.chart.chart import Chart
from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from tests.support.ward import INFUSED, PATIENT, SITE, changed, message
from worker.store.codec import pack

START = INFUSED + timedelta(days=2)
LAST = 540
"""Minutes of the stretch: several times as long as entries are kept whole."""
RECENT = LAST - FULL_RESOLUTION // timedelta(minutes=1)
"""From here on entries are still kept whole at the end of the stretch."""
NOW = (START + timedelta(minutes=LAST)).astimezone(UTC)

REGISTRATION = message("registration", INFUSED - timedelta(days=1), id="r", source="ehr", infused=INFUSED)

Drawn = tuple[str, int, dict[str, Any]]
"""A message to be: its type, its minute and its fields."""


def _reading(name: str, values: list[object], *units: str | None) -> st.SearchStrategy[dict[str, Any]]:
    fields: dict[str, st.SearchStrategy[object]] = {"reading": st.just(name), "by": st.just("person")}
    fields["value"] = st.sampled_from(values)
    fields["unit"] = st.sampled_from(units or (None,))
    return st.fixed_dictionaries(fields)


READINGS = st.one_of(
    _reading("temperature", ["36.8", "37.9", "38.0", "39.4"], "Cel"),
    _reading("systolic_bp", ["76", "89", "118"], "mm[Hg]"),
    _reading("spo2", ["85", "91", "97"], "%"),
    _reading("neutrophils", ["0.2", "0.8", "2.1"], "10*9/L"),
    _reading("crp", ["12", "90"], "mg/L", None),
    _reading("ice", [10, 8, 4, 1]),
    _reading("seizure", ["none", "brief"]),
)
STATEMENTS = st.fixed_dictionaries(
    {
        "statement": st.sampled_from(["hypotension", "fever_other_cause", "hypoxia", "hypotension_other_cause"]),
        "value": st.booleans(),
        "by": st.just("N. N."),
    }
)
TREATMENTS = st.fixed_dictionaries(
    {
        "drug": st.sampled_from(["tocilizumab", "dexamethasone", "norepinephrine"]),
        "action": st.sampled_from(["started", "stopped"]),
    }
)


def charted(first: int = 0, *, most: int = 12) -> st.SearchStrategy[list[AnyMessage]]:
    """Readings, statements and infusions from a minute of the stretch on."""
    minute = st.integers(first, LAST)
    one = st.one_of(
        st.tuples(st.just("reading"), minute, READINGS),
        st.tuples(st.just("statement"), minute, STATEMENTS),
        st.tuples(st.just("treatment"), minute, TREATMENTS),
    )
    return st.lists(one, min_size=1, max_size=most).map(_messages)


def _messages(drawn: list[Drawn]) -> list[AnyMessage]:
    return [
        message(type_, START + timedelta(minutes=minute), id=f"m{number}", **fields)
        for number, (type_, minute, fields) in enumerate(drawn)
    ]


def corrected() -> st.SearchStrategy[list[AnyMessage]]:
    """Temperatures and their later versions, each received at a time of its own; None takes the reading back."""
    versions = st.lists(st.sampled_from(["36.5", "38.2", None]), min_size=1, max_size=3)
    return st.lists(st.tuples(st.integers(RECENT, LAST), versions), min_size=1, max_size=3).map(_versions)


def _versions(drawn: list[tuple[int, list[str | None]]]) -> list[AnyMessage]:
    found = []
    for number, (minute, values) in enumerate(drawn):
        at = START + timedelta(minutes=minute)
        original = message("reading", at, id=f"c{number}", reading="temperature", value="39.0", unit="Cel", by="person")
        found.append(original)
        for later, value in enumerate(values):
            status = "entered_in_error" if value is None else "corrected"
            fields = {"status": status, "value": value or "39.0", "received": NOW - timedelta(minutes=10 - later)}
            found.append(changed(original, **fields))
    return found


def sent_again() -> st.SearchStrategy[list[AnyMessage]]:
    """Saturations that came several times under one id, each time as final, received and true at other times.

    Of two ids at most: of a sender's minute with more values a chart keeps a choice, and what it dropped stays away.
    """
    versions = st.lists(
        st.tuples(st.integers(RECENT, LAST), st.sampled_from(["90", "97"]), st.integers(0, 3)), min_size=1, max_size=4
    )
    return st.lists(versions, min_size=1, max_size=2).map(_sent_again)


def _sent_again(drawn: list[list[tuple[int, str, int]]]) -> list[AnyMessage]:
    fields: dict[str, Any] = {"reading": "spo2", "unit": "%", "by": "monitor", "source": "monitor-7"}
    return [
        message(
            "reading",
            START + timedelta(minutes=minute),
            id=f"s{number}",
            value=value,
            received=NOW - timedelta(minutes=received),
            **fields,
        )
        for number, versions in enumerate(drawn)
        for minute, value, received in versions
    ]


def run(batches: Sequence[Sequence[AnyMessage]]) -> PatientState:
    """A state after these batches, all of them taken at the end of the stretch."""
    state = PatientState(patient=PATIENT)
    for batch in batches:
        state, _ = step(state, batch, NOW, SITE)
    return state


def shuffled(messages: Sequence[AnyMessage], seed: int) -> list[list[AnyMessage]]:
    """The messages in another order, some of them twice, cut into batches at random."""
    rng = random.Random(seed)
    order = [*messages, *rng.sample(list(messages), len(messages) // 3)]
    rng.shuffle(order)
    batches: list[list[AnyMessage]] = [[]]
    for item in order:
        if rng.random() < 0.5:
            batches.append([])
        batches[-1].append(item)
    return batches


def encoded(chart: Chart) -> bytes:
    """The chart as bytes that do not depend on the order in which its kinds were first seen."""
    return msgspec.json.encode(chart, order="sorted")


def standing(state: PatientState) -> dict[str, str]:
    """The grades that stand; those that are undetermined are as good as never graded."""
    return {system: value for system, value in state.last_values.items() if value is not None}


RUNS = settings(max_examples=40)
SEEDS = st.integers(0, 2**16)


@RUNS
@given(charted(), SEEDS)
def test_any_order_batching_and_repetition_of_a_stay_gives_the_same_chart(drawn: list[AnyMessage], seed: int) -> None:
    messages = [REGISTRATION, *drawn]
    assert encoded(run(shuffled(messages, seed)).chart) == encoded(run([messages]).chart)


@RUNS
@given(charted(RECENT, most=6), corrected(), SEEDS)
def test_any_order_batching_and_repetition_of_corrections_gives_the_same_chart(
    drawn: list[AnyMessage], versions: list[AnyMessage], seed: int
) -> None:
    messages = [REGISTRATION, *drawn, *versions]
    assert encoded(run(shuffled(messages, seed)).chart) == encoded(run([messages]).chart)


@RUNS
@given(charted(RECENT, most=6), sent_again(), SEEDS)
def test_any_order_batching_and_repetition_of_finals_sent_again_gives_the_same_chart_and_grades(
    drawn: list[AnyMessage], versions: list[AnyMessage], seed: int
) -> None:
    messages = [REGISTRATION, *drawn, *versions]
    one, other = run([messages]), run(shuffled(messages, seed))
    assert encoded(other.chart) == encoded(one.chart)
    assert assess(other.chart, NOW, SITE).grades() == assess(one.chart, NOW, SITE).grades()
    ids = [entry.id for entry in one.chart.entries["spo2"] if entry.source == "monitor-7"]
    assert len(ids) == len(set(ids))


@RUNS
@given(charted(RECENT, most=6), corrected(), SEEDS)
def test_any_order_batching_and_repetition_gives_the_same_grades(
    drawn: list[AnyMessage], versions: list[AnyMessage], seed: int
) -> None:
    messages = [REGISTRATION, *drawn, *versions]
    one, other = run([messages]), run(shuffled(messages, seed))
    assert assess(other.chart, NOW, SITE).grades() == assess(one.chart, NOW, SITE).grades()


@RUNS
@given(charted(), SEEDS)
def test_any_order_and_batching_leaves_the_same_grades_standing(drawn: list[AnyMessage], seed: int) -> None:
    messages = [REGISTRATION, *drawn]
    assert standing(run(shuffled(messages, seed))) == standing(run([messages]))


@RUNS
@given(charted(RECENT, most=6), corrected(), SEEDS)
def test_a_course_carried_on_from_step_to_step_grades_as_one_computed_afresh(
    drawn: list[AnyMessage], versions: list[AnyMessage], seed: int
) -> None:
    state = run(shuffled([REGISTRATION, *drawn, *versions], seed))
    assert assess(state.chart, NOW, SITE, state.result_cache) == assess(state.chart, NOW, SITE)


@RUNS
@given(charted(most=8), SEEDS)
def test_a_step_never_changes_what_it_is_given(drawn: list[AnyMessage], seed: int) -> None:
    state = PatientState(patient=PATIENT)
    for batch in [[REGISTRATION], *shuffled(drawn, seed)]:
        before = pack(state)
        after, _ = step(state, batch, NOW, SITE)
        assert pack(state) == before
        state = after
