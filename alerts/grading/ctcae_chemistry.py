"""CTCAE: fibrinogen, ALT, AST, creatinine, bilirubin and INR.

National Cancer Institute; version 5.0 of 27 November 2017, and the same in version 6.0:

    term                      1               2                 3                   4
    fibrinogen, x LLN         <1 - 0.75       <0.75 - 0.5       <0.5 - 0.25         <0.25, or < 50 mg/dL
      baseline abnormal:      <25 %           25 - <50 %        50 - <75 %          >= 75 %, or < 50 mg/dL
      fall from baseline
    ALT, AST, x ULN           >1 - 3          >3 - 5            >5 - 20             >20
      baseline abnormal:      1.5 - 3         >3 - 5            >5 - 20             >20
      x baseline
    creatinine                >1 - 1.5 x ULN  >1.5 - 3 x ULN    >3 - 6 x ULN        >6 x ULN
                                              or x baseline     or >3 x baseline
    bilirubin, x ULN          >1 - 1.5        >1.5 - 3          >3 - 10             >10
    INR, no anticoagulant     >1.2 - 1.5      >1.5 - 2.5        >2.5                -

LLN and ULN are the laboratory's own limits. The baseline is the median of the days before infusion
(`chart.baseline_window`); it is abnormal where it lies outside the limits of the result being graded, or where that
came without, outside the last limits that came with a result of the baseline. Where none was charted, a baseline is
taken as normal, and creatinine is read against its limit alone; both are flagged.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, ReferenceLimit
from alerts.grading.ctcae_rows import LABORATORY, baseline, before_infusion, falling, latest, limit_of, no_result, read
from alerts.grading.inputs import in_baseline
from alerts.wording.phrase import Phrase, joined
from config.site import Site


def _below(level: int, multiple: str, text: str) -> Cut:
    return Cut(level, "<", Decimal(multiple), text, ReferenceLimit.LOW)


def _above(level: int, multiple: str, text: str) -> Cut:
    return Cut(level, ">", Decimal(multiple), text, ReferenceLimit.HIGH)


class Rows(NamedTuple):
    """A term whose row depends on the baseline: bounds as multiples of the limit and of an abnormal baseline."""

    kind: str
    of_limit: tuple[Cut, ...]
    of_baseline: tuple[Cut, ...]
    absolute: tuple[Cut, ...] = ()


FIBRINOGEN = Rows(
    "fibrinogen",
    of_limit=(
        _below(1, "1", "<1 - 0.75 x LLN"),
        _below(2, "0.75", "<0.75 - 0.5 x LLN"),
        _below(3, "0.5", "<0.5 - 0.25 x LLN"),
        _below(4, "0.25", "<0.25 x LLN"),
    ),
    of_baseline=(
        Cut(1, "<", Decimal(1), "<25 % fall from baseline"),
        Cut(2, "<=", Decimal("0.75"), "25 - <50 % fall from baseline"),
        Cut(3, "<=", Decimal("0.5"), "50 - <75 % fall from baseline"),
        Cut(4, "<=", Decimal("0.25"), ">= 75 % fall from baseline"),
    ),
    absolute=(Cut(4, "<", Decimal(50), "< 50 mg/dL"),),
)


def _transaminase(kind: str) -> Rows:
    return Rows(
        kind,
        of_limit=(
            _above(1, "1", ">1 - 3 x ULN"),
            _above(2, "3", ">3 - 5 x ULN"),
            _above(3, "5", ">5 - 20 x ULN"),
            _above(4, "20", ">20 x ULN"),
        ),
        of_baseline=(
            Cut(1, ">=", Decimal("1.5"), "1.5 - 3 x baseline"),
            Cut(2, ">", Decimal(3), ">3 - 5 x baseline"),
            Cut(3, ">", Decimal(5), ">5 - 20 x baseline"),
            Cut(4, ">", Decimal(20), ">20 x baseline"),
        ),
    )


ALT = _transaminase("alt")
AST = _transaminase("ast")

CREATININE = (
    _above(1, "1", ">ULN - 1.5 x ULN"),
    _above(2, "1.5", ">1.5 - 3 x ULN"),
    _above(3, "3", ">3 - 6 x ULN"),
    _above(4, "6", ">6 x ULN"),
)
CREATININE_OF_BASELINE = (
    Cut(2, ">", Decimal("1.5"), ">1.5 - 3 x baseline"),
    Cut(3, ">", Decimal(3), ">3 x baseline"),
)
"""Multiples of the baseline, normal or not. The worse of the two grades counts."""

BILIRUBIN = (
    _above(1, "1", ">1 - 1.5 x ULN"),
    _above(2, "1.5", ">1.5 - 3 x ULN"),
    _above(3, "3", ">3 - 10 x ULN"),
    _above(4, "10", ">10 x ULN"),
)
INR = (
    Cut(1, ">", Decimal("1.2"), ">1.2 - 1.5"),
    Cut(2, ">", Decimal("1.5"), ">1.5 - 2.5"),
    Cut(3, ">", Decimal("2.5"), ">2.5"),
)

ANTICOAGULATED = Phrase("anticoagulated: not graded")

WITHOUT_BASELINE = Phrase("no baseline from before infusion: counted as normal")
ONLY_THE_LIMIT = Phrase("no baseline from before infusion: only the multiples of the limit are read")

STATEMENTS = ("anticoagulated",)
"""Statements of clinicians that can change a grade here."""


# -- terms that know a baseline --------------------------------------------------------------------


def _by_baseline(rows: Rows, chart: Chart, at: datetime, site: Site) -> Axis:
    """Fibrinogen and transaminases: by the limit, or by a baseline that was outside it."""
    entry = latest(rows.kind, chart, at, site)
    if entry is None:
        return no_result(rows.kind, chart, at, site)
    before = baseline(rows.kind, chart, at, site)
    if before is None:
        row = read(rows.kind, entry, (*rows.of_limit, *rows.absolute), chart, at)
        return _flagged(row, WITHOUT_BASELINE) if row.level else row
    outside = _abnormal(before, rows, entry, chart, site)
    cuts = _times(before, rows.of_baseline) if outside else rows.of_limit
    row = read(rows.kind, entry, (*cuts, *rows.absolute), chart, at)
    if outside is not None and outside is not entry:
        row = row._replace(evidence=(*row.evidence, *evidence((rows.kind, outside))))
    return _with_baseline(row, rows.kind, before, site)


def _creatinine(chart: Chart, at: datetime, site: Site) -> Axis:
    """The creatinine grade by the limit and by the baseline. The worse grade counts."""
    entry = latest("creatinine", chart, at, site)
    if entry is None:
        return no_result("creatinine", chart, at, site)
    before = baseline("creatinine", chart, at, site)
    if before is None:
        row = read("creatinine", entry, CREATININE, chart, at)
        open_to_worse = row.level is not None and row.level < max(cut.level for cut in CREATININE_OF_BASELINE)
        return _flagged(row, ONLY_THE_LIMIT) if open_to_worse else row
    row = read("creatinine", entry, (*CREATININE, *_times(before, CREATININE_OF_BASELINE)), chart, at)
    return _with_baseline(row, "creatinine", before, site)


def _times(before: Decimal, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
    return tuple(cut._replace(bound=cut.bound * before, scaled=True) for cut in cuts)


def _abnormal(before: Decimal, rows: Rows, entry: Entry, chart: Chart, site: Site) -> Entry | None:
    """The result by whose limit the baseline is abnormal; None if it is normal, or if no limit is known.

    That is the graded result; if it has no limit, the last baseline result with one.
    """
    for found in (entry, *reversed(before_infusion(rows.kind, chart, site))):
        limit = limit_of(found, rows.of_limit)
        if limit is not None:
            return found if (before < limit if falling(rows.of_limit) else before > limit) else None
    return None


def _with_baseline(row: Axis, kind: str, before: Decimal, site: Site) -> Axis:
    because = joined([*row.because, in_baseline(before, kind, site)])
    return row._replace(because=(because,), conventions=(*LABORATORY, "chart.baseline_window"))


def _flagged(row: Axis, flag: Phrase) -> Axis:
    return row._replace(flags=(*row.flags, flag))


# -- terms that do not -----------------------------------------------------------------------------


def _bilirubin(chart: Chart, at: datetime, site: Site) -> Axis:
    entry = latest("bilirubin", chart, at, site)
    if entry is None:
        return no_result("bilirubin", chart, at, site)
    return read("bilirubin", entry, BILIRUBIN, chart, at)


def _inr(chart: Chart, at: datetime, site: Site) -> Axis:
    """Not graded under an anticoagulant: the table then asks for a baseline on the drug, which nobody charts."""
    said = chart.latest("anticoagulated", at)
    entry = latest("inr", chart, at, site)
    if said is not None and said.is_true:
        found = evidence(("anticoagulated", said), *[("inr", entry)] if entry else [])
        because = Phrase("anticoagulated by a clinician's statement")
        return Axis(None, (because,), found, flags=(ANTICOAGULATED,))
    if entry is None:
        return no_result("inr", chart, at, site)
    return read("inr", entry, INR, chart, at)


GRADERS: Mapping[str, Callable[[Chart, datetime, Site], Axis]] = {
    "fibrinogen": partial(_by_baseline, FIBRINOGEN),
    "alt": partial(_by_baseline, ALT),
    "ast": partial(_by_baseline, AST),
    "creatinine": _creatinine,
    "bilirubin": _bilirubin,
    "inr": _inr,
}

ROWS: Mapping[str, tuple[Cut, ...]] = {
    **{rows.kind: (*rows.of_limit, *rows.absolute, *rows.of_baseline) for rows in (FIBRINOGEN, ALT, AST)},
    "creatinine": (*CREATININE, *CREATININE_OF_BASELINE),
    "bilirubin": BILIRUBIN,
    "inr": INR,
}
"""Every cell of each term, also those of a baseline."""
