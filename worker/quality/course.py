"""The course of one simulated patient: when each toxicity begins, how bad it becomes, what is given.

Times are minutes since the stay's midnight before the day of infusion: day 0 begins at minute 1440. Everything is drawn
from one generator, so that a seed gives the same patient. Its values stand in `assumptions.yaml`.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from worker.quality.assumptions import assumed, number, pair

HOUR, DAY = 60, 1440
INFUSED_AT = DAY + 10 * HOUR + 30

SEVERITY = (-0.8, -0.1, 0.5, 1.2, 1.8)
"""The severity of a CRS by its peak grade, as a normal deviate, to which laboratory values are correlated."""

Generator = np.random.RandomState
"""Its streams never change between versions of numpy."""


class Interval(NamedTuple):
    """From one minute to another."""

    start: float
    end: float

    def cut(self, start: float, end: float) -> "Interval":
        """The part within limits."""
        return Interval(max(self.start, start), min(self.end, end))


class Spike(NamedTuple):
    """One rise of temperature: from when, how long it rises, stays and falls, and its height in Cel above the own."""

    start: float
    rises: float
    lasts: float
    falls: float
    height: float


class Given(NamedTuple):
    """A drug given, started or stopped."""

    at: float
    drug: str
    action: str
    dose: str = ""
    unit: str = ""


class Oxygen(NamedTuple):
    """Support by a device, with its flow in L/min (0: none is charted)."""

    span: Interval
    device: str
    flow: float


class Neurotoxicity(NamedTuple):
    """A time at one ICANS grade."""

    span: Interval
    grade: int


@dataclass
class SimulatedCourse:
    """What happens to a patient, before anybody measures it."""

    number: int
    product: str
    minutes: int
    own_temperature: float = 36.7
    crs_peak: int = 0
    crs: Interval | None = None
    hypotension: Interval | None = None
    lowest_systolic: float = 120.0
    hypoxia: Interval | None = None
    lowest_spo2: float = 97.0
    develops: float = 60.0
    spikes: list[Spike] = field(default_factory=list)
    lingering: list[tuple[Interval, float]] = field(default_factory=list)
    oxygen: list[Oxygen] = field(default_factory=list)
    vasopressors: list[tuple[str, Interval]] = field(default_factory=list)
    icans: list[Neurotoxicity] = field(default_factory=list)
    seizures: list[float] = field(default_factory=list)
    infections: list[Interval] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)
    waived_from: float = math.inf


def lognormal(chance: Generator, name: str, unit: float = 1.0) -> float:
    """A draw from the lognormal of an assumption (median, sigma), in minutes if `unit` says so."""
    median, sigma = pair(name)
    return unit * median * math.exp(sigma * float(chance.normal()))


def uniform(chance: Generator, name: str, unit: float = 1.0) -> float:
    """A draw between the two numbers of an assumption."""
    return unit * float(chance.uniform(*pair(name)))


def happens(chance: Generator, share: float) -> bool:
    """Whether something of this probability happens."""
    return bool(chance.random_sample() < share)


def draw(number_: int, product: str, days: int, chance: Generator) -> SimulatedCourse:
    """The course of one patient, watched from the day before infusion for `days` days from day 0 on."""
    course = SimulatedCourse(number_, product, (days + 1) * DAY, float(chance.normal(*pair("vital_signs.temperature"))))
    rates = assumed(f"products.{product}")
    weights = np.array(rates["crs"], dtype=float)
    course.crs_peak = int(chance.choice(5, p=weights / weights.sum()))
    if course.crs_peak:
        _crs(course, rates, chance)
    _other_fevers(course, chance)
    _icans(course, rates, chance)
    _given(course, chance)
    return course


def _crs(course: SimulatedCourse, rates: dict[str, list[float]], chance: Generator) -> None:
    median, sigma = rates["crs_onset"]
    onset = median * math.exp(sigma * float(chance.normal()))
    latest = number("crs.latest_onset_day")
    start = DAY * (1 + min(onset, latest)) + float(chance.uniform(0, 12 * HOUR))
    start = max(start - 6 * HOUR, INFUSED_AT + 2 * HOUR)
    ends = DAY * (1 + lognormal(chance, "crs.fever_ends_day"))
    course.crs = Interval(start, max(ends, start + number("crs.lasts_at_least") * HOUR))
    height = _height(course, chance)
    course.spikes += _spikes(course.crs, height, chance)
    lasting = course.crs.cut((1 + number("fever.rare_until_day")) * DAY, course.crs.end)
    course.lingering.append((lasting, height * number("fever.between_spikes")))
    if course.crs_peak >= 2:
        _signs(course, course.crs, chance)


def _height(course: SimulatedCourse, chance: Generator) -> float:
    """Of the usual spike, in Cel above the patient's own temperature."""
    peak = number("fever.least_peak") + lognormal(chance, "fever.peak_above_least")
    return min(peak, number("fever.highest_peak")) - course.own_temperature


