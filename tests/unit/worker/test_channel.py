"""One page to one channel, against a real receiver: what counts as sent, what is tried again, and in what time."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.page import Page
from config.site import Channel
from tests.unit.worker.ward import NOW, SITE
from worker.delivery import channel as module
from worker.delivery.channel import PERMANENT, Attempt, Outcome, address, judge, send
from worker.logs import configure
from worker.receiver import Receiver

PAGE = Page(
    id="e7.1",
    patient="P1",
    at=NOW,
    day=2,
    episode="e7",
    episodes=("e7",),
    condition="crs",
    urgency="high",
    reason="new",
    to="haematologist-1",
    channel="phone-1",
    title="[HIGH] D+2: CRS grade 2",
    text="because fever 38.9 °C (>= 38.0)\n<b>not markup</b> & *not* markdown",
)
PHONE = SITE.on_call.channels["phone-1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def page_to(receiver: Receiver) -> Attempt:
    return send(address(PHONE, PAGE.id, receiver.url), PAGE)


def test_a_page_arrives_with_its_id_and_its_words_as_they_were_written(receiver: Receiver) -> None:
    assert page_to(receiver) == Attempt(Outcome.SENT)
    [page] = receiver.received
    assert (page.path, page.page_id, page.title, page.body) == ("/phone-1", "e7.1", PAGE.title, PAGE.text)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_success_is_sent(receiver: Receiver, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver).outcome is Outcome.SENT


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_the_answer_is_understood_in_a_worker_that_logs_as_workers_do(
    receiver: Receiver, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    before = root.level
    try:
        configure(level)
        receiver.behave("/phone-1", status=404)
        assert page_to(receiver) == Attempt(Outcome.PERMANENT, "the provider answered 404")
    finally:
        root.setLevel(before)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_provider_in_trouble_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver) == Attempt(Outcome.TEMPORARY, f"the provider answered {status}")


@pytest.mark.parametrize("status", sorted(PERMANENT))
def test_a_refusal_for_good_is_permanent(receiver: Receiver, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver) == Attempt(Outcome.PERMANENT, f"the provider answered {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_page_was_not_sent(receiver: Receiver, status: int) -> None:
    """Followed, it would become an empty GET that succeeds."""
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver).outcome is Outcome.TEMPORARY
    assert receiver.received == []
    assert [attempt.status for attempt in receiver.attempts] == [status]


def test_a_connection_that_is_dropped_is_tried_again(receiver: Receiver) -> None:
    receiver.behave("/phone-1", drop=True)
    assert page_to(receiver) == Attempt(Outcome.TEMPORARY, "no answer from the provider")


def test_a_provider_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"json://127.0.0.1:{probe.getsockname()[1]}"
        assert send(address(PHONE, PAGE.id, nobody), PAGE).outcome is Outcome.TEMPORARY


def test_a_provider_that_hangs_is_given_up_after_the_read_timeout(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    receiver.behave("/phone-1", delay=30.0)
    began = time.monotonic()
    assert page_to(receiver).outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN)
    assert time.monotonic() - began < 5


def test_a_provider_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        url = f"json://127.0.0.1:{silent.getsockname()[1]}"
        assert send(address(PHONE, PAGE.id, url), PAGE).outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN)
    assert time.monotonic() - began < 5


def test_both_waits_together_end_before_the_claim_does() -> None:
    waits = module.CONNECT_SECONDS + module.READ_SECONDS
    assert waits < SITE.on_call.delivery.claim_for.total_seconds()


def test_a_hanging_channel_does_not_hold_up_another(receiver: Receiver) -> None:
    receiver.behave("/phone-1", delay=30.0)
    slow = threading.Thread(target=page_to, args=(receiver,))
    slow.start()
    receiver.wait_for(1)
    try:
        other = address(SITE.on_call.channels["phone-2"], PAGE.id, receiver.url)
        began = time.monotonic()
        assert send(other, PAGE).outcome is Outcome.SENT
        assert time.monotonic() - began < 5
    finally:
        receiver.close()
        slow.join(10)
    assert not slow.is_alive()


def test_an_address_apprise_does_not_know_is_permanent() -> None:
    assert send("pigeon://loft?cto=1&rto=1", PAGE).outcome is Outcome.PERMANENT


def test_what_went_wrong_never_repeats_the_page(receiver: Receiver) -> None:
    receiver.behave("/phone-1", status=500)
    detail = page_to(receiver).detail
    for word in ("CRS", "38.9", "P1", "phone-1"):
        assert word not in detail


# -- addresses -------------------------------------------------------------------------------------


def test_the_address_carries_receiver_page_id_and_timeouts() -> None:
    assert address(PHONE, "e7.1", "json://host:1") == "json://host:1/phone-1?+X-Page-Id=e7.1&cto=4&rto=8"


def test_an_address_without_a_question_mark_gets_one() -> None:
    channel = Channel(url="ntfy://topic")
    assert address(channel, "e7.1", "") == "ntfy://topic?cto=4&rto=8"


# -- judging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (AppriseResultStatus.SUCCESS, Outcome.SENT),
        (AppriseResultStatus.TIMEOUT, Outcome.UNKNOWN),
        (AppriseResultStatus.FAILURE, Outcome.TEMPORARY),
    ],
)
def test_what_apprise_says_is_judged(status: AppriseResultStatus, outcome: Outcome) -> None:
    assert judge(AppriseResult(status)).outcome is outcome


def test_everything_that_is_no_success_is_judged_as_not_sent() -> None:
    """Nothing to send to, no such tag, all optional: none of these is a page that arrived."""
    for status in set(AppriseResultStatus) - {AppriseResultStatus.SUCCESS}:
        assert judge(AppriseResult(status)).outcome is not Outcome.SENT
