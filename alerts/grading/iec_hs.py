"""A screen for immune effector cell-associated haemophagocytic lymphohistiocytosis-like syndrome (IEC-HS).

ASTCT consensus, Hines MR et al., Transplant Cell Ther 2023;29:438. A screen, not a grade. "Consider IEC-HS" when

    ferritin      is > 2 x ULN, or > 2 x its value at infusion, and rises,
    after CRS     has improved,
    with one of   fibrinogen < 150 mg/dL; AST or ALT > 5 x ULN; a new grade 4 cytopenia.

How fast ferritin rises, and since when a cytopenia is new, are conventions of the site (`iec_hs`); the organs and
counts stand in `iec_hs_organs`. Ours, too:

- CRS has improved when, at the time the latest ferritin was drawn, its last episode was closed or its grade was lower
  than the highest of that episode. A ferritin from the height of CRS never raises suspicion; the next one may.
- Who never had CRS is not suspected.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import crs, iec_hs_organs
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut
from alerts.grading.dependencies import Dependencies
from alerts.grading.iec_hs_organs import NO, YES, above_limit, any_of, compared, organ
from alerts.grading.inputs import (
    PROVISIONAL,
    amount,
    latest_number,
    name_missing,
    passed_over,
    with_time,
)
from alerts.grading.result import Result
from alerts.message_fields import Status
from alerts.wording.phrase import At, Length, Name, Phrase, named, phrase
from config.site import Site

SYSTEM = "IEC-HS"
VERSION = "ASTCT 2023"

FERRITIN_TIMES = 2
"""Multiple of the upper limit, or of the value at infusion, that ferritin must exceed."""
DOUBLED = 2
CLOSING = ("crs.clear_sets_apart",)
"""The convention that the closing of a CRS episode depends on."""


class Screen(Result, frozen=True, kw_only=True):
    """Whether to consider IEC-HS; None if undetermined."""

    suspected: bool | None

    @property
    def shown_value(self) -> str | None:
        """`consider` or `no`."""
        return None if self.suspected is None else ("consider" if self.suspected else "no")


class Criteria(Struct, frozen=True):
    """The laboratory criteria: all but the one on CRS. `ferritin`: the latest valid value."""

    ferritin: Entry | None
    read: tuple[Axis, ...]
    flags: tuple[Phrase, ...]


KINDS = frozenset(("ferritin", *iec_hs_organs.KINDS))
"""Everything that can change the criteria."""


def dependencies(site: Site) -> Dependencies:
    """The dependencies of the criteria."""
    return Dependencies(
        KINDS, (site.conventions.chart.laboratory_holds.value, site.conventions.iec_hs.cytopenia_new_for.value)
    )


def screen(
    chart: Chart, at: datetime, site: Site, course: crs.CrsCourse | None = None, known: Criteria | None = None
) -> Screen:
    """Whether to consider IEC-HS, with every criterion that was read.

    `course` is that of CRS at `at`, and `known` what `criteria` says then, if that is known.
    """
    course = course or crs.course(chart, at, site)
    if not course.episodes or crs.is_before_infusion(chart, at):
        return _screen(at, Criteria(None, (_no_crs(chart, at),), ()))
    found = known or criteria(chart, at, site)
    if found.ferritin is not None and all(criterion.level != NO for criterion in found.read):
        improved = _improved(chart, found.ferritin, at, site, course)
        found = Criteria(found.ferritin, (*found.read, improved), found.flags)
    return _screen(at, found)


def criteria(chart: Chart, at: datetime, site: Site) -> Criteria:
    """The laboratory criteria."""
    ferritin = latest_number(chart, "ferritin", at, site.conventions.chart.laboratory_holds.value)
    if ferritin is None:
        missing = name_missing(chart, "ferritin", at, site.conventions.chart.laboratory_holds.value)
        none = phrase("no ferritin holds: {what}", what=missing)
        of_ferritin = [Axis(None, (none,), missing=(missing,), conventions=("chart.laboratory_holds",))]
    else:
        of_ferritin = [_high(ferritin, chart, site), _rising(ferritin, chart, site)]
    flags = passed_over(chart, "ferritin", ferritin, at) if ferritin else ()
    return Criteria(ferritin, (*of_ferritin, organ(chart, at, site)), flags)


VERDICTS = {
    True: Phrase("consider IEC-HS"),
    False: Phrase("IEC-HS is not suspected"),
    None: Phrase("whether to consider IEC-HS is open"),
}


def _screen(at: datetime, criteria: Criteria) -> Screen:
    """All criteria must be met; one that is not decides."""
    unmet = [criterion for criterion in criteria.read if criterion.level == NO]
    unknown = [criterion for criterion in criteria.read if criterion.level is None]
    suspected = False if unmet else None if unknown else True
    shown = unmet or criteria.read
    flags = criteria.flags
    found = tuple(dict.fromkeys(item for criterion in shown for item in criterion.evidence))
    if any(item.entry.status == Status.PRELIMINARY for item in found):
        flags = (*flags, PROVISIONAL)
    return Screen(
        system=SYSTEM,
        version=VERSION,
        at=at,
        suspected=suspected,
        because=(*(reason for criterion in shown for reason in criterion.because), VERDICTS[suspected]),
        evidence=found,
        missing=() if unmet else tuple(name for criterion in unknown for name in criterion.missing),
        flags=flags,
        conventions=tuple(dict.fromkeys(name for criterion in shown for name in criterion.conventions)),
    )


# -- ferritin --------------------------------------------------------------------------------------


def _high(ferritin: Entry, chart: Chart, site: Site) -> Axis:
    """Ferritin > 2 x ULN, or > 2 x its value at infusion."""
    return any_of((above_limit("ferritin", ferritin, FERRITIN_TIMES), _above_infusion(ferritin, chart, site)))


def _above_infusion(ferritin: Entry, chart: Chart, site: Site) -> Axis:
    infused = chart.infused
    window = site.conventions.chart.baseline_window.value
    before = latest_number(chart, "ferritin", infused, window) if infused and infused < ferritin.effective else None
    if before is None:
        return Axis(None, missing=(Phrase("ferritin at infusion"),), conventions=("chart.baseline_window",))
    row = _multiple(ferritin, before, ">", FERRITIN_TIMES, AT_INFUSION)
    return row._replace(conventions=("chart.baseline_window",))


class _Against(NamedTuple):
    """The sentences of a comparison with an earlier ferritin: reached, not reached, and only a bound."""

    reached: str
    not_reached: str
    bound: str


AT_INFUSION = _Against(
    "{what} {sign} {n} x the value at infusion ({n2})",
    "{what} not {sign} {n} x the value at infusion ({n2})",
    "the value at infusion is only a bound: {amount}",
)
EARLIER = _Against(
    "{what} {sign} {n} x that of {at} ({n2})",
    "{what} not {sign} {n} x that of {at} ({n2})",
    "that of {at} is only a bound: {amount}",
)


def _multiple(ferritin: Entry, before: Entry, sign: str, times: int, against: _Against) -> Axis:
    """Against a multiple of another ferritin. If that is ">40000" only "not reached" is certain, and inversely."""
    cut = Cut(YES, sign, times * (before.value or Decimal(0)), "")
    at = (At(before.effective),) if against is EARLIER else ()
    row = compared("ferritin", ferritin, cut, (against.reached, against.not_reached), (times, *at))
    row = row._replace(evidence=(*row.evidence, *evidence(("ferritin", before))))
    unsure = {">": YES, "<": NO}.get(before.comparator[:1])
    if row.level is None or row.level != unsure:
        return row
    unsure_of = Phrase(against.bound, (*at, amount("ferritin", before)))
    because = phrase("{what}: {why}", what=with_time("ferritin", ferritin), why=unsure_of)
    missing = phrase("{what} ({why})", what=Name("ferritin"), why=unsure_of)
    return row._replace(level=None, because=(because,), missing=(missing,))


def _rising(ferritin: Entry, chart: Chart, site: Site) -> Axis:
    """Ferritin doubles within a while, or is very high."""
    conventions = site.conventions.iec_hs
    very_high = compared("ferritin", ferritin, Cut(YES, ">", conventions.ferritin_high.value, ""))
    within = conventions.ferritin_doubles_within.value
    earlier = [
        entry
        for entry in chart.between("ferritin", ferritin.effective - within, ferritin.effective)
        if entry.value is not None and entry.effective < ferritin.effective
    ]
    doubled = any_of(_multiple(ferritin, entry, ">=", DOUBLED, EARLIER) for entry in earlier)
    if not earlier:
        doubled = Axis(None, missing=(phrase("ferritin of the {span} before the latest", span=Length(within)),))
    very_high = very_high._replace(conventions=("iec_hs.ferritin_high",))
    return any_of((very_high, doubled._replace(conventions=("iec_hs.ferritin_doubles_within",))))


# -- CRS -------------------------------------------------------------------------------------------


def _no_crs(chart: Chart, at: datetime) -> Axis:
    """A row of a patient without any known CRS."""
    if chart.latest("temperature", at) is None:
        because = Phrase("no temperature was ever charted: CRS is not known")
        return Axis(None, (because,), missing=(named("temperature"),))
    return Axis(NO, (Phrase("no CRS"),))


def _improved(chart: Chart, ferritin: Entry, at: datetime, site: Site, course: crs.CrsCourse) -> Axis:
    """Whether CRS had improved when the latest ferritin was drawn: closed, or below the highest of the episode."""
    drawn = ferritin.effective
    if course.closed_at is not None and course.closed_at <= drawn:
        text = phrase("CRS closed on {at}, before the latest ferritin", at=At(course.closed_at))
        return Axis(YES, (text,), conventions=CLOSING)
    if course.opened_at is not None and drawn < course.opened_at:
        if course.episodes > 1:
            return Axis(YES, (Phrase("CRS was closed when the latest ferritin was drawn"),), conventions=CLOSING)
        return Axis(NO, (Phrase("no CRS before the latest ferritin"),))
    if course.lower_since is not None and course.lower_since <= drawn:
        since = At(course.lower_since)
        return Axis(YES, (phrase("CRS below its highest, grade {n}, since {at}", n=course.highest, at=since),))
    grade = crs.grade(chart, at, site, course)
    if course.lower_since is None and grade.grade is None:
        missing = tuple(phrase("CRS grade since its highest: {what}", what=name) for name in grade.missing)
        because = Phrase("CRS cannot be graded since its highest")
        return Axis(None, (because,), grade.evidence, missing=missing)
    text = phrase("CRS at its highest, grade {n}, when the latest ferritin was drawn", n=course.highest)
    return Axis(NO, (text,), grade.evidence, conventions=grade.conventions)
