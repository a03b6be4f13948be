"""The rota: who holds a role at a time, by the schedule of `site.yaml`.

During an override its people alone hold the role. Otherwise the people on duty by rotations and calendar hold it; if
there are none, its permanent holders. Times are wall-clock times, as `config.wall_clock` defines them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.ical import Shift
from config.rota import DAYS, MIDNIGHT, Role, Rotation
from config.site import OnCall
from config.wall_clock import moment, shown

HORIZON = timedelta(days=400)
"""How far ahead `next_change` searches."""

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class DutySpan(NamedTuple):
    """The holders of a role from one moment to another."""

    start: datetime
    until: datetime
    people: tuple[str, ...]


def holders(on_call: OnCall, role: str, at: datetime) -> tuple[str, ...]:
    """The people who hold a role at a moment; empty if nobody does, or if the role does not exist."""
    held = on_call.roles.get(role)
    if held is None:
        return ()
    if not (held.rotations or held.overrides or held.calendar):
        return held.always
    zone = ZoneInfo(on_call.time_zone)
    wall = shown(at, zone)
    instead = [person for o in held.overrides if o.start <= wall < o.until for person in o.people]
    if instead:
        return tuple(dict.fromkeys(instead))
    duty = [person for rotation in held.rotations for person in on_duty(rotation, wall)]
    if held.calendar is not None:
        duty += [person for shift in held.calendar.at(at, zone) for person in named(on_call, shift)]
    return tuple(dict.fromkeys(duty)) or held.always


def on_duty(rotation: Rotation, wall: datetime) -> tuple[str, ...]:
    """The people whom a rotation puts on duty at a time on the wall clock."""
    if wall < rotation.start or not _within(rotation, wall):
        return ()
    round = (wall - rotation.start) // rotation.every
    return rotation.people[round % len(rotation.people)]


def _within(rotation: Rotation, wall: datetime) -> bool:
    today = DAYS[wall.weekday()] in rotation.days
    if rotation.hours is None:
        return today
    minute = wall.hour * 60 + wall.minute
    if not rotation.hours.cross_midnight:
        return today and rotation.hours.begin <= minute < rotation.hours.end
    yesterday = DAYS[wall.weekday() - 1] in rotation.days
    return (today and minute >= rotation.hours.begin) or (yesterday and minute < rotation.hours.end)


def named(on_call: OnCall, shift: Shift) -> tuple[str, ...]:
    """The people whom a calendar's event names: by its summary, else by the addresses of its attendees."""
    if shift.summary in on_call.people:
        return (shift.summary,)
    return tuple(key for key, person in on_call.people.items() if person.email and person.email in shift.mails)


def next_change(on_call: OnCall, role: str, at: datetime) -> datetime | None:
    """The next time after a moment at which the holders of a role change; None if not within `HORIZON`."""
    now = holders(on_call, role, at)
    for edge in _edges(on_call, role, at, at + HORIZON):
        if holders(on_call, role, edge) != now:
            return edge
    return None


def spans(on_call: OnCall, role: str, start: datetime, until: datetime) -> Iterator[DutySpan]:
    """A period, divided wherever the holders of the role change."""
    # In UTC: Python compares two times of one zone by their wall-clock values, even in the hour that occurs twice.
    start, until = start.astimezone(UTC), until.astimezone(UTC)
    begin, people = start, holders(on_call, role, start)
    for edge in _edges(on_call, role, start, until):
        after = holders(on_call, role, edge)
        if after != people:
            yield DutySpan(begin, edge, people)
            begin, people = edge, after
    if begin < until:
        yield DutySpan(begin, until, people)


def gaps(on_call: OnCall, role: str, start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The parts of a period in which nobody holds a role."""
    return [(span.start, span.until) for span in spans(on_call, role, start, until) if not span.people]


def _edges(on_call: OnCall, role: str, after: datetime, before: datetime) -> Iterator[datetime]:
    """Every moment between two at which the holders may change."""
    held = on_call.roles.get(role)
    zone = ZoneInfo(on_call.time_zone)
    while held is not None:
        walls = _wall_edges(held, shown(after, zone))
        found = [moment(wall, zone) for wall in walls]
        if held.calendar is not None:
            found.append(held.calendar.edge_after(after, zone))
        after = min(found, default=before)
        if after >= before:
            return
        yield after


def _wall_edges(role: Role, wall: datetime) -> list[datetime]:
    """The next time on the wall clock at which each rotation and the overrides may change."""
    bounds = [bound for o in role.overrides for bound in (o.start, o.until) if bound > wall]
    found = [min(bounds)] if bounds else []
    for rotation in role.rotations:
        if wall < rotation.start:
            found.append(rotation.start)
            continue
        if len(rotation.people) > 1:
            found.append(rotation.start + ((wall - rotation.start) // rotation.every + 1) * rotation.every)
        found += _window_edges(rotation, wall)
    return found


def _window_edges(rotation: Rotation, wall: datetime) -> list[datetime]:
    """The next start and the next end of a rotation's hours, or of a day if only days are given."""
    if rotation.hours is not None:
        minutes = {rotation.hours.begin, rotation.hours.end % MIDNIGHT}
    elif len(set(rotation.days)) < len(DAYS):
        minutes = {0}
    else:
        return []
    midnight = datetime.combine(wall.date(), time.min)
    edges = [midnight + minute * MINUTE for minute in minutes]
    return [edge if edge > wall else edge + DAY for edge in edges]
