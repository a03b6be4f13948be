"""Answers that providers post: whom they prove to come from, whose answer they are, and what has no effect."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis import Redis

from alerts.episodes.delivery_log import Delivery
from alerts.episodes.episode import Episode
from alerts.pages.page import Page
from config.site import Site
from tests.support.desk import ADDRESS, PERSON, Desk
from tests.support.pages import page
from tests.support.stored_ward import KEYS, SITE, Clock, reading, waiting
from worker.delivery.answers import StoredAnswers
from worker.gateway.rate_limit import TRIES
from worker.links import ANSWERED_WITHIN
from worker.store.shard import Store

SHARED = "a secret of a provider, long enough"
WRONG = "another secret of a provider"
TOKEN = "b" * 32
PHONE = "+393331234567"
SHAREDS = {f"{name}_secret": SHARED for name in ("pagerduty", "opsgenie", "telegram", "vonage")}


def sms_site() -> Site:
    """The shipped site, whose first phone is a text message by Twilio and whose second is one by Vonage."""
    on_call = SITE.on_call.model_dump()
    sid = "AC" + "a" * 32
    on_call["channels"]["phone-1"] |= {"url": f"twilio://{sid}:{TOKEN}@+390551234567/{PHONE}", "answers": True}
    on_call["channels"]["phone-2"] |= {"url": f"vonage://KEY:SECRET@390551234567/{PHONE[1:]}", "answers": True}
    on_call["people"][PERSON] |= {"email": "rossi@hospital.example", "name": "Giulia Rossi"}
    on_call["people"]["haematologist-2"] |= {"email": "bianchi@hospital.example", "name": "Bruno Bianchi"}
    return SITE._replace(on_call=type(SITE.on_call).model_validate(on_call))


@pytest.fixture
def desk(redis: Redis, store: Store, clock: Clock) -> Iterator[Desk]:
    with Desk(redis, store, clock, sms_site(), **SHAREDS) as made:
        yield made


def last(episode: Episode) -> Delivery:
    return [one for one in episode.deliveries if one.to == PERSON][-1]


# -- each provider as it posts ---------------------------------------------------------------------------


def post(desk: Desk, path: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return desk.browser.request("POST", path, content=body, headers={"content-type": "application/json", **named})


def by_button(desk: Desk, page: str, **_: Any) -> httpx.Response:
    address = desk.links.answer_address(page, desk.clock.now()).removeprefix(ADDRESS)
    return desk.browser.request("POST", address, content=b"")


def by_pagerduty(
    desk: Desk, page: str, *, secret: str = SHARED, late: timedelta = timedelta(), name: str = "", **more: Any
) -> httpx.Response:
    agent = {"type": more.get("agent", "user_reference"), "id": "PU1", "summary": name}
    event = {
        "id": "01CH754SM17TWPE2V2H4VPBRO7",
        "event_type": more.get("event", "incident.acknowledged"),
        "occurred_at": (desk.clock.now() - late).isoformat().replace("+00:00", "Z"),
        "agent": agent,
        "data": {"id": "PGR0VU2", "type": "incident", "incident_key": page},
    }
    body = json.dumps({"event": event}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return post(desk, "/hooks/pagerduty", body, x_pagerduty_signature=f"v1={'0' * 64},v1={signature}")


def by_opsgenie(
    desk: Desk, page: str, *, secret: str = SHARED, late: timedelta = timedelta(), name: str = "", **more: Any
) -> httpx.Response:
    at = int((desk.clock.now() - late).timestamp() * 1e9)
    alert = {"updatedAt": at, "alertId": "052652ac", "alias": page, "username": name, "message": "x"}
    source = {"name": "", "type": more.get("agent", "web")}
    event = {"action": more.get("event", "Acknowledge"), "source": source, "alert": alert}
    return post(desk, "/hooks/opsgenie", json.dumps(event).encode(), authorization=f"Bearer {secret}")


def by_telegram(desk: Desk, page: str, *, secret: str = SHARED, **_: Any) -> httpx.Response:
    data = desk.links.answer(page, desk.clock.now())
    pressed = {"update_id": 1, "callback_query": {"id": "77", "from": {"id": 5}, "data": data}}
    return post(desk, "/hooks/telegram", json.dumps(pressed).encode(), x_telegram_bot_api_secret_token=secret)


def number_of(desk: Desk, page_id: str, channel: str = "phone-1") -> str:
    answers = StoredAnswers(desk.redis, KEYS, desk.links)
    sent: Page = page(page_id, channel=channel)
    return answers.number(sent)


def by_twilio(
    desk: Desk, page: str, *, secret: str = TOKEN, sender: str = PHONE, text: str = "", sid: str = "SM1", **_: Any
) -> httpx.Response:
    text = text or f"{number_of(desk, page)} coming"
    fields = {"From": sender, "To": "+390551234567", "Body": text, "MessageSid": sid}
    signed = f"{ADDRESS}/hooks/twilio" + "".join(name + fields[name] for name in sorted(fields))
    signature = b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    return desk.browser.request("POST", "/hooks/twilio", data=fields, headers={"x-twilio-signature": signature})


def by_vonage(
    desk: Desk, page: str, *, secret: str = SHARED, late: timedelta = timedelta(), **more: Any
) -> httpx.Response:
    fields = {
        "msisdn": more.get("sender", PHONE[1:]),
        "to": "390551234567",
        "messageId": "0B1",
        "text": more.get("text") or number_of(desk, page, "phone-2"),
        "timestamp": str(int((desk.clock.now() - late).timestamp())),
        "nonce": "f=1&2",
    }
    signed = "".join(f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(fields.items()))
    fields["sig"] = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest().upper()
    return post(desk, "/hooks/vonage", json.dumps(fields).encode())


WAYS = {
    "button": by_button,
    "pagerduty": by_pagerduty,
    "opsgenie": by_opsgenie,
    "telegram": by_telegram,
    "twilio": by_twilio,
    "vonage": by_vonage,
}
every_way = pytest.mark.parametrize("way", sorted(WAYS))
signed_way = pytest.mark.parametrize("way", sorted(WAYS.keys() - {"button"}))
timed_way = pytest.mark.parametrize("way", ["pagerduty", "opsgenie", "vonage"])


@every_way
def test_an_answer_acknowledges_the_page_of_its_recipient(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    answer = WAYS[way](desk, last(episode).page)
    assert answer.status_code == 200, answer.text
    assert "You have it" in answer.text
    desk.work()
    assert desk.crs().acknowledged_by == PERSON


@every_way
def test_one_that_comes_again_is_one_answer(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    for _ in range(2):
        WAYS[way](desk, last(episode).page)
    assert waiting(desk.store) == 1
    desk.work()
    assert "You have it" in WAYS[way](desk, last(episode).page).text
    assert waiting(desk.store) == 0


@every_way
def test_one_that_is_replayed_after_a_hand_over_takes_nothing_back(desk: Desk, way: str) -> None:
    page_id = last(desk.fall_ill()).page
    WAYS[way](desk, page_id)
    desk.work()
    body = {"type": "hand_over", "id": "h1", "source": "gateway", "patient": "P1", "by": PERSON, "page": page_id}
    desk.send(body | {"episode": desk.crs().id, "effective": desk.clock.now().isoformat(), "to": "consultant-1"})
    assert desk.crs().acknowledged_by == ""
    assert "answer the newest page" in WAYS[way](desk, page_id).text
    desk.work()
    assert desk.crs().acknowledged_by == ""


@every_way
def test_it_is_the_same_message_as_on_the_page(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    WAYS[way](desk, last(episode).page)
    ((_, fields),) = desk.store.stream(KEYS.of("P1").inbox)
    message = json.loads(fields[b"m"])
    assert (message["type"], message["source"], message["by"], message["page"]) == (
        *("acknowledgement", "gateway", PERSON, last(episode).page),
    )


@every_way
def test_a_get_does_nothing(desk: Desk, way: str) -> None:
    """A preview of a link is a GET."""
    episode = desk.fall_ill()
    address = desk.links.answer_address(last(episode).page, desk.clock.now()).removeprefix(ADDRESS)
    answer = desk.get(address if way == "button" else f"/hooks/{way}")
    assert answer.status_code == 405
    assert waiting(desk.store) == 0


@signed_way
def test_a_wrong_signature_is_refused_and_counted(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    for _ in range(TRIES):
        assert WAYS[way](desk, last(episode).page, secret=WRONG).status_code == 403
    assert WAYS[way](desk, last(episode).page, secret=WRONG).status_code == 429
    assert waiting(desk.store) == 0
    assert WAYS[way](desk, last(episode).page).status_code == 200, "a right one is always accepted"


def test_an_address_of_another_installation_is_refused(desk: Desk) -> None:
    assert desk.browser.request("POST", "/a/e7.1~66a.AAAA", content=b"").status_code == 403


@pytest.mark.parametrize("way", ["button", "telegram"])
def test_a_button_is_short_lived(desk: Desk, way: str) -> None:
    page_id = last(desk.fall_ill()).page
    address = desk.links.answer_address(page_id, desk.clock.now()).removeprefix(ADDRESS)
    data = address.removeprefix("/a/")
    desk.clock.forward(seconds=ANSWERED_WITHIN.total_seconds() + 1)
    if way == "button":
        assert desk.browser.request("POST", address, content=b"").status_code == 410
    else:
        body = json.dumps({"callback_query": {"id": "1", "data": data}}).encode()
        answer = post(desk, "/hooks/telegram", body, x_telegram_bot_api_secret_token=SHARED)
        assert "answer the newest page" in answer.json()["text"]
    assert waiting(desk.store) == 0


@timed_way
def test_a_stale_webhook_has_no_effect_and_is_said_to_be(desk: Desk, way: str) -> None:
    answer = WAYS[way](desk, last(desk.fall_ill()).page, late=timedelta(hours=1))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "stale")
    assert waiting(desk.store) == 0


@every_way
def test_an_answer_to_a_page_that_worsened_since_has_no_effect(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    page_id = last(episode).page
    desk.clock.forward(minutes=5)
    at = desk.clock.now()
    desk.send(reading("systolic_bp", 70, at=at), reading("spo2", 82, at=at, unit="%"))
    vasopressor = {"type": "treatment", "id": "t1", "source": "emar", "patient": "P1", "drug": "norepinephrine"}
    desk.send(vasopressor | {"action": "started", "effective": at.isoformat()})
    assert desk.crs().level > episode.level
    answer = WAYS[way](desk, page_id)
    assert "answer the newest page" in answer.text
    desk.work()
    assert desk.crs().acknowledged_by == ""


@every_way
def test_an_unknown_page_is_said_to_be(desk: Desk, way: str) -> None:
    desk.fall_ill()
    answer = WAYS[way](desk, "0123456789ab.1")
    assert "No such page" in answer.text
    assert waiting(desk.store) == 0


@every_way
def test_what_somebody_else_has_is_said_to_be(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    body = {"type": "acknowledgement", "id": "a1", "source": "gateway", "patient": "P1", "episode": episode.id}
    desk.send(body | {"by": "consultant-1", "effective": desk.clock.now().isoformat()})
    assert "Somebody else has it" in WAYS[way](desk, last(episode).page).text
    desk.work()
    assert desk.crs().acknowledged_by == "consultant-1"


@every_way
def test_what_is_over_is_said_to_be(desk: Desk, way: str) -> None:
    episode = desk.fall_ill()
    body = {"type": "closure", "id": "c1", "source": "gateway", "patient": "P1", "episode": episode.id, "why": "no"}
    desk.send(body | {"by": PERSON, "effective": desk.clock.now().isoformat()})
    assert "It is over" in WAYS[way](desk, last(episode).page).text


@pytest.mark.parametrize(
    ("way", "name", "by"),
    [
        ("pagerduty", "Bruno Bianchi", "haematologist-2"),
        ("pagerduty", "Somebody Else", PERSON),
        ("opsgenie", "Bianchi@hospital.example", "haematologist-2"),
        ("opsgenie", "", PERSON),
    ],
)
def test_the_person_whom_a_pager_service_names(desk: Desk, way: str, name: str, by: str) -> None:
    WAYS[way](desk, last(desk.fall_ill()).page, name=name)
    desk.work()
    assert desk.crs().acknowledged_by == by


@pytest.mark.parametrize(
    ("way", "more"),
    [
        ("pagerduty", {"agent": "service_reference"}),
        ("pagerduty", {"event": "incident.escalated"}),
        ("opsgenie", {"agent": "API"}),
        ("opsgenie", {"event": "Create"}),
    ],
)
def test_what_no_person_did_answers_nothing(desk: Desk, way: str, more: dict[str, str]) -> None:
    assert WAYS[way](desk, last(desk.fall_ill()).page, **more).json()["outcome"] == "ignored"
    assert waiting(desk.store) == 0


@pytest.mark.parametrize("way", ["twilio", "vonage"])
@pytest.mark.parametrize("more", [{"sender": "+390009999999"}, {"text": "who is this?"}, {"text": "12345"}])
def test_a_text_message_of_another_phone_or_without_the_number(desk: Desk, way: str, more: dict[str, str]) -> None:
    answer = WAYS[way](desk, last(desk.fall_ill()).page, **more)
    assert answer.status_code == 200
    assert "This answers no page" in answer.text
    assert waiting(desk.store) == 0


def test_a_reply_to_a_text_message_is_a_text_message(desk: Desk) -> None:
    answer = by_twilio(desk, last(desk.fall_ill()).page)
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text == "<Response><Message>You have it</Message></Response>"


@signed_way
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"event": 1, "alert": [], "callback_query": ""}'])
def test_whatever_comes_is_answered(desk: Desk, way: str, body: bytes) -> None:
    signature = hmac.new(SHARED.encode(), body, hashlib.sha256).hexdigest()
    named = {"authorization": f"Bearer {SHARED}", "x_telegram_bot_api_secret_token": SHARED}
    answer = post(desk, f"/hooks/{way}", body, x_pagerduty_signature=f"v1={signature}", **named)
    assert answer.status_code in (200, 400, 403)
    assert waiting(desk.store) == 0


def test_a_large_body_is_refused(desk: Desk) -> None:
    assert post(desk, "/hooks/pagerduty", b" " * 70_000).status_code == 413


def test_without_its_secret_a_webhook_does_not_exist(redis: Redis, store: Store, clock: Clock) -> None:
    with Desk(redis, store, clock) as bare:
        for way in ("pagerduty", "opsgenie", "telegram", "vonage"):
            assert post(bare, f"/hooks/{way}", b"{}").status_code == 404
        assert by_twilio(bare, "e7.1").status_code == 403
