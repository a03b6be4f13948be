"""Whatever comes late or is corrected, and however late: what is kept of the past is what would be computed anew."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.assessment.assessment import assess
from alerts.chart.buckets import FULL_RESOLUTION
from alerts.chart.chart import Chart
from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from tests.support.ward import PATIENT, SITE, changed, message
from worker.store.codec import pack, unpack_state

INFUSED = datetime(2024, 6, 12, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RUNS = settings(max_examples=100)

Fields = dict[str, Any]


def registered(at: datetime = INFUSED, **fields: Any) -> AnyMessage:
    return message("registration", at, source="ehr", **{"infused": INFUSED, **fields})


@contextmanager
def nothing_thinned() -> Iterator[None]:
    """Charts that keep every entry, so that what was computed while all of it was charted can be computed again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chart, "thinned", lambda chart, *_: chart)
        yield


def arriving(
    messages: Iterable[tuple[timedelta, AnyMessage]], apart: timedelta = timedelta(0)
) -> Iterator[tuple[datetime, list[AnyMessage]]]:
    """The batches in which messages come in, each so late; those that come within `apart` together, at the last."""
    batch: list[tuple[datetime, AnyMessage]] = []
    for came_in, item in sorted(((item.effective + late, item) for late, item in messages), key=itemgetter(0)):
        if batch and came_in - batch[0][0] > apart:
            yield batch[-1][0], [one for _, one in batch]
            batch = []
        batch.append((came_in, item))
    yield batch[-1][0], [one for _, one in batch]


def lived(
    batches: Iterator[tuple[datetime, list[AnyMessage]]], *, stored: bool = True
) -> Iterator[tuple[datetime, PatientState]]:
    """The state after each batch: as it comes back from the store, or as a process keeps it in memory."""
    state = PatientState(patient=PATIENT)
    for now, batch in batches:
        before = unpack_state(pack(state)) if stored else state
        state, _ = step(before, batch, now.astimezone(UTC), SITE)
        yield now.astimezone(UTC), state


# -- as computed anew ------------------------------------------------------------------------------

LATE = [timedelta(0)] * 3 + [15 * MINUTE, 80 * MINUTE, 216 * MINUTE, 9 * HOUR, DAY, 6 * DAY]
APART = [timedelta(0), MINUTE, MINUTE, 20 * MINUTE, HOUR, 4 * HOUR, 13 * HOUR, 3 * DAY]


def _one(type_: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Fields]]:
    return st.tuples(st.just(type_), st.fixed_dictionaries(fields))


def _values(kind: str, values: list[object], unit: str | None = None) -> st.SearchStrategy[tuple[str, Fields]]:
    origins = st.sampled_from(["person", "monitor"])
    return _one("reading", reading=st.just(kind), value=st.sampled_from(values), unit=st.just(unit), by=origins)


CHARTED = st.one_of(
    _values("temperature", ["36.8", "38.0", "39.6"], "Cel"),
    _values("systolic_bp", ["76", "89", "118"], "mm[Hg]"),
    _values("spo2", ["84", "91", "97"], "%"),
    _values("oxygen_device", ["none", "nasal_cannula", "face_mask"]),
    _values("neutrophils", ["0.2", "2.1"], "10*9/L"),
    _values("ice", [10, 5]),
    _one(
        "statement",
        statement=st.sampled_from(["hypotension", "fever_other_cause", "hypoxia_other_cause", "died_of_crs"]),
        value=st.booleans(),
        by=st.just("N. N."),
    ),
    _one(
        "treatment",
        drug=st.sampled_from(["tocilizumab", "paracetamol", "norepinephrine"]),
        action=st.sampled_from(["given", "started", "stopped"]),
    ),
    _one(
        "registration",
        infused=st.sampled_from([None, None, INFUSED, INFUSED + 2 * DAY]),
        setting=st.sampled_from([None, "outpatient", "inpatient"]),
    ),
    _one("discharge", to=st.sampled_from([None, "outpatient"])),
    _one("again", nth=st.integers(0, 9), status=st.sampled_from(["final", "corrected", "entered_in_error"])),
)
STAYS = st.lists(st.tuples(st.sampled_from(APART), st.sampled_from(LATE), CHARTED), min_size=8, max_size=40).map(
    lambda drawn: _messages(drawn)
)


