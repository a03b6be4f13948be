"""Sets of blood pressures: which can be true together, and which of them are in use.

Pressures of one source, time and way of measuring are one set. Where its systolic does not lie above its diastolic,
by a pulse pressure that a body can have, or its mean does not lie between the two, none of the set is used. How small
and how large a pulse pressure may be are conventions of the site.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import EFFECTIVE, Entry
from alerts.wording.phrase import At, Phrase, phrase
from config.site import Site
from config.vocabulary import PRESSURES

KINDS = PRESSURES

PULSE_PRESSURE = ("chart.pulse_pressure_least", "chart.pulse_pressure_most")
"""The conventions behind a set that is not used."""


CONTRADICTED = Phrase("the pressures of this set contradict each other: kept and not used; check the cuff or the line")
"""Why a contradictory pressure is listed as unused."""


class Pressures(NamedTuple):
    """The systolic and the mean pressure (mm[Hg]) in use."""

    systolic: Entry | None
    mean: Entry | None

    @property
    def newest(self) -> Entry | None:
        """The pressure that was measured last."""
        found = [entry for entry in self if entry is not None]
        return max(found, key=lambda entry: entry.effective, default=None)


def is_sound(chart: Chart, kind: str, entry: Entry, site: Site) -> bool:
    """Whether a pressure fits the others of its set. A bound and an absent value contradict nothing.

    If two stand for one kind, for instance because times are cut to the minute, one that fits is enough.
    """
    if entry.value is None or entry.comparator:
        return True
    systolic, diastolic, mean = [(entry.value,) if other == kind else _beside(chart, other, entry) for other in KINDS]
    for one, two, three in product(systolic, diastolic, mean):  # noqa: SIM110 - a generator costs more than the answer
        if _can_be(one, two, three, site):
            return True
    return False


def _beside(chart: Chart, kind: str, entry: Entry) -> Sequence[Decimal | None]:
    """The values of one kind in the set of an entry. This is asked of every pressure a grader reads."""
    at, source, by = entry.effective, entry.source, entry.by
    series = chart.entries.get(kind, ())
    spot, found = bisect_left(series, at, key=EFFECTIVE), []
    while spot < len(series) and (other := series[spot]).effective == at:
        if other.source == source and other.by == by and other.value is not None and not other.comparator:
            found.append(other.value)
        spot += 1
    return found or (None,)


def _can_be(systolic: Decimal | None, diastolic: Decimal | None, mean: Decimal | None, site: Site) -> bool:
    if systolic is not None and diastolic is not None:
        conventions = site.conventions.chart
        pulse = systolic - diastolic
        if pulse <= 0 or not conventions.pulse_pressure_least.value <= pulse <= conventions.pulse_pressure_most.value:
            return False
    if mean is None:
        return True
    return (diastolic is None or mean >= diastolic) and (systolic is None or mean <= systolic)


def sound(chart: Chart, kind: str, at: datetime, holds: timedelta | None, site: Site) -> Iterator[Entry]:
    """The pressures of a kind that may be used, at most `holds` old, newest first."""
    start = None if holds is None else at - holds
    for entry in chart.newest_first(kind, at):
        if start is not None and entry.effective < start:
            return
        if entry.value is not None and is_sound(chart, kind, entry, site):
            yield entry


def latest_systolic(chart: Chart, at: datetime, holds: timedelta | None, site: Site) -> Entry | None:
    """The last systolic pressure that may be used."""
    return next(sound(chart, "systolic_bp", at, holds, site), None)


def latest(chart: Chart, at: datetime, holds: timedelta | None, site: Site) -> Pressures:
    """The last systolic and the last mean that may be used, however far apart."""
    return Pressures(latest_systolic(chart, at, holds, site), next(sound(chart, "mean_bp", at, holds, site), None))


def newest(chart: Chart, at: datetime, site: Site) -> Entry | None:
    """The last systolic or mean pressure that may be used, whichever was measured last."""
    systolic, mean = latest_systolic(chart, at, None, site), chart.latest("mean_bp", at)
    if systolic is not None and (mean is None or mean.effective <= systolic.effective):
        return systolic
    return latest(chart, at, None, site).newest


def pressures(chart: Chart, at: datetime, site: Site) -> Pressures:
    """The systolic and the mean of the latest set: of two that are too far apart only the newer."""
    systolic, mean = latest(chart, at, site.conventions.chart.vitals_hold.value, site)
    together = site.conventions.chart.one_set.value
    if systolic and mean:
        if systolic.effective - mean.effective > together:
            mean = None
        elif mean.effective - systolic.effective > together:
            systolic = None
    return Pressures(systolic, mean)


def contradiction(chart: Chart, kind: str, used: Entry | None, at: datetime, site: Site) -> Phrase | None:
    """The flag of a newest pressure that must not be used, if it came after the one in use; else none."""
    for entry in chart.back(kind, at, site.conventions.chart.vitals_hold.value):
        if used is not None and entry.effective <= used.effective:
            break
        if not is_sound(chart, kind, entry, site):
            return phrase("pressures of {at} contradict each other: not used", at=At(entry.effective))
    return None


def is_contradicted(chart: Chart, kind: str, at: datetime, source: str, message: str, site: Site) -> bool:
    """Whether the pressure of one message is charted and must not be used."""
    charted = (entry for entry in chart.at(kind, at) if entry.source == source and entry.id == message)
    return any(not is_sound(chart, kind, entry, site) for entry in charted)


def baseline(chart: Chart, site: Site) -> Decimal | None:
    """The baseline systolic pressure. A day whose last pressure must not be used is left out."""
    window = site.conventions.chart.baseline_window.value
    return chart.baseline("systolic_bp", window, lambda entry: is_sound(chart, "systolic_bp", entry, site))
