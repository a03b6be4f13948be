"""What a provider itself answers: its status, its Retry-After, its id; and the ways to answer in a notification."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from config.site import Channel
from tests.support.pages import page
from tests.support.provider_stub import ProviderStub
from tests.support.stored_ward import KEYS, NOW, SITE
from tests.support.wording import english
from worker.delivery.answers import StoredAnswers
from worker.delivery.channel import MessageContext, send
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.plan import LONGEST_WAIT, after
from worker.links import Links
from worker.store.codec import Owed

SMS = "twilio://AC" + "a" * 32 + ":" + "b" * 32 + "@+390551234567/+393331234567"
URLS = {
    "ntfy": "ntfys://ntfy.example/ward",
    "pover": f"pover://{'u' * 30}@{'a' * 30}",
    "twilio": SMS,
    "vonage": "vonage://AAAAAAAA:bbbbbbbbbbbbbbbb@390551234567/393331234567",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "pagerduty": "pagerduty://integration@apikey",
    "opsgenie": f"opsgenie://{'a' * 36}",
}
ANSWERS: dict[str, tuple[Any, str]] = {
    "ntfy": ({"id": "sPs71M8A2T", "time": 1}, "sPs71M8A2T"),
    "pover": (
        {"status": 1, "request": "r", "receipt": "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy"},
        "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy",
    ),
    "twilio": ({"sid": "SM1", "status": "queued"}, "SM1"),
    "vonage": ({"messages": [{"status": "0", "message-id": "0A0"}]}, "0A0"),
    "tgram": ({"ok": True, "result": {"message_id": 7}}, "7"),
    "pagerduty": ({"status": "success", "dedup_key": "e7.1"}, "e7.1"),
    "opsgenie": ({"result": "Request will be processed", "requestId": "43a2"}, "43a2"),
}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        stub.stand_in(monkeypatch)
        yield stub


@pytest.fixture
def links() -> Links:
    return Links(b"a secret of thirty-two characters", "https://cartwatch.example")


@pytest.fixture
def context(redis: Redis, links: Links) -> MessageContext:
    answers = StoredAnswers(redis, KEYS, links)
    return MessageContext(link=lambda one: links.page(one.id, one.to, one.at), answers=answers)


def page_to(service: str, context: MessageContext | None = None, *, answers: bool = False, **changes: Any) -> Attempt:
    channel = Channel(url=URLS[service], answers=answers)
    return send(channel, [page("ad77cea61fdd.1", **changes)], context or MessageContext())


@pytest.mark.parametrize("service", sorted(URLS))
def test_a_message_has_the_provider_s_id(provider: ProviderStub, service: str) -> None:
    provider.answer, id = ANSWERS[service]
    provider.status = 202 if service in ("pagerduty", "opsgenie") else 201 if service == "twilio" else 200
    attempt = page_to(service, urgency="critical")
    assert (attempt.outcome, attempt.provider_id) == (Outcome.SENT, id)


@pytest.mark.parametrize("service", sorted(URLS))
@pytest.mark.parametrize(
    ("status", "outcome"), [(400, Outcome.PERMANENT), (429, Outcome.TEMPORARY), (503, Outcome.TEMPORARY)]
)
def test_the_status_is_the_one_of_the_answer(
    provider: ProviderStub, service: str, status: int, outcome: Outcome
) -> None:
    """Twilio's own code in the body (21211) hides it from Apprise's log text."""
    provider.status, provider.answer = status, {"code": 21211, "status": status, "message": "no"}
    attempt = page_to(service)
    assert (attempt.outcome, english(attempt.detail)) == (outcome, f"the provider answered {status}")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "30"}, timedelta(seconds=30)),
        (
            {"Retry-After": "Fri, 14 Jun 2024 08:01:00 GMT", "Date": "Fri, 14 Jun 2024 08:00:00 GMT"},
            timedelta(minutes=1),
        ),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_the_provider_asks_to_wait(
    provider: ProviderStub, headers: dict[str, str], wait: timedelta | None
) -> None:
    provider.status, provider.headers = 429, headers
    assert page_to("ntfy").wait == wait


@pytest.mark.parametrize(("asked", "waits"), [(1, 2), (30, 30), (3600, LONGEST_WAIT.total_seconds())])
def test_a_retry_waits_as_long_as_it_is_asked_but_not_for_ever(asked: int, waits: float) -> None:
    attempt = Attempt(Outcome.TEMPORARY, wait=timedelta(seconds=asked))
    result = after(Owed(page=page(at=NOW)), 1, attempt, SITE.on_call.delivery, NOW)
    assert result.due == NOW + timedelta(seconds=waits)


def test_a_message_that_vonage_refuses_is_not_sent(provider: ProviderStub) -> None:
    """It answers 200 to it."""
    provider.answer = {"messages": [{"status": "1", "error-text": "throttled"}]}
    attempt = page_to("vonage")
    assert (attempt.outcome, english(attempt.detail)) == (
        Outcome.TEMPORARY,
        "the provider refused with its code 1",
    )


# -- the ways to answer ----------------------------------------------------------------------------------


def test_ntfy_has_a_button_that_acknowledges_and_one_that_opens(
    provider: ProviderStub, context: MessageContext, links: Links
) -> None:
    page_to("ntfy", context)
    (asked,) = provider.asked
    answer, view = asked.headers["X-Actions"].split("; ")
    kind, label, address, *rest = answer.split(", ")
    assert (kind, label, rest) == ("http", "I have it", ["method=POST", "clear=true"])
    assert links.read_answer(address.removeprefix("https://cartwatch.example/a/"), NOW) == "ad77cea61fdd.1"
    assert view.startswith("view, To answer, https://cartwatch.example/p/")


@pytest.mark.parametrize("changes", [{"urgency": "low"}, {"reason": "resolved"}, {"episodes": ()}])
def test_what_asks_for_no_reply_has_no_button(
    provider: ProviderStub, context: MessageContext, changes: dict[str, Any]
) -> None:
    page_to("ntfy", context, **changes)
    assert "http," not in provider.asked[0].headers.get("X-Actions", "")


def test_pages_that_waited_have_no_button(provider: ProviderStub, context: MessageContext) -> None:
    send(Channel(url=URLS["ntfy"]), [page("e7.1"), page("e8.1")], context)
    assert "http," not in provider.asked[0].headers["X-Actions"]


def test_telegram_has_an_inline_button_where_it_is_answered(
    provider: ProviderStub, context: MessageContext, links: Links
) -> None:
    page_to("tgram", context, answers=True)
    ((button,),) = provider.asked[-1].json["reply_markup"]["inline_keyboard"]
    assert button["text"] == "I have it"
    assert len(button["callback_data"].encode()) <= 64
    assert links.read_answer(button["callback_data"], NOW) == "ad77cea61fdd.1"
    page_to("tgram", context)
    assert "reply_markup" not in provider.asked[-1].json


@pytest.mark.parametrize("service", ["twilio", "vonage"])
def test_a_text_message_names_the_number_that_answers_it(
    provider: ProviderStub, redis: Redis, context: MessageContext, links: Links, service: str
) -> None:
    provider.answer = ANSWERS[service][0]
    page_to(service, context, answers=True)
    sent = provider.asked[-1]
    text = sent.form.get("Body") or sent.form.get("text") or json.dumps(sent.form)
    number = text.split("Reply ")[1].split(":")[0]
    assert StoredAnswers(redis, KEYS, links).page_of("phone-1", number) == "ad77cea61fdd.1"
    assert len(text) <= 160
    page_to(service, context)
    assert "Reply " not in (provider.asked[-1].form.get("Body") or provider.asked[-1].form.get("text") or "")


def test_no_two_pages_of_a_phone_have_one_number(redis: Redis, links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "number", lambda _: 9999)
    answers = StoredAnswers(redis, KEYS, links)
    first, second = page("e7.1"), page("e8.1")
    assert [answers.number(one) for one in (first, second, first)] == ["9999", "0000", "9999"]
    assert answers.number(page("e9.1", channel="phone-2")) == "9999"
