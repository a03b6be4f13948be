"""A chart that records how far back a reading of the CRS table looks at each vital sign.

A value that comes late can change only what looked at its time.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import structs

from alerts.chart.chart import Chart
from alerts.chart.contents import BEGINNING, Setting
from alerts.chart.entry import Entry
from alerts.grading import pressures

WATCHED = ("temperature", *pressures.KINDS, "spo2")
"""The vital signs that are measured again and again: of them a table looks at the last few."""

NEVER = datetime.max.replace(tzinfo=UTC)

LookedBack = tuple[datetime, ...]
"""The earliest time of each of `WATCHED` that was looked at; NEVER: the kind was not looked at."""


class WatchedChart(Chart, frozen=True):
    """A chart that answers as another one does, and records what it is asked of the vital signs."""

    @classmethod
    def of(cls, chart: Chart) -> "WatchedChart":
        """The same chart, not looked at yet."""
        watched = cls(*structs.astuple(chart))
        vars(watched).update(plain=chart, looked={}, exhausted=set())
        return watched

    def looked_back(self) -> LookedBack:
        """How far back was looked since the last call.

        A pressure is looked at with the others of its set (`pressures.is_sound`). Where no earlier entry was found, an
        earlier one would have been looked at.
        """
        looked: dict[str, datetime] = vars(self)["looked"]
        exhausted: set[str] = vars(self)["exhausted"]
        sets = min((looked[kind] for kind in pressures.KINDS if kind in looked), default=NEVER)
        found = {kind: looked.get(kind, NEVER) for kind in WATCHED}
        found |= {kind: min(found[kind], sets) for kind in pressures.KINDS} | dict.fromkeys(exhausted, BEGINNING)
        looked.clear()
        exhausted.clear()
        return tuple(found.values())

    def newest_first(self, kind: str, at: datetime) -> Iterator[Entry]:
        """See `ChartContents`."""
        found = super().newest_first(kind, at)
        return self._recorded(kind, found) if kind in WATCHED else found

    def _recorded(self, kind: str, found: Iterator[Entry]) -> Iterator[Entry]:
        looked: dict[str, datetime] = vars(self)["looked"]
        for entry in found:
            if entry.effective < looked.get(kind, NEVER):
                looked[kind] = entry.effective
            yield entry
        vars(self)["exhausted"].add(kind)

    def between(self, kind: str, start: datetime, at: datetime) -> tuple[Entry, ...]:
        """See `ChartContents`."""
        if kind in WATCHED:
            looked: dict[str, datetime] = vars(self)["looked"]
            looked[kind] = min(start, looked.get(kind, NEVER))
        return super().between(kind, start, at)

    def until(self, kind: str, at: datetime) -> tuple[Entry, ...]:
        """See `ChartContents`."""
        return self.between(kind, BEGINNING, at)

    def at(self, kind: str, moment: datetime) -> tuple[Entry, ...]:
        """See `ChartContents`."""
        return self.between(kind, moment, moment) if kind in WATCHED else super().at(kind, moment)

    def baseline(self, kind: str, window: timedelta, usable: Callable[[Entry], bool] | None = None) -> Decimal | None:
        """See `ChartContents`. It looks only at what was before the infusion."""
        plain: Chart = vars(self)["plain"]
        return plain.baseline(kind, window, usable)

    def setting(self, at: datetime) -> Setting:
        """See `ChartContents`."""
        plain: Chart = vars(self)["plain"]
        return plain.setting(at)
