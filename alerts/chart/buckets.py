"""The buckets of time in which a chart is thinned: the older, the wider."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.chart.entry import EFFECTIVE, Entry

Series = tuple[Entry, ...]
"""Entries of one kind in the order of their places."""

FRESH = timedelta(minutes=5)
"""Entries younger than this, counted from the newest, are kept by ten seconds."""

FRESH_LAST = 5
"""The last values kept of ten seconds: as many as confirm a fever by a stream."""

FULL_RESOLUTION = timedelta(hours=2)
"""Entries younger than this, counted from the newest, are kept by the minute."""

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

BUCKETS = ((timedelta(days=2), timedelta(hours=1)), (timedelta(days=7), timedelta(hours=6)))
"""Beyond `FULL_RESOLUTION`: hourly buckets up to two days, six-hourly up to a week, daily after that."""


def horizon(newest: datetime) -> datetime:
    """Start of the hour before which entries are kept by the hour at most."""
    return (newest - FULL_RESOLUTION).replace(minute=0, second=0, microsecond=0)


def fresh_from(newest: datetime) -> datetime:
    """Start of the minute from which entries are kept by ten seconds."""
    return (newest - FRESH).replace(second=0, microsecond=0)


class Bucket(NamedTuple):
    """A period from `start` on and before `end`. `last`: how many of its last values are kept; 0 beyond the horizon."""

    start: datetime
    end: datetime
    last: int


class _Tier(NamedTuple):
    """The width of buckets from `since` on."""

    since: datetime
    width: timedelta
    last: int


class Scale:
    """The buckets of time before the newest entry. Each begins and ends with one of every narrower width."""

    def __init__(self, newest: datetime, *, fresh: bool = True) -> None:
        self._tiers = (
            *((_Tier(fresh_from(newest), timedelta(seconds=10), FRESH_LAST),) if fresh else ()),
            _Tier(horizon(newest), _MINUTE, 1),
            *(_Tier(day_of(newest - age), width, 0) for age, width in BUCKETS),
        )
        self._known: dict[datetime, Bucket] = {}

    def of(self, at: datetime) -> Bucket:
        """The bucket of a time. Readings of one time share it."""
        if at not in self._known:
            self._known[at] = self._find(at)
        return self._known[at]

    def _find(self, at: datetime) -> Bucket:
        for since, width, last in self._tiers:
            if at >= since:
                start = _floor(at, width)
                return Bucket(start, start + width, last)
        return Bucket(day_of(at), day_of(at) + _DAY, 0)

    def widened(self, before: datetime | None) -> list[tuple[datetime | None, datetime]]:
        """The periods whose buckets became wider since another newest time; None: any before now may have."""
        if before is None:
            return [(None, self._tiers[0].since)]
        tiers = zip(Scale(before)._tiers, self._tiers, strict=True)
        return [(then.since, now.since) for then, now in tiers if then.since < now.since]

    def within(self, series: Series, since: datetime | None, until: datetime) -> Iterator[Bucket]:
        """The buckets of the entries from one time on and before another."""
        bucket = None
        first = 0 if since is None else bisect_left(series, since, key=EFFECTIVE)
        for entry in series[first : bisect_left(series, until, lo=first, key=EFFECTIVE)]:
            if bucket is None or entry.effective >= bucket.end:
                bucket = self.of(entry.effective)
                yield bucket


def _floor(at: datetime, step: timedelta) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (at - day) // step * step


def day_of(at: datetime) -> datetime:
    return _floor(at, _DAY)
