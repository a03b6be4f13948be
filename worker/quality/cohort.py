"""A simulated cohort: native messages, and beside them the truth of each patient."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from worker.quality.artefacts import distort
from worker.quality.course import HOUR, Generator, SimulatedCourse, draw
from worker.quality.sampling import Charting, observe
from worker.quality.transport import MIDNIGHT, Sent, at, messages
from worker.quality.truth import (
    FEVER,
    HIGH_FEVER,
    HYPOTENSION_MEAN,
    HYPOTENSION_SYSTOLIC,
    HYPOXIA,
    SEVERE_NEUTROPENIA,
    Onset,
    Truth,
    live,
)


class TrueOnset(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition of a grade or more: from when until when it is true, and when its signs first came in.

    `charted` is None if nobody measured it.
    """

    condition: str
    grade: int
    start: datetime
    end: datetime
    charted: datetime | None = None


class PatientTruth(msgspec.Struct, frozen=True, omit_defaults=True):
    """The truth of one patient. Lists hold one value an hour from `begins`: the highest grade of that hour.

    `signs`: the CRS grade by the signs alone, whatever their cause. `vitals` and `ice`: the minutes at which they were
    measured. `neutrophils`, `platelets`: x10^9/L at the hour.
    """

    patient: str
    product: str
    begins: datetime
    crs: list[int]
    icans: list[int]
    signs: list[int]
    temperature: list[float]
    neutrophils: list[float]
    vitals: list[int]
    ice: list[int]
    onsets: list[TrueOnset]

    def worst(self, series: Sequence[float], since: datetime, until: datetime) -> float:
        """The highest value of an hourly series between two times."""
        first = int((since - self.begins) / timedelta(hours=1))
        last = int((until - self.begins) / timedelta(hours=1))
        return max(series[max(first, 0) : last + 1], default=0)

    def measured(self, minutes: Sequence[int], since: datetime, until: datetime) -> bool:
        """Whether something was measured between two times."""
        first, last = ((time - self.begins) / timedelta(minutes=1) for time in (since, until))
        return any(first <= minute <= last for minute in minutes)


class Simulated(NamedTuple):
    """One patient of a cohort: the lines of their messages, and the line of their truth."""

    lines: list[bytes]
    truth: bytes


class CohortPlan(NamedTuple):
    """What to simulate."""

    product: str
    charting: Charting
    days: int
    seed: int


def generator(seed: int, patient: int, part: str) -> Generator:
    """The chance of one part of one patient: no other part or patient changes it."""
    return np.random.RandomState(crc32(f"{seed} {patient} {part}".encode()))


def lived(plan: CohortPlan, number: int) -> Truth:
    """The truth of one patient."""
    chance = generator(plan.seed, number, "course")
    course: SimulatedCourse = draw(number, plan.product, plan.days, chance)
    return live(course, generator(plan.seed, number, "values"))


def simulate(plan: CohortPlan, number: int) -> Simulated:
    """One patient. The same plan and number give the same bytes."""
    patient = f"SIM-{plan.seed}-{number:04}"
    truth = lived(plan, number)
    found = distort(
        observe(truth, plan.charting, generator(plan.seed, number, "charting")),
        generator(plan.seed, number, "artefacts"),
    )
    sent = messages(truth, found, patient, generator(plan.seed, number, "transport"))
    return Simulated([msgspec.json.encode(one.body) for one in sent], msgspec.json.encode(record(truth, patient, sent)))


def record(truth: Truth, patient: str, sent: Iterable[Sent]) -> PatientTruth:
    """The truth of a patient as it is written beside the messages."""
    known = [one for one in sent if (one.observation.sound if one.observation else one.body["type"] == "treatment")]
    observed = [one.observation for one in known if one.observation is not None]
    return PatientTruth(
        patient=patient,
        product=truth.course.product,
        begins=MIDNIGHT,
        crs=_hourly(truth.crs),
        icans=_hourly(truth.icans),
        signs=_hourly(truth.signs),
        temperature=[round(float(hour.max()), 2) for hour in _hours(truth.temperature)],
        neutrophils=[round(float(hour.min()), 3) for hour in _hours(truth.neutrophils)],
        vitals=sorted({int(one.at) for one in observed if one.kind in ("systolic_bp", "temperature")}),
        ice=sorted({int(one.at) for one in observed if one.kind == "ice"}),
        onsets=[_true_onset(one, truth, known) for one in truth.onsets if one.start < truth.course.minutes - HOUR],
    )


def _hours(series: Any) -> Any:
    return series.reshape(-1, HOUR)


def _hourly(series: Any) -> list[int]:
    return [int(hour.max()) for hour in _hours(series)]


def _time(minute: float) -> datetime:
    return datetime.fromisoformat(at(minute))


def _true_onset(one: Onset, truth: Truth, known: Sequence[Sent]) -> TrueOnset:
    charted = first_charted(one, truth, known)
    return TrueOnset(
        one.condition,
        one.grade,
        _time(one.start),
        _time(one.end),
        None if charted is None else _time(charted),
    )


