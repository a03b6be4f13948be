"""Wall-clock time of the hospital, which daylight saving moves forward and back.

A time on that clock means the first moment at which the clock shows it or a later one. Of the hour that occurs twice
the first pass therefore counts. A time inside the skipped hour means the moment of the clock change. Two shifts that
meet on paper meet in fact: no minute without anybody, none with both.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

TICK = timedelta(microseconds=1)


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    """The latest wall-clock time up to a moment (without zone). It never runs backwards."""
    local = at.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    if not local.fold:
        return wall
    turned = _turned(zone, local.replace(fold=0).astimezone(UTC), at)
    return (turned - TICK).astimezone(zone).replace(tzinfo=None, fold=0)


def moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which the wall clock shows a time (without zone) or a later one."""
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return at
    return _turned(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at)


def _turned(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The moment at which the wall clock was changed, between two moments."""
    before, after = before.astimezone(UTC), after.astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > TICK:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
