"""What a clinician says against the numbers: for how long it outranks them, what ends it, and how a page says so.

How long a statement stands, and that worse findings charted after it end it, are conventions of the site
(`crs.statement_holds`, `crs.other_cause_holds`, `crs.worse_ends_statement`).
"""

from datetime import datetime

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import Axis
from alerts.grading.inputs import with_time
from alerts.grading.result import Evidence
from alerts.wording.codes import coded
from alerts.wording.phrase import Arg, At, Listed, Name, Phrase, joined, phrase
from config.site import Site
from config.vocabulary import DRUGS

ENDS = "crs.worse_ends_statement"

SEVERE = {
    "systolic_bp": "crs.severe_systolic",
    "mean_bp": "crs.severe_mean",
    "spo2": "crs.severe_spo2",
}
"""The conventions by which a value is severe."""

_A_PERSON = ("", "person")
"""Senders that do not name who says it."""

_STATED = (
    "{what}, says {who} {at}, until {at2}",
    "{what}, says a clinician {at}, until {at2}",
    "{what}, says {who} {at}: ended by {what2}",
    "{what}, says a clinician {at}: ended by {what2}",
)


def statement_in(flag: Phrase) -> Phrase | None:
    """The author of a statement and its end, without the numbers that it outranks; None for any other flag."""
    listed = flag.args[0] if flag.args else None
    last = listed.items[-1] if isinstance(listed, Listed) else flag
    return last if isinstance(last, Phrase) and last.id in _STATED else None


def is_statement(flag: Phrase) -> bool:
    """Whether a flag of a grade names the author of a statement and its end."""
    return statement_in(flag) is not None


def other_cause(chart: Chart, kind: str, at: datetime, site: Site) -> Entry | None:
    """The statement of another cause, unless it has lapsed."""
    said = chart.latest(kind, at, site.conventions.crs.other_cause_holds.value)
    return said if said is not None and said.is_true else None


def outranking(axis: Axis, kind: str, said: Entry, numbers: Axis, site: Site) -> Axis:
    """A row by a statement, with the numbers that it outranks, its author and its end."""
    found = (Evidence(kind, said), *numbers.evidence)
    if numbers.level == axis.level or not (numbers.level or axis.level):
        return axis._replace(evidence=found)
    shown = [_shown(item) for item in numbers.evidence]
    flag = joined([*shown, _until(kind, said, site)]) if shown else _until(kind, said, site)
    return axis._replace(evidence=found, flags=(*axis.flags, flag))


def ended(numbers: Axis, kind: str, said: Entry, by: Evidence) -> Axis:
    """A row by its numbers, with the statement that they ended."""
    if not numbers.level:
        return numbers
    flag = _says(kind, said, *_STATED[2:], _shown(by))
    names = (*numbers.conventions, ENDS, *((SEVERE[by.kind],) if by.kind in SEVERE else ()))
    return numbers._replace(flags=(*numbers.flags, flag), conventions=tuple(dict.fromkeys(names)))


def _until(kind: str, said: Entry, site: Site) -> Phrase:
    conventions = site.conventions.crs
    holds = conventions.statement_holds if kind in ("hypotension", "hypoxia") else conventions.other_cause_holds
    return _says(kind, said, *_STATED[:2], At(said.effective + holds.value))


def _says(kind: str, said: Entry, by_name: str, by_nobody: str, rest: Arg) -> Phrase:
    claim: Arg = Name(kind) if said.is_true else _DENIED[kind]
    if said.by in _A_PERSON:
        return Phrase(by_nobody, (claim, At(said.effective), rest))
    return Phrase(by_name, (claim, " ".join(said.by.replace(";", ",").split()), At(said.effective), rest))


_DENIED = {"hypotension": Phrase("no hypotension"), "hypoxia": Phrase("no hypoxia")}


def _shown(item: Evidence) -> Phrase:
    kind, entry = item.kind, item.entry
    if entry.value is not None and kind not in DRUGS:
        return with_time(kind, entry)
    return phrase("{what} ({at})", what=coded(kind, entry.code), at=At(entry.effective))
