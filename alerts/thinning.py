"""What a chart keeps of its past: of each old bucket of time the lowest, highest, first and last of each code.

That choice can be made again on what was kept and gives the same answer, so that a chart does not depend on the order
in which its messages came. Doses are counted, so none is ever dropped.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter

from msgspec.structs import replace

from alerts.entry import Entry
from alerts.vocabulary import DRUGS

FULL_RESOLUTION = timedelta(hours=2)
"""Entries younger than this, counted from the newest, are all kept."""

BUCKETS = ((timedelta(days=2), timedelta(hours=1)), (timedelta(days=7), timedelta(hours=6)))
"""Beyond `FULL_RESOLUTION`: hourly buckets up to two days, six-hourly up to a week, daily after that."""


def horizon(newest: datetime) -> datetime:
    """Start of the hour before which entries are thinned."""
    return (newest - FULL_RESOLUTION).replace(minute=0, second=0, microsecond=0)


def _floor(at: datetime, step: timedelta) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (at - day) // step * step


def _bucket(effective: datetime, newest: datetime) -> datetime:
    for age, width in BUCKETS:
        if effective >= _day(newest - age):
            return _floor(effective, width)
    return _day(effective)


def thin(kind: str, series: tuple[Entry, ...], newest: datetime, before: datetime | None = None) -> tuple[Entry, ...]:
    """The entries kept of a series up to the `newest` time charted. Of doses, all.

    `before` is the newest time at which the series was thinned last: buckets that have not changed since are not
    looked at again.
    """
    end = horizon(newest)
    if kind in DRUGS or not series or series[0].effective >= end:
        return series
    first = 0
    if before is not None and _day(before) == _day(newest):
        first = bisect_left(series, horizon(before), key=attrgetter("effective"))
    last = bisect_left(series, end, key=attrgetter("effective"))
    kept: list[Entry] = []
    for _, members in _buckets(series[first:last], newest):
        kept.extend(_lasting(entry) for entry in _representatives(members))
    return series if kept == list(series[first:last]) else (*series[:first], *kept, *series[last:])


def _lasting(entry: Entry) -> Entry:
    """An entry as it is kept beyond the full resolution: without the time it was received at."""
    return replace(entry, received=None) if entry.received is not None else entry


def _day(at: datetime) -> datetime:
    return _floor(at, timedelta(days=1))


def _buckets(series: tuple[Entry, ...], newest: datetime) -> Iterator[tuple[datetime | None, list[Entry]]]:
    members: list[Entry] = []
    current: datetime | None = None
    for entry in series:
        bucket = _bucket(entry.effective, newest)
        if members and bucket != current:
            yield current, members
            members = []
        current = bucket
        members.append(entry)
    if members:
        yield current, members


def _representatives(members: list[Entry]) -> list[Entry]:
    if len(members) <= 2:
        return members
    chosen: set[Entry] = set()
    for code in {entry.code for entry in members}:
        same = [entry for entry in members if entry.code == code]
        chosen |= {min(same, key=_measure), max(same, key=_measure), same[0], same[-1]}
    return [entry for entry in members if entry in chosen]


def _measure(entry: Entry) -> tuple[bool, Decimal, datetime, str, str]:
    return entry.value is not None, entry.value or Decimal(0), *entry.place
