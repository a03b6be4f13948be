"""What a system looks at, and for how long its answer stands while nothing of that is charted anew.

Most readings can change few systems, and between two readings only time can: where an entry falls out of a window in
which it still counted. A grading file says which kinds of reading it looks at and how far back; from that follows the
stretch of time around a moment in which the same entries are seen, and so the same is answered.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.chart.chart import Chart

_INSTANT = timedelta(microseconds=1)


class Dependencies(NamedTuple):
    """All that a system looks at besides the date and the registration.

    `windows`: how long before the moment asked for an entry counts, wherever that is counted from this moment. What
    is counted from another entry needs none.
    """

    kinds: frozenset[str]
    windows: tuple[timedelta, ...] = ()


class Validity(NamedTuple):
    """From `since` on and before `ends` the same is seen; None where nothing bounds it."""

    since: datetime | None
    ends: datetime | None


def validity_around(dependencies: Dependencies, chart: Chart, at: datetime) -> Validity:
    """The stretch of time around `at` in which nothing that is looked at comes into view or drops out of it."""
    before: list[datetime] = []
    after: list[datetime] = []
    for times, shift in _changes(dependencies, chart):
        spot = bisect_right(times, at - shift)
        if spot:
            before.append(times[spot - 1] + shift)
        if spot < len(times):
            after.append(times[spot] + shift)
    return Validity(max(before, default=None), min(after, default=None))


def _changes(dependencies: Dependencies, chart: Chart) -> Iterator[tuple[list[datetime], timedelta]]:
    """Times in order, and how long after each of them something changes by itself.

    An entry, and a value set aside, counts from its own time on, and to the last instant of every window.
    """
    shifts = (timedelta(0), *(window + _INSTANT for window in dependencies.windows))
    series = [[entry.effective for entry in chart.entries[kind]] for kind in dependencies.kinds & chart.entries.keys()]
    series.append(sorted(item.effective for item in chart.rejected if item.kind in dependencies.kinds))
    yield from ((times, shift) for times in series for shift in shifts)
    if chart.infused is not None:
        yield [chart.infused], timedelta(0)
