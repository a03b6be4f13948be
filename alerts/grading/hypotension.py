"""The hypotension row of the ASTCT 2019 CRS table.

The consensus grades the *treatment*: no vasopressor is 2, one is 3 (with or without vasopressin), several
are 4, vasopressin never counted towards several; the dose does not matter (Lee et al., Biol Blood Marrow
Transplant 2019;25:625-638, table 2). What counts as a low pressure is a convention of the site.
"""

from datetime import datetime
from typing import NamedTuple

from alerts import confirmation
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.inputs import charted, if_old, number
from alerts.grading.pressures import PULSE_PRESSURE, baseline, contradiction, is_sound, pressures
from alerts.vocabulary import VASOPRESSIN, VASOPRESSORS, label
from config.site import Site

NO_VASOPRESSOR = 2
ONE_VASOPRESSOR = 3
SEVERAL_VASOPRESSORS = 4

RELATIVE = ("crs.relative_hypotension_fraction", "crs.relative_hypotension_systolic", "chart.baseline_window")
"""The conventions behind a fall from the patient's own baseline."""


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
        evidence(*counted, *vasopressin, *_charted(chart, at, site)),
        flags=tuple(flags),
        proxies=("crs.single_vasopressor_dose_holds",) if single else (),
    )


def _charted(chart: Chart, at: datetime, site: Site) -> list[tuple[str, Entry]]:
    """The pressures that hold. They stand beside a vasopressor too, though only that decides the grade."""
    systolic, mean = pressures(chart, at, site)
    return [(kind, entry) for kind, entry in (("systolic_bp", systolic), ("mean_bp", mean)) if entry]


class _Low(NamedTuple):
    """Why a pressure is low, in words, and the conventions that say so."""

    text: str
    proxies: tuple[str, ...]


def _pressure(chart: Chart, at: datetime, site: Site, alert: bool) -> Axis:
    systolic, mean = pressures(chart, at, site)
    charted = _charted(chart, at, site)
    found = evidence(*charted)
    refused = _contradictions(chart, systolic, mean, at, site)
    proxies = PULSE_PRESSURE if refused else ()
    if not found:
        return Axis(None, missing=("systolic_bp",), flags=refused, proxies=proxies)
    unconfirmed: list[str] = []
    for kind, entry in charted:
        confirmed = _confirmed(chart, kind, entry, site, alert)
        low = _low(chart, kind, confirmed.samples[-1] if confirmed.samples else entry, site)
        if confirmed.counts and low is not None:
            by = ((confirmed.proxy,) if confirmed.proxy else ()) + if_old(entry, at, site, "chart.vitals_hold")
            text = f"hypotension observed ({low.text}), support not charted: at least grade {NO_VASOPRESSOR}"
            named = (*low.proxies, *by, *proxies)
            return Axis(NO_VASOPRESSOR, text, found, True, ("vasopressor",), flags=refused, proxies=named)
        if low is not None:
            unconfirmed.append(f"{low.text} by {label(entry.by)}: not yet confirmed")
    aged = tuple(name for _, entry in charted for name in if_old(entry, at, site, "chart.vitals_hold"))
    return Axis(
        0,
        "; ".join(unconfirmed) or "blood pressure not low",
        found,
        flags=(*unconfirmed, *refused),
        proxies=("crs.hypotension_systolic", "crs.hypotension_mean", *dict.fromkeys(aged), *proxies),
    )


def _contradictions(
    chart: Chart, systolic: Entry | None, mean: Entry | None, at: datetime, site: Site
) -> tuple[str, ...]:
    """The sets that came after the pressures in use and contradict themselves."""
    used = max((entry for entry in (systolic, mean) if entry), key=lambda entry: entry.effective, default=None)
    said = (contradiction(chart, kind, used, at, site) for kind in ("systolic_bp", "mean_bp"))
    return tuple(dict.fromkeys(text for text in said if text))


def _confirmed(chart: Chart, kind: str, entry: Entry, site: Site, alert: bool) -> confirmation.Confirmed:
    def is_low(other: Entry) -> bool:
        return _low(chart, kind, other, site) is not None

    def usable(other: Entry) -> bool:
        return is_sound(chart, kind, other, site)

    severe_by = _severe_by(kind) if _severe(kind, entry, site) else ""
    return confirmation.pressure(chart, kind, entry, is_low, site, severe=severe_by, alert=alert, usable=usable)


def _low(chart: Chart, kind: str, entry: Entry, site: Site) -> _Low | None:
    """Whether one pressure is low, absolutely or against the patient's own baseline."""
    proxies = site.proxies.crs
    if kind == "mean_bp":
        if entry.below(proxies.hypotension_mean.value):
            return _Low(
                f"mean {charted('systolic_bp', entry.value)} < {proxies.hypotension_mean.value}",
                ("crs.hypotension_mean",),
            )
        return None
    if entry.below(proxies.hypotension_systolic.value):
        text = f"systolic {charted('systolic_bp', entry.value)} < {proxies.hypotension_systolic.value}"
        return _Low(text, ("crs.hypotension_systolic",))
    if not entry.below(proxies.relative_hypotension_systolic.value):
        return None
    fraction = proxies.relative_hypotension_fraction.value
    before = baseline(chart, site)
    if before is not None and entry.below(before * fraction):
        return _Low(
            f"systolic {charted('systolic_bp', entry.value)} < {fraction} x baseline {number(before)}", RELATIVE
        )
    return None


def _severe_by(kind: str) -> str:
    return "crs.severe_systolic" if kind == "systolic_bp" else "crs.severe_mean"


def _severe(kind: str, entry: Entry, site: Site) -> bool:
    proxies = site.proxies.crs
    bound = proxies.severe_systolic if kind == "systolic_bp" else proxies.severe_mean
    return bool(entry.below(bound.value))


def severe(systolic: Entry | None, mean: Entry | None, site: Site) -> tuple[str, ...]:
    """The conventions by which a pressure is so low that no earlier "no hypotension" stands against it."""
    found = (("systolic_bp", systolic), ("mean_bp", mean))
    return tuple(_severe_by(kind) for kind, entry in found if entry is not None and _severe(kind, entry, site))


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
    found = (*evidence(("hypotension", said)), *observed.evidence)
    proxies = ("crs.statement_holds", *if_old(said, at, site, "chart.vitals_hold"))
    if said.is_true:
        text = f"hypotension by a clinician's statement, no vasopressor: grade {NO_VASOPRESSOR}"
        return Axis(NO_VASOPRESSOR, text, found, proxies=proxies)
    if newer and (by := severe(systolic, mean, site)):
        return observed._replace(proxies=(*observed.proxies, *by))
    return Axis(0, "no hypotension by a clinician's statement", found, proxies=proxies)
