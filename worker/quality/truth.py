"""The truth of a simulated patient, minute by minute: vital signs, ICE, counts, grades, and when each grade begins.

`signs` is the ASTCT CRS grade by the signs alone, whatever their cause: no rule can know more. Onsets are those of the
patient's own values without the wander from minute to minute.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.quality.assumptions import assumed, number, pair
from worker.quality.course import DAY, HOUR, SEVERITY, Generator, Interval, SimulatedCourse

Series = NDArray[np.float64]
Grades = NDArray[np.int8]

FEVER = 38.0
"""Cel. ASTCT 2019."""

HYPOTENSION_SYSTOLIC, HYPOTENSION_MEAN, HYPOXIA = 90.0, 65.0, 92.0
"""mmHg and %: the proxy defaults of CLINICAL, section 1."""

SEVERE_NEUTROPENIA = 1.0
"""10*9/L, of CTCAE febrile neutropenia."""

HIGH_FEVER = 38.3
"""Cel, above which one temperature is enough for febrile neutropenia (CTCAE)."""

APART = 24 * HOUR
"""Spells of a condition less than this apart are one: an assumption."""

SHORTEST = 15
"""Minutes. A shorter spell is not counted as an onset: an assumption."""

LABORATORY = tuple(
    name
    for name, value in (
        (name, assumed(f"laboratory.{name}"))
        for name in (
            *("crp", "ferritin", "white_cells", "neutrophils", "lymphocytes", "platelets", "hemoglobin", "ldh"),
            *("creatinine", "fibrinogen", "alt", "ast", "bilirubin"),
        )
    )
    if isinstance(value, dict)
)

ICE_BANDS = {0: (10, 10), 1: (7, 9), 2: (3, 6), 3: (0, 2), 4: (0, 0)}
CONSCIOUSNESS = {0: "spontaneous", 1: "spontaneous", 2: "voice", 3: "touch", 4: "unarousable"}


class Onset(NamedTuple):
    """A condition of a grade or more: from when, until when, in minutes."""

    condition: str
    grade: int
    start: int
    end: int


@dataclass
class Truth:
    """The series of a patient, one value a minute."""

    course: SimulatedCourse
    temperature: Series
    systolic: Series
    diastolic: Series
    spo2: Series
    heart_rate: Series
    respiratory_rate: Series
    ice: Grades
    crs: Grades
    icans: Grades
    signs: Grades
    fever: NDArray[np.bool_]
    neutrophils: Series
    own_systolic: float
    deviates: dict[str, float]
    onsets: list[Onset]

    def laboratory(self, kind: str, minute: float, chance: Generator) -> float:
        """A laboratory value at a minute."""
        value = _curve(kind, np.array([minute]), self.deviates[kind])[0]
        return float(value * np.exp(number("laboratory.noise") * chance.normal()))


def _curve(kind: str, minutes: Series, deviate: float) -> Series:
    table = assumed(f"laboratory.{kind}")
    days = np.array(table["days"], dtype=float)
    at = minutes / DAY - 1.25  # the morning's draw belongs to its day
    sigma = np.array(table["sigma"], dtype=float)
    spread = np.interp(at, days, sigma) if len(sigma) == len(days) else np.full_like(at, sigma[0])
    found: Series = np.exp(np.interp(at, days, np.log(np.array(table["median"], dtype=float))) + spread * deviate)
    return found


def live(course: SimulatedCourse, chance: Generator) -> Truth:
    """The truth of a course."""
    length = course.minutes
    at = np.arange(length, dtype=float)
    heat = _heat(course, at)
    own = max(float(chance.normal(*pair("vital_signs.systolic"))), 98.0)
    if chance.random_sample() < number("vital_signs.low_normal_share"):
        own = 98.0
    noise = assumed("vital_signs.noise")
    wander = {name: _wander(length, chance) * sd for name, sd in noise.items()}
    daily = np.cos((at - 20 * HOUR) * 2 * np.pi / DAY)
    temperature = course.own_temperature + daily * number("vital_signs.circadian_temperature") + heat
    night = np.clip(np.cos((at - 3 * HOUR) * 2 * np.pi / DAY), 0, None) * number("vital_signs.night_pressure")
    low = _depth(course.hypotension, course, at) * (own - course.lowest_systolic)
    support = sum((_during(span, at) for _, span in course.vasopressors), np.zeros(length))
    low = np.where(support > 0, np.minimum(low, max(own - 98.0, 0.0)), low)
    systolic = own + night - 3 * (heat > 1) - low
    own_spo2 = max(float(chance.normal(*pair("vital_signs.spo2"))), 94.5)
    on_oxygen = sum((_during(one.span, at) for one in course.oxygen), np.zeros(length)) > 0
    hypoxia = _depth(course.hypoxia, course, at)
    room_air = own_spo2 - hypoxia * (own_spo2 - course.lowest_spo2)
    spo2 = np.where(on_oxygen, np.maximum(room_air, 94.5), room_air)
    icans = _icans(course, length)
    deviates = _deviates(course, chance)
    neutrophils = _curve("neutrophils", at, deviates["neutrophils"])
    rate = chance.normal(*pair("vital_signs.heart_rate")) + heat * number("vital_signs.heart_rate_per_degree")
    rate = rate + _depth(course.hypotension, course, at) * number("vital_signs.heart_rate_in_hypotension")
    breaths = chance.normal(*pair("vital_signs.respiratory_rate")) + 1.5 * heat
    breaths = breaths + hypoxia * number("vital_signs.respiratory_rate_in_hypoxia")
    share = number("vital_signs.diastolic_share")
    fever = temperature >= FEVER
    mean = systolic * (1 + 2 * share) / 3
    hypotensive = (systolic < HYPOTENSION_SYSTOLIC) | (mean < HYPOTENSION_MEAN)
    by_signs = _by_signs(course, at, hypotensive, spo2 < HYPOXIA)
    within = _during(course.crs, at) > 0 if course.crs is not None else np.zeros(length, dtype=bool)
    crs = _crs(course, at, fever, by_signs, within)
    truth = Truth(
        course=course,
        temperature=temperature + wander["temperature"],
        systolic=systolic + wander["systolic"],
        diastolic=(systolic + wander["systolic"]) * share,
        spo2=np.minimum(spo2 + wander["spo2"], 100.0),
        heart_rate=rate + wander["heart_rate"],
        respiratory_rate=np.maximum(breaths + wander["respiratory_rate"], 8.0),
        ice=_ice(icans, chance),
        crs=crs,
        icans=icans,
        signs=np.maximum(np.where(fever, np.maximum(by_signs, 1), 0), crs).astype(np.int8),
        fever=fever,
        neutrophils=neutrophils,
        own_systolic=own,
        deviates=deviates,
        onsets=[],
    )
    truth.onsets = list(_onsets(truth, temperature))
    return truth


def _heat(course: SimulatedCourse, at: Series) -> Series:
    """Cel above the patient's own temperature."""
    heat = np.zeros_like(at)
    for spike in course.spikes:
        top, falls = spike.start + spike.rises, spike.start + spike.rises + spike.lasts
        ends = falls + spike.falls
        first, last = max(int(spike.start), 0), min(int(ends) + 1, len(at))
        part = np.interp(at[first:last], [spike.start, top, falls, ends], [0, spike.height, spike.height, 0])
        heat[first:last] = np.maximum(heat[first:last], part)
    for span, height in course.lingering:
        heat = np.maximum(heat, height * _ramped(span, at, 2 * HOUR))
    return heat


