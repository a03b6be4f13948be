"""Whether a sender has the channel of a page in at least the version under which the page was made.

Machines reload a changed configuration at different moments, and one of them may refuse it. A page made under a newer
configuration waits a while for a sender that has it. Then we send it to the address we know, and report a fault: late,
and perhaps to an old address, is better than to nobody.
"""

import socket
from datetime import datetime, timedelta
from zlib import crc32

from msgspec.structs import replace

from alerts.messages import Fault
from alerts.pages.page import Page
from alerts.step.system_faults import fault
from alerts.wording.phrase import phrase
from config.site import Channel, Site
from worker.clock import milliseconds
from worker.store.codec import Owed

WAITS_FOR_NEWER_CONFIG = timedelta(seconds=15)
"""How long a page waits for a sender whose configuration is newer."""

RETRY_BEHIND_AFTER = timedelta(seconds=0.1)
"""How soon a sender that is behind wakes another for the page. The wake-up reaches any free worker: at one a second,
chance alone could use up `WAITS_FOR_NEWER_CONFIG`."""


def mark(channel: Channel | None) -> str:
    """A fingerprint of a channel's address and detail; empty for an unknown channel."""
    return "" if channel is None else f"{crc32(f'{channel.detail} {channel.url}'.encode()):08x}"


def owing(page: Page, site: Site) -> Owed:
    """An owed page, with the version of its channel that it was made under."""
    return Owed(page=page, address=mark(site.on_call.channels.get(page.channel)), written=site.written)


def agrees(owed: Owed, site: Site) -> bool:
    """Whether the page would go to the address that it was made for."""
    return owed.address == mark(site.on_call.channels.get(owed.page.channel))


def is_behind(owed: Owed, site: Site) -> bool:
    """Whether our configuration is older than the one the page was made under, and its channel differs."""
    return site.written < owed.written and not agrees(owed, site)


def wait_for_newer(owed: Owed, now: datetime) -> Owed | None:
    """The page as it waits for senders whose configuration is newer; None if it has waited long enough."""
    since = owed.behind_since or milliseconds(now)
    return None if milliseconds(now - WAITS_FOR_NEWER_CONFIG) >= since else replace(owed, behind_since=since)


def behind_fault(page: Page, now: datetime) -> Fault:
    """The fault that this machine sends a page though its configuration is older than the page's."""
    machine, channel = socket.gethostname(), page.channel
    text = (
        "the configuration on {machine} is older than the one pages are made under, and no sender has the newer:"
        " channel {channel} is used as {machine} knows it; bring its files up to date"
    )
    what = phrase(text, machine=machine, channel=channel)
    return fault(f"configuration age {machine}", what, f"{machine} {page.id}", now)
