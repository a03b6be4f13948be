"""What rings on at a provider: an answer there is one here, and an answer here ends the ring there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from config.settings import Settings
from config.site import Site
from tests.support.desk import PERSON
from tests.support.pages import page
from tests.support.provider_stub import ProviderStub
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, send
from worker.delivery import follow
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.process import DeliveryProcess
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store.shard import Store

RECEIPT = "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy"
SENT = Attempt(Outcome.SENT, provider_id=RECEIPT)


def pushover() -> Site:
    on_call = SITE.on_call.model_dump()
    on_call["channels"]["phone-1"]["url"] = f"pover://{'u' * 30}@{'a' * 30}"
    return SITE._replace(on_call=type(SITE.on_call).model_validate(on_call))


def ringing(service: str) -> Site:
    """The same site with another service."""
    on_call = SITE.on_call.model_dump()
    urls = {"pagerduty": "pagerduty://integration@apikey", "opsgenie": f"opsgenie://{'a' * 36}"}
    on_call["channels"]["phone-1"]["url"] = urls[service]
    return SITE._replace(on_call=type(SITE.on_call).model_validate(on_call))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        stub.stand_in(monkeypatch)
        yield stub


class Ring:
    """A patient whose page rings at Pushover."""

    def __init__(self, store: Store, clock: Clock, site: Site | None = None) -> None:
        self.run = Runtime(Settings(), site or pushover(), store, clock)
        self.send(*crs2("P1", NOW))
        self.page = self.episode.deliveries[0].page
        follow.begin(self.run, page(self.page), SENT)

    @property
    def episode(self) -> Any:
        state = self.run.store.state("P1")
        assert state is not None
        return state.episodes["crs"]

    def send(self, *bodies: Any) -> None:
        send(self.run.store, bodies, self.run.clock.now())
        self.work()

    def work(self) -> None:
        for _ in range(3):
            for shard in KEYS.all():
                advance(self.run.store, shard, self.run.clock, self.run.site)

    @property
    def followed(self) -> bool:
        return bool(self.run.store.redis.exists(KEYS.followed))


@pytest.fixture
def ring(store: Store, clock: Clock) -> Ring:
    return Ring(store, clock)


def test_only_what_rings_on_is_followed() -> None:
    channels = pushover().on_call.channels
    assert follow.is_followed(channels["phone-1"], page(), SENT)
    assert not follow.is_followed(channels["phone-1"], page(), Attempt(Outcome.SENT)), "only an emergency has a receipt"
    assert not follow.is_followed(channels["phone-1"], page(reason="resolved"), SENT)
    assert not follow.is_followed(channels["phone-2"], page(), SENT)
    assert not follow.is_followed(None, page(), SENT)
    for service in ALERTS:
        assert follow.is_followed(ringing(service).on_call.channels["phone-1"], page(), Attempt(Outcome.SENT))


def test_a_page_that_was_sent_is_followed_by_the_process_that_sent_it(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeliveryProcess, "aside", lambda _, job: job())
    monkeypatch.setattr("worker.delivery.process.threading.Thread.start", lambda _: None)
    ring.run.store.redis.delete(KEYS.followed)
    woken: list[Any] = []
    process = DeliveryProcess(ring.run, woken.append)
    process._after(page(ring.page, assessed_at=None), SENT)
    assert ring.followed
    monkeypatch.setattr(follow, "follow", lambda _: ["a shard"])
    process.follow()
    assert woken == [["a shard"]]


ALERTS = {
    "pagerduty": ("events.pagerduty.com", "/v2/enqueue"),
    "opsgenie": ("api.opsgenie.com", "/v2/alerts/{page}/{action}"),
}


@pytest.mark.parametrize("service", sorted(ALERTS))
@pytest.mark.parametrize(("answer", "action"), [("acknowledgement", "acknowledge"), ("closure", "resolve")])
def test_an_answer_here_is_reported_to_a_pager_service(
    provider: ProviderStub, store: Store, clock: Clock, service: str, answer: str, action: str
) -> None:
    provider.status = 202
    ring = Ring(store, clock, ringing(service))
    assert follow.follow(ring.run) == []
    assert provider.asked == [], "nothing is asked of it: its answers come by webhook"
    body = {"type": answer, "id": "a1", "source": "gateway", "patient": "P1", "by": PERSON}
    more = {"why": "no"} if answer == "closure" else {}
    ring.send(body | more | {"episode": ring.episode.id, "effective": NOW.isoformat()})
    follow.follow(ring.run)
    (asked,) = provider.asked
    host, path = ALERTS[service]
    named = "close" if action == "resolve" else action
    assert (asked.method, asked.host, asked.path) == ("POST", host, path.format(page=ring.page, action=named))
    if service == "pagerduty":
        assert asked.json == {"routing_key": "integration", "event_action": action, "dedup_key": ring.page}
    else:
        assert asked.query == {"identifierType": "alias"}
        assert asked.headers["Authorization"] == f"GenieKey {'a' * 36}"
    assert not ring.followed


def test_a_tap_is_an_acknowledgement(provider: ProviderStub, ring: Ring) -> None:
    provider.answer = {"status": 1, "acknowledged": 1, "acknowledged_at": int(NOW.timestamp()), "expired": 0}
    assert follow.follow(ring.run) == [KEYS.of("P1")]
    (asked,) = provider.asked
    assert (asked.method, asked.host, asked.path) == ("GET", "api.pushover.net", f"/1/receipts/{RECEIPT}.json")
    assert asked.query == {"token": "a" * 30}
    ring.work()
    assert ring.episode.acknowledged_by == PERSON
    assert not ring.followed


def test_until_a_tap_it_is_asked_again(provider: ProviderStub, ring: Ring) -> None:
    provider.answer = {"status": 1, "acknowledged": 0, "expired": 0}
    for _ in range(2):
        assert follow.follow(ring.run) == []
    assert len(provider.asked) == 2
    assert ring.followed


def test_an_acknowledgement_here_ends_the_ring(provider: ProviderStub, ring: Ring) -> None:
    body = {"type": "acknowledgement", "id": "a1", "source": "gateway", "patient": "P1", "by": "consultant-1"}
    ring.send(body | {"episode": ring.episode.id, "effective": NOW.isoformat()})
    assert follow.follow(ring.run) == []
    (asked,) = provider.asked
    assert (asked.method, asked.path) == ("POST", f"/1/receipts/{RECEIPT}/cancel.json")
    assert asked.form == {"token": "a" * 30}
    assert not ring.followed


def test_what_is_over_ends_the_ring(provider: ProviderStub, ring: Ring) -> None:
    body = {"type": "closure", "id": "c1", "source": "gateway", "patient": "P1", "by": PERSON, "why": "no"}
    ring.send(body | {"episode": ring.episode.id, "effective": NOW.isoformat()})
    follow.follow(ring.run)
    assert provider.asked[0].path.endswith("/cancel.json")


@pytest.mark.parametrize("status", [500, 429])
def test_while_pushover_fails_it_is_asked_again(provider: ProviderStub, ring: Ring, status: int) -> None:
    provider.status = status
    assert follow.follow(ring.run) == []
    assert ring.followed


@pytest.mark.parametrize("status", [404])
def test_a_receipt_that_pushover_does_not_know_is_dropped(provider: ProviderStub, ring: Ring, status: int) -> None:
    provider.status = status
    follow.follow(ring.run)
    assert not ring.followed


def test_an_expired_ring_is_dropped(provider: ProviderStub, ring: Ring) -> None:
    provider.answer = {"status": 1, "acknowledged": 0, "expired": 1}
    follow.follow(ring.run)
    assert not ring.followed


def test_after_its_time_nothing_is_asked(provider: ProviderStub, ring: Ring, clock: Clock) -> None:
    clock.forward(seconds=follow.FOLLOWED_FOR["pover"].total_seconds())
    follow.follow(ring.run)
    assert provider.asked == []
    assert not ring.followed


def test_a_record_that_cannot_be_read_is_dropped(provider: ProviderStub, ring: Ring, redis: Redis) -> None:
    redis.hset(KEYS.followed, ring.page, json.dumps(["x"]))
    follow.follow(ring.run)
    assert provider.asked == []
    assert not ring.followed
