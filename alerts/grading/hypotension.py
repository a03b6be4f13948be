"""The hypotension row of the ASTCT 2019 CRS table.

The consensus grades the *treatment*: no vasopressor is 2, one is 3 (with or without vasopressin), several
are 4, vasopressin never counted towards several; the dose does not matter (Lee et al., Biol Blood Marrow
Transplant 2019;25:625-638, table 2). What counts as a low pressure is a convention of the site.
"""

from datetime import datetime

from alerts.chart import Chart, Entry
from alerts.grading.axis import Axis, evidence
from alerts.vocabulary import VASOPRESSIN, VASOPRESSORS
from config.site import Site

NO_VASOPRESSOR = 2
ONE_VASOPRESSOR = 3
SEVERAL_VASOPRESSORS = 4


def hypotension(chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade of the hypotension row at a time: 0, 2, 3, 4, or None where no pressure and no support is charted."""
    proxies = site.proxies.crs
    if chart.says("hypotension_other_cause", at, proxies.other_cause_holds.value):
        return Axis(0, flags=("hypotension attributed to another cause",), proxies=("crs.other_cause_holds",))
    supported = _vasopressors(chart, at, site)
    if supported is not None:
        return supported
    observed = _pressure(chart, at, site)
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
    """The systolic and mean pressure of the latest set of pressures (mm[Hg])."""
    holds = site.proxies.chart.vitals_hold.value
    systolic = chart.latest("systolic_bp", at, holds)
    mean = chart.latest("mean_bp", at, holds)
    span = site.proxies.chart.one_set.value
    if systolic and mean:
        if systolic.effective - mean.effective > span:
            mean = None
        elif mean.effective - systolic.effective > span:
            systolic = None
    return systolic, mean


def _pressure(chart: Chart, at: datetime, site: Site) -> Axis:
    systolic, mean = pressures(chart, at, site)
    found = evidence(
        *(("systolic_bp", entry) for entry in (systolic,) if entry),
        *(("mean_bp", entry) for entry in (mean,) if entry),
    )
    if not found:
        return Axis(None, missing=("systolic_bp",))
    low, proxy = _low(chart, systolic, mean, site)
    if low is None:
        return Axis(0, "blood pressure not low", found, proxies=("crs.hypotension_systolic", "crs.hypotension_mean"))
    return Axis(
        NO_VASOPRESSOR,
        f"hypotension observed ({low}), support not charted: at least grade {NO_VASOPRESSOR}",
        found,
        provisional=True,
        missing=("vasopressor",),
        proxies=(proxy,),
    )


def _low(chart: Chart, systolic: Entry | None, mean: Entry | None, site: Site) -> tuple[str | None, str]:
    proxies = site.proxies.crs
    if systolic and systolic.below(proxies.hypotension_systolic.value):
        return (
            f"systolic {systolic.value:f} < {proxies.hypotension_systolic.value}",
            "crs.hypotension_systolic",
        )
    if mean and mean.below(proxies.hypotension_mean.value):
        return f"mean {mean.value:f} < {proxies.hypotension_mean.value}", "crs.hypotension_mean"
    baseline = chart.baseline("systolic_bp", site.proxies.chart.baseline_window.value)
    if systolic and baseline and systolic.below(proxies.relative_hypotension_systolic.value):
        bound = baseline * proxies.relative_hypotension_fraction.value
        if systolic.below(bound):
            text = (
                f"systolic {systolic.value:f} < {proxies.relative_hypotension_fraction.value} x baseline {baseline:f}"
            )
            return text, "crs.relative_hypotension_fraction"
    return None, ""


def severe(systolic: Entry | None, mean: Entry | None, site: Site) -> bool:
    """Whether a pressure is so low that no earlier "no hypotension" stands against it."""
    proxies = site.proxies.crs
    return bool(
        (systolic and systolic.below(proxies.severe_systolic.value)) or (mean and mean.below(proxies.severe_mean.value))
    )


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
