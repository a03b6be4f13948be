"""A screen for immune effector cell-associated haemophagocytic lymphohistiocytosis-like syndrome (IEC-HS).

ASTCT consensus, Hines MR et al., Transplant Cell Ther 2023;29:438. A screen, not a grade. "Consider IEC-HS" when

    ferritin      is > 2 x ULN, or > 2 x its value at infusion, and rises,
    after CRS     has improved,
    with one of   fibrinogen < 150 mg/dL; AST or ALT > 5 x ULN; a new grade 4 cytopenia.

How fast ferritin rises, and since when a cytopenia is new, are conventions of the site (`iec_hs`). Ours, too:

- CRS has improved when, at the time the latest ferritin was drawn, its last episode was closed or its grade was lower
  than the highest of that episode. A ferritin from the height of CRS never raises suspicion; the next one may.
- A cytopenia is new from the first of a row of grade 4 counts, which a count that was not grade 4 came before.
  Platelets, neutrophils and white cells are looked at: lymphocytes are grade 4 after lymphodepletion in everybody.
- Who never had CRS is not suspected.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from alerts.chart import Chart
from alerts.entry import Entry
from alerts.fields import Status
from alerts.grading import crs, ctcae_counts
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, levels
from alerts.grading.inputs import (
    PROVISIONAL,
    amount,
    clock,
    latest_number,
    name_missing,
    number,
    passed_over,
    span,
    told,
)
from alerts.grading.result import Result
from config.site import Site

SYSTEM = "IEC-HS"
VERSION = "ASTCT 2023"

FERRITIN_TIMES = 2
"""Multiple of the upper limit, or of the value at infusion, that ferritin must exceed."""
DOUBLED = 2
FIBRINOGEN_BELOW = Decimal(150)
"""mg/dL."""
TRANSAMINASE_TIMES = 5
"""Multiple of the upper limit that AST or ALT must exceed."""
CYTOPENIAS = ("platelets", "neutrophils", "white_cells")
GRADE_4 = 4

CLOSING = ("crs.clear_sets_apart",)
"""The convention that the closing of a CRS episode depends on."""

NO, YES = 0, 1
"""Whether a criterion is met; None where that is open."""


class Screen(Result, frozen=True, kw_only=True):
    """Whether to consider IEC-HS; None where that cannot be said."""

    suspected: bool | None


def screen(chart: Chart, at: datetime, site: Site, course: crs.Course | None = None) -> Screen:
    """Whether to consider IEC-HS, with every criterion that was read. `course` is that of CRS at `at`, if known."""
    course = course or crs.course(chart, at, site)
    if not course.episodes:
        return _screen(chart, at, None, [_no_crs(chart, at)])
    ferritin = latest_number(chart, "ferritin", at, site.proxies.chart.laboratory_holds.value)
    if ferritin is None:
        missing = name_missing(chart, "ferritin", at, site.proxies.chart.laboratory_holds.value, site.zone)
        criteria = [
            Axis(None, f"no ferritin holds: {missing}", missing=(missing,), proxies=("chart.laboratory_holds",))
        ]
    else:
        criteria = [_high(ferritin, chart, site), _rising(ferritin, chart, site)]
    criteria.append(_organ(chart, at, site))
    if ferritin is not None and all(criterion.level != NO for criterion in criteria):
        criteria.append(_improved(chart, ferritin, at, site, course))
    return _screen(chart, at, ferritin, criteria)


def _screen(chart: Chart, at: datetime, ferritin: Entry | None, criteria: list[Axis]) -> Screen:
    """All criteria must be met; one that is not decides."""
    unmet = [criterion for criterion in criteria if criterion.level == NO]
    unknown = [criterion for criterion in criteria if criterion.level is None]
    suspected = False if unmet else None if unknown else True
    verdict = {True: "consider IEC-HS", False: "IEC-HS is not suspected", None: "whether to consider IEC-HS is open"}
    shown = unmet or criteria
    flags = passed_over(chart, "ferritin", ferritin, at) if ferritin else ()
    found = tuple(dict.fromkeys(item for criterion in shown for item in criterion.evidence))
    if any(item.entry.status == Status.PRELIMINARY for item in found):
        flags = (*flags, PROVISIONAL)
    return Screen(
        system=SYSTEM,
        version=VERSION,
        at=at,
        suspected=suspected,
        because=(*(criterion.because for criterion in shown if criterion.because), verdict[suspected]),
        evidence=found,
        missing=() if unmet else tuple(name for criterion in unknown for name in criterion.missing),
        flags=flags,
        proxies=tuple(dict.fromkeys(name for criterion in shown for name in criterion.proxies)),
    )


def _any(criteria: Iterable[Axis]) -> Axis:
    """Criteria of which one is enough."""
    read = list(criteria)
    met = [criterion for criterion in read if criterion.level == YES]
    unknown = [criterion for criterion in read if criterion.level is None]
    shown = met or read
    return Axis(
        YES if met else None if unknown else NO,
        "; ".join(criterion.because for criterion in shown if criterion.because),
        tuple(dict.fromkeys(item for criterion in shown for item in criterion.evidence)),
        missing=() if met else tuple(dict.fromkeys(name for criterion in unknown for name in criterion.missing)),
        proxies=tuple(dict.fromkeys(name for criterion in shown for name in criterion.proxies)),
    )


def _criterion(kind: str, entry: Entry, cut: Cut, site: Site, against: str = "") -> Axis:
    """Whether a value is past a cut; `against` is what the bound is, where it is not the printed number itself."""
    reached = cut.reached(entry)
    value = told(kind, entry, site.zone)
    if reached is None:
        missing = f"{kind} (only a bound: {amount(kind, entry)})"
        return Axis(None, f"{value}: only a bound", evidence((kind, entry)), missing=(missing,))
    sign = cut.sign if reached else f"not {cut.sign}"
    bound = number(cut.bound)
    return Axis(int(reached), f"{value} {sign} {f'{against} ({bound})' if against else bound}", evidence((kind, entry)))


# -- ferritin --------------------------------------------------------------------------------------


def _above_limit(kind: str, entry: Entry, times: int, site: Site) -> Axis:
    if entry.high is None:
        text = f"{told(kind, entry, site.zone)}: no upper reference limit"
        return Axis(None, text, evidence((kind, entry)), missing=(f"{kind}: upper reference limit",))
    return _criterion(kind, entry, Cut(YES, ">", times * entry.high, ""), site, f"{times} x ULN")


def _high(ferritin: Entry, chart: Chart, site: Site) -> Axis:
    """Ferritin > 2 x ULN, or > 2 x its value at infusion."""
    return _any((_above_limit("ferritin", ferritin, FERRITIN_TIMES, site), _above_infusion(ferritin, chart, site)))


def _above_infusion(ferritin: Entry, chart: Chart, site: Site) -> Axis:
    infused = chart.admission.infused if chart.admission else None
    window = site.proxies.chart.baseline_window.value
    before = latest_number(chart, "ferritin", infused, window) if infused and infused < ferritin.effective else None
    if before is None:
        return Axis(None, missing=("ferritin at infusion",), proxies=("chart.baseline_window",))
    row = _multiple(ferritin, before, ">", FERRITIN_TIMES, "the value at infusion", site)
    return row._replace(proxies=("chart.baseline_window",))


def _multiple(ferritin: Entry, before: Entry, sign: str, times: int, what: str, site: Site) -> Axis:
    """Against a multiple of another ferritin; where that is ">40000" only "not reached" is sure, and inversely."""
    cut = Cut(YES, sign, times * (before.value or Decimal(0)), "")
    row = _criterion("ferritin", ferritin, cut, site, f"{times} x {what}")
    row = row._replace(evidence=(*row.evidence, *evidence(("ferritin", before))))
    unsure = {">": YES, "<": NO}.get(before.comparator[:1])
    if row.level is None or row.level != unsure:
        return row
    unsure_of = f"{what} is only a bound: {amount('ferritin', before)}"
    because = f"{told('ferritin', ferritin, site.zone)}: {unsure_of}"
    return row._replace(level=None, because=because, missing=(f"ferritin ({unsure_of})",))


def _rising(ferritin: Entry, chart: Chart, site: Site) -> Axis:
    """Ferritin doubles within a while, or is very high."""
    proxies = site.proxies.iec_hs
    very_high = _criterion("ferritin", ferritin, Cut(YES, ">", proxies.ferritin_high.value, ""), site)
    within = proxies.ferritin_doubles_within.value
    earlier = [
        entry
        for entry in chart.between("ferritin", ferritin.effective - within, ferritin.effective)
        if entry.value is not None and entry.effective < ferritin.effective
    ]
    doubled = _any(
        _multiple(ferritin, entry, ">=", DOUBLED, f"that of {clock(entry.effective, site.zone)}", site)
        for entry in earlier
    )
    if not earlier:
        doubled = Axis(None, missing=(f"ferritin of the {span(within)} before the latest",))
    very_high = very_high._replace(proxies=("iec_hs.ferritin_high",))
    return _any((very_high, doubled._replace(proxies=("iec_hs.ferritin_doubles_within",))))


# -- CRS -------------------------------------------------------------------------------------------


def _no_crs(chart: Chart, at: datetime) -> Axis:
    """Never any CRS, so far as can be told."""
    if chart.latest("temperature", at) is None:
        return Axis(None, "no temperature was ever charted: CRS is not known", missing=("temperature",))
    return Axis(NO, "no CRS")


def _improved(chart: Chart, ferritin: Entry, at: datetime, site: Site, course: crs.Course) -> Axis:
    """Whether CRS had improved when the latest ferritin was drawn: closed, or below the highest of the episode."""
    drawn = ferritin.effective
    if course.closed_at is not None and course.closed_at <= drawn:
        text = f"CRS closed on {clock(course.closed_at, site.zone)}, before the latest ferritin"
        return Axis(YES, text, proxies=CLOSING)
    if course.opened_at is not None and drawn < course.opened_at:
        if course.episodes > 1:
            return Axis(YES, "CRS was closed when the latest ferritin was drawn", proxies=CLOSING)
        return Axis(NO, "no CRS before the latest ferritin")
    if course.lower_since is not None and course.lower_since <= drawn:
        since = clock(course.lower_since, site.zone)
        return Axis(YES, f"CRS below its highest, grade {course.highest}, since {since}")
    grade = crs.grade(chart, at, site, course)
    if course.lower_since is None and grade.grade is None:
        missing = tuple(f"CRS grade since its highest: {name}" for name in grade.missing)
        return Axis(None, "CRS cannot be graded since its highest", grade.evidence, missing=missing)
    text = f"CRS at its highest, grade {course.highest}, when the latest ferritin was drawn"
    return Axis(NO, text, grade.evidence, proxies=grade.proxies)


# -- the organs and the counts ---------------------------------------------------------------------


def _organ(chart: Chart, at: datetime, site: Site) -> Axis:
    """One of: low fibrinogen, high AST or ALT, a new grade 4 cytopenia."""
    holds = site.proxies.chart.laboratory_holds.value
    criteria = []
    for kind in ("fibrinogen", "ast", "alt"):
        entry = latest_number(chart, kind, at, holds)
        if entry is None:
            criteria.append(Axis(None, missing=(name_missing(chart, kind, at, holds, site.zone),)))
        elif kind == "fibrinogen":
            criteria.append(_criterion(kind, entry, Cut(YES, "<", FIBRINOGEN_BELOW, ""), site))
        else:
            criteria.append(_above_limit(kind, entry, TRANSAMINASE_TIMES, site))
    criteria += [_new_cytopenia(term, chart, at, site) for term in CYTOPENIAS]
    row = _any(criteria)
    return row._replace(proxies=("chart.laboratory_holds", *row.proxies))


def _new_cytopenia(term: str, chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade 4 since not longer than a while, and not grade 4 before."""
    kind, cuts, _ = ctcae_counts.row(term, site)
    holds = site.proxies.chart.laboratory_holds.value
    latest = latest_number(chart, kind, at, holds)
    if latest is None:
        return Axis(None, missing=(name_missing(chart, kind, at, holds, site.zone),))
    row = Axis(None, told(kind, latest, site.zone), evidence((kind, latest)))
    if not (now := _is_grade_4(latest, cuts)):
        missing = () if now is False else (f"{kind} (only a bound: {amount(kind, latest)})",)
        return row._replace(level=None if missing else NO, because=f"{row.because}: not grade 4", missing=missing)
    first, before = _row_of_grade_4(chart, kind, latest, cuts)
    window = site.proxies.iec_hs.cytopenia_new_for.value
    since = clock(first.effective, site.zone)
    row = row._replace(because=f"{row.because}: grade 4 since {since}", proxies=("iec_hs.cytopenia_new_for",))
    if latest.effective - first.effective > window:
        return row._replace(level=NO, because=f"{row.because}, longer than {span(window)}: not new")
    if before is None or _is_grade_4(before, cuts) is None:
        return row._replace(because=f"{row.because}, whether new is open", missing=(f"{kind} before {since}",))
    found = (*row.evidence, *evidence((kind, before)))
    return row._replace(level=YES, because=f"{row.because}: new", evidence=found)


def _row_of_grade_4(chart: Chart, kind: str, latest: Entry, cuts: tuple[Cut, ...]) -> tuple[Entry, Entry | None]:
    """The first of the grade 4 counts in a row that end at the latest, and the count before it."""
    first = latest
    for entry in reversed(chart.until(kind, latest.effective)):
        if entry.value is None or entry == latest:
            continue
        if not _is_grade_4(entry, cuts):
            return first, entry
        first = entry
    return first, None


def _is_grade_4(entry: Entry, cuts: tuple[Cut, ...]) -> bool | None:
    found = levels(entry, cuts)
    if found.lowest == GRADE_4:
        return True
    return False if found.highest < GRADE_4 else None
