"""Unused channels, addresses that Apprise rejects, and people who would be notified incompletely or never."""

from collections.abc import Callable, Iterator

from config.rota import everybody
from config.site import OnCall, Urgency
from worker.config_check.remark import Remark, error
from worker.delivery.providers import forced_priority

CLINICAL: tuple[Urgency, ...] = ("critical", "high", "medium")

RECEIVER = "{receiver}"

INVALID_URL = "is not an address that Apprise accepts: compare it with the page of its service in Apprise's wiki"


def check_channels(on_call: OnCall, is_valid_url: Callable[[str], bool]) -> Iterator[Remark]:
    """Check channels and people; `is_valid_url` says whether Apprise accepts an address."""
    used = {channel for person in on_call.people.values() for channel in person.channels}
    for name, channel in on_call.channels.items():
        if name not in used:
            yield Remark(("channels", name), "nobody uses it: give it to a person, or remove it")
        if not is_valid_url(channel.url):
            yield error(("channels", name, "url"), INVALID_URL)
        if forced := forced_priority(channel.url):
            what = f"`{forced}` gives every page this priority, a low one too: remove it, so that each page has its own"
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
    roles = {role for name in CLINICAL for step in on_call.ladders[name].steps for role in step.notify}
    clinical = {*on_call.last_resort, *(one for role in roles for one in everybody(on_call.roles[role]))}
    for name, person in on_call.people.items():
        if name not in known and not by_calendar:
            yield Remark(("people", name), "is never notified: add them to a role, or remove them")
        bare = all(on_call.channels[channel].detail == "minimal" for channel in person.channels)
        if name in clinical and bare:
            what = "is notified on `minimal` channels only, which hide the finding: add a channel with `detail: full`"
            yield Remark(("people", name, "channels"), what)
