"""From which time on two versions of a chart differ."""

from bisect import bisect_left
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from alerts.chart.buckets import Series
from alerts.chart.chart import Chart

INSTANT = timedelta(microseconds=1)
"""The resolution of times."""

ALWAYS = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
"""Before everything that is charted."""


def differs_from(before: Chart, now: Chart, kinds: Collection[str], thinned: Chart | None = None) -> datetime | None:
    """The earliest time at which two versions of a chart differ; None: they do not.

    Only entries of `kinds`, the infusion and the setting of care count. Another infusion concerns all times.
    `thinned`: what is kept of `now`. A kind does not differ if no other entries of it are kept than before.
    """
    if now is before:
        return None
    if now.infused != before.infused:
        return ALWAYS
    kept = (thinned or now).entries
    changed = [
        kind for kind in kinds if (series := kept.get(kind)) is not (was := before.entries.get(kind)) and series != was
    ]
    found = [_first_difference(before.entries.get(kind, ()), now.entries.get(kind, ())) for kind in changed]
    found.append(_setting_differs_from(before, now))
    return min((at for at in found if at is not None), default=None)


def _first_difference(before: Series, now: Series) -> datetime | None:
    if before is now:
        return None
    if len(before) < len(now) and now[: len(before)] == before:
        return now[len(before)].effective
    shorter = min(len(before), len(now))
    # Slices are compared by identity as long as entries are the same, which is much faster than entry by entry.
    same = bisect_left(range(1, shorter + 1), True, key=lambda count: before[:count] != now[:count])
    return min((series[same].effective for series in (before, now) if same < len(series)), default=None)


def _setting_differs_from(before: Chart, now: Chart) -> datetime | None:
    if now.registrations is before.registrations and now.discharges is before.discharges:
        return None
    if [one.setting for one in now.registrations[:1]] != [one.setting for one in before.registrations[:1]]:
        return ALWAYS
    return min((when for when, *_ in {*before.settings()} ^ {*now.settings()}), default=None)