def _ramped(span: Interval, at: Series, ramp: float) -> Series:
    found: Series = np.interp(at, [span.start, span.start + ramp, span.end, span.end + ramp], [0.0, 1.0, 1.0, 0.0])
    return found


def _depth(span: Interval | None, course: SimulatedCourse, at: Series) -> Series:
    """0 to 1: how far a sign has developed."""
    return np.zeros_like(at) if span is None else _ramped(span, at, course.develops)


def _during(span: Interval, at: Series) -> Series:
    return ((at >= span.start) & (at < span.end)).astype(float)


def _wander(length: int, chance: Generator) -> Series:
    """A slow random wander of unit SD: independent values each quarter of an hour, joined by lines."""
    knots = np.arange(0, length + 30, 15, dtype=float)
    found: Series = np.interp(np.arange(length, dtype=float), knots, chance.normal(size=len(knots))) * 1.2
    return found


def _deviates(course: SimulatedCourse, chance: Generator) -> dict[str, float]:
    severity = SEVERITY[course.crs_peak] * 1.3
    found = {}
    for kind in LABORATORY:
        rho = float(assumed(f"laboratory.{kind}")["severity"])
        found[kind] = rho * severity + (1 - rho * rho) ** 0.5 * float(chance.normal())
    return found


def _by_signs(course: SimulatedCourse, at: Series, hypotensive: Any, hypoxic: Any) -> Grades:
    """The grade that pressure and oxygen give, fever aside: ASTCT 2019."""
    grade = np.where(hypotensive | hypoxic, 2, 0)
    for one in course.oxygen:
        level = {"nasal_cannula": 2, "high_flow_nasal_cannula": 3}.get(one.device, 4)
        grade = np.maximum(grade, level * _during(one.span, at))
    drugs = sum((_during(span, at) for _, span in course.vasopressors), np.zeros_like(at))
    found: Grades = np.maximum(grade, np.where(drugs >= 2, 4, np.where(drugs >= 1, 3, 0))).astype(np.int8)
    return found


