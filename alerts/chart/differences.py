"""The times at which two versions of a chart differ."""

from bisect import bisect_left
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from alerts.chart.buckets import Series
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry

INSTANT = timedelta(microseconds=1)
"""The resolution of times."""

ALWAYS = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
"""Before everything that is charted."""


class Differences(NamedTuple):
    """The times at which two versions of a chart differ: by kind those of entries, and from when on anything else."""

    entries: dict[str, list[datetime]]
    others_from: datetime | None = None

    @property
    def earliest(self) -> datetime | None:
        """The earliest time; None: the versions do not differ."""
        found = [times[0] for times in self.entries.values()]
        return min((at for at in (self.others_from, *found) if at is not None), default=None)


def differences(before: Chart, now: Chart, kinds: Collection[str], thinned: Chart | None = None) -> Differences:
    """How two versions of a chart differ.

    Only entries of `kinds`, the infusion and the setting of care count. Another infusion concerns all times.
    `thinned`: what is kept of `now`. A kind does not differ if no other entries of it are kept than before.
    """
    if now is before:
        return Differences({})
    if now.infused != before.infused:
        return Differences({}, ALWAYS)
    kept = (thinned or now).entries
    changed = [
        kind for kind in kinds if (series := kept.get(kind)) is not (was := before.entries.get(kind)) and series != was
    ]
    times = ((kind, _differ_at(before.entries.get(kind, ()), now.entries.get(kind, ()))) for kind in changed)
    return Differences({kind: at for kind, at in times if at}, _setting_differs_from(before, now))


def _differ_at(before: Series, now: Series) -> list[datetime]:
    """The times of the entries that only one of two series has, in order."""
    if before is now:
        return []
    first, rest = _same(before, now), min(len(before), len(now))
    last = 0
    while last < rest - first and before[-1 - last] is now[-1 - last]:
        last += 1
    one, other = (series[first : len(series) - last] for series in (before, now))
    return sorted({entry.effective for entry in {*_besides(one, other)} ^ {*_besides(other, one)}})


def _besides(series: Series, other: Series) -> list[Entry]:
    """The entries of a series that are not the very same ones in another: a few, which are compared by content."""
    known = set(map(id, other))
    return [entry for entry in series if id(entry) not in known]


def _same(before: Series, now: Series) -> int:
    """How many entries two series have in common at their beginning."""
    shorter = min(len(before), len(now))
    if len(before) < len(now) and now[:shorter] == before:
        return shorter
    # Slices are compared by identity as long as entries are the same, which is much faster than entry by entry.
    return bisect_left(range(1, shorter + 1), True, key=lambda count: before[:count] != now[:count])


def _setting_differs_from(before: Chart, now: Chart) -> datetime | None:
    if now.registrations is before.registrations and now.discharges is before.discharges:
        return None
    if [one.setting for one in now.registrations[:1]] != [one.setting for one in before.registrations[:1]]:
        return ALWAYS
    return min((when for when, *_ in {*before.settings()} ^ {*now.settings()}), default=None)
