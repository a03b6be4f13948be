"""Ladders that would page nobody, or only the same people again; and inconsistent times."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from alerts.episodes.rota import DutySpan, spans
from config.rota import everybody
from config.site import Ladder, OnCall, Urgency
from worker.config_check.remark import Remark, error, time_range

SILENCE_LONG = timedelta(hours=48)


class _Cast(NamedTuple):
    """The holders of every role of a ladder over a time span."""

    start: datetime
    until: datetime
    people: dict[str, tuple[str, ...]]


def check_ladders(on_call: OnCall, start: datetime, until: datetime) -> Iterator[Remark]:
    """Check the ladders, with the rota between two moments."""
    for urgency, ladder in on_call.ladders.items():
        casts = _casts(on_call, ladder, start, until)
        yield from _nobody(on_call, urgency, ladder, casts)
        yield from _nobody_new(on_call, urgency, ladder, casts)
        yield from _times(on_call, urgency, ladder)
    yield from _technical(on_call)
    yield from _last_resort(on_call)
    if on_call.silence_at_most > SILENCE_LONG:
        yield Remark(("silence_at_most",), "a silence of more than 48 h outlasts the people who know of it: shorten it")


def _casts(on_call: OnCall, ladder: Ladder, start: datetime, until: datetime) -> list[_Cast]:
    """The time span, divided wherever the holders of a role change."""
    roles = dict.fromkeys(role for step in ladder.steps for role in step.notify)
    held: dict[str, list[DutySpan]] = {role: list(spans(on_call, role, start, until)) for role in roles}
    cuts = sorted({span.start for found in held.values() for span in found} | {until})
    casts = []
    for begin, end in pairwise(cuts):
        people = {role: _during(found, begin) for role, found in held.items()}
        casts.append(_Cast(begin, end, people))
    return casts


def _during(found: list[DutySpan], at: datetime) -> tuple[str, ...]:
    while len(found) > 1 and found[0].until <= at:
        found.pop(0)
    return found[0].people


def _nobody(on_call: OnCall, urgency: Urgency, ladder: Ladder, casts: list[_Cast]) -> Iterator[Remark]:
    for index, step in enumerate(ladder.steps):
        empty = next((cast for cast in casts if not any(cast.people[role] for role in step.notify)), None)
        if empty is not None:
            when = time_range(empty.start, empty.until, ZoneInfo(on_call.time_zone))
            instead = ", ".join(on_call.last_resort)
            roles = ", ".join(step.notify)
            what = f"would page nobody {when}, so that the last resort ({instead}) is paged: fill the gap in {roles}"
            yield error(("ladders", urgency, "steps", index), what)


def _nobody_new(on_call: OnCall, urgency: Urgency, ladder: Ladder, casts: list[_Cast]) -> Iterator[Remark]:
    """Steps that name another role but reach nobody new, because the same people hold both."""
    before: set[str] = set()
    for index, step in enumerate(ladder.steps):
        others = set(step.notify) - before
        for cast in casts if before and others else ():
            known = {person for role in before for person in cast.people[role]}
            reached = {person for role in others for person in cast.people[role]}
            if reached and reached <= known:
                when = time_range(cast.start, cast.until, ZoneInfo(on_call.time_zone))
                what = f"notifies nobody new {when}: an earlier step notified {', '.join(sorted(reached))}"
                yield Remark(("ladders", urgency, "steps", index), what)
                break
        before |= set(step.notify)


def _times(on_call: OnCall, urgency: Urgency, ladder: Ladder) -> Iterator[Remark]:
    key = ("ladders", urgency, "ack_timeout")
    if ladder.ack_timeout is not None and ladder.ack_timeout < ladder.confirm_within:
        yield error(key, "is shorter than `confirm_within`: whoever has it would be asked without end; lengthen it")
    if _is_the_managers(on_call, ladder):
        return
    if urgency == "critical" and ladder.ack_timeout is None:
        yield Remark(key[:2], "whoever acknowledges it is never asked again: add `ack_timeout`, such as 60 min")
    if urgency == "critical" and ladder.repeat_every is None:
        yield Remark(key[:2], "ends with its last step even if nobody answers: add `repeat_every`, such as 15 min")


def _is_the_managers(on_call: OnCall, ladder: Ladder) -> bool:
    """Whether an alert manager escalates in place of a ladder."""
    roles = (on_call.roles[role] for step in ladder.steps for role in step.notify)
    return any(on_call.manager_escalates(person) for role in roles for person in everybody(role))


def _technical(on_call: OnCall) -> Iterator[Remark]:
    """Technical pages that wake clinicians, which the last alarm does by itself."""
    clinical = {
        role for urgency in ("critical", "high") for step in on_call.ladders[urgency].steps for role in step.notify
    }
    for index, step in enumerate(on_call.ladders["technical"].steps):
        if both := [role for role in step.notify if role in clinical]:
            what = (
                f"wakes {', '.join(both)}, who is paged for patients: name a technician, such as `notify: [technician]`"
            )
            yield Remark(("ladders", "technical", "steps", index), what)


def _last_resort(on_call: OnCall) -> Iterator[Remark]:
    last = len(on_call.ladders["critical"].steps) - 1
    roles = on_call.ladders["critical"].steps[last].notify
    reached = {person for role in roles for person in everybody(on_call.roles[role])}
    if not reached & set(on_call.last_resort) and not _is_the_managers(on_call, on_call.ladders["critical"]):
        what = f"the last step does not reach the last resort ({', '.join(on_call.last_resort)}): add them there"
        yield Remark(("ladders", "critical", "steps", last), what)
