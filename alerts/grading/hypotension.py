"""The hypotension row of the ASTCT 2019 CRS table.

The consensus grades the *treatment*: no vasopressor is 2, one is 3 (with or without vasopressin), several
are 4, vasopressin never counted towards several; the dose does not matter (Lee et al., Biol Blood Marrow
Transplant 2019;25:625-638, table 2). What counts as a low pressure is a convention of the site.
"""

from datetime import datetime
from typing import NamedTuple

from alerts.chart import confirmation
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import statements
from alerts.grading.axis import Axis, evidence
from alerts.grading.inputs import INSTANT, if_old
from alerts.grading.pressures import PULSE_PRESSURE, Pressures, baseline, contradiction, is_sound, pressures
from alerts.grading.result import Evidence
from alerts.wording.phrase import Listed, Name, Number, Phrase, named, phrase
from config.site import Site
from config.vocabulary import VASOPRESSIN, VASOPRESSORS

NO_VASOPRESSOR = 2
ONE_VASOPRESSOR = 3
SEVERAL_VASOPRESSORS = 4

OTHER_CAUSE = "hypotension_other_cause"

RELATIVE = ("crs.relative_hypotension_fraction", "crs.relative_hypotension_systolic", "chart.baseline_window")
"""The conventions behind a fall from the patient's own baseline."""


def hypotension(chart: Chart, at: datetime, site: Site, *, alert: bool) -> Axis:
    """Grade of the hypotension row at a time: 0, 2, 3, 4; None if neither pressure nor support is charted."""
    measured = pressures(chart, at, site)
    supported = _vasopressors(chart, at, site, measured)
    found = supported or _pressure(chart, at, site, measured, alert)
    cause = statements.other_cause(chart, OTHER_CAUSE, at, site)
    if cause is not None:
        worse = worse_pressure(chart, cause, at, site)
        if worse is None:
            row = Axis(
                0, flags=(Phrase("hypotension attributed to another cause"),), conventions=("crs.other_cause_holds",)
            )
            return statements.outranking(row, OTHER_CAUSE, cause, found, site)
        found = statements.ended(found, OTHER_CAUSE, cause, worse)
    said = chart.latest("hypotension", at, site.conventions.chart.vitals_hold.value)
    if said is None:
        return found
    return _stated(chart, at, site, said, found, measured, is_supported=supported is not None)


def _vasopressors(chart: Chart, at: datetime, site: Site, measured: Pressures) -> Axis | None:
    holds = site.conventions.crs.single_vasopressor_dose_holds.value
    counted = chart.running(VASOPRESSORS, at, holds)
    vasopressin = chart.running((VASOPRESSIN,), at, holds)
    if not counted and not vasopressin:
        return None
    names = Listed(tuple(Name(drug) for drug, _ in (*counted, *vasopressin)))
    flags = []
    if not counted:
        flags.append(Phrase("vasopressin alone: not settled by the table, counted as one vasopressor"))
    if any(drug == "dobutamine" for drug, _ in counted):
        flags.append(Phrase("dobutamine is an inotrope, counted here as a vasopressor"))
    several = len(counted) > 1
    level = SEVERAL_VASOPRESSORS if several else ONE_VASOPRESSOR
    one, more = (
        "hypotension with one vasopressor: grade {n} ({list})",
        "hypotension with several vasopressors: grade {n} ({list})",
    )
    single = any(entry.code == "given" for _, entry in (*counted, *vasopressin))
    return Axis(
        level,
        (phrase(more if several else one, n=level, list=names),),
        evidence(*counted, *vasopressin, *_charted(measured)),
        flags=tuple(flags),
        conventions=("crs.single_vasopressor_dose_holds",) if single else (),
    )


def _charted(measured: Pressures) -> list[tuple[str, Entry]]:
    """The valid pressures. A page shows them beside a vasopressor, though only that decides the grade."""
    kinds = (("systolic_bp", measured.systolic), ("mean_bp", measured.mean))
    return [(kind, entry) for kind, entry in kinds if entry]


class _Low(NamedTuple):
    """The reason why a pressure is low, and its conventions."""

    text: Phrase
    conventions: tuple[str, ...]


def _pressure(chart: Chart, at: datetime, site: Site, measured: Pressures, alert: bool) -> Axis:
    charted = _charted(measured)
    found = evidence(*charted)
    refused = _contradictions(chart, measured, at, site)
    conventions = PULSE_PRESSURE if refused else ()
    if not found:
        return Axis(None, missing=(named("systolic_bp"),), flags=refused, conventions=conventions)
    unconfirmed: list[Phrase] = []
    for kind, entry in charted:
        confirmed = _confirmed(chart, kind, entry, site, alert)
        low = _low(chart, kind, confirmed.samples[-1] if confirmed.samples else entry, site)
        if confirmed.counts and low is not None:
            by = ((confirmed.convention,) if confirmed.convention else ()) + if_old(
                entry, at, site, "chart.vitals_hold"
            )
            observed = "hypotension observed ({what}), support not charted: at least grade {n}"
            text = phrase(observed, what=low.text, n=NO_VASOPRESSOR)
            used = (*low.conventions, *by, *conventions)
            missing = (named("vasopressor"),)
            return Axis(NO_VASOPRESSOR, (text,), found, True, missing, flags=refused, conventions=used)
        if low is not None:
            unconfirmed.append(phrase("{what} by {what2}: not yet confirmed", what=low.text, what2=Name(entry.by)))
    aged = tuple(name for _, entry in charted for name in if_old(entry, at, site, "chart.vitals_hold"))
    return Axis(
        0,
        tuple(unconfirmed) or (Phrase("blood pressure not low"),),
        found,
        flags=(*unconfirmed, *refused),
        conventions=("crs.hypotension_systolic", "crs.hypotension_mean", *dict.fromkeys(aged), *conventions),
    )


