"""Cytokine release syndrome, ASTCT 2019.

Lee DW et al., ASTCT Consensus Grading for Cytokine Release Syndrome and Neurologic Toxicity Associated with
Immune Effector Cells. Biol Blood Marrow Transplant 2019;25:625-638, table 2:

    axis          1     2                           3                              4
    fever         yes   yes*                        yes*                           yes*
    hypotension   -     no vasopressor              one (with or without           several (vasopressin
                                                    vasopressin)                   not counted)
    hypoxia       -     nasal cannula <= 6 L/min,   nasal cannula > 6 L/min,       positive pressure
                        blow-by                     high-flow cannula, any mask

Grade = the worst axis; fever alone = 1; death due to CRS = 5. Organ toxicities, the height of the fever and
the dose of a vasopressor never change the grade.

*Fever stops being required once an antipyretic, an anticytokine drug or a steroid has been given to a patient
already diagnosed with CRS. How long that holds is a convention of the site (`crs.waiver_tail`), and so is that a CRS
which has cleared is still diagnosed as long as it rests (`crs.fever_returns_within`).

Before the infusion, where its time is known, CRS is not applicable. What the grade would be had the infusion been given
is followed all the same (`would_be`), by what holds without a baseline: a mistyped date must not hide it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.grading import pressures, statements
from alerts.grading.axis import Axis, evidence
from alerts.grading.fever import OTHER_CAUSE, fever
from alerts.grading.hypotension import hypotension
from alerts.grading.hypoxia import hypoxia
from alerts.grading.inputs import INSTANT
from alerts.grading.result import Grade, not_applicable
from alerts.grading.statements import is_statement
from alerts.grading.watched_chart import LookedBack, WatchedChart
from alerts.wording.phrase import Phrase, phrase
from config.site import Site
from config.vocabulary import ANTICYTOKINE_DRUGS, ANTIPYRETICS, STEROIDS, VASOPRESSIN, VASOPRESSORS

SYSTEM = "CRS"
VERSION = "ASTCT 2019"

HIGHEST = 4
"""The highest grade of the table but death."""


ROWS = ("fever", "hypotension", "hypoxia")

WAIVER_DRUGS = (*ANTIPYRETICS, *ANTICYTOKINE_DRUGS, *STEROIDS)

SIGNS = ("temperature", *pressures.KINDS, "spo2", "oxygen_device", "oxygen_flow")
STATEMENTS = (
    "hypotension",
    "hypoxia",
    "fever_other_cause",
    "hypotension_other_cause",
    "hypoxia_other_cause",
    "airway_support_not_for_hypoxia",
    "died_of_crs",
)
KINDS = (*SIGNS, *STATEMENTS, *VASOPRESSORS, VASOPRESSIN, *WAIVER_DRUGS)
"""Everything that can change a CRS grade."""


class CrsCourse(Struct, frozen=True, array_like=True, omit_defaults=True):
    """The course of CRS: a patient's CRS episodes up to a time, on which a grade depends besides the signs.

    A course is a function of the chart alone; one computed earlier may be carried on (`known`) as long as nothing
    charted at or before its `as_of` has changed (`alerts/assessment/course_history.py`). Before the infusion it is
    that of what would be CRS; from the infusion on nothing of that is left. `highest` is the highest grade of the last
    episode, `lower_since` when it was first lower again, `better_at` when it had last been lower for as long as two
    clear sets are apart.
    """

    as_of: datetime | None = None
    opened_at: datetime | None = None
    episodes: int = 0
    treated: bool = False
    last_dose: datetime | None = None
    clear_since: datetime | None = None
    closed_at: datetime | None = None
    highest: int = 0
    lower_since: datetime | None = None
    better_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether a CRS episode is open."""
        return self.opened_at is not None

    def waives_fever(self, at: datetime, site: Site) -> bool:
        """Whether fever is no longer required: an open, treated episode, or the tail after the last dose."""
        if self.is_open and self.treated:
            return True
        tail = site.conventions.crs.waiver_tail.value
        return self.last_dose is not None and at - self.last_dose <= tail

    def rests(self, at: datetime, site: Site) -> bool:
        """Whether it has cleared so lately that what returns belongs to the same CRS."""
        return self.closed_at is not None and at < self.closed_at + site.conventions.crs.fever_returns_within.value


