"""The hypotension row of the ASTCT 2019 CRS table.

The consensus grades the *treatment*: no vasopressor is 2, one is 3 (with or without vasopressin), several
are 4, vasopressin never counted towards several; the dose does not matter (Lee et al., Biol Blood Marrow
Transplant 2019;25:625-638, table 2). What counts as a low pressure is a convention of the site.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from alerts import confirmation
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.vocabulary import VASOPRESSIN, VASOPRESSORS
from config.site import Site

NO_VASOPRESSOR = 2
ONE_VASOPRESSOR = 3
SEVERAL_VASOPRESSORS = 4


def hypotension(chart: Chart, at: datetime, site: Site, *, alert: bool) -> Axis:
    """Grade of the hypotension row at a time: 0, 2, 3, 4, or None where no pressure and no support is charted."""
    proxies = site.proxies.crs
    if chart.says("hypotension_other_cause", at, proxies.other_cause_holds.value):
        return Axis(0, flags=("hypotension attributed to another cause",), proxies=("crs.other_cause_holds",))
    supported = _vasopressors(chart, at, site)
    if supported is not None:
        return supported
    observed = _pressure(chart, at, site, alert)
    stated = _statement(chart, at, site, observed)
    return stated or observed


def _vasopressors(chart: Chart, at: datetime, site: Site) -> Axis | None:
    holds = site.proxies.crs.single_vasopressor_dose_holds.value
    counted = chart.running(VASOPRESSORS, at, holds)
    vasopressin = chart.running((VASOPRESSIN,), at, holds)
    if not counted and not vasopressin:
        return None
    names = ", ".join(drug for drug, _ in (*counted, *vasopressin))
    flags = []
    if not counted:
        flags.append("vasopressin alone: not settled by the table, taken as one vasopressor")
    if any(drug == "dobutamine" for drug, _ in counted):
        flags.append("dobutamine is an inotrope, counted here as a vasopressor")
    several = len(counted) > 1
    level = SEVERAL_VASOPRESSORS if several else ONE_VASOPRESSOR
    row = "several vasopressors" if several else "one vasopressor"
    single = any(entry.code == "given" for _, entry in (*counted, *vasopressin))
    return Axis(
        level,
        f"hypotension with {row}: grade {level} ({names})",
        evidence(*counted, *vasopressin),
        flags=tuple(flags),
        proxies=("crs.single_vasopressor_dose_holds",) if single else (),
    )


def pressures(chart: Chart, at: datetime, site: Site) -> tuple[Entry | None, Entry | None]:
    """The systolic and mean pressure of the latest set of pressures (mm[Hg]), without artefacts."""
    holds = site.proxies.chart.vitals_hold.value
    systolic = _plausible(chart, "systolic_bp", at, holds)
    mean = _plausible(chart, "mean_bp", at, holds)
    span = site.proxies.chart.one_set.value
    if systolic and mean:
        if systolic.effective - mean.effective > span:
            mean = None
        elif mean.effective - systolic.effective > span:
            systolic = None
    return systolic, mean


def _plausible(chart: Chart, kind: str, at: datetime, holds: timedelta) -> Entry | None:
    """The latest pressure that fits the others of its set: a systolic above, a mean between them."""
    for entry in reversed(chart.between(kind, at - holds, at)):
        if entry.value is not None and not _contradicted(chart, kind, entry):
            return entry
    return None


def _contradicted(chart: Chart, kind: str, entry: Entry) -> bool:
    def beside(other: str) -> Entry | None:
        near = chart.between(other, entry.effective, entry.effective)
        return next((found for found in near if found.source == entry.source and found.value is not None), None)

    diastolic = beside("diastolic_bp")
    systolic = entry if kind == "systolic_bp" else beside("systolic_bp")
    if systolic and diastolic and not systolic.above(diastolic.value or Decimal(0)):
        return True
    if kind == "systolic_bp":
        return False
    too_high = systolic is not None and entry.above(systolic.value or Decimal(0))
    too_low = diastolic is not None and entry.below(diastolic.value or Decimal(0))
    return bool(too_high or too_low)


class _Low(NamedTuple):
    """Why a pressure is low, in words, and the convention that says so."""

    text: str
    proxy: str


def _pressure(chart: Chart, at: datetime, site: Site, alert: bool) -> Axis:
    systolic, mean = pressures(chart, at, site)
    charted = [(kind, entry) for kind, entry in (("systolic_bp", systolic), ("mean_bp", mean)) if entry]
    found = evidence(*charted)
    if not found:
        return Axis(None, missing=("systolic_bp",))
    unconfirmed: list[str] = []
    for kind, entry in charted:
        confirmed = _confirmed(chart, kind, entry, site, alert)
        low = _low(chart, kind, confirmed.samples[-1] if confirmed.samples else entry, site)
        if confirmed.counts and low is not None:
            proxies = (low.proxy, *((confirmed.proxy,) if confirmed.proxy else ()))
            text = f"hypotension observed ({low.text}), support not charted: at least grade {NO_VASOPRESSOR}"
            return Axis(NO_VASOPRESSOR, text, found, True, ("vasopressor",), proxies=proxies)
        if low is not None:
            unconfirmed.append(f"{low.text} by {entry.by.replace('_', ' ')}: not yet confirmed")
    return Axis(
        0,
        "; ".join(unconfirmed) or "blood pressure not low",
        found,
        flags=tuple(unconfirmed),
        proxies=("crs.hypotension_systolic", "crs.hypotension_mean"),
    )


def _confirmed(chart: Chart, kind: str, entry: Entry, site: Site, alert: bool) -> confirmation.Confirmed:
    def is_low(other: Entry) -> bool:
        return _low(chart, kind, other, site) is not None

    return confirmation.pressure(chart, kind, entry, is_low, _severe(kind, entry, site), alert, site)


def _low(chart: Chart, kind: str, entry: Entry, site: Site) -> _Low | None:
    """Whether one pressure is low, absolutely or against the patient's own baseline."""
    proxies = site.proxies.crs
    if kind == "mean_bp":
        if entry.below(proxies.hypotension_mean.value):
            return _Low(f"mean {entry.value:f} < {proxies.hypotension_mean.value}", "crs.hypotension_mean")
        return None
    if entry.below(proxies.hypotension_systolic.value):
        return _Low(f"systolic {entry.value:f} < {proxies.hypotension_systolic.value}", "crs.hypotension_systolic")
    if not entry.below(proxies.relative_hypotension_systolic.value):
        return None
    fraction = proxies.relative_hypotension_fraction.value
    baseline = chart.baseline("systolic_bp", site.proxies.chart.baseline_window.value)
    if baseline is not None and entry.below(baseline * fraction):
        text = f"systolic {entry.value:f} < {fraction} x baseline {baseline:f}"
        return _Low(text, "crs.relative_hypotension_fraction")
    return None


