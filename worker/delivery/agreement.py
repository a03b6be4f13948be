"""Whether a sender knows a page's channel at least as new as the judgement that owes the page.

Machines take a changed configuration over at different moments, and one of them may refuse it. A page made under a
newer one is left for a while to whoever has it, and then sent to the address that is known here, with a fault: late
and perhaps to an old address is better than to nobody.
"""

import logging
import socket
from datetime import datetime, timedelta
from zlib import crc32

from msgspec.structs import replace
from redis import Redis
from redis.client import Pipeline

from alerts.messages import Fault
from alerts.pages.page import Page
from alerts.step.system_faults import fault
from config.site import Channel, Site
from worker.clock import milliseconds
from worker.delivery import page_lease
from worker.delivery.page_lease import Claim
from worker.store.codec import Owed, pack

log = logging.getLogger(__name__)

LEFT_FOR = timedelta(seconds=15)
"""How long a page is left to senders whose configuration is newer."""

LOOKED_AT_AGAIN = timedelta(seconds=0.1)
"""How long a sender that is behind steps back, so that another is woken for the page: the wake-up goes to whoever is
free, and with a second between two of them chance alone could use up `LEFT_FOR`."""


def mark(channel: Channel | None) -> str:
    """A short text that is another where the address or what it may show is; empty for a channel that is not known."""
    return "" if channel is None else f"{crc32(f'{channel.detail} {channel.url}'.encode()):08x}"


def owing(page: Page, site: Site) -> Owed:
    """A page with the version of its channel that it was made under."""
    return Owed(page=page, address=mark(site.on_call.channels.get(page.channel)), written=site.written)


def agrees(owed: Owed, site: Site) -> bool:
    """Whether a page goes to the address that it was made for."""
    return owed.address == mark(site.on_call.channels.get(owed.page.channel))


def is_behind(owed: Owed, site: Site) -> bool:
    """Whether a site's configuration is older than the one a page was made under, and its channel differs."""
    return site.written < owed.written and not agrees(owed, site)


def leave(redis: Redis, claim: Claim, now: datetime) -> bool:
    """Leave a page to senders whose configuration is newer; False where that has been tried for long enough."""
    since = claim.owed.left_since or milliseconds(now)
    if milliseconds(now - LEFT_FOR) >= since:
        return False

    def write(pipe: Pipeline) -> None:
        pipe.hset(claim.shard.key("outbox"), claim.page.id, pack(replace(claim.owed, left_since=since)))
        pipe.zadd(claim.shard.due(claim.page.urgency), {claim.page.id: milliseconds(now + LOOKED_AT_AGAIN)}, xx=True)
        page_lease.give_back(pipe, claim)

    page_lease.while_ours(redis, claim, write)
    log.info("page %s is left to a sender with a newer configuration", claim.page.id)
    return True


def behind_fault(claim: Claim, now: datetime) -> Fault:
    """This machine sends a page though its configuration is older than the page's."""
    machine, channel = socket.gethostname(), claim.page.channel
    what = f"the configuration on {machine} is older than the one pages are made under, and no sender has the newer"
    what = f"{what}: channel {channel} is used as {machine} knows it; bring its files up to date"
    return fault(f"configuration age {machine}", what, f"{machine} {claim.page.id}", now)
