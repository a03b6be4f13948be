"""The outcome of an attempt to send, and the receipt it is worth: one table each."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from alerts.wording.phrase import Phrase, phrase
from worker.store.codec import Reported

ReceiptOutcome = Literal["sent", "failed", "unknown", "undeliverable"]
"""The outcome that a receipt reports of a page."""


class Outcome(StrEnum):
    """The outcome of one attempt. UNKNOWN: the page may have arrived; we retry it under the same id."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class Attempt(NamedTuple):
    """An outcome and the reason, for people; never the text of the page.

    `wait`: how long the provider asks to wait before a retry. `provider_id`: its own id of the message.
    """

    outcome: Outcome
    detail: Phrase = Phrase("")
    wait: timedelta | None = None
    provider_id: str = ""


RETRYABLE_4XX = frozenset({408, 409, 423, 425, 429})
"""The 4xx answers that a retry may change: too early, too many, in use. Any other 4xx is permanent: a wrong address or
key, or a message that is too long."""

STATUS_TIMES = {"ntfy": 100, "ntfys": 100}
"""Services with a code of their own: the HTTP status times this factor, plus a remainder."""

MAIL = frozenset({"mailto", "mailtos"})
"""Services for which Apprise logs the same whatever the mail server answers."""

_CODE = re.compile(r"\berror=(\d+)\b")


def is_permanent(status: int) -> bool:
    """Whether the same request, sent again, would be refused again."""
    return 400 <= status < 500 and status not in RETRYABLE_4XX


def classify_status(status: int) -> Attempt:
    """The outcome for an HTTP status other than success."""
    outcome = Outcome.PERMANENT if is_permanent(status) else Outcome.TEMPORARY
    return Attempt(outcome, phrase("the provider answered {n}", n=status))


def status_in(logged: str, schema: str = "") -> int | None:
    """The HTTP status in Apprise's log text, the only place that has it; None if there is none.

    Some services put a code of their own there (Twilio 21211, WhatsApp 131030). It is ignored.
    """
    match = _CODE.search(logged)
    if match is None:
        return None
    code = int(match[1])
    times = STATUS_TIMES.get(schema, 1)
    status = code // times if code >= 100 * times else code
    return status if 300 <= status < 600 else None


def classify_failure(logged: str, schema: str, seconds: float, waits: float) -> Attempt:
    """The outcome of a failed attempt, from the log text and from whether it ran into the read timeout.

    A provider that received the request and did not answer may have sent the page: the outcome is unknown.
    """
    status = status_in(logged, schema)
    if status is not None:
        return classify_status(status)
    if seconds >= waits:
        return Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
    code = _CODE.search(logged)
    if code is not None:
        return Attempt(Outcome.TEMPORARY, phrase("the provider refused with its code {n}", n=code[1]))
    if schema in MAIL:
        why = Phrase("the mail server was not reached, or refused (certificate, login, recipient)")
        return Attempt(Outcome.TEMPORARY, why)
    return Attempt(Outcome.TEMPORARY, Phrase("no answer from the provider"))


def receipt_for(outcome: Outcome, reported: Reported, *, overdue: bool) -> ReceiptOutcome | None:
    """The receipt that an attempt is worth, or None if it is no news.

    ============ ======================== =================== =========
    attempt      nothing reported yet     failed or unknown   overdue
    ============ ======================== =================== =========
    sent         sent                     sent                sent
    temporary    failed                   --                  undeliverable
    unknown      unknown                  --                  undeliverable
    permanent    undeliverable            undeliverable       undeliverable
    ============ ======================== =================== =========

    Each outcome is reported once. After `undeliverable` only `sent` is news.
    """
    if outcome is Outcome.SENT:
        return "sent"
    if reported == "undeliverable":
        return None
    if overdue or outcome is Outcome.PERMANENT:
        return "undeliverable"
    if reported:
        return None
    return "unknown" if outcome is Outcome.UNKNOWN else "failed"
