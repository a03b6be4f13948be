"""Wall-clock time of the hospital, which daylight saving moves forward and back.

A time on that clock stands for the first moment at which it shows that time or a later one. So of the hour that comes
twice the first pass counts, what is written inside the hour that is left out happens when the clock is turned, and
two shifts that meet on paper meet in fact: no minute without anybody, none with both.
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
    """When the wall clock was changed after one moment and not after another."""
    before, after = before.astimezone(UTC), after.astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > TICK:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
