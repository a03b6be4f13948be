"""What a grader takes from the chart, and how a value, or why there is none, is put into words."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.grading.result import Evidence
from alerts.message_fields import Status
from config.site import Site
from config.vocabulary import label, moment, shown_unit

PROVISIONAL = "provisional result"
"""Flag of a result that rests on a preliminary laboratory value."""

_INSTANT = timedelta(microseconds=1)
_MEND = re.compile(r";[^)]*$")


def latest_number(chart: Chart, kind: str, at: datetime, holds: timedelta | None = None) -> Entry | None:
    """The last entry of a kind with a number, at most `holds` old; reasons for an absent value are passed over."""
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
    """The convention that lets a value still count, where it is not of the set of signs at this time."""
    return (convention,) if at - entry.effective > site.conventions.chart.one_set.value else ()


def name_missing(chart: Chart, kind: str, at: datetime, holds: timedelta, zone: ZoneInfo) -> str:
    """The name of a missing input, and in brackets what is known of why it is missing.

    A value that was set aside and a reason for an absent value explain more than an old value does.
    """
    why = _set_aside_or_absent(chart, kind, at - holds, at)
    if not why:
        old = latest_number(chart, kind, at)
        why = f"last {clock(old.effective, zone)}, more than {span(holds)} ago" if old else ""
    return f"{kind} ({why})" if why else kind


def passed_over(chart: Chart, kind: str, used: Entry, at: datetime) -> tuple[str, ...]:
    """A flag where something newer than the value in use came in and could not be used."""
    why = _set_aside_or_absent(chart, kind, used.effective + _INSTANT, at)
    return (f"newer {label(kind)}: {why}; the value before it is used",) if why else ()


def _set_aside_or_absent(chart: Chart, kind: str, after: datetime, at: datetime) -> str:
    """Why the newest unusable value in a stretch of time cannot be used; empty where there is none."""
    found = [
        (item.effective, f"{item.sent} was set aside: {_reason(kind, item.why)}")
        for item in chart.rejected
        if item.kind == kind and after <= item.effective <= at
    ]
    found += [
        (entry.effective, f"not done: {entry.note}" if entry.note else "not done")
        for entry in chart.between(kind, after, at)
        if entry.code == ABSENT
    ]
    return max(found)[1] if found else ""


def _reason(kind: str, why: str) -> str:
    """The reason alone: without the reading's name before it and the advice to the sender after it."""
    return _MEND.sub("", why.removeprefix(f"{kind}: "))


def unusual(found: Iterable[Evidence]) -> tuple[str, ...]:
    """A flag for each value that is used though it is so far from the usual that a person is to check it."""
    used = [item for item in found if item.entry.unusual]
    said = [f"{label(item.kind)} {amount(item.kind, item.entry)}: unusual, check it" for item in used]
    return tuple(dict.fromkeys(said))


def number(value: Decimal) -> str:
    """A number as a person writes it: no exponent, no idle zeros, at most four places."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def charted(kind: str, value: Decimal | None) -> str:
    """A charted number; a temperature always has its first decimal, as in `39.0`."""
    if value is None:
        return ""
    text = number(value)
    return f"{text}.0" if kind == "temperature" and "." not in text else text


def amount(kind: str, entry: Entry) -> str:
    """A charted number with its comparator and unit, as in `<0.1 ×10⁹/L`."""
    shown = charted(kind, entry.value) if entry.value is not None else entry.code
    return f"{entry.comparator}{shown} {shown_unit(kind)}".strip()


def reported(kind: str, entry: Entry, zone: ZoneInfo) -> str:
    """A charted number with its name, unit and time, as in `LDH 320 U/L (15 Jun 06:00)`."""
    status = ", preliminary" if entry.status == Status.PRELIMINARY else ""
    return f"{label(kind)} {amount(kind, entry)} ({clock(entry.effective, zone)}{status})"


def clock(at: datetime, zone: ZoneInfo) -> str:
    """A time as the ward's clock shows it."""
    return moment(at, zone)


def span(length: timedelta) -> str:
    """A length of time in the largest of days and hours that fits it: `7 d`, `24 h`, `1.5 h`."""
    hours = Decimal(length // timedelta(minutes=1)) / 60
    if hours > 48 and hours % 24 == 0:
        return f"{number(hours / 24)} d"
    return f"{number(hours)} h"