def _messages(drawn: list[tuple[timedelta, timedelta, tuple[str, Fields]]]) -> list[tuple[timedelta, AnyMessage]]:
    at, found = INFUSED, [(timedelta(0), registered())]
    for number, (apart, late, (type_, fields)) in enumerate(drawn):
        at += apart
        readings = [(waited, item) for waited, item in found if item.type == "reading"]
        if type_ != "again":
            found.append((late, message(type_, at, id=f"m{number}", **fields)))
        elif readings:
            waited, original = readings[fields["nth"] % len(readings)]
            version = {"status": fields["status"], "received": original.effective + waited + late + MINUTE}
            if fields["status"] == "final":
                version["effective"] = original.effective + 7 * MINUTE
            found.append((waited + late + MINUTE, changed(original, **version)))
    return found


@RUNS
@given(STAYS, st.sampled_from([timedelta(0), HOUR, 2 * DAY]), st.booleans())
def test_a_late_or_corrected_stay_is_assessed_as_without_all_that_is_kept(
    messages: list[tuple[timedelta, AnyMessage]], apart: timedelta, stored: bool
) -> None:
    with nothing_thinned():
        for now, state in lived(arriving(messages, apart), stored=stored):
            for at in (now, now - HOUR, now - 3 * DAY, (state.chart.infused or now) - HOUR):
                assert assess(state.chart, at, SITE, state.result_cache) == assess(state.chart, at, SITE)


DENSE = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1, 2, 4]),
        st.sampled_from([0, 0, 1, 3, 8, 20, 60]),
        st.sampled_from(
            [
                *[
                    ("temperature", value, "Cel", by)
                    for value in ("36.8", "38.1", "39.1")
                    for by in ("monitor", "patch")
                ],
                *[("systolic_bp", value, "mm[Hg]", by) for value in ("84", "118") for by in ("cuff", "arterial_line")],
                *[("mean_bp", value, "mm[Hg]", "cuff") for value in ("58", "90", "130")],
                ("diastolic_bp", "88", "mm[Hg]", "cuff"),
                *[("spo2", value, "%", "monitor") for value in ("82", "91", "97")],
                ("temperature", "37.1", "Cel", "person"),
                ("paracetamol", "", "", ""),
                ("fever_other_cause", "", "", ""),
            ]
        ),
        st.sampled_from(["", "", "", "corrected", "entered_in_error"]),
    ),
    min_size=20,
    max_size=90,
)
"""Minutes since the value before, minutes late, the value, and what may become of it within the hour."""


def _stream(drawn: list[tuple[int, int, tuple[str, str, str, str], str]]) -> Iterator[tuple[timedelta, AnyMessage]]:
    at = INFUSED
    yield timedelta(0), registered()
    for number, (apart, late, (kind, value, unit, by), later) in enumerate(drawn):
        at += apart * MINUTE
        if kind == "paracetamol":
            yield late * MINUTE, message("treatment", at, drug=kind, action="given", id=f"m{number}")
            continue
        if kind == "fever_other_cause":
            yield late * MINUTE, message("statement", at, statement=kind, value=True, by="N. N.", id=f"m{number}")
            continue
        one = message("reading", at, reading=kind, value=value, unit=unit, by=by, id=f"m{number}")
        yield late * MINUTE, one
        if later:
            waited = (late + number % 30) * MINUTE
            other = {"temperature": "36.9"}.get(kind, value)
            yield waited, changed(one, status=later, value=other, received=at + waited)


