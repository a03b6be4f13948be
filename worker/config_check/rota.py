"""Roles that nobody holds for a time, and schedules with a probable mistake."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from alerts.episodes.rota import gaps, named
from config.rota import MIDNIGHT, Rotation
from config.site import OnCall
from worker.config_check.remark import Remark, error, time_range

DAY = timedelta(days=1)


def check_rota(on_call: OnCall, start: datetime, until: datetime) -> Iterator[Remark]:
    """Check the roles between two moments."""
    used = {role for ladder in on_call.ladders.values() for step in ladder.steps for role in step.notify}
    for role in on_call.roles:
        if role not in used:
            yield Remark(("roles", role), "no ladder notifies this role: name it in a step, or remove it")
            continue
        yield from _gaps(on_call, role, start, until)
        yield from _shifts(on_call, role)
        yield from _overrides(on_call, role)
        yield from _calendar(on_call, role, start, until)


def _gaps(on_call: OnCall, role: str, start: datetime, until: datetime) -> Iterator[Remark]:
    found = gaps(on_call, role, start, until)
    if found:
        often = f", and {len(found) - 1} times more until {until.date()}" if len(found) > 1 else ""
        when = time_range(*found[0], ZoneInfo(on_call.time_zone))
        yield error(("roles", role), f"nobody holds it {when}{often}: cover it with a rotation, or add `always`")


def _shifts(on_call: OnCall, role: str) -> Iterator[Remark]:
    for index, rotation in enumerate(on_call.roles[role].rotations):
        if _hands_over_within(rotation):
            what = "shifts change in the middle of `hours`: let `from` be the hour at which these begin"
            yield Remark(("roles", role, "rotations", index, "from"), what)


def _hands_over_within(rotation: Rotation) -> bool:
    if rotation.hours is None or len(rotation.people) == 1:
        return False
    begin, end = rotation.hours
    length = (end - begin) % MIDNIGHT or MIDNIGHT
    minutes = {
        ((at := rotation.start + shift * rotation.every).hour * 60 + at.minute - begin) % MIDNIGHT
        for shift in range(24)
    }
    return any(0 < minute < length for minute in minutes)


def _overrides(on_call: OnCall, role: str) -> Iterator[Remark]:
    overrides = on_call.roles[role].overrides
    order = sorted(range(len(overrides)), key=lambda index: overrides[index].start)
    for earlier, later in pairwise(order):
        if overrides[later].start < overrides[earlier].until:
            what = f"overlaps with {overrides[earlier].why!r}: both hold the role then"
            yield Remark(("roles", role, "overrides", later), what)


def _calendar(on_call: OnCall, role: str, start: datetime, until: datetime) -> Iterator[Remark]:
    calendar = on_call.roles[role].calendar
    if calendar is None:
        return
    zone = ZoneInfo(on_call.time_zone)
    unknown: dict[str, str] = {}
    for shift in calendar.between(start, until, zone):
        if not named(on_call, shift):
            unknown.setdefault(shift.summary, time_range(shift.begin, shift.end, zone))
    for summary, when in unknown.items():
        what = f"the event {summary!r} {when} names nobody: let its summary be an id of people, or invite their `email`"
        yield Remark(("roles", role, "calendar"), what)
