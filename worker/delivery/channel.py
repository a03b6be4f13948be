"""One page to one channel, through Apprise, in this process and in bounded time."""

import re
from enum import StrEnum
from typing import NamedTuple

import apprise
from apprise import AppriseAsset
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.page import Page
from config.site import Channel

CONNECT_SECONDS = 4
READ_SECONDS = 8

PERMANENT = frozenset({400, 401, 403, 404, 410, 413})
"""Answers after which the same request fails again: a wrong address or key, or a message too long."""

_STATUS = re.compile(r"\berror=(\d{3})\b")


class Outcome(StrEnum):
    """What became of one attempt. UNKNOWN: it may have arrived; it is tried again with the same page id."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class Attempt(NamedTuple):
    """An outcome and, for people, why; never the words of the page."""

    outcome: Outcome
    detail: str = ""


def address(channel: Channel, page_id: str, receiver: str) -> str:
    """The channel's Apprise address for one page: with its id, and with reads that end."""
    url = channel.url.replace("{receiver}", receiver).replace("{page_id}", page_id)
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}cto={CONNECT_SECONDS}&rto={READ_SECONDS}"


def send(url: str, page: Page) -> Attempt:
    """Send one page.

    The settings matter: `service_timeout=0` keeps the send in this process and thread (a pool would not survive a
    fork, and one stuck provider would block the others); redirects are refused, because a redirected POST
    becomes an empty GET that reports success.
    """
    asset = AppriseAsset(service_timeout=0, async_mode=False, http_redirects=False, app_id="cartwatch")
    sender = apprise.Apprise(asset=asset)
    if not sender.add(url):
        return Attempt(Outcome.PERMANENT, "the channel's address is not one Apprise knows")
    result = sender.notify(title=page.title, body=page.text, body_format="text")
    return judge(result)


def judge(result: AppriseResult) -> Attempt:
    """Tell permanent from temporary failures; the HTTP status stands only in Apprise's log text."""
    if result.status == AppriseResultStatus.SUCCESS:
        return Attempt(Outcome.SENT)
    if result.status == AppriseResultStatus.TIMEOUT:
        return Attempt(Outcome.UNKNOWN, "the provider did not answer in time")
    said = " ".join(entry.message for service in result for attempt in service for entry in attempt.logs)
    match = _STATUS.search(said)
    if match is None:
        return Attempt(Outcome.TEMPORARY, "no answer from the provider")
    status = int(match[1])
    outcome = Outcome.PERMANENT if status in PERMANENT else Outcome.TEMPORARY
    return Attempt(outcome, f"the provider answered {status}")
