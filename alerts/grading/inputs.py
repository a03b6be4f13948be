"""The inputs of graders from the chart, and the phrases for a value and for the reason why there is none."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.grading.result import Evidence
from alerts.message_fields import Status
from alerts.wording.phrase import Amount, At, Length, Name, Phrase, named, phrase
from config.site import Site

PROVISIONAL = Phrase("provisional result")
"""Flag of a result that rests on a preliminary laboratory value."""

INSTANT = timedelta(microseconds=1)
"""The finest step of a time: from one moment to the next, or to the one before."""


def latest_number(chart: Chart, kind: str, at: datetime, holds: timedelta | None = None) -> Entry | None:
    """The last entry of a kind with a number, at most `holds` old. Reasons for an absent value are skipped."""
    start = None if holds is None else at - holds
    for entry in chart.newest_first(kind, at):
        if start is not None and entry.effective < start:
            return None
        if entry.value is not None:
            return entry
    return None


def numbers(chart: Chart, kind: str, at: datetime, holds: timedelta) -> Iterator[Entry]:
    """The entries of a kind with a number, at most `holds` old, newest first."""
    return (entry for entry in chart.back(kind, at, holds) if entry.value is not None)


def if_old(entry: Entry, at: datetime, site: Site, convention: str) -> tuple[str, ...]:
    """The convention by which an older value still counts, if it is not part of the present set of signs."""
    return (convention,) if at - entry.effective > site.conventions.chart.one_set.value else ()


def name_missing(chart: Chart, kind: str, at: datetime, holds: timedelta) -> Phrase:
    """The name of a missing input, with the known reason in brackets.

    A value that could not be used and a reason for an absent value explain more than an old value does.
    """
    why = _unused_or_absent(chart, kind, at - holds, at)
    if why is not None:
        return phrase("{what} ({why})", what=Name(kind), why=why)
    old = latest_number(chart, kind, at)
    if old is None:
        return named(kind)
    text = "{what} (last {at}, more than {span} ago)"
    return phrase(text, what=Name(kind), at=At(old.effective), span=Length(holds))


def passed_over(chart: Chart, kind: str, used: Entry, at: datetime) -> tuple[Phrase, ...]:
    """A flag if a value newer than the one in use was rejected."""
    if not chart.rejected and next(chart.newest_first(kind, at), None) is used:
        return ()
    why = _unused_or_absent(chart, kind, used.effective + INSTANT, at)
    return (phrase("newer {what}: {what2}; the value before it is used", what=Name(kind), what2=why),) if why else ()


def in_baseline(value: Decimal, kind: str, site: Site) -> Phrase:
    """The pre-infusion baseline, and what it is."""
    window = Length(site.conventions.chart.baseline_window.value)
    text = "baseline {amount}, the median of the {span} before infusion"
    return phrase(text, amount=Amount(kind, value), span=window)


def only_a_bound(kind: str, entry: Entry) -> Phrase:
    """The name of a censored input that leaves a table open."""
    return phrase("{what} (only a bound: {amount})", what=Name(kind), amount=amount(kind, entry))


def _unused_or_absent(chart: Chart, kind: str, after: datetime, at: datetime) -> Phrase | None:
    """Why the newest unusable value in a period cannot be used; None if there is none."""
    found = [
        (item.effective, phrase("{sent} was not used: {what}", sent=item.sent, what=item.why))
        for item in chart.rejected
        if item.kind == kind and after <= item.effective <= at
    ]
    found += [
        (entry.effective, phrase("not done: {note}", note=entry.note) if entry.note else Phrase("not done"))
        for entry in chart.between(kind, after, at)
        if entry.code == ABSENT
    ]
    return max(found, key=lambda item: item[0])[1] if found else None


def unusual(found: Iterable[Evidence]) -> tuple[Phrase, ...]:
    """A flag for each unusual value in use, which a person must check."""
    used = [item for item in found if item.entry.unusual]
    text = "{what} {amount}: unusual, check it"
    flags = (phrase(text, what=Name(item.kind), amount=amount(item.kind, item.entry)) for item in used)
    return tuple(dict.fromkeys(flags))


def amount(kind: str, entry: Entry) -> Amount:
    """A charted number with its comparator and unit, as in `<0.1 ×10⁹/L`."""
    return Amount(kind, entry.value, entry.comparator)


def with_time(kind: str, entry: Entry) -> Phrase:
    """A charted number with its name, unit and time, as in `LDH 320 U/L (15 Jun 06:00)`."""
    preliminary = entry.status == Status.PRELIMINARY
    text = "{what} {amount} ({at}, preliminary)" if preliminary else "{what} {amount} ({at})"
    return Phrase(text, (Name(kind), Amount(kind, entry.value, entry.comparator), At(entry.effective)))