class _Read(NamedTuple):
    """The table, read at one moment. `calm`: neither hypotension nor hypoxia; None if one is unknown."""

    axis: Axis
    calm: bool | None = None


class CourseStep(NamedTuple):
    """How one moment changed the course; `stays`: not at all, but for its `as_of`. `looked_back`: what was looked at.

    As long as nothing changes that was looked at, the same course before gives the same course after.
    """

    before: CrsCourse
    after: CrsCourse
    stays: bool
    looked_back: LookedBack

    def continues(self, course: CrsCourse) -> bool:
        """Whether it begins at a course, whenever that was followed last."""
        return course is self.before or is_same(course, self.before)

    def has_looked_at(self, at: datetime, kinds: Sequence[int]) -> bool:
        """Whether entries of a time and of some of the watched kinds, by number, were looked at, or would have been."""
        return any(self.looked_back[kind] <= at for kind in kinds)


KnownSteps = Mapping[datetime, CourseStep]
"""Steps that need not be computed again, by their moment."""

NO_STEPS: KnownSteps = MappingProxyType({})


def is_same(one: CrsCourse, other: CrsCourse) -> bool:
    """Whether two courses are the same but for the time up to which they were followed."""
    return replace(one, as_of=other.as_of) == other


class CrsAt(NamedTuple):
    """The course up to a time, the grade, and before the infusion the hypothetical grade.

    `courses`: those since the one that was known, each at the first and at the last moment at which it was so.
    `steps`: those of the moments at which the table was read.
    """

    course: CrsCourse
    grade: Grade
    would_be: Grade | None = None
    courses: tuple[CrsCourse, ...] = ()
    steps: KnownSteps = NO_STEPS


def grade(chart: Chart, at: datetime, site: Site, known: CrsCourse | None = None) -> Grade:
    """The CRS grade at a time, with every reading it rests on."""
    return followed(chart, at, site, known).grade


def course(chart: Chart, at: datetime, site: Site, known: CrsCourse | None = None) -> CrsCourse:
    """The CRS episodes up to and including a time."""
    return followed(chart, at, site, known).course


def followed(
    chart: Chart, at: datetime, site: Site, known: CrsCourse | None = None, steps: KnownSteps = NO_STEPS
) -> CrsAt:
    """The episodes up to a time, and the grade at it. `steps`: those of moments that need not be read again."""
    if is_before_infusion(chart, at):
        found = _followed(_infused_already(chart), at, site, known or CrsCourse(), steps)
        return found._replace(grade=not_applicable(SYSTEM, VERSION, at), would_be=found.grade)
    if known is not None and known.as_of is not None and is_before_infusion(chart, known.as_of):
        known = None
    return _followed(chart, at, site, known or CrsCourse(), steps)


def is_before_infusion(chart: Chart, at: datetime) -> bool:
    """Whether the infusion has a known time that is still ahead."""
    infused = chart.infused
    return infused is not None and at < infused


def _infused_already(chart: Chart) -> Chart:
    """The chart as if the infusion had been given at an unknown time."""
    assert chart.admission is not None, "an infusion still to come stands in an admission"
    return replace(chart, admission=replace(chart.admission, infused=None))


def _followed(chart: Chart, at: datetime, site: Site, now: CrsCourse, known: KnownSteps) -> CrsAt:
    """The function reads the table twice for one moment only if the first reading changed the course."""
    moments = _moments(chart, at, now)
    watched, dosed = WatchedChart.of(chart), _dosed(chart, moments)
    before, read, alike = now, None, 0
    courses: list[CrsCourse] = []
    steps: dict[datetime, CourseStep] = {}
    for moment in moments:
        step = known.get(moment) if moment != at else None
        if step is None or not step.continues(now):
            before, read = now, _read(watched, moment, site, now, is_graded=moment == at)
            after = _advance(now, read, watched, moment, site, is_dosed=moment in dosed)
            step = steps[moment] = CourseStep(now, after, is_same(now, after), watched.looked_back())
        now = step.after
        if step.stays and alike > 1:
            courses.pop()
        courses.append(now)
        alike = alike + 1 if step.stays else 1
    same = now.as_of == at and before.is_open == now.is_open
    if read is None or not same or before.waives_fever(at, site) != now.waives_fever(at, site):
        read = _read(chart, at, site, now)
    return CrsAt(now, _grade(chart, at, site, read.axis), courses=tuple(courses), steps=steps)