SUPPORT = {"high_flow_nasal_cannula": 3, "invasive_ventilation": 4}
"""The CRS grade of a device (ASTCT 2019); the simulation has no others above low flow."""


# -- when a condition was first charted ------------------------------------------------------------


def first_charted(one: Onset, truth: Truth, known: Sequence[Sent]) -> float | None:
    """The minute at which the messages first show a condition of a grade; None if they never do.

    CRS of 2 and more is shown once both its fever and its other sign have come in.
    """
    within = [sent for sent in known if sent.observation is not None and one.start <= sent.observation.at <= one.end]
    if one.condition == "icans":
        return _earliest(sent for sent in within if _shows_icans(sent, one.grade))
    if one.condition == "febrile_neutropenia":
        return _febrile_neutropenia(one, known)
    since = truth.course.crs.start if truth.course.crs is not None else one.start
    fever = _earliest(
        sent
        for sent in known
        if sent.observation is not None and since - HOUR <= sent.observation.at <= one.end and _is_fever(sent, FEVER)
    )
    if one.grade == 1:
        return _earliest(sent for sent in within if _is_fever(sent, FEVER))
    shown = _earliest(sent for sent in within if _shows_crs(sent))
    sign = shown if one.grade == 2 else _support(one.grade, within, known)
    return None if fever is None or sign is None else max(fever, sign)


def _earliest(found: Iterable[Sent]) -> float | None:
    return min((one.arrives for one in found), default=None)


def _is_fever(sent: Sent, bound: float) -> bool:
    return sent.body.get("reading") == "temperature" and float(sent.body["value"]) >= bound


def _shows_crs(sent: Sent) -> bool:
    kind, value = sent.body.get("reading"), sent.body.get("value", "")
    if kind == "oxygen_device":
        return bool(value != "none")
    bound = {"systolic_bp": HYPOTENSION_SYSTOLIC, "mean_bp": HYPOTENSION_MEAN, "spo2": HYPOXIA}.get(kind or "")
    return bound is not None and float(value) < bound


def _support(grade: int, within: Sequence[Sent], known: Sequence[Sent]) -> float | None:
    """When support of grade 3 or 4 came in: the first drug or the second, or a device."""
    drugs = sorted(sent.arrives for sent in known if sent.body.get("action") == "started")
    devices = (sent.arrives for sent in within if _is_device(sent) and SUPPORT.get(sent.body["value"], 0) >= grade)
    return min([*drugs[grade - 3 : grade - 2], *devices], default=None)


def _is_device(sent: Sent) -> bool:
    return bool(sent.body.get("reading") == "oxygen_device")


def _shows_icans(sent: Sent, grade: int) -> bool:
    kind, value = sent.body.get("reading"), sent.body.get("value", "")
    if kind == "ice":
        return float(value) <= {1: 9, 2: 6, 3: 2, 4: -1}[grade]
    if kind == "consciousness":
        return value in ("voice", "touch", "unarousable")[grade - 2 :] if grade >= 2 else value != "spontaneous"
    return kind == "seizure" and grade <= 3


def _febrile_neutropenia(one: Onset, known: Sequence[Sent]) -> float | None:
    """A count describes a fever if it is the last one drawn before it, or the first one after it."""
    drawn = sorted((sent for sent in known if sent.body.get("reading") == "neutrophils"), key=_measured_at)
    shown = []
    for minute, arrives in _fevers(one, known):
        earlier = bisect_right(drawn, minute, key=_measured_at)
        beside = drawn[max(earlier - 1, 0) : earlier + 1]
        low = (sent for sent in beside if float(sent.body["value"]) < SEVERE_NEUTROPENIA)
        shown += [max(arrives, sent.arrives) for sent in low if sent.arrives <= one.end]
    return min(shown, default=None)


def _fevers(one: Onset, known: Sequence[Sent]) -> Iterator[tuple[float, float]]:
    """When each fever was by definition one, and when that came in: above 38.3, or lasting for more than an hour."""
    run: list[Sent] = []
    for sent in sorted((sent for sent in known if sent.body.get("reading") == "temperature"), key=_measured_at):
        minute = _measured_at(sent)
        if not one.start - HOUR <= minute <= one.end:
            continue
        run = [*run, sent] if _is_fever(sent, FEVER) else []
        if not run or minute < one.start:
            continue
        # A charted temperature has one decimal: what is more than 38.3 is at least half a step above it.
        if _is_fever(sent, HIGH_FEVER + 0.05):
            yield minute, sent.arrives
        elif minute - _measured_at(run[0]) > HOUR:
            yield minute, max(run[0].arrives, sent.arrives)


def _measured_at(sent: Sent) -> float:
    return sent.observation.at if sent.observation is not None else sent.arrives


def decoded(lines: Iterable[bytes]) -> Iterator[PatientTruth]:
    """The truths of a file, one JSON object a line.

    Raises:
        msgspec.ValidationError: a line is no truth; the text names the field.
    """
    decoder = msgspec.json.Decoder(PatientTruth)
    for line in lines:
        if line.strip():
            yield decoder.decode(line)
