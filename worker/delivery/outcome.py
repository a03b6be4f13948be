"""What became of an attempt, and what of it is told to the judgement: one table each."""

import re
from enum import StrEnum
from typing import Literal, NamedTuple

from worker.store.codec import Reported

ReceiptOutcome = Literal["sent", "failed", "unknown", "undeliverable"]
"""What a receipt says of a page."""


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


RETRYABLE_4XX = frozenset({408, 409, 423, 425, 429})
"""Answers of the 4xx kind that another attempt may change: too early, too many, just now in use. Every other 4xx says
that the same request fails again: a wrong address or key, or a message too long."""

STATUS_TIMES = {"ntfy": 100, "ntfys": 100}
"""Services that answer with a code of their own, which is the HTTP status times this and a remainder."""

MAIL = frozenset({"mailto", "mailtos"})
"""Services of which Apprise logs the same whatever the mail server answers."""

_CODE = re.compile(r"\berror=(\d+)\b")


def is_permanent(status: int) -> bool:
    """Whether the same request, sent again, would be refused again."""
    return 400 <= status < 500 and status not in RETRYABLE_4XX


def judge_status(status: int) -> Attempt:
    """What an HTTP status that is no success means."""
    outcome = Outcome.PERMANENT if is_permanent(status) else Outcome.TEMPORARY
    return Attempt(outcome, f"the provider answered {status}")


def status_in(said: str, schema: str = "") -> int | None:
    """The HTTP status in what Apprise logged, which is the only place it stands in; None where there is none.

    Some services put a code of their own there (Twilio 21211, WhatsApp 131030): nothing follows from it.
    """
    match = _CODE.search(said)
    if match is None:
        return None
    code = int(match[1])
    times = STATUS_TIMES.get(schema, 1)
    status = code // times if code >= 100 * times else code
    return status if 300 <= status < 600 else None


def judge_failure(said: str, schema: str, seconds: float, waits: float) -> Attempt:
    """What a failed attempt means: what was logged, and whether it took as long as the wait for an answer.

    A provider that took the request and did not answer may have sent the page: that is unknown.
    """
    status = status_in(said, schema)
    if status is not None:
        return judge_status(status)
    if seconds >= waits:
        return Attempt(Outcome.UNKNOWN, "the provider did not answer in time")
    code = _CODE.search(said)
    if code is not None:
        return Attempt(Outcome.TEMPORARY, f"the provider refused with its code {code[1]}")
    if schema in MAIL:
        return Attempt(Outcome.TEMPORARY, "the mail server was not reached, or refused (certificate, login, recipient)")
    return Attempt(Outcome.TEMPORARY, "no answer from the provider")


def receipt_for(outcome: Outcome, said: Reported, *, overdue: bool) -> ReceiptOutcome | None:
    """The receipt an attempt is worth, or None where it says nothing new.

    ============ ======================== =================== =========
    attempt      nothing said yet         failed/unknown said overdue
    ============ ======================== =================== =========
    sent         sent                     sent                sent
    temporary    failed                   --                  undeliverable
    unknown      unknown                  --                  undeliverable
    permanent    undeliverable            undeliverable       undeliverable
    ============ ======================== =================== =========

    Each is said once; once a page is undeliverable only `sent` is news.
    """
    if outcome is Outcome.SENT:
        return "sent"
    if said == "undeliverable":
        return None
    if overdue or outcome is Outcome.PERMANENT:
        return "undeliverable"
    if said:
        return None
    return "unknown" if outcome is Outcome.UNKNOWN else "failed"
