"""Rate limits: pages over one wait and go out in one message; critical pages pass; nothing is dropped."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from redis import Redis

from alerts.pages.page import Page
from alerts.state import Effects
from config.site import Channel, Limit, Site
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock
from worker.clock import milliseconds
from worker.delivery import deliver as module
from worker.delivery.channel import MessageContext
from worker.delivery.deliver import Delivered, deliver
from worker.delivery.limits import BUNDLE_LIMIT, ask_limit, count_rate_limited, count_sent, read_limit
from worker.delivery.outcome import Attempt, Outcome
from worker.monitoring.health import examine
from worker.store.codec import Owed, pack
from worker.store.commit import Commit, write
from worker.store.shard import Batch, Store

LIMIT = Limit(pages=3, within=timedelta(minutes=5))
CHANNELS = {name: channel.model_copy(update={"limit": LIMIT}) for name, channel in SITE.on_call.channels.items()}
LIMITED: Site = SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": CHANNELS}))
LATER = NOW + LIMIT.within


class Provider:
    """Takes everything, and remembers which pages came together."""

    def __init__(self) -> None:
        self.outcome = Outcome.SENT
        self.given: list[list[str]] = []

    def send(self, _: Channel, pages: Sequence[Page], __: MessageContext) -> Attempt:
        self.given.append([page.id for page in pages])
        return Attempt(self.outcome)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    standing = Provider()
    monkeypatch.setattr(module, "send", standing.send)
    return standing


def storm(count: int = 8) -> list[Page]:
    """Pages of patients in every shard for one phone."""
    return [page(f"e{number}.1", patient=f"P{number}") for number in range(count)]


def attempt(store: Store, item: Page, at: timedelta = timedelta()) -> Delivered:
    return deliver(store, KEYS.of(item.patient), item.id, Clock(NOW + at), LIMITED, MessageContext())


def left(redis: Redis) -> set[str]:
    return {name.decode() for shard in KEYS.all() for name in redis.hkeys(shard.key("outbox"))}


def full_until(redis: Redis, channel: str, now: datetime) -> datetime | None:
    pipe = redis.pipeline()
    ask_limit(pipe, KEYS, channel, LIMIT, now)
    return read_limit(iter(pipe.execute()), LIMIT).full_until


# -- counting --------------------------------------------------------------------------------------


def test_there_is_room_until_as_many_as_the_limit_were_sent(redis: Redis) -> None:
    for number in range(LIMIT.pages):
        assert full_until(redis, "phone-1", NOW) is None
        count_sent(redis, KEYS, "phone-1", LIMIT, NOW + timedelta(seconds=number))
    assert full_until(redis, "phone-1", NOW + timedelta(seconds=9)) == NOW + LIMIT.within
    assert full_until(redis, "phone-2", NOW) is None


def test_there_is_room_again_when_the_first_is_old_enough(redis: Redis) -> None:
    for number in range(LIMIT.pages):
        count_sent(redis, KEYS, "phone-1", LIMIT, NOW + timedelta(seconds=number))
    assert full_until(redis, "phone-1", LATER - timedelta(milliseconds=1))
    assert full_until(redis, "phone-1", LATER) is None


def test_the_shipped_limit_is_twenty_in_five_minutes() -> None:
    assert Channel(url="json://x").limit == Limit(pages=20, within=timedelta(minutes=5))


# -- a storm ---------------------------------------------------------------------------------------


def test_what_is_over_the_limit_waits_and_is_then_one_message_of_every_shard(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = storm()
    owe(redis, *pages)
    assert [attempt(store, item).outcome for item in pages] == [Outcome.SENT] * 3 + [None] * 5
    assert left(redis) == {item.id for item in pages[3:]}
    found = attempt(store, pages[5], LIMIT.within)
    assert found.outcome is Outcome.SENT
    assert sorted(provider.given[-1]) == [item.id for item in pages[3:]]
    assert len({KEYS.of(item.patient) for item in pages[3:]}) > 1
    assert left(redis) == set()
    for item in pages[3:]:
        assert f'"page":"{item.id}"' in "".join(str(entry) for _, entry in store.stream(KEYS.of(item.patient).inbox))


def test_a_page_that_waits_is_due_when_there_is_room_and_was_not_tried(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = storm(4)
    owe(redis, *pages)
    for item in pages:
        attempt(store, item)
    shard = KEYS.of(pages[3].patient)
    assert redis.zscore(shard.key("due"), pages[3].id) == milliseconds(LATER)
    assert redis.hget(shard.key("outbox"), pages[3].id) == pack(Owed(page=pages[3]))
    assert not redis.exists(shard.page_lease(pages[3].id))
    assert len(provider.given) == 3


def test_a_critical_page_passes_every_limit_and_takes_none_of_those_that_wait_with_it(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = storm(5)
    critical = [page(f"c{number}.1", urgency="critical", patient=f"P{number}") for number in range(4)]
    owe(redis, *pages, *critical)
    for item in pages:
        attempt(store, item)
    assert [attempt(store, item).outcome for item in critical] == [Outcome.SENT] * 4
    assert provider.given[3:] == [[item.id] for item in critical]


@pytest.mark.usefixtures("provider")
def test_a_storm_on_one_channel_holds_up_no_other(redis: Redis, store: Store) -> None:
    pages = [*storm(5), page("other.1", channel="phone-2")]
    owe(redis, *pages)
    assert attempt(store, pages[-1]).outcome is Outcome.SENT


def test_a_bundle_that_fails_is_owed_as_a_whole_and_reported_for_each(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = storm(6)
    owe(redis, *pages)
    for item in pages:
        attempt(store, item)
    provider.outcome = Outcome.TEMPORARY
    attempt(store, pages[3], LIMIT.within)
    assert left(redis) == {item.id for item in pages[3:]}
    receipts = [str(fields) for shard in KEYS.all() for _, fields in store.stream(shard.inbox)]
    assert sum('"outcome":"failed"' in item for item in receipts) == 3
    provider.outcome = Outcome.SENT
    attempt(store, pages[4], LIMIT.within + timedelta(seconds=2))
    assert provider.given[-1] == provider.given[-2] == [item.id for item in pages[3:]]
    assert left(redis) == set()


def test_a_page_that_was_cancelled_while_it_waited_is_not_reported(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = storm(6)
    owe(redis, *pages)
    for item in pages:
        attempt(store, item)
    pipe = redis.pipeline()
    changes = Commit(effects=Effects(cancelled=[pages[4].id]))
    write(store, pipe, Batch(KEYS.of(pages[4].patient), "", [], []), changes, NOW)
    pipe.execute()
    attempt(store, pages[3], LIMIT.within)
    assert provider.given[-1] == [pages[3].id, pages[5].id]


def test_a_message_has_an_end(redis: Redis, store: Store, provider: Provider) -> None:
    pages = storm(BUNDLE_LIMIT + 20)
    owe(redis, *pages)
    for item in pages:
        attempt(store, item)
    attempt(store, pages[3], LIMIT.within)
    assert len(provider.given[-1]) == BUNDLE_LIMIT
    attempt(store, next(item for item in pages if item.id in left(redis)), LIMIT.within)
    assert left(redis) == set()


@pytest.mark.usefixtures("provider")
def test_how_many_wait_can_be_seen(redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.monitoring.health._store", lambda _: [])
    pages = storm(6)
    owe(redis, *pages)
    for item in pages:
        attempt(store, item)
    assert count_rate_limited(redis, KEYS, ["phone-1", "phone-2"]) == {"phone-1": 3}
    [check] = [check for check in examine(store, NOW, ["phone-1"]) if check.part == "rate limited"]
    assert (check.well, check.seen) == (True, "3 page(s) for phone-1")
    redis.hdel(KEYS.of(pages[5].patient).key("outbox"), pages[5].id)
    assert count_rate_limited(redis, KEYS, ["phone-1", "phone-2"]) == {"phone-1": 2}


# -- busy ------------------------------------------------------------------------------------------


def test_a_page_that_finds_its_channel_busy_is_next_when_the_other_is_done(
    redis: Redis, store: Store, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = storm(2)
    owe(redis, first, second)
    meanwhile: list[Delivered] = []

    def slow(*_: object) -> Attempt:
        monkeypatch.setattr(module, "send", provider.send)
        meanwhile.append(attempt(store, second))
        return Attempt(Outcome.SENT)

    monkeypatch.setattr(module, "send", slow)
    done = attempt(store, first)
    assert [item.outcome for item in meanwhile] == [None]
    assert done.outcome is Outcome.SENT
    assert provider.given == [[second.id]]
    assert [item.id for item in done.sent] == [first.id, second.id]
    assert done.following is None
    assert left(redis) == set()


def test_after_a_failure_nobody_is_sent_after_it(redis: Redis, store: Store, provider: Provider) -> None:
    first, second = storm(2)
    owe(redis, first, second)
    provider.outcome = Outcome.UNKNOWN
    assert attempt(store, first).following is None
