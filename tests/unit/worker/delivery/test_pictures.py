"""What a delivery process needs of its installation: links in pages, and the picture that follows one."""

import logging
import re
from datetime import timedelta

import pytest
from redis import Redis

from alerts.pages.page import Page
from config.settings import Settings
from config.site import Site
from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, send
from worker.delivery.agreement import mark
from worker.delivery.pictures import message_context, send_trend, wants_picture
from worker.links import links_of
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.standalone.fake_phone import FakePhone
from worker.store.shard import Store

ADDRESS = mark(SITE.on_call.channels["phone-1"])


def run(store: Store, site: Site = SITE, **settings: object) -> Runtime:
    return Runtime(Settings(**settings), site, store, Clock())


def pictured() -> Site:
    """The shipped site, whose first phone is sent pictures though it is only a receiver."""
    channels = SITE.on_call.channels
    phone = channels["phone-1"].model_copy(update={"picture": True})
    return SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": {**channels, "phone-1": phone}}))


def test_without_a_public_address_there_is_no_link(store: Store) -> None:
    assert message_context(run(store)).link(page()) == ""


def test_a_link_is_for_one_page_and_one_person(redis: Redis, store: Store) -> None:
    made = run(store, public_url="https://cartwatch.example", secret="s" * 32)
    link = message_context(made).link(page())
    assert link.startswith("https://cartwatch.example/p/")
    claims = links_of(redis, KEYS, made.settings, "https://cartwatch.example").read(link.rpartition("/")[2], NOW)
    assert (claims.page, claims.episode, claims.person) == ("e7.1", "e7", "haematologist-1")


def test_a_test_page_has_no_link(store: Store) -> None:
    made = run(store, public_url="https://cartwatch.example", secret="s" * 32)
    assert message_context(made).link(page(episodes=())) == ""


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [(page(), True), (page(urgency="low"), False), (page(channel="phone-2"), False), (page(channel="gone"), False)],
)
def test_a_picture_is_wanted_where_the_channel_takes_it(store: Store, shown: Page, wanted: bool) -> None:
    assert wants_picture(run(store, pictured()), shown) is wanted


@pytest.fixture
def sent_page(store: Store) -> str:
    send(store, crs2())
    advance(store, KEYS.of("P1"), Clock(), SITE)
    return owed(store)[0].page.id


def test_the_trend_of_the_pages_patient_arrives_with_its_words(
    store: Store, sent_page: str, caplog: pytest.LogCaptureFixture
) -> None:
    with FakePhone() as receiver, caplog.at_level(logging.INFO):
        send_trend(run(store, pictured(), receiver_url=receiver.url), sent_page, "phone-1", ADDRESS, NOW)
        [arrived] = receiver.received
    assert arrived.attachments == ("trend.png",)
    assert "temperature: last 38.9 °C" in arrived.body
    for secret in ("P1", "38.9", "HAEM-2"):
        assert secret not in caplog.text


def in_italian(site: Site, person: str) -> Site:
    """A site of which one person reads Italian."""
    people = {**site.on_call.people, person: site.on_call.people[person].model_copy(update={"language": "it"})}
    return site._replace(on_call=site.on_call.model_copy(update={"people": people}))


def test_the_trend_is_in_the_language_of_whoever_the_page_went_to(store: Store, sent_page: str) -> None:
    with FakePhone() as receiver:
        send_trend(
            run(store, in_italian(pictured(), "haematologist-1"), receiver_url=receiver.url),
            sent_page,
            "phone-1",
            ADDRESS,
            NOW,
        )
        [arrived] = receiver.received
    assert "temperatura: ultimo valore 38.9 °C" in arrived.body


def test_a_picture_ends_as_the_page_was_assessed_whenever_it_is_drawn(store: Store, sent_page: str) -> None:
    """The pressure of 84 holds for 12 h: drawn a day later the strip ended in 1, under a page of CRS 2."""
    assessed = owed(store)[0].page.assessed_at
    assert assessed is not None
    with FakePhone() as receiver:
        late = Runtime(Settings(receiver_url=receiver.url), pictured(), store, Clock(NOW + timedelta(hours=30)))
        send_trend(late, sent_page, "phone-1", ADDRESS, assessed)
        [arrived] = receiver.received
    day = owed(store)[0].page.day
    assert arrived.title == f"Trend: HAEM-2/12  D{day:+d}"
    grades = next(line for line in arrived.body.splitlines() if line.startswith("CRS grade:"))
    assert re.search(r"2 from [^,]*\.$", grades)


@pytest.mark.parametrize(("channel", "over"), [("phone-2", False), ("phone-1", True)])
def test_a_picture_goes_only_where_its_page_went(store: Store, sent_page: str, channel: str, over: bool) -> None:
    if over:
        episode = sent_page.rpartition(".")[0]
        closure = {"type": "closure", "id": "c", "source": "gateway", "patient": "P1", "effective": NOW.isoformat()}
        closed = {"episode": episode, "by": "haematologist-1", "verdict": "false_alarm", "why": "x"}
        send(store, [closure | closed])
        advance(store, KEYS.of("P1"), Clock(), SITE)
    site = pictured()
    channels = {name: one.model_copy(update={"picture": True}) for name, one in site.on_call.channels.items()}
    site = site._replace(on_call=site.on_call.model_copy(update={"channels": channels}))
    with FakePhone() as receiver:
        send_trend(
            run(store, site, receiver_url=receiver.url), sent_page, channel, mark(site.on_call.channels[channel]), NOW
        )
        assert receiver.attempts == []


def test_a_picture_that_does_not_get_through_changes_nothing(store: Store, sent_page: str) -> None:
    before = store.redis.hgetall(KEYS.of("P1").key("outbox")), store.redis.xlen(KEYS.of("P1").inbox)
    with FakePhone() as receiver:
        receiver.behave("/phone-1", status=503)
        send_trend(run(store, pictured(), receiver_url=receiver.url), sent_page, "phone-1", ADDRESS, NOW)
        assert len(receiver.attempts) == 1
    assert (store.redis.hgetall(KEYS.of("P1").key("outbox")), store.redis.xlen(KEYS.of("P1").inbox)) == before


def test_a_picture_goes_nowhere_but_where_its_page_went(store: Store, sent_page: str) -> None:
    with FakePhone() as receiver:
        other = mark(SITE.on_call.channels["phone-2"])
        send_trend(run(store, pictured(), receiver_url=receiver.url), sent_page, "phone-1", other, NOW)
        assert receiver.attempts == []


@pytest.mark.parametrize(("page_id", "channel"), [("nobody.1", "phone-1"), (None, "gone")])
def test_nothing_is_drawn_for_nobody_and_nowhere(
    store: Store, sent_page: str, page_id: str | None, channel: str
) -> None:
    with FakePhone() as receiver:
        send_trend(run(store, pictured(), receiver_url=receiver.url), page_id or sent_page, channel, ADDRESS, NOW)
        assert receiver.attempts == []
