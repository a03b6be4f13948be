"""One patient as a ward board shows it: the grades, the last signs and counts, and the open episodes, the worst first.

The values have no language and no age. The caller puts them into words at the time of reading.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from alerts.assessment.assessment import Assessment, assess_onward
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.episodes.episode import Episode
from alerts.grading import pressures
from alerts.grading.inputs import latest_number
from alerts.grading.result import NOT_APPLICABLE, Grade, Score
from alerts.grading.statements import is_statement
from alerts.message_fields import Status
from alerts.messages import SITE_SUBJECT
from alerts.rules import schedule
from alerts.rules.finding import RuleInput
from alerts.rules.scores import m_easix_over
from alerts.state import PatientState
from alerts.wording.figures import number
from alerts.wording.phrase import Phrase
from config.site import URGENCIES, Site

TREND = timedelta(hours=24)
"""The period of the small trend beside a sign."""

SLICES = 24
"""A trend keeps the most abnormal value of each slice. A monitor's thousand values would draw no finer line."""

COUNTS = ("neutrophils", "platelets", "hemoglobin")
TERMS = {"neutrophils": "neutrophils", "platelets": "platelets", "hemoglobin": "anemia"}
"""The CTCAE term that grades a count."""


class TrendValue(NamedTuple):
    at: datetime
    value: Decimal


class Sign(NamedTuple):
    """The last value of a vital sign or of a bedside score.

    `value` is empty if none was ever charted. From `old_at` on it is older than the site's schedule allows. `name`
    distinguishes alternatives (a mean in place of a systolic pressure, CAPD in place of ICE).
    """

    name: str
    value: str = ""
    at: datetime | None = None
    old_at: datetime | None = None
    oxygen: bool = False
    points: tuple[TrendValue, ...] = ()


class Level(NamedTuple):
    """A grade; None: undetermined, or not `applicable`. `provisional`: at least this."""

    grade: int | None = None
    provisional: bool = False
    applicable: bool = True

    @property
    def text(self) -> str:
        """The grade as text; empty if there is none."""
        return "" if self.grade is None else f"{'≥' if self.provisional else ''}{self.grade}"

    @property
    def absent(self) -> str:
        """The reason why there is no grade; empty if there is one."""
        if self.grade is not None:
            return ""
        return "undetermined" if self.applicable else NOT_APPLICABLE


class LatestCount(NamedTuple):
    """The last blood count, in its canonical unit, with its present CTCAE grade."""

    name: str
    value: str = ""
    at: datetime | None = None
    old_at: datetime | None = None
    level: Level = Level()
    preliminary: bool = False


class MEasix(NamedTuple):
    """m-EASIX, or its bound. `change`: against the score of the previous inputs. `over`: the site's threshold."""

    value: str = ""
    flags: tuple[Phrase, ...] = ()
    change: str = ""
    over: bool = False


class Overview(NamedTuple):
    """One patient."""

    state: PatientState
    crs: Level
    icans: Level
    ice: Sign
    temperature: Sign
    pressure: Sign
    spo2: Sign
    counts: tuple[LatestCount, ...]
    m_easix: MEasix
    episodes: tuple[Episode, ...]
    statements: tuple[Phrase, ...] = ()

    @property
    def on_the_ward(self) -> bool:
        """Whether the patient is watched: graded, or with an open episode."""
        return self.state.patient != SITE_SUBJECT and (self.state.is_graded or bool(self.episodes))

    @property
    def discharged(self) -> bool:
        """Whether the patient has left, without an open episode."""
        return self.state.discharged_at is not None and not self.on_the_ward and not self.state.merged_into


def overview(state: PatientState, site: Site) -> Overview:
    """The overview of a patient at the last assessment, with the same grades as its pages."""
    now = _assessed(state, site)
    chart, at = state.chart, state.at or state.chart.newest
    return Overview(
        state=state,
        crs=_level(now.crs) if now else Level(),
        icans=_level(now.icans) if now else Level(),
        ice=_bedside_score(chart, at, site),
        temperature=_sign(chart, "temperature", at, site),
        pressure=_pressure(chart, at, site),
        spo2=_sign(chart, "spo2", at, site)._replace(oxygen=_on_oxygen(chart, at, site)),
        counts=tuple(_count(chart, name, at, now, site) for name in COUNTS),
        m_easix=_m_easix(state, now, site) if now else MEasix(),
        episodes=most_urgent(state.episodes.values()),
        statements=_statements(now) if now else (),
    )


def most_urgent(episodes: Iterable[Episode]) -> tuple[Episode, ...]:
    """Open episodes, the most urgent first; then unacknowledged ones, then the oldest."""
    return tuple(sorted(episodes, key=lambda one: (-_urgency(one), bool(one.acknowledged_by), one.opened_at, one.id)))


def most_urgent_first(patients: Iterable[Overview]) -> list[Overview]:
    """The order of a ward board: by open episodes, then by grades, then by place."""
    return sorted(patients, key=_rank)


def is_unacknowledged(episode: Episode) -> bool:
    """Whether an episode needs an acknowledgement. One of low urgency does not."""
    return not episode.acknowledged_by and episode.urgency != "low"


