"""What the result of a system depends on, and how long it stays valid without new entries.

A reading can change few systems. Between two readings only time can change a result, if an entry falls out of a window.
A grading file names the kinds of reading it uses and how far back it looks. These give the period around a moment in
which it sees the same entries, and so gives the same result.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.grading.inputs import INSTANT


class Dependencies(NamedTuple):
    """Everything a system depends on besides the date and the registration.

    `windows`: how far back from the moment of assessment an entry counts. A period counted from another entry needs
    none.
    """

    kinds: frozenset[str]
    windows: tuple[timedelta, ...] = ()


class Validity(NamedTuple):
    """A period from `since` on and before `ends`; None: no bound."""

    since: datetime | None
    ends: datetime | None


def validity_around(dependencies: Dependencies, chart: Chart, at: datetime) -> Validity:
    """The period around `at` in which no entry that the system depends on appears or drops out of a window."""
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
    """Sorted times, and how long after each of them the result may change.

    An entry or a rejected value counts from its own time to the last instant of every window.
    """
    shifts = (timedelta(0), *(window + INSTANT for window in dependencies.windows))
    series = [[entry.effective for entry in chart.entries[kind]] for kind in dependencies.kinds & chart.entries.keys()]
    series.append(sorted(item.effective for item in chart.rejected if item.kind in dependencies.kinds))
    yield from ((times, shift) for times in series for shift in shifts)
    if chart.infused is not None:
        yield [chart.infused], timedelta(0)
