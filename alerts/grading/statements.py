"""What a clinician says against the numbers: for how long it outranks them, what ends it, and how a page says so.

How long a statement stands, and that worse findings charted after it end it, are conventions of the site
(`crs.statement_holds`, `crs.other_cause_holds`, `crs.worse_ends_statement`).
"""

from datetime import datetime, timedelta

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import Axis
from alerts.grading.inputs import clock, reported
from alerts.grading.result import Evidence
from config.site import Site
from config.vocabulary import DRUGS, label

INSTANT = timedelta(microseconds=1)

ENDS = "crs.worse_ends_statement"

SEVERE = {
    "systolic_bp": "crs.severe_systolic",
    "mean_bp": "crs.severe_mean",
    "spo2": "crs.severe_spo2",
}
"""The conventions by which a value is severe."""

_SAYS = ", says "
_A_PERSON = ("", "person")
"""Senders that do not name who says it."""


def is_statement(flag: str) -> bool:
    """Whether a flag of a grade says who states something, and until when."""
    return _SAYS in flag


def other_cause(chart: Chart, kind: str, at: datetime, site: Site) -> Entry | None:
    """What a clinician puts down to another cause, unless it has lapsed."""
    said = chart.latest(kind, at, site.conventions.crs.other_cause_holds.value)
    return said if said is not None and said.is_true else None


def outranking(axis: Axis, kind: str, said: Entry, numbers: Axis, site: Site) -> Axis:
    """A row as a statement has it, with the numbers that it outranks, who says so and until when."""
    found = (Evidence(kind, said), *numbers.evidence)
    if numbers.level == axis.level or not (numbers.level or axis.level):
        return axis._replace(evidence=found)
    shown = [_shown(item, site) for item in numbers.evidence]
    return axis._replace(evidence=found, flags=(*axis.flags, "; ".join([*shown, _until(kind, said, site)])))


def ended(numbers: Axis, kind: str, said: Entry, by: Evidence, site: Site) -> Axis:
    """A row by its numbers, with the statement that they ended."""
    if not numbers.level:
        return numbers
    flag = f"{_says(kind, said, site)}: ended by {_shown(by, site)}"
    names = (*numbers.conventions, ENDS, *((SEVERE[by.kind],) if by.kind in SEVERE else ()))
    return numbers._replace(flags=(*numbers.flags, flag), conventions=tuple(dict.fromkeys(names)))


def _until(kind: str, said: Entry, site: Site) -> str:
    conventions = site.conventions.crs
    holds = conventions.statement_holds if kind in ("hypotension", "hypoxia") else conventions.other_cause_holds
    return f"{_says(kind, said, site)}, until {clock(said.effective + holds.value, site.zone)}"


def _says(kind: str, said: Entry, site: Site) -> str:
    claim = label(kind) if said.is_true else f"no {label(kind)}"
    who = "a clinician" if said.by in _A_PERSON else " ".join(said.by.replace(";", ",").split())
    return f"{claim}{_SAYS}{who} {clock(said.effective, site.zone)}"


def _shown(item: Evidence, site: Site) -> str:
    kind, entry = item.kind, item.entry
    if entry.value is not None and kind not in DRUGS:
        return reported(kind, entry, site.zone)
    return f"{label(kind)} {label(entry.code)} ({clock(entry.effective, site.zone)})"