def _severe(kind: str, entry: Entry, site: Site) -> bool:
    proxies = site.proxies.crs
    bound = proxies.severe_systolic if kind == "systolic_bp" else proxies.severe_mean
    return bool(entry.below(bound.value))


def severe(systolic: Entry | None, mean: Entry | None, site: Site) -> bool:
    """Whether a pressure is so low that no earlier "no hypotension" stands against it."""
    return bool((systolic and _severe("systolic_bp", systolic, site)) or (mean and _severe("mean_bp", mean, site)))


def _statement(chart: Chart, at: datetime, site: Site, observed: Axis) -> Axis | None:
    """A clinician's statement outranks the numbers charted before it and for a while after it."""
    said = chart.latest("hypotension", at, site.proxies.chart.vitals_hold.value)
    if said is None:
        return None
    holds = site.proxies.crs.statement_holds.value
    systolic, mean = pressures(chart, at, site)
    newer = [entry for entry in (systolic, mean) if entry and entry.effective > said.effective]
    if any(entry.effective - said.effective > holds for entry in newer):
        return None
    if not said.is_true:
        if newer and severe(systolic, mean, site):
            return None
        return Axis(
            0,
            "no hypotension by a clinician's statement",
            (*evidence(("hypotension", said)), *observed.evidence),
            proxies=("crs.statement_holds",),
        )
    return Axis(
        NO_VASOPRESSOR,
        f"hypotension by a clinician's statement, no vasopressor: grade {NO_VASOPRESSOR}",
        (*evidence(("hypotension", said)), *observed.evidence),
        proxies=("crs.statement_holds",),
    )