@RUNS
@given(DENSE)
def test_a_dense_stream_kept_in_memory_is_assessed_as_without_all_that_is_kept(
    drawn: list[tuple[int, int, tuple[str, str, str, str], str]],
) -> None:
    with nothing_thinned():
        for now, state in lived(arriving(_stream(drawn), MINUTE), stored=False):
            at = max(now, state.chart.newest or now)
            for time in (at, at - 10 * MINUTE):
                assert assess(state.chart, time, SITE, state.result_cache) == assess(state.chart, time, SITE)


# -- as in order -----------------------------------------------------------------------------------


def a_stay(days: int, seed: int) -> list[AnyMessage]:
    """A set of vital signs every few minutes, with fevers, low pressures and saturations that come and go."""
    rng = random.Random(seed)
    found, at = [registered()], INFUSED
    fever = low = hypoxia = 0.0
    while at < INFUSED + days * DAY:
        at += rng.choice([2, 5, 10]) * MINUTE
        fever, low, hypoxia = (rng.random() if rng.random() < 0.01 else level for level in (fever, low, hypoxia))
        values = {
            "temperature": (f"{36.6 + 3 * max(fever - 0.6, 0) + rng.random() * 0.6:.1f}", "Cel"),
            "systolic_bp": (f"{118 - 60 * max(low - 0.6, 0) + rng.randint(-6, 6):.0f}", "mm[Hg]"),
            "spo2": (f"{97 - 14 * max(hypoxia - 0.6, 0):.0f}", "%"),
        }
        for kind, (value, unit) in values.items():
            found.append(message("reading", at, reading=kind, value=value, unit=unit, by="monitor", id=f"{kind}{at}"))
        if rng.random() < 0.005:
            found.append(message("treatment", at, drug="paracetamol", action="given", id=f"dose{at}"))
    return found


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_long_stay_that_comes_up_to_two_hours_late_has_the_course_of_one_in_order(seed: int, stored: bool) -> None:
    messages, rng = a_stay(4, seed), random.Random(seed)
    most = FULL_RESOLUTION - 5 * MINUTE
    late = {at: min(timedelta(minutes=rng.lognormvariate(2.7, 1.3)), most) for at in {m.effective for m in messages}}
    in_order = arriving([(timedelta(0), item) for item in messages])
    as_it_came = arriving([(late[item.effective], item) for item in messages])
    (*_, (_, one)), (*_, (_, other)) = lived(in_order), lived(as_it_came, stored=stored)
    assert one.result_cache.course.last is not None
    assert one.result_cache.course.last.episodes >= 1
    assert other.result_cache.course.last == one.result_cache.course.last
    assert other.last_values == one.last_values


# -- what thinning dropped -------------------------------------------------------------------------

OPENED = INFUSED + 2 * HOUR


def nine_days_of_fever() -> Iterator[AnyMessage]:
    """A fever that began at `OPENED`, rose for hours, and lasted: of its first day the chart keeps the extremes."""
    yield registered()
    for number in range(1, 9 * 24):
        value = "36.8" if number < 2 else "39.5" if number == 6 else "38.3"
        at = INFUSED + number * HOUR
        yield message("reading", at, reading="temperature", value=value, unit="Cel", by="person", id=f"m{number}")


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("late", ["a discharge", "a temperature"])
def test_the_course_of_what_thinning_dropped_outlasts_a_later_change(late: str, stored: bool) -> None:
    """A course that began anew would be that of the entries still kept: CRS since the highest fever of its first day.

    Two stays of real charting were assessed so until the course was kept at earlier times.
    """
    end = INFUSED + 9 * 24 * HOUR
    change = (
        message("discharge", end, source="ehr")
        if late == "a discharge"
        else message("reading", end - 5 * HOUR - MINUTE, reading="temperature", value="38.4", unit="Cel", by="person")
    )
    messages = [(timedelta(0), item) for item in nine_days_of_fever()]
    *_, (now, state) = lived(arriving([*messages, (end - change.effective, change)]), stored=stored)
    assert assess(state.chart, now, SITE).course.opened_at == INFUSED + 6 * HOUR
    carried = assess(state.chart, now, SITE, state.result_cache).course
    assert (carried.opened_at, carried.episodes, carried.highest) == (OPENED, 1, 1)
