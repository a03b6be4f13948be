"""What is sent now, and what becomes of it: two tables."""

from datetime import timedelta

import pytest

from config.site import Limit
from tests.support.pages import page
from tests.support.stored_ward import NOW, SITE
from worker.delivery.outcome import Attempt, Outcome, ReceiptOutcome
from worker.delivery.plan import SendPlan, after, crash_report, plan
from worker.store.codec import Owed, Reported

LIMIT = Limit(pages=3, within="1 min")
POLICY = SITE.on_call.delivery
LATER = NOW + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("due", "used", "full", "limit", "planned"),
    [
        (0, 0, False, LIMIT, SendPlan(0)),
        (1, 0, False, LIMIT, SendPlan(1)),
        (9, 0, False, LIMIT, SendPlan(1)),
        (9, 1, False, LIMIT, SendPlan(1)),
        (9, 2, False, LIMIT, SendPlan(9)),
        (1, 2, False, LIMIT, SendPlan(1)),
        (9, 3, True, LIMIT, SendPlan(0, LATER)),
        (9, 0, False, Limit(pages=1), SendPlan(9)),
        (9, 3, False, None, SendPlan(1)),
        (0, 0, False, None, SendPlan(0)),
    ],
)
def test_a_page_goes_alone_while_there_is_room_and_the_last_place_takes_all_that_are_left(
    due: int, used: int, full: bool, limit: Limit | None, planned: SendPlan
) -> None:
    assert plan(due, used, LATER if full else None, limit) == planned


@pytest.mark.parametrize(
    ("outcome", "reported", "number", "late", "receipt", "wait"),
    [
        (Outcome.SENT, "", 1, False, "sent", None),
        (Outcome.SENT, "undeliverable", 7, True, "sent", None),
        (Outcome.TEMPORARY, "", 1, False, "failed", 0),
        (Outcome.TEMPORARY, "failed", 2, False, None, 1),
        (Outcome.UNKNOWN, "", 3, False, "unknown", 2),
        (Outcome.TEMPORARY, "failed", 99, False, None, -1),
        (Outcome.PERMANENT, "failed", 1, False, "undeliverable", -1),
        (Outcome.TEMPORARY, "failed", 1, True, "undeliverable", -1),
        (Outcome.TEMPORARY, "undeliverable", 1, True, None, -1),
    ],
)
def test_each_attempt_has_its_receipt_and_its_next_time(
    outcome: Outcome, reported: Reported, number: int, late: bool, receipt: ReceiptOutcome | None, wait: int | None
) -> None:
    now = NOW + POLICY.undeliverable_after if late else NOW
    result = after(Owed(page=page(), reported=reported), number, Attempt(outcome), POLICY, now)
    assert result.receipt == receipt
    if wait is None:
        assert (result.owed, result.due) == (None, None)
    else:
        assert result.due == now + POLICY.retry_backoff[wait]
        assert result.owed == Owed(page=page(), attempts=number, reported=receipt or reported)


@pytest.mark.parametrize(
    ("crashed", "reported", "receipt"), [(1, "", None), (2, "", "unknown"), (3, "unknown", None), (2, "failed", None)]
)
def test_a_page_that_keeps_killing_its_senders_is_reported_once(
    crashed: int, reported: Reported, receipt: ReceiptOutcome | None
) -> None:
    assert crash_report(Owed(page=page(), reported=reported), crashed, POLICY, NOW) == receipt