# -- the course ------------------------------------------------------------------------------------


def _moments(chart: Chart, at: datetime, now: CrsCourse) -> list[datetime]:
    """The moments that a course must still assess. Nothing before the infusion is CRS."""
    after, infused = now.as_of, chart.infused
    if infused is not None and (after is None or after < infused):
        after = infused - INSTANT
    return chart.times(KINDS, at, after=after)


def _advance(now: CrsCourse, read: _Read, chart: Chart, moment: datetime, site: Site, *, is_dosed: bool) -> CrsCourse:
    now = replace(now, as_of=moment)
    level = read.axis.level
    if level is not None and level > 0:
        now = _positive(now, moment, level, site)
    elif level == 0 and now.is_open:
        now = _without(now, read.calm, chart, moment, site)
    if is_dosed and (now.is_open or now.waives_fever(moment, site) or _rests(now, chart, moment, site)):
        now = replace(now, last_dose=moment, treated=now.is_open)
    return now


def _rests(now: CrsCourse, chart: Chart, moment: datetime, site: Site) -> bool:
    """Whether CRS rests, and no clinician has found another cause of its fever."""
    return now.rests(moment, site) and statements.other_cause(chart, OTHER_CAUSE, moment, site) is None


def _positive(now: CrsCourse, moment: datetime, level: int, site: Site) -> CrsCourse:
    """An episode that opens while fever is waived is waived as a whole, so that it does not end in its middle."""
    if not now.is_open:
        return replace(
            now,
            opened_at=moment,
            episodes=now.episodes + 1,
            treated=now.waives_fever(moment, site),
            clear_since=None,
            closed_at=None,
            highest=level,
            lower_since=None,
            better_at=None,
        )
    if level >= now.highest:
        return replace(now, clear_since=None, highest=level, lower_since=None)
    return replace(_lower(now, moment, site), clear_since=None)


def _lower(now: CrsCourse, moment: datetime, site: Site) -> CrsCourse:
    """An open episode below its highest grade."""
    since = now.lower_since or moment
    lasting = moment - since >= site.conventions.crs.clear_sets_apart.value
    return replace(now, lower_since=since, better_at=moment if lasting else now.better_at)


def _without(now: CrsCourse, calm: bool | None, chart: Chart, moment: datetime, site: Site) -> CrsCourse:
    """Grade 0 in an open episode. Fever, hypotension and hypoxia must all be gone for a set to be clear.

    Two consecutive clear sets far enough apart close the episode; the second must be newly measured.
    """
    now = _lower(now, moment, site)
    if not calm:
        return now if calm is None else replace(now, clear_since=None)
    if now.clear_since is None:
        return replace(now, clear_since=moment)
    found = (
        chart.latest("temperature", moment),
        pressures.newest(chart, moment, site),
        chart.latest("spo2", moment),
    )
    signs = [entry.effective for entry in found if entry is not None]
    # The sets are apart, not the moments: a drug given later is no second set.
    apart = max(signs, default=moment) - now.clear_since
    if apart < site.conventions.crs.clear_sets_apart.value or min(signs, default=moment) <= now.clear_since:
        return now
    return replace(now, opened_at=None, treated=False, clear_since=None, closed_at=moment)


def _dosed(chart: Chart, moments: Sequence[datetime]) -> set[datetime]:
    """The moments of some in order at which a drug was given that may waive the fever."""
    doses = (chart.between(drug, moments[0], moments[-1]) for drug in WAIVER_DRUGS) if moments else ()
    return {entry.effective for given in doses for entry in given if entry.code != "stopped"}


# -- the table -------------------------------------------------------------------------------------