def _crs(course: SimulatedCourse, at: Series, fever: Any, by_signs: Grades, within: Any) -> Grades:
    """The CRS grade: within the CRS, with fever, or without once an antipyretic waives it."""
    counts = within & (fever | (at >= course.waived_from))
    grade = np.where(counts & (by_signs > 0), by_signs, np.where(within & fever, 1, 0))
    return grade.astype(np.int8)


def _icans(course: SimulatedCourse, length: int) -> Grades:
    grade = np.zeros(length, dtype=np.int8)
    for one in course.icans:
        first, last = min(int(one.span.start), length), min(int(one.span.end), length)
        grade[first:last] = one.grade
    return grade


def _ice(icans: Grades, chance: Generator) -> Grades:
    """A score within the band of the grade, which every few hours moves by a point or stays."""
    found = np.empty(len(icans), dtype=np.int8)
    score, at = 10, 0
    changes = np.flatnonzero(np.diff(icans)) + 1
    while at < len(icans):
        until = at + int(chance.uniform(*pair("icans.ice_changes_every")) * HOUR)
        following = changes[changes > at]
        until = min(until, len(icans), int(following[0]) if len(following) else until)
        low, high = ICE_BANDS[int(icans[at])]
        score = min(max(score + int(chance.randint(-1, 2)), low), high)
        found[at:until] = score
        at = until
    return found


def _onsets(truth: Truth, temperature: Series) -> list[Onset]:
    found = []
    for condition, series in (("crs", truth.crs), ("icans", truth.icans)):
        for grade in (1, 2, 3, 4):
            found += [Onset(condition, grade, *spell) for spell in spells(series >= grade)]
    febrile = _febrile_neutropenia(truth, temperature)
    found += [Onset("febrile_neutropenia", 3, *spell) for spell in spells(febrile)]
    return sorted(found, key=lambda one: (one.start, one.condition, one.grade))


def _febrile_neutropenia(truth: Truth, temperature: Series) -> NDArray[np.bool_]:
    """ANC < 1.0 with more than 38.3, or 38.0 for an hour (CTCAE)."""
    hot = temperature >= FEVER
    count = np.concatenate(([0], np.cumsum(hot)))
    lasted = np.zeros(len(hot), dtype=bool)
    lasted[HOUR - 1 :] = count[HOUR:] - count[:-HOUR] >= HOUR
    found: NDArray[np.bool_] = (truth.neutrophils < SEVERE_NEUTROPENIA) & ((temperature > HIGH_FEVER) | lasted)
    return found


def spells(true: NDArray[np.bool_], apart: int = APART, shortest: int = SHORTEST) -> list[tuple[int, int]]:
    """From and until of each spell in a series by the minute; short gaps join, short spells are left out."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], true.astype(np.int8), [0]))))
    found: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and start - found[-1][1] < apart:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return [spell for spell in found if spell[1] - spell[0] >= shortest]