def _spikes(span: Interval, height: float, chance: Generator) -> list[Spike]:
    found: list[Spike] = []
    at, rare_until = span.start - 0.5 * HOUR, (1 + number("fever.rare_until_day")) * DAY
    while at < span.end - HOUR:
        rare = bool(found) and at < rare_until and not happens(chance, number("fever.rare_kept"))
        rises, lasts = uniform(chance, "fever.spike_rises", HOUR), uniform(chance, "fever.spike_lasts", HOUR)
        falls = uniform(chance, "fever.spike_falls", HOUR)
        if not rare:
            found.append(Spike(at, rises, lasts, falls, height + uniform(chance, "fever.spike_differs")))
        at += max(uniform(chance, "fever.spike_every", HOUR), rises + lasts)
    return found


def _signs(course: SimulatedCourse, crs: Interval, chance: Generator) -> None:
    """Hypotension and hypoxia of CRS 2 and more, and the support that is given for them."""
    hypotensive = happens(chance, number("crs.hypotension_share"))
    hypoxic = happens(chance, number("crs.hypoxia_share")) or not hypotensive
    course.develops = uniform(chance, "crs.sign_develops_within", HOUR)
    if hypotensive:
        start = crs.start + uniform(chance, "crs.hypotension_after_fever", HOUR)
        course.hypotension = Interval(start, start + lognormal(chance, "crs.hypotension_lasts", HOUR))
        course.lowest_systolic = uniform(chance, "crs.lowest_systolic")
    if hypoxic:
        start = crs.start + uniform(chance, "crs.hypoxia_after_fever", HOUR)
        course.hypoxia = Interval(start, start + lognormal(chance, "crs.hypoxia_lasts", HOUR))
        course.lowest_spo2 = uniform(chance, "crs.lowest_spo2")
        _oxygen(course, course.hypoxia, chance)
    last = max(span.end for span in (course.hypotension, course.hypoxia) if span is not None)
    if course.crs_peak >= 3 and course.hypotension is not None:
        _vasopressors(course, course.hypotension, chance)
    course.crs = Interval(crs.start, max(crs.end, last))


def _oxygen(course: SimulatedCourse, hypoxia: Interval, chance: Generator) -> None:
    start = hypoxia.start + course.develops + lognormal(chance, "crs.oxygen_after_minutes")
    stages = [("nasal_cannula", float(chance.randint(2, 5)))]
    if course.crs_peak >= 3 and (course.hypotension is None or happens(chance, 0.5)):
        stages.append(("high_flow_nasal_cannula", 40.0))
    if course.crs_peak == 4 and course.hypotension is None:
        stages.append(("invasive_ventilation", 0.0))
    end = max(hypoxia.end, start + 4 * HOUR * len(stages))
    for number_, (device, flow) in enumerate(stages):
        until = end if number_ == len(stages) - 1 else start + uniform(chance, "crs.more_oxygen_after", HOUR)
        course.oxygen.append(Oxygen(Interval(start, max(until, start + HOUR)), device, flow))
        start = max(until, start + HOUR)


def _vasopressors(course: SimulatedCourse, hypotension: Interval, chance: Generator) -> None:
    start = hypotension.start + course.develops + uniform(chance, "crs.vasopressor_after", HOUR)
    end = max(hypotension.end, start + 8 * HOUR)
    course.vasopressors.append(("norepinephrine", Interval(start, end)))
    course.hypotension = Interval(hypotension.start, end)
    if course.crs_peak == 4:
        second = start + uniform(chance, "crs.second_vasopressor_after", HOUR)
        course.vasopressors.append(("epinephrine", Interval(second, max(end, second + 4 * HOUR))))


