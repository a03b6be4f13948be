"""When an assessment of a schedule is overdue: after its interval, the ward's round, and a grace."""

from datetime import datetime, time, timedelta
from itertools import count

from config.conventions import ScheduleConventions
from config.site import Site
from config.types import Convention
from config.wall_clock import moment, shown

BY_ROUNDS = ("vitals_every", "ice_every")
"""Intervals that wait for the ward's rounds. The shorter ones of a patient at risk do not."""


def interval(name: str, schedule: ScheduleConventions) -> timedelta:
    """The interval of a schedule by its convention."""
    found: Convention[timedelta] = getattr(schedule, name)
    return found.value


def grace(name: str, schedule: ScheduleConventions) -> timedelta:
    """How late an assessment may be before it is overdue."""
    return _grace_of(interval(name, schedule), schedule)


def _grace_of(wait: timedelta, schedule: ScheduleConventions) -> timedelta:
    return max(wait * float(schedule.grace_fraction.value), schedule.grace_least.value)


def overdue_at(start: datetime, name: str, site: Site) -> datetime:
    """When the assessment after `start` is overdue."""
    schedule = site.conventions.schedule
    allowed = grace(name, schedule)
    due = start + interval(name, schedule)
    if name in BY_ROUNDS and schedule.rounds.value:
        # An assessment a little after a round belongs to it, and so does the one that follows.
        due = max(due, _next_round(due - allowed, schedule.rounds.value, site))
    return due + allowed


def on_call_at(start: datetime, plain: str, late: datetime, site: Site) -> datetime:
    """When the doctor on call hears of it too, if the patient is at risk: never before it is overdue (`late`).

    `plain`: the interval of a patient without any finding. By the shorter ones each temperature that an intensive care
    unit takes every four hours in a febrile patient would page. So many intervals have the grace of one: else a round
    that is left out would page at the minute of the next, which is being charted then.
    """
    schedule = site.conventions.schedule
    missing_for = interval(plain, schedule) * float(schedule.on_call_after_intervals.value)
    return max(start + missing_for + _grace_of(missing_for, schedule), late)


def _next_round(at: datetime, rounds: tuple[time, ...], site: Site) -> datetime:
    """The first round at a time or later."""
    today = shown(at, site.zone).date()
    days = (today + timedelta(days=ahead) for ahead in count())
    times = (moment(datetime.combine(day, round), site.zone) for day in days for round in sorted(rounds))
    return next(time for time in times if time >= at)
