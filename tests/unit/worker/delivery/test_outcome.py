"""The outcome of an attempt, and its receipt: the two tables, row by row."""

import pytest

from alerts.wording.phrase import Phrase, phrase
from tests.support.wording import english
from worker.delivery.outcome import (
    Attempt,
    Outcome,
    ReceiptOutcome,
    classify_failure,
    is_permanent,
    receipt_for,
    status_in,
)
from worker.store.codec import Reported


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 413, 414, 415, 422, 431])
def test_what_the_same_request_would_meet_again_is_permanent(status: int) -> None:
    assert is_permanent(status)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 409, 423, 425, 429, 500, 501, 502, 503, 504, 507, 529])
def test_what_may_pass_is_not(status: int) -> None:
    assert not is_permanent(status)


@pytest.mark.parametrize(
    ("said", "schema", "status"),
    [
        ("Failed to send JSON POST notification: Not Found, error=404.", "json", 404),
        ("Failed to send ntfy notification to topic 'x': limit reached, error=42901.", "ntfy", 429),
        ("Failed to send ntfy notification to topic 'x': forbidden, error=40301.", "ntfys", 403),
        ("Failed to send ntfy notification to topic 'x': error=503.", "ntfy", 503),
        ("Failed to send Twilio notification: error=21211.", "twilio", None),
        ("Failed to send WhatsApp notification: error=190.", "whatsapp", None),
        ("A Connection error occurred sending JSON.", "json", None),
        ("error=none", "json", None),
        ("", "", None),
    ],
)
def test_the_status_is_read_from_what_apprise_logs(said: str, schema: str, status: int | None) -> None:
    assert status_in(said, schema) == status


@pytest.mark.parametrize(
    ("said", "seconds", "attempt"),
    [
        ("error=404", 0.1, Attempt(Outcome.PERMANENT, phrase("the provider answered {n}", n=404))),
        ("error=429", 0.1, Attempt(Outcome.TEMPORARY, phrase("the provider answered {n}", n=429))),
        ("error=500", 9.0, Attempt(Outcome.TEMPORARY, phrase("the provider answered {n}", n=500))),
        ("a connection error", 0.1, Attempt(Outcome.TEMPORARY, Phrase("no answer from the provider"))),
        ("a connection error", 4.1, Attempt(Outcome.TEMPORARY, Phrase("no answer from the provider"))),
        ("a connection error", 8.0, Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))),
        ("error=21211", 0.1, Attempt(Outcome.TEMPORARY, phrase("the provider refused with its code {n}", n="21211"))),
    ],
)
def test_a_failure_is_judged_by_status_and_by_how_long_it_took(said: str, seconds: float, attempt: Attempt) -> None:
    assert classify_failure(said, "json", seconds, 8.0) == attempt


def test_a_mail_that_was_not_taken_is_not_said_to_have_had_no_answer() -> None:
    """Apprise logs the same of a server that is not there and of one that refuses the login."""
    attempt = classify_failure("Connection error while submitting email", "mailtos", 0.1, 8.0)
    assert attempt.outcome is Outcome.TEMPORARY
    assert "login" in english(attempt.detail)


FAILED, UNKNOWN, LOST = "failed", "unknown", "undeliverable"


@pytest.mark.parametrize(
    ("outcome", "said", "in_time", "overdue"),
    [
        (Outcome.SENT, "", "sent", "sent"),
        (Outcome.SENT, FAILED, "sent", "sent"),
        (Outcome.SENT, UNKNOWN, "sent", "sent"),
        (Outcome.SENT, LOST, "sent", "sent"),
        (Outcome.TEMPORARY, "", FAILED, LOST),
        (Outcome.TEMPORARY, FAILED, None, LOST),
        (Outcome.TEMPORARY, UNKNOWN, None, LOST),
        (Outcome.TEMPORARY, LOST, None, None),
        (Outcome.UNKNOWN, "", UNKNOWN, LOST),
        (Outcome.UNKNOWN, FAILED, None, LOST),
        (Outcome.UNKNOWN, UNKNOWN, None, LOST),
        (Outcome.UNKNOWN, LOST, None, None),
        (Outcome.PERMANENT, "", LOST, LOST),
        (Outcome.PERMANENT, FAILED, LOST, LOST),
        (Outcome.PERMANENT, UNKNOWN, LOST, LOST),
        (Outcome.PERMANENT, LOST, None, None),
    ],
)
def test_each_piece_of_news_is_reported_once(
    outcome: Outcome, said: Reported, in_time: ReceiptOutcome | None, overdue: ReceiptOutcome | None
) -> None:
    assert receipt_for(outcome, said, overdue=False) == in_time
    assert receipt_for(outcome, said, overdue=True) == overdue
