"""Channels nobody uses or Apprise does not take, and people who would be told too little or not at all."""

from collections.abc import Callable, Iterator

from config.rota import everybody
from config.site import OnCall, Urgency
from worker.config_check.remark import Remark, error
from worker.delivery.providers import forced_priority

CLINICAL: tuple[Urgency, ...] = ("critical", "high", "medium")

RECEIVER = "{receiver}"

NOT_TAKEN = "is not an address that Apprise accepts: compare it with the page of its service in Apprise's wiki"


def check_channels(on_call: OnCall, is_valid_url: Callable[[str], bool]) -> Iterator[Remark]:
    """Everything about channels and people; `is_valid_url` says whether an address can be used."""
    used = {channel for person in on_call.people.values() for channel in person.channels}
    for name, channel in on_call.channels.items():
        if name not in used:
            yield Remark(("channels", name), "nobody uses it: give it to somebody under people, or take it out")
        if not is_valid_url(channel.url):
            yield error(("channels", name, "url"), NOT_TAKEN)
        if forced := forced_priority(channel.url):
            what = f"`{forced}` makes every page ring alike, a low one too: take it out, and each has its own urgency"
            yield Remark(("channels", name, "url"), what)
    printed = [name for name, channel in on_call.channels.items() if RECEIVER in channel.url]
    if printed:
        names = ", ".join(printed)
        what = f"{names}: {RECEIVER} only prints pages, it reaches nobody: write addresses before you go live"
        yield Remark(("channels",), what)
    yield from _people(on_call)


def _people(on_call: OnCall) -> Iterator[Remark]:
    known = {*on_call.last_resort, *(person for role in on_call.roles.values() for person in everybody(role))}
    by_calendar = any(role.calendar is not None for role in on_call.roles.values())
    roles = {role for name in CLINICAL for step in on_call.ladders[name].steps for role in step.tell}
    clinical = {*on_call.last_resort, *(one for role in roles for one in everybody(on_call.roles[role]))}
    for name, person in on_call.people.items():
        if name not in known and not by_calendar:
            yield Remark(("people", name), "is never told: add to a role, or take it out")
        bare = all(on_call.channels[channel].detail == "minimal" for channel in person.channels)
        if name in clinical and bare:
            what = "is told of patients on `minimal` channels only, which do not say what: add one with `detail: full`"
            yield Remark(("people", name, "channels"), what)
