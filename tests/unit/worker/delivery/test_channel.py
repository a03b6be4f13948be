"""One page to one channel, against a real receiver: what counts as sent, what is tried again, and in what time."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.pages.page import Page
from alerts.wording.phrase import Phrase, phrase
from config.settings import Settings
from config.site import Channel, Urgency
from tests.support.pages import page
from tests.support.stored_ward import SITE
from tests.support.wording import english
from worker.delivery import channel as module
from worker.delivery.channel import MessageContext, address, outcome_of, send, send_picture, takes_picture
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.rendering import Rendered
from worker.delivery.sending import SEND_SECONDS
from worker.runtime.logging_setup import configure
from worker.standalone.fake_phone import FakePhone

PAGE = page(text="because fever 38.9 °C (>= 38.0)\n<b>not markup</b> & *not* markdown", urgency="high")
PHONE = SITE.on_call.channels["phone-1"]
CAPTION = Rendered("Trend: HAEM-2/12  D+2", "CRS 2 since 08:00\ntemperature: last 38.9 °C")


@pytest.fixture
def receiver() -> Iterator[FakePhone]:
    with FakePhone() as running:
        yield running


def link(_: Page) -> str:
    return "https://cartwatch.example/p/token"


def page_to(receiver: FakePhone) -> Attempt:
    return send(PHONE, [PAGE], MessageContext(receiver.url, link))


def test_a_page_arrives_with_its_id_and_its_words_as_they_were_written(receiver: FakePhone) -> None:
    assert page_to(receiver) == Attempt(Outcome.SENT)
    [page] = receiver.received
    assert (page.path, page.page_id, page.title) == ("/phone-1", "e7.1", PAGE.title)
    assert page.body == f"{PAGE.text}\n{link(PAGE)}"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_success_is_sent(receiver: FakePhone, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver).outcome is Outcome.SENT


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_the_answer_is_understood_in_a_worker_that_logs_as_workers_do(
    receiver: FakePhone, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    before = root.level
    try:
        configure(Settings(log_level=level))
        receiver.behave("/phone-1", status=404)
        assert page_to(receiver) == Attempt(Outcome.PERMANENT, phrase("the provider answered {n}", n=404))
    finally:
        root.setLevel(before)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_provider_in_trouble_is_tried_again(receiver: FakePhone, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver) == Attempt(Outcome.TEMPORARY, phrase("the provider answered {n}", n=status))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_a_refusal_for_good_is_permanent(receiver: FakePhone, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver) == Attempt(Outcome.PERMANENT, phrase("the provider answered {n}", n=status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_page_was_not_sent(receiver: FakePhone, status: int) -> None:
    """Followed, it would become an empty GET that succeeds."""
    receiver.behave("/phone-1", status=status)
    assert page_to(receiver).outcome is Outcome.TEMPORARY
    assert receiver.received == []
    assert [attempt.status for attempt in receiver.attempts] == [status]


def test_a_connection_that_is_dropped_is_tried_again(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", drop=True)
    assert page_to(receiver) == Attempt(Outcome.TEMPORARY, Phrase("no answer from the provider"))


def test_a_provider_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"json://127.0.0.1:{probe.getsockname()[1]}"
        assert send(PHONE, [PAGE], MessageContext(nobody)).outcome is Outcome.TEMPORARY


def test_a_provider_that_hangs_is_given_up_after_the_read_timeout(
    receiver: FakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    receiver.behave("/phone-1", delay=30.0)
    began = time.monotonic()
    assert page_to(receiver) == Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
    assert time.monotonic() - began < 5


def test_a_provider_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        url = f"json://127.0.0.1:{silent.getsockname()[1]}"
        assert send(PHONE, [PAGE], MessageContext(url)).outcome is Outcome.UNKNOWN
    assert time.monotonic() - began < 5


def test_both_waits_together_end_before_a_send_is_given_up() -> None:
    assert module.CONNECT_SECONDS + module.READ_SECONDS < SEND_SECONDS


def test_a_hanging_channel_does_not_hold_up_another(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", delay=30.0)
    slow = threading.Thread(target=page_to, args=(receiver,))
    slow.start()
    receiver.wait_for(1)
    try:
        other = SITE.on_call.channels["phone-2"]
        began = time.monotonic()
        assert send(other, [PAGE], MessageContext(receiver.url)).outcome is Outcome.SENT
        assert time.monotonic() - began < 5
    finally:
        receiver.close()
        slow.join(10)
    assert not slow.is_alive()


def test_an_address_apprise_does_not_know_is_permanent() -> None:
    attempt = send(Channel(url="pigeon://loft"), [PAGE], MessageContext())
    assert attempt == Attempt(Outcome.PERMANENT, Phrase("the channel's address is not one Apprise knows"))


def test_what_went_wrong_never_repeats_the_page(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", status=500)
    detail = english(page_to(receiver).detail)
    for word in ("CRS", "38.9", "P1", "phone-1"):
        assert word not in detail


# -- addresses -------------------------------------------------------------------------------------


def test_the_address_carries_receiver_page_id_and_timeouts() -> None:
    assert address(PHONE, "e7.1", "json://host:1") == "json://host:1/phone-1?+X-Page-Id=e7.1&cto=4&rto=8"


def test_an_address_without_a_question_mark_gets_one() -> None:
    channel = Channel(url="ntfy://topic")
    assert address(channel, "e7.1", "") == "ntfy://topic?cto=4&rto=8"


# -- several pages, and the picture -----------------------------------------------------------------


def test_pages_that_waited_arrive_as_one_message_under_the_id_of_the_first(receiver: FakePhone) -> None:
    pages = [page("a.1", title="[HIGH] bed 1"), page("b.1", title="[LOW] bed 2")]
    assert send(PHONE, pages, MessageContext(receiver.url)).outcome is Outcome.SENT
    [arrived] = receiver.received
    assert (arrived.page_id, arrived.title) == ("a.1", "[HIGH] bed 1")
    assert "[LOW] bed 2" in arrived.body


def test_a_picture_follows_as_a_message_of_its_own(receiver: FakePhone) -> None:
    attempt = send_picture(PHONE, PAGE.id, b"\x89PNG picture", CAPTION, receiver.url)
    assert attempt == Attempt(Outcome.SENT)
    [arrived] = receiver.received
    assert (arrived.page_id, arrived.attachments) == ("e7.1.picture", ("trend.png",))
    assert (arrived.title, arrived.body) == CAPTION, "a mail has a subject"


@pytest.mark.parametrize("status", [404, 503])
def test_a_picture_that_is_refused_is_only_said(receiver: FakePhone, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert send_picture(PHONE, PAGE.id, b"x", CAPTION, receiver.url).outcome is not Outcome.SENT


def test_a_picture_has_less_time_than_a_page() -> None:
    assert module.PICTURE_CONNECT_SECONDS + module.PICTURE_READ_SECONDS < module.CONNECT_SECONDS + module.READ_SECONDS


NTFY = Channel(url="ntfy://ward-topic")


@pytest.mark.parametrize(
    ("channel", "urgency", "takes"),
    [
        (NTFY, "critical", True),
        (NTFY, "medium", True),
        (NTFY, "low", False),
        (NTFY, "technical", False),
        (Channel(url="ntfy://ward-topic", detail="minimal"), "critical", False),
        (Channel(url="ntfy://ward-topic", picture=False), "critical", False),
        (Channel(url=f"twilio://AC{'a' * 32}:{'b' * 32}@15551112222/15553334444", picture=True), "critical", False),
        (Channel(url="pagerduty://integration@apikey"), "critical", False),
        (Channel(url="pigeon://loft"), "critical", False),
        (PHONE, "critical", False),
        (PHONE.model_copy(update={"picture": True}), "critical", True),
    ],
)
def test_a_picture_follows_only_where_it_is_seen(channel: Channel, urgency: Urgency, takes: bool) -> None:
    assert takes_picture(channel, urgency, "json://127.0.0.1:9") is takes


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
    assert outcome_of(AppriseResult(status)).outcome is outcome


def test_an_address_with_optional_in_it_is_refused() -> None:
    with pytest.raises(ValueError, match="optional"):
        Channel(url="ntfy://ward-topic?priority=high&optional=yes")


def test_everything_that_is_no_success_is_judged_as_not_sent() -> None:
    """Nothing to send to, no such tag, all optional: none of these is a page that arrived."""
    for status in set(AppriseResultStatus) - {AppriseResultStatus.SUCCESS}:
        assert outcome_of(AppriseResult(status)).outcome is not Outcome.SENT
