"""A chart while the messages of a step are folded into it.

Most entries are new ones of a time after all others of their kind. They are collected, and added to their series
together: a series is copied once a step, however many entries come in. All others are placed by the chart itself.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from operator import attrgetter

from msgspec.structs import replace

from alerts.chart.buckets import Series, horizon
from alerts.chart.chart import Chart
from alerts.chart.contents import version_key
from alerts.chart.entry import EFFECTIVE, Entry
from alerts.message_fields import Status

_ID = attrgetter("id")


class ChartDraft:
    """A chart that changes in place; `chart` is it as it is now, without thinning."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._newest = chart.newest
        self._added: dict[str, list[Entry]] = defaultdict(list)
        self._ids: dict[str, set[str] | None] = {}

    def chart(self) -> Chart:
        """The chart as it is now; the same object as before if nothing has changed."""
        if self._added:
            added = {kind: (*self._chart.entries.get(kind, ()), *entries) for kind, entries in self._added.items()}
            self._chart = replace(self._chart, entries={**self._chart.entries, **added})
            self._added.clear()
        if self._newest != self._chart.newest:
            self._chart = replace(self._chart, newest=self._newest)
        return self._chart

    def change(self, change: Callable[[Chart], Chart]) -> None:
        """Change what does not concern the entries."""
        self._chart = change(self._chart)

    def knows_version(self, source: str, message: str) -> bool:
        """See `ChartContents`."""
        return self._chart.knows_version(source, message)

    def place(self, kind: str, entry: Entry, *, received: datetime, supersedes: str = "") -> None:
        """Place one entry, and replace what it corrects."""
        if self._newest is None or entry.effective > self._newest:
            self._newest = entry.effective
        if supersedes or not self._is_new(kind, entry):
            self._chart = self.chart().place(kind, entry, received=received, supersedes=supersedes)
        else:
            final = replace(entry, received=received) if received != entry.effective else entry
            self._added[kind].append(final)
        if (ids := self._ids.get(kind)) is not None:
            ids.add(entry.id)

    def _is_new(self, kind: str, entry: Entry) -> bool:
        """Whether an entry is the first version of its message, final, and later than all others of its kind."""
        if entry.status != Status.FINAL or version_key(entry.source, entry.id) in self._chart.versions:
            return False
        series = self._added.get(kind) or self._chart.entries.get(kind)
        return not series or (series[-1].effective < entry.effective and not self._may_hold(kind, entry.id))

    def _may_hold(self, kind: str, id: str) -> bool:
        """Whether a message may be charted within the full resolution; an older version is not replaced.

        The ids of a kind are searched once, and collected when a second message of it comes.
        """
        ids = self._ids.get(kind)
        if ids is None:
            recent = (*self._recent(kind), *self._added.get(kind, ()))
            if kind not in self._ids:
                self._ids[kind] = None
                return id in map(_ID, recent)
            ids = self._ids[kind] = set(map(_ID, recent))
        return id in ids

    def _recent(self, kind: str) -> Series:
        series = self._chart.entries.get(kind, ())
        start = horizon(self._newest) if self._newest is not None else None
        return series[bisect_left(series, start, key=EFFECTIVE) :] if start is not None else series