def _rank(patient: Overview) -> tuple[object, ...]:
    open_ = max(((_urgency(item), is_unacknowledged(item)) for item in patient.episodes), default=(-1, False))
    grades = [level.grade if level.grade is not None else -1 for level in (patient.crs, patient.icans)]
    place = patient.state.chart.admission
    where = f"{place.ward} {place.bed}" if place else ""
    return -open_[0], not open_[1], -max(grades), -sum(grades), _natural(where), patient.state.patient


def _natural(text: str) -> list[tuple[int, str]]:
    """The natural order: bed 9 stands before bed 12."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts]


def _urgency(episode: Episode) -> int:
    return URGENCIES.index(episode.urgency)


def _assessed(state: PatientState, site: Site) -> Assessment | None:
    if not state.is_graded or state.at is None or state.patient == SITE_SUBJECT:
        return None
    return assess_onward(state.chart, state.at, site, state.result_cache)[0]


def _statements(now: Assessment) -> tuple[Phrase, ...]:
    """Statements of clinicians that outrank the numbers."""
    results = (now.crs, now.icans, *((now.would_be.crs, now.would_be.icans) if now.would_be else ()))
    return tuple(dict.fromkeys(flag for result in results for flag in result.flags if is_statement(flag)))


def _level(result: Grade) -> Level:
    return Level(result.grade, result.provisional, result.applicable)


# -- signs -------------------------------------------------------------------------------------------


def _sign(chart: Chart, kind: str, at: datetime | None, site: Site) -> Sign:
    entry = latest_number(chart, kind, at) if at else None
    if entry is None or at is None:
        return Sign(kind)
    highest = kind == "temperature"
    points = _trend(chart.between(kind, at - TREND, at), at, highest=highest)
    return Sign(kind, _amount(entry), entry.effective, _old_at(entry, "vitals_every", site), points=points)


def _pressure(chart: Chart, at: datetime | None, site: Site) -> Sign:
    """Systolic over the diastolic of the same set; a mean pressure if only that was measured since."""
    held = pressures.latest(chart, at, None, site) if at else None
    entry = held.newest if held else None
    if held is None or entry is None or at is None:
        return Sign("systolic_bp")
    kind = "systolic_bp" if entry is held.systolic else "mean_bp"
    under = next((item for item in chart.at("diastolic_bp", entry.effective) if item.value is not None), None)
    value = f"{_amount(entry)}/{_amount(under)}" if kind == "systolic_bp" and under is not None else _amount(entry)
    sound = [item for item in chart.between(kind, at - TREND, at) if pressures.is_sound(chart, kind, item, site)]
    return Sign(kind, value, entry.effective, _old_at(entry, "vitals_every", site), points=_trend(sound, at))


def _bedside_score(chart: Chart, at: datetime | None, site: Site) -> Sign:
    """ICE, or CAPD of a child: the last one that was assessed."""
    found = [(entry.effective, kind) for kind in ("ice", "capd") if at and (entry := latest_number(chart, kind, at))]
    kind = max(found)[1] if found else "ice"
    entry = latest_number(chart, kind, at) if at else None
    return Sign(kind, _amount(entry), entry.effective, _old_at(entry, "ice_every", site)) if entry else Sign(kind)


def _on_oxygen(chart: Chart, at: datetime | None, site: Site) -> bool:
    entry = chart.latest("oxygen_device", at, site.conventions.chart.oxygen_holds.value) if at else None
    return entry is not None and entry.code != "none"


def _old_at(entry: Entry, every: str, site: Site) -> datetime:
    """The time at which a sign becomes overdue."""
    return schedule.overdue_at(entry.effective, every, site)


def _amount(entry: Entry) -> str:
    return f"{entry.comparator}{number(entry.value)}" if entry.value is not None else ""


def _trend(entries: Iterable[Entry], at: datetime, *, highest: bool = False) -> tuple[TrendValue, ...]:
    """The highest or lowest value of each slice of the time up to `at`, and the last value of all."""
    points = [TrendValue(entry.effective, entry.value) for entry in entries if entry.value is not None]
    worst: dict[int, TrendValue] = {}
    for point in points:
        number_ = int((at - point.at) / TREND * SLICES)
        known = worst.get(number_)
        if known is None or (point.value > known.value if highest else point.value < known.value):
            worst[number_] = point
    return tuple(sorted({*worst.values(), *points[-1:]}))


# -- the laboratory ----------------------------------------------------------------------------------


def _count(chart: Chart, name: str, at: datetime | None, now: Assessment | None, site: Site) -> LatestCount:
    entry = latest_number(chart, name, at) if at else None
    if entry is None:
        return LatestCount(name)
    holds = site.conventions.chart.laboratory_holds.value
    level = _level(now.ctcae[TERMS[name]]) if now else Level()
    preliminary = entry.status == Status.PRELIMINARY
    return LatestCount(name, _amount(entry), entry.effective, entry.effective + holds, level, preliminary)


def _m_easix(state: PatientState, now: Assessment, site: Site) -> MEasix:
    score = now.m_easix
    change = ""
    if score.value is not None and score.previous is not None and score.value != score.previous:
        change = "rising" if score.value > score.previous else "falling"
    over = m_easix_over(RuleInput(state.rule_memory, now, state.chart, site))
    return MEasix(_written(score), score.flags, change, over)


def _written(score: Score) -> str:
    value = score.value if score.value is not None else score.bound_value
    return "" if value is None else f"{score.bound}{value:.1f}"
