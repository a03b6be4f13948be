"""What is sent now and what becomes of it: pure functions of a channel's queue and of an attempt."""

from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from config.site import DeliveryPolicy, Limit
from worker.delivery.outcome import Attempt, Outcome, ReceiptOutcome, receipt_for
from worker.store.codec import Owed

LONGEST_WAIT = timedelta(minutes=5)
"""The longest Retry-After of a provider that is obeyed. The ladder goes on meanwhile."""

CRASHES_BEFORE_REPORT = 2
"""Attempts in a row whose worker died before we report it: one death may be a restart."""


class SendPlan(NamedTuple):
    """The number of due pages that go into one message now; and if the channel is full, when it is looked at again."""

    pages: int
    look_at: datetime | None = None


def plan(due: int, used: int, opens: datetime | None, limit: Limit | None) -> SendPlan:
    """Plan the next message of a channel with `due` pages, which was sent `used` messages within the time of its limit.

    A page goes alone while the limit has room. The last place takes all pages that are left. A full channel waits until
    it `opens`. Without a limit (critical pages) each page goes alone.
    """
    if not due or limit is None:
        return SendPlan(min(due, 1))
    if opens is not None:
        return SendPlan(0, opens)
    return SendPlan(due if used + 1 >= limit.pages else 1)


class AttemptResult(NamedTuple):
    """The consequences of an attempt: the page as it is still owed (None: it is not), when it is tried next, and the
    receipt that it is worth."""

    owed: Owed | None
    due: datetime | None
    receipt: ReceiptOutcome | None


def after(owed: Owed, number: int, attempt: Attempt, policy: DeliveryPolicy, now: datetime) -> AttemptResult:
    """The consequences of attempt `number` on a page. The first is 1.

    The first failure is reported at once, and once that the page is undeliverable.
    """
    news = receipt_for(attempt.outcome, owed.reported, overdue=now - owed.page.at >= policy.undeliverable_after)
    if attempt.outcome is Outcome.SENT or news == "sent":
        return AttemptResult(None, None, "sent")
    lost = "undeliverable" in (news, owed.reported)
    wait = policy.retry_backoff[-1 if lost else min(number, len(policy.retry_backoff)) - 1]
    wait = max(wait, min(attempt.wait or wait, LONGEST_WAIT))
    return AttemptResult(replace(owed, attempts=number, reported=news or owed.reported), now + wait, news)


def crash_report(owed: Owed, crashed: int, policy: DeliveryPolicy, now: datetime) -> ReceiptOutcome | None:
    """The receipt of a page that keeps killing its senders: nothing else would ever report that it was not sent."""
    if crashed < CRASHES_BEFORE_REPORT:
        return None
    return receipt_for(Outcome.UNKNOWN, owed.reported, overdue=now - owed.page.at >= policy.undeliverable_after)
