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
already diagnosed with CRS. How long that holds is a convention of the site (`crs.waiver_tail`).
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from alerts import confirmation
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.hypotension import hypotension
from alerts.grading.hypoxia import hypoxia
from alerts.grading.result import Grade
from alerts.vocabulary import ANTICYTOKINE_DRUGS, ANTIPYRETICS, STEROIDS, VASOPRESSIN, VASOPRESSORS
from config.site import Site

SYSTEM = "CRS"
VERSION = "ASTCT 2019"

FEVER = Decimal("38.0")
"""Degrees Celsius, inclusive (Lee 2019, table 2)."""

CONFIRMING_SHOWN = 3
"""Samples of a stream that stand on a page as evidence."""

HIGHEST = 4
"""What the table can give; only death is more."""

ROWS = ("fever", "hypotension", "hypoxia")

WAIVER_DRUGS = (*ANTIPYRETICS, *ANTICYTOKINE_DRUGS, *STEROIDS)

SIGNS = ("temperature", "systolic_bp", "mean_bp", "spo2", "oxygen_device", "oxygen_flow")
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


class Course(Struct, frozen=True):
    """The CRS episodes of a patient up to a time: what a grade at that time depends on besides the signs.

    A course is a function of the chart alone; one computed earlier may be carried on (`known`) as long as
    nothing charted at or before its `as_of` has changed. `highest` is the highest grade of the last episode,
    `lower_since` when it was first lower again.
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

    @property
    def is_open(self) -> bool:
        """Whether a CRS episode is open."""
        return self.opened_at is not None

    def waives_fever(self, at: datetime, site: Site) -> bool:
        """Whether fever is no longer required: an open, treated episode, or the tail after the last dose."""
        if self.is_open and self.treated:
            return True
        tail = site.proxies.crs.waiver_tail.value
        return self.last_dose is not None and at - self.last_dose <= tail


def grade(chart: Chart, at: datetime, site: Site, known: Course | None = None) -> Grade:
    """The CRS grade at a time, with every reading it rests on."""
    return _grade(chart, at, site, course(chart, at, site, known))


def course(chart: Chart, at: datetime, site: Site, known: Course | None = None) -> Course:
    """The CRS episodes up to and including a time."""
    now = known or Course()
    for moment in chart.times(KINDS, at, after=now.as_of):
        now = _advance(now, chart, moment, site)
    return now


def _advance(now: Course, chart: Chart, moment: datetime, site: Site) -> Course:
    level = _level(chart, moment, site, now).level
    now = replace(now, as_of=moment)
    if level is not None and level > 0:
        now = _positive(now, moment, level)
    elif level == 0 and now.is_open:
        now = _clear(now, chart, moment, site)
    if _dosed(chart, moment) and (now.is_open or now.waives_fever(moment, site)):
        now = replace(now, last_dose=moment, treated=now.is_open)
    return now


def _positive(now: Course, moment: datetime, level: int) -> Course:
    if not now.is_open:
        return replace(
            now,
            opened_at=moment,
            episodes=now.episodes + 1,
            treated=False,
            clear_since=None,
            closed_at=None,
            highest=level,
            lower_since=None,
        )
    if level >= now.highest:
        return replace(now, clear_since=None, highest=level, lower_since=None)
    return replace(now, clear_since=None, lower_since=now.lower_since or moment)


def _clear(now: Course, chart: Chart, moment: datetime, site: Site) -> Course:
    """Two consecutive clear sets far enough apart close the episode; the second must be newly measured."""
    if now.clear_since is None:
        return replace(now, clear_since=moment, lower_since=now.lower_since or moment)
    apart = site.proxies.crs.clear_sets_apart.value
    if moment - now.clear_since < apart:
        return now
    for sign in ("temperature", "systolic_bp", "spo2"):
        entry = chart.latest(sign, moment)
        if entry is not None and entry.effective <= now.clear_since:
            return now
    return replace(now, opened_at=None, treated=False, clear_since=None, closed_at=moment)


def _dosed(chart: Chart, moment: datetime) -> bool:
    return any(entry.code != "stopped" for drug in WAIVER_DRUGS for entry in chart.between(drug, moment, moment))


def fever(chart: Chart, at: datetime, site: Site) -> Axis:
    """The fever row: 1 with fever, 0 without, None where no temperature is charted."""
    axis = measured_fever(chart, at, site)
    if axis.level and chart.says("fever_other_cause", at, site.proxies.crs.other_cause_holds.value):
        flag = "fever attributed to another cause"
        return Axis(0, flag, axis.evidence, flags=(flag,), proxies=(*axis.proxies, "crs.other_cause_holds"))
    return axis


def measured_fever(chart: Chart, at: datetime, site: Site) -> Axis:
    """Fever whatever its cause, once a stream has confirmed it."""
    holds = site.proxies.chart.temperature_holds.value
    charted = [entry for entry in chart.between("temperature", at - holds, at) if entry.value is not None]
    if not charted:
        return Axis(None, missing=("temperature",))
    latest = charted[-1]
    if _febrile(latest) is None:
        return Axis(None, missing=("temperature",), evidence=evidence(("temperature", latest)))
    decided = confirmation.decide(
        reversed(charted), _febrile, lambda entry: confirmation.temperature(chart, entry, _febrile, site)
    )
    flags = tuple(f"{e.value:f} °C by {e.by}: not yet confirmed as fever" for e in decided.unconfirmed[:1])
    proxies = (decided.confirmed.proxy,) if decided.confirmed.proxy else ()
    if decided.confirmed.counts:
        samples = evidence(*(("temperature", entry) for entry in decided.confirmed.samples[-CONFIRMING_SHOWN:]))
        highest = max(entry.value or FEVER for entry in decided.confirmed.samples)
        return Axis(1, f"fever {highest:f} °C (>= {FEVER})", samples, flags=flags, proxies=proxies)
    found = evidence(("temperature", decided.entry))
    text = flags[0] if flags else f"no fever ({decided.entry.value:f} °C < {FEVER})"
    return Axis(0, text, found, flags=flags, proxies=proxies)


def _febrile(temperature: Entry) -> bool | None:
    return temperature.at_least(FEVER)


def _level(chart: Chart, at: datetime, site: Site, known: Course) -> Axis:
    """The table, read at one moment for a patient whose course so far is known."""
    if chart.says("died_of_crs", at):
        said = chart.latest("died_of_crs", at)
        return Axis(5, "death due to CRS: grade 5", evidence(("died_of_crs", said)) if said else ())
    temperature = fever(chart, at, site)
    waived = known.waives_fever(at, site)
    pressure = hypotension(chart, at, site, alert=bool(temperature.level) or known.is_open)
    oxygen = hypoxia(chart, at, site)
    if not temperature.level and not waived:
        return _without_fever(temperature, pressure, oxygen)
    return _with_fever(temperature, waived, pressure, oxygen)


def _without_fever(temperature: Axis, pressure: Axis, oxygen: Axis) -> Axis:
    if temperature.level is None:
        return temperature._replace(because="no temperature charted, and fever is required")
    flags = list(temperature.flags)
    for axis, sign in ((pressure, "hypotension"), (oxygen, "hypoxia")):
        if axis.level:
            flags.append(f"{sign} without fever: not CRS by the table")
    return temperature._replace(flags=tuple(flags))


def _with_fever(temperature: Axis, waived: bool, pressure: Axis, oxygen: Axis) -> Axis:
    axes = (temperature, pressure, oxygen)
    worst = max(axis.level or 0 for axis in axes)
    missing = tuple(name for axis in axes if axis.level is None for name in axis.missing)
    deciding = [axis for axis in axes if axis.level == worst and worst > 0] or [axis for axis in axes if axis.because]
    reasons = [axis.because for axis in deciding]
    if waived and not temperature.level:
        reasons.append("fever not required: treated after CRS was diagnosed")
    elif temperature.level and temperature not in deciding:
        reasons.insert(0, temperature.because)
    because = "; ".join(dict.fromkeys(reasons))
    undetermined = worst == 0 and bool(missing)
    supporting = axes if worst else deciding
    return Axis(
        None if undetermined else worst,
        because,
        tuple(dict.fromkeys(item for axis in supporting for item in axis.evidence)),
        provisional=worst < HIGHEST
        and not undetermined
        and (bool(missing) or any(axis.provisional for axis in deciding)),
        missing=missing + tuple(name for axis in deciding if axis.provisional for name in axis.missing),
        flags=tuple(flag for axis in axes for flag in axis.flags),
        proxies=_proxies(axes, waived and not temperature.level),
        rows=tuple(row for row, axis in zip(ROWS, axes, strict=True) if axis.level),
    )


def _proxies(axes: tuple[Axis, ...], waived: bool) -> tuple[str, ...]:
    names = [name for axis in axes for name in axis.proxies]
    return tuple(dict.fromkeys([*names, "crs.waiver_tail"] if waived else names))


def _grade(chart: Chart, at: datetime, site: Site, known: Course) -> Grade:
    axis = _level(chart, at, site, known)
    flags = list(axis.flags)
    day = chart.day(at, site.zone)
    last = site.proxies.crs.attribution_until_day.value
    if axis.level and day is not None and day > last:
        flags.append(f"day {day}: attribution to be confirmed")
    return Grade(
        system=SYSTEM,
        version=VERSION,
        at=at,
        grade=axis.level,
        provisional=axis.provisional,
        because=tuple(part for part in axis.because.split("; ") if part),
        evidence=axis.evidence,
        missing=tuple(dict.fromkeys(axis.missing)),
        flags=tuple(dict.fromkeys(flags)),
        proxies=axis.proxies,
        rows=axis.rows,
    )