def _other_fevers(course: SimulatedCourse, chance: Generator) -> None:
    """Fever about the infusion, and infections: fever that is not CRS."""
    found = []
    if happens(chance, number("fever.early_share")):
        start = INFUSED_AT + uniform(chance, "fever.early_hours", HOUR)
        found.append(Interval(start, start + lognormal(chance, "fever.infection_lasts", HOUR)))
    for day in range(course.minutes // DAY):
        if happens(chance, number("fever.infection_per_day")):
            start = day * DAY + float(chance.uniform(0, DAY))
            course.infections.append(Interval(start, start + lognormal(chance, "fever.infection_lasts", HOUR)))
    for span in (*found, *course.infections):
        course.spikes += _spikes(span, _height(course, chance), chance)


def _icans(course: SimulatedCourse, rates: dict[str, float], chance: Generator) -> None:
    base = number("icans.without_crs")
    with_crs = 1 - assumed(f"products.{course.product}")["crs"][0] / sum(assumed(f"products.{course.product}")["crs"])
    share = base if course.crs is None else (rates["icans"] - base * (1 - with_crs)) / with_crs
    tilt = (0.6, 0.75, 1.2, 1.4, 1.4)[course.crs_peak] if course.crs is not None else 1.0
    if not happens(chance, min(share * tilt, 0.97)):
        return
    severe = happens(chance, rates["icans_severe"] / rates["icans"])
    if severe:
        peak = 4 if happens(chance, number("icans.grade_4_share")) else 3
    else:
        peak = 2 if happens(chance, number("icans.grade_2_share")) else 1
    median, sigma = assumed(f"products.{course.product}")["icans_onset"]
    onset = median * math.exp(sigma * float(chance.normal()))
    start = DAY * (1 + min(onset, number("icans.latest_onset_day")))
    if course.crs is not None:
        start = max(start, course.crs.start + 6 * HOUR)
    _neurotoxicity(course, start, peak, chance)


def _neurotoxicity(course: SimulatedCourse, start: float, peak: int, chance: Generator) -> None:
    """Grade by grade up to the peak, which lasts a while, and down again."""
    end = start + lognormal(chance, "icans.lasts_days", DAY)
    at = start
    for grade in range(1, peak):
        until = at + uniform(chance, "icans.step_takes", HOUR)
        course.icans.append(Neurotoxicity(Interval(at, until), grade))
        at = until
    lasts = lognormal(chance, "icans.severe_lasts", HOUR) if peak >= 3 else (end - at) * 0.5
    until = at + max(lasts, 6 * HOUR)
    course.icans.append(Neurotoxicity(Interval(at, until), peak))
    if peak >= 3 and happens(chance, number("icans.seizure_share")):
        course.seizures.append(at + float(chance.uniform(0, 6 * HOUR)))
    falling = max(end - until, (peak - 1) * 8 * HOUR)
    for grade in range(peak - 1, 0, -1):
        later = until + falling / (peak - 1)
        course.icans.append(Neurotoxicity(Interval(until, later), grade))
        until = later


def _given(course: SimulatedCourse, chance: Generator) -> None:
    """The drugs that usual care gives. They do not depend on any page."""
    if happens(chance, number("treatments.levetiracetam_share")):
        course.given += [
            Given(DAY * (1 + day) + 8 * HOUR, "levetiracetam", "given", "500", "mg")
            for day in range(course.minutes // DAY - 1)
        ]
    if happens(chance, number("treatments.filgrastim_share")):
        course.given += [Given(DAY * (1 + day) + 18 * HOUR, "filgrastim", "given") for day in (5, 6, 7, 8)]
    if course.crs is not None:
        _against_crs(course, course.crs, chance)
    steroids = [one for one in course.icans if one.grade >= 2]
    if steroids and happens(chance, number("treatments.dexamethasone_in_icans_2")):
        span = Interval(min(one.span.start for one in steroids), max(one.span.end for one in steroids))
        every = 6 * HOUR if max(one.grade for one in steroids) >= 3 else 12 * HOUR
        at = span.start + float(chance.uniform(1, 5)) * HOUR
        while at < min(span.end, span.start + 5 * DAY):
            course.given.append(Given(at, "dexamethasone", "given", "10", "mg"))
            at += every
    for drug, span in course.vasopressors:
        course.given += [Given(span.start, drug, "started"), Given(span.end, drug, "stopped")]
    course.given = sorted(one for one in course.given if one.at < course.minutes - HOUR)


def _against_crs(course: SimulatedCourse, crs: Interval, chance: Generator) -> None:
    first = crs.start + uniform(chance, "treatments.paracetamol_after_fever", HOUR)
    course.waived_from = first
    at = first
    while at < min(crs.end, crs.start + 4 * DAY):
        course.given.append(Given(at, "paracetamol", "given", "1000", "mg"))
        at += float(chance.uniform(6, 12)) * HOUR
    if not happens(chance, assumed("treatments.tocilizumab_share")[course.crs_peak]):
        return
    onsets = [span.start + course.develops for span in (course.hypotension, course.hypoxia) if span is not None]
    begins = min(onsets) if onsets else crs.start + 2 * DAY
    at = begins + uniform(chance, "treatments.tocilizumab_after", HOUR)
    course.given.append(Given(at, "tocilizumab", "given", "560", "mg"))
    if happens(chance, number("treatments.second_tocilizumab_share")):
        at += float(chance.uniform(8, 30)) * HOUR
        course.given.append(Given(at, "tocilizumab", "given", "560", "mg"))
    if course.crs_peak >= 3:
        course.given += [Given(begins + (2 + 6 * n) * HOUR, "dexamethasone", "given", "10", "mg") for n in range(8)]