def _read(chart: Chart, at: datetime, site: Site, known: CrsCourse, *, is_graded: bool = True) -> _Read:
    """The table, for a patient whose course so far is known.

    If a moment is not graded and only counts for the course, pressure and oxygen change nothing without fever, unless
    it is waived or an episode is open.
    """
    if chart.says("died_of_crs", at):
        said = chart.latest("died_of_crs", at)
        return _Read(Axis(5, (Phrase("death due to CRS: grade 5"),), evidence(("died_of_crs", said)) if said else ()))
    temperature = fever(chart, at, site)
    waived = known.waives_fever(at, site)
    if not (is_graded or temperature.level or waived or known.is_open):
        return _Read(temperature)
    alert = bool(temperature.level) or known.is_open or (waived and known.rests(at, site))
    pressure = hypotension(chart, at, site, alert=alert)
    oxygen = hypoxia(chart, at, site)
    calm = False if pressure.level or oxygen.level else None if None in (pressure.level, oxygen.level) else True
    if not temperature.level and not waived:
        return _Read(_without_fever(temperature, pressure, oxygen), calm)
    return _Read(_with_fever(temperature, pressure, oxygen), calm)


def _without_fever(temperature: Axis, pressure: Axis, oxygen: Axis) -> Axis:
    if temperature.level is None:
        return temperature._replace(because=(Phrase("no temperature charted, and fever is required"),))
    flags = list(temperature.flags)
    if pressure.level:
        flags.append(Phrase("hypotension without fever: not CRS by the table"))
    if oxygen.level:
        flags.append(Phrase("hypoxia without fever: not CRS by the table"))
    flags += [flag for axis in (pressure, oxygen) for flag in axis.flags if is_statement(flag)]
    return temperature._replace(flags=tuple(flags))


def _with_fever(temperature: Axis, pressure: Axis, oxygen: Axis) -> Axis:
    """With fever, or without where it is not required."""
    axes = (temperature, pressure, oxygen)
    worst = max(axis.level or 0 for axis in axes)
    missing = tuple(name for axis in axes if axis.level is None for name in axis.missing)
    deciding = [axis for axis in axes if axis.level == worst] if worst else [axis for axis in axes if axis.because]
    reasons = [reason for axis in deciding for reason in axis.because]
    if temperature.level:
        reasons = [*temperature.because, *reasons]
    else:
        reasons.append(Phrase("fever not required: treated after CRS was diagnosed"))
    undetermined = worst == 0 and bool(missing)
    supporting = axes if worst else deciding
    provisional = any(axis.provisional for axis in deciding) or (worst < HIGHEST and bool(missing))
    return Axis(
        None if undetermined else worst,
        tuple(dict.fromkeys(reasons)),
        tuple(dict.fromkeys(item for axis in supporting for item in axis.evidence)),
        provisional=provisional and not undetermined,
        missing=missing + tuple(name for axis in deciding if axis.provisional for name in axis.missing),
        flags=tuple(flag for axis in axes for flag in axis.flags),
        conventions=_conventions([axis for axis in axes if axis in deciding or axis.level or axis.flags], temperature),
        rows=tuple(row for row, axis in zip(ROWS, axes, strict=True) if axis.level),
    )


def _conventions(saying: list[Axis], temperature: Axis) -> tuple[str, ...]:
    """The conventions of the rows that decide or have a remark, and of the waiver if there is no fever."""
    names = [name for axis in saying for name in axis.conventions]
    return tuple(dict.fromkeys(names if temperature.level else [*names, "crs.waiver_tail"]))


def _grade(chart: Chart, at: datetime, site: Site, axis: Axis) -> Grade:
    flags, conventions = list(axis.flags), axis.conventions
    day = chart.day(at, site.zone)
    last = site.conventions.crs.attribution_until_day.value
    if axis.level and day is not None and day > last:
        flags.append(phrase("day {n}: attribution to be confirmed", n=day))
        conventions = (*conventions, "crs.attribution_until_day")
    return Grade(
        system=SYSTEM,
        version=VERSION,
        at=at,
        grade=axis.level,
        provisional=axis.provisional,
        because=axis.because,
        evidence=axis.evidence,
        missing=tuple(dict.fromkeys(axis.missing)),
        flags=tuple(dict.fromkeys(flags)),
        conventions=conventions,
        rows=axis.rows,
    )