def _contradictions(chart: Chart, measured: Pressures, at: datetime, site: Site) -> tuple[Phrase, ...]:
    """The sets that came after the pressures in use and contradict themselves."""
    used = measured.newest
    said = [contradiction(chart, kind, used, at, site) for kind in ("systolic_bp", "mean_bp")]
    return tuple(dict.fromkeys(text for text in said if text is not None))


def _confirmed(chart: Chart, kind: str, entry: Entry, site: Site, alert: bool) -> confirmation.Confirmed:
    def is_low(other: Entry) -> bool:
        return _low(chart, kind, other, site) is not None

    def usable(other: Entry) -> bool:
        return is_sound(chart, kind, other, site)

    severe_by = _severe_by(kind) if _severe(kind, entry, site) else ""
    return confirmation.pressure(chart, kind, entry, is_low, site, severe=severe_by, alert=alert, usable=usable)


def _low(chart: Chart, kind: str, entry: Entry, site: Site) -> _Low | None:
    """Whether one pressure is low, absolutely or against the patient's own baseline."""
    conventions = site.conventions.crs
    if entry.value is None:
        return None
    number = Number(entry.value)
    if kind == "mean_bp":
        if entry.below(conventions.hypotension_mean.value):
            text = phrase("mean {n} < {n2}", n=number, n2=str(conventions.hypotension_mean.value))
            return _Low(text, ("crs.hypotension_mean",))
        return None
    if entry.below(conventions.hypotension_systolic.value):
        text = phrase("systolic {n} < {n2}", n=number, n2=str(conventions.hypotension_systolic.value))
        return _Low(text, ("crs.hypotension_systolic",))
    if not entry.below(conventions.relative_hypotension_systolic.value):
        return None
    fraction = conventions.relative_hypotension_fraction.value
    before = baseline(chart, site)
    if before is not None and entry.below(before * fraction):
        fall = "systolic {n} < {n2} x baseline {n3}"
        return _Low(phrase(fall, n=number, n2=str(fraction), n3=Number(before)), RELATIVE)
    return None


def _severe_by(kind: str) -> str:
    return "crs.severe_systolic" if kind == "systolic_bp" else "crs.severe_mean"


def _severe(kind: str, entry: Entry, site: Site) -> bool:
    conventions = site.conventions.crs
    bound = conventions.severe_systolic if kind == "systolic_bp" else conventions.severe_mean
    return bool(entry.below(bound.value))


def worse_pressure(chart: Chart, said: Entry, at: datetime, site: Site) -> Evidence | None:
    """The entry after a statement that ends it: a vasopressor started, or a severely low pressure."""
    if not site.conventions.crs.worse_ends_statement.value:
        return None
    since = said.effective + INSTANT
    for kind in ("systolic_bp", "mean_bp"):
        for entry in chart.between(kind, since, at):
            if _severe(kind, entry, site) and is_sound(chart, kind, entry, site):
                return Evidence(kind, entry)
    for drug in (*VASOPRESSORS, VASOPRESSIN):
        started = _started(chart, drug, said, at, site)
        if started is not None:
            return Evidence(drug, started)
    return None


def _started(chart: Chart, drug: str, said: Entry, at: datetime, site: Site) -> Entry | None:
    """The first dose after a statement of a drug that did not run when it was made, or was stopped since."""
    holds = site.conventions.crs.single_vasopressor_dose_holds.value
    runs = bool(chart.running((drug,), said.effective, holds))
    for entry in chart.between(drug, said.effective + INSTANT, at):
        if entry.code == "stopped":
            runs = False
        elif not runs:
            return entry
    return None


def _stated(
    chart: Chart, at: datetime, site: Site, said: Entry, found: Axis, measured: Pressures, *, is_supported: bool
) -> Axis:
    """A row by a clinician's statement, which outranks the pressures before it and for a time after it."""
    holds = site.conventions.crs.statement_holds.value
    if any(entry.effective - said.effective > holds for entry in measured if entry):
        return found
    worse = None if said.is_true else worse_pressure(chart, said, at, site)
    if worse is not None:
        return statements.ended(found, "hypotension", said, worse)
    if is_supported:
        return found
    conventions = ("crs.statement_holds", *if_old(said, at, site, "chart.vitals_hold"))
    if said.is_true:
        text = phrase("hypotension by a clinician's statement, no vasopressor: grade {n}", n=NO_VASOPRESSOR)
        row = Axis(NO_VASOPRESSOR, (text,), conventions=conventions)
    else:
        row = Axis(0, (Phrase("no hypotension by a clinician's statement"),), conventions=conventions)
    return statements.outranking(row, "hypotension", said, found, site)
