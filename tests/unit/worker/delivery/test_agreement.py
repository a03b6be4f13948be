"""A page made under a newer configuration than the sender's: looked at again, left to others, and never lost."""

from collections.abc import Callable

import pytest
from redis import Redis

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT, Fault
from alerts.pages.page import Page
from alerts.wording.phrase import Phrase
from config.site import Channel, Site
from tests.support.delivery import FakeProvider, Sender, begun, fake_provider, receipts
from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, send
from tests.support.wording import english
from worker.clock import milliseconds
from worker.delivery.agreement import RETRY_BEHIND_AFTER, WAITS_FOR_NEWER_CONFIG, owing
from worker.monitoring.watchdog import enqueue_emergency_page
from worker.processing.advance import advance
from worker.store.channel_queues import enqueue
from worker.store.codec import Owed, unpack_owed
from worker.store.shard import Store

SHARD = KEYS.of("P1")
PARTITION = KEYS.partition_of("phone-1")


def site_with(written: int, **channels: Channel | None) -> Site:
    """The shipped site as it stood at a time, with other channels or without some."""
    named = {name.replace("_", "-"): channel for name, channel in channels.items()}
    known = {name: channel for name, channel in {**SITE.on_call.channels, **named}.items() if channel is not None}
    return SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": known}), written=written)


OLD = site_with(1000)
NEW = site_with(2000, phone_1=Channel(url="json://127.0.0.1:9/new"))
WITHOUT = site_with(1000, phone_1=None)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    return fake_provider(monkeypatch)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def deliver(store: Store, clock: Clock) -> Callable[[Site], None]:
    """Deliver as a process with a configuration does; another may follow it."""
    return lambda site: Sender(store, site, clock).deliver()


def owe(redis: Redis, site: Site, *pages: Page) -> None:
    pipe = redis.pipeline()
    for item in pages:
        enqueue(pipe, KEYS, SHARD, owing(item, site), NOW)
    pipe.execute()


def faults(store: Store) -> list[Fault]:
    entries = store.stream(KEYS.of(SITE_SUBJECT).inbox)
    return [found for _, fields in entries if isinstance(found := read_message(fields[b"m"]), Fault)]


def test_the_outbox_says_under_which_version_of_the_channel_a_page_was_made(store: Store) -> None:
    send(store, crs2())
    advance(store, SHARD, Clock(), NEW)
    assert {(item.address, item.written) for item in owed(store)} == {(owing(page(), NEW).address, 2000)}
    enqueue_emergency_page(store, NEW, Phrase("it stands still"), NOW)
    packed = store.redis.hvals(KEYS.of(SITE_SUBJECT).key("outbox"))
    assert 2000 in {unpack_owed(item).written for item in packed}, "the watchdog's too"


def test_a_sender_that_is_behind_looks_before_it_sends(store: Store, provider: FakeProvider) -> None:
    owe(store.redis, NEW, page())
    Sender(store, OLD, newest=lambda: NEW).deliver()
    assert provider.urls[0].endswith("/new")
    assert faults(store) == []


@pytest.mark.parametrize("behind", [OLD, WITHOUT])
def test_a_page_is_left_to_a_sender_that_has_the_newer_configuration(
    store: Store, clock: Clock, provider: FakeProvider, behind: Site
) -> None:
    owe(store.redis, NEW, page())
    sender = Sender(store, behind, clock)
    sender.deliver()
    assert (provider.ids, receipts(store), faults(store)) == ([], [], [])
    assert begun(store.redis) == {}
    assert not store.redis.exists(PARTITION.lease), "another may have the partition"
    packed = store.redis.hget(SHARD.key("outbox"), "e7.1")
    assert packed is not None
    waiting = Owed(page=page(), address=owing(page(), NEW).address, written=2000, behind_since=milliseconds(NOW))
    assert unpack_owed(packed) == waiting
    clock.at += RETRY_BEHIND_AFTER
    Sender(store, NEW, clock).deliver()
    assert provider.urls == ["json://127.0.0.1:9/new"]


def test_where_nobody_has_the_newer_it_is_sent_all_the_same_and_said(
    store: Store, clock: Clock, provider: FakeProvider, deliver: Callable[[Site], None]
) -> None:
    owe(store.redis, NEW, page())
    while clock.at < NOW + WAITS_FOR_NEWER_CONFIG:
        deliver(OLD)
        clock.at += RETRY_BEHIND_AFTER
    assert provider.ids == []
    deliver(OLD)
    assert provider.urls == [OLD.on_call.channels["phone-1"].url]
    [fault] = faults(store)
    assert "is older than the one pages are made under" in english(fault.what)
    assert "phone-1" in english(fault.what)


def test_a_channel_that_only_the_newer_knows_is_tried_again_and_the_next_channel_used(
    store: Store, clock: Clock, provider: FakeProvider, deliver: Callable[[Site], None]
) -> None:
    owe(store.redis, NEW, page())
    deliver(WITHOUT)
    clock.at += WAITS_FOR_NEWER_CONFIG
    deliver(WITHOUT)
    assert [(receipt.outcome, english(receipt.detail)) for receipt in receipts(store)] == [
        ("failed", "this machine's configuration is older and does not know the channel")
    ]
    clock.forward(minutes=1)
    deliver(NEW)
    assert provider.urls == ["json://127.0.0.1:9/new"]


def test_a_page_made_under_an_older_one_goes_to_the_address_of_today(
    store: Store, provider: FakeProvider, deliver: Callable[[Site], None]
) -> None:
    owe(store.redis, OLD, page())
    deliver(NEW)
    assert provider.urls == ["json://127.0.0.1:9/new"]


def test_a_channel_that_was_taken_out_is_said_to_be_gone(store: Store, deliver: Callable[[Site], None]) -> None:
    owe(store.redis, OLD, page())
    deliver(WITHOUT._replace(written=3000))
    assert [receipt.outcome for receipt in receipts(store)] == ["undeliverable"]


def test_where_the_address_is_the_same_nothing_is_looked_at_again(store: Store, provider: FakeProvider) -> None:
    """The rota of the newer one differs, which the evaluation has seen to."""

    def look() -> Site:
        raise AssertionError

    owe(store.redis, OLD._replace(written=5000), page())
    Sender(store, OLD, newest=look).deliver()
    assert len(provider.ids) == 1


def test_a_page_for_a_newer_sender_leaves_the_others_of_its_bundle_to_us(
    store: Store, clock: Clock, provider: FakeProvider, deliver: Callable[[Site], None]
) -> None:
    limited = {"limit": {"pages": 1, "within": "1 min"}}
    old = site_with(1000, phone_1=Channel(url="json://127.0.0.1:9/old", **limited))
    new = site_with(2000, phone_1=Channel(url="json://127.0.0.1:9/new", **limited))
    owe(store.redis, old, page("e1.1"))
    owe(store.redis, new, page("e2.1"))
    owe(store.redis, old, page("e3.1"))
    deliver(old)
    assert provider.given == [["e1.1", "e3.1"]]
    clock.forward(minutes=2)
    deliver(new)
    assert provider.given[1:] == [["e2.1"]]
    assert provider.urls[-1] == "json://127.0.0.1:9/new"
