"""The guarantees of delivery, each with a test that names it: sent once, begun first, repeated under the same id."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from alerts.state import Effects
from alerts.wording.phrase import Phrase, phrase
from config.site import Channel, Limit, Site
from tests.support.delivery import FakeProvider, Sender, begun, die_while_sending, fake_provider, owed_ids, receipts
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, send
from tests.support.wording import english
from worker.delivery.deliver import SENDS_AT_ONCE
from worker.delivery.outcome import Attempt, Outcome
from worker.processing.advance import advance
from worker.store import backlog, delivery_trip, schema
from worker.store.channel_queues import count_rate_limited
from worker.store.codec import Owed, unpack_owed
from worker.store.commit import Commit, write
from worker.store.delivery_trip import BUNDLE_LIMIT
from worker.store.keys import PARTITIONS
from worker.store.shard import Batch, Store

POLICY = SITE.on_call.delivery
FAILED = Attempt(Outcome.TEMPORARY, phrase("the provider answered {n}", n=503))
REFUSED = Attempt(Outcome.PERMANENT, phrase("the provider answered {n}", n=404))
UNKNOWN = Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
PARTITION = KEYS.partition_of("phone-1")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    return fake_provider(monkeypatch)


@pytest.fixture
def sender(store: Store) -> Sender:
    return Sender(store)


def outcomes(store: Store) -> list[tuple[str, str]]:
    return sorted((receipt.page, receipt.outcome) for receipt in receipts(store))


def cancel(store: Store, page_id: str, patient: str = "P1") -> None:
    pipe = store.redis.pipeline()
    changes = Commit(effects=Effects(cancelled=[page_id]))
    write(store, pipe, Batch(KEYS.of(patient), "", [], []), changes, NOW)
    pipe.execute()


def left(store: Store, page_id: str = "e7.1", patient: str = "P1") -> Owed:
    packed = store.redis.hget(KEYS.of(patient).key("outbox"), page_id)
    assert packed is not None
    return unpack_owed(packed)


# -- sent ------------------------------------------------------------------------------------------


def test_a_page_that_was_sent_is_no_longer_owed_and_its_episode_hears_of_it(
    store: Store, sender: Sender, provider: FakeProvider
) -> None:
    send(store, crs2())
    advance(store, KEYS.of("P1"), Clock(), SITE)
    [item] = owed(store)
    sender.deliver()
    assert provider.ids.count(item.page.id) == 1
    assert owed(store) == []
    advance(store, KEYS.of("P1"), Clock(), SITE)
    state = store.state("P1")
    assert state is not None
    assert state.episodes["crs"].pending == ()
    sender.deliver()
    assert provider.ids.count(item.page.id) == 1


def test_a_page_stands_as_begun_before_its_send_and_is_gone_after_it(
    redis: Redis, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page())
    seen: list[dict[str, bytes]] = []
    provider.meanwhile["e7.1"] = lambda: seen.append(begun(redis))
    sender.deliver()
    assert seen == [{"e7.1": b"1 queue:phone-1"}]
    assert begun(redis) == {}
    assert not redis.exists(PARTITION.lease, PARTITION.agenda)


def trips_of(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    made: list[int] = []
    original = delivery_trip.make_trips
    monkeypatch.setattr(delivery_trip, "make_trips", lambda *given: made.append(1) or original(*given))
    act()
    monkeypatch.setattr(delivery_trip, "make_trips", original)
    return len(made)


def test_a_page_alone_costs_two_round_trips_and_in_a_row_on_several_channels_less_than_one(
    redis: Redis, sender: Sender, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each sends as long as the slowest, as phones do; nobody looks again meanwhile.
    monkeypatch.setattr(sender, "_gather", lambda _: _gather_all(sender))
    schema.record_version(redis, KEYS)
    owe(redis, page())
    sender.wake(PARTITION.number)
    assert trips_of(monkeypatch, sender.until_idle) == 2
    rows = [page(f"e{number}.{channel}", channel=f"phone-{channel}") for number in range(9) for channel in (1, 2, 3)]
    owe(redis, *rows)
    assert trips_of(monkeypatch, sender.deliver) < len(rows)
    assert len(provider.ids) == 1 + len(rows)


def _gather_all(sender: Sender) -> None:
    for _ in range(max(1, sum(len(run.busy) for run in sender._runs.values()))):
        sender._take(sender._events.get(timeout=10))


def test_a_page_whose_record_a_failover_lost_is_sent_again_at_once(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    """The new primary has the store of the moment before: a lease that was released since, and a page under way."""
    copied: dict[bytes, bytes] = {}
    owe(redis, page("e7.1"), page("e8.1"))
    provider.meanwhile["e7.1"] = lambda: copied.update({key: redis.dump(key) for key in redis.scan_iter()})
    sender.deliver()
    redis.flushall()
    for key, value in copied.items():
        redis.restore(key, 0, value)
    store.redis.primary = ("another", 6379)  # type: ignore[attr-defined]
    sender.deliver()
    assert provider.ids == ["e7.1", "e8.1", "e7.1", "e8.1"]


def test_critical_pages_have_a_queue_of_their_own_and_wait_for_no_lesser_one(
    redis: Redis, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page("low.1"), page("low.2"), page("critical.1", urgency="critical"))
    provider.meanwhile["low.1"] = lambda: _until(lambda: "critical.1" in provider.ids)
    sender.deliver()
    assert sorted(provider.ids[:2]) == ["critical.1", "low.1"]
    assert provider.ids[2:] == ["low.2"]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_channel_that_hangs_holds_its_own_thread_only(redis: Redis, sender: Sender, provider: FakeProvider) -> None:
    owe(redis, page("hangs.1"), page("behind.1"), *(page(f"e{n}.1", channel="phone-2") for n in range(5)))
    provider.meanwhile["hangs.1"] = lambda: _until(lambda: "e4.1" in provider.ids)
    sender.deliver()
    assert provider.ids.index("behind.1") == len(provider.ids) - 1


def test_a_page_that_becomes_owed_while_a_channel_hangs_does_not_wait_for_it(
    redis: Redis, sender: Sender, provider: FakeProvider
) -> None:
    """Nobody wakes us: the partition has an owner, which looks by itself."""
    owe(redis, page("hangs.1"))

    def meanwhile() -> None:
        owe(redis, page("later.1", urgency="critical"))
        _until(lambda: "later.1" in provider.ids)

    provider.meanwhile["hangs.1"] = meanwhile
    sender.deliver()
    assert provider.ids == ["hangs.1", "later.1"]


def test_quick_sends_under_way_are_few_so_that_a_kill_repeats_few(
    redis: Redis, store: Store, provider: FakeProvider
) -> None:
    names = [f"phone-{number}" for number in range(30)]
    channels = {**SITE.on_call.channels, **dict.fromkeys(names, Channel(url="json://any"))}
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": channels}))
    owe(redis, *(page(f"{name}.1", channel=name) for name in names))
    seen: list[int] = []
    for name in names:
        provider.meanwhile[f"{name}.1"] = lambda: (time.sleep(0.02), seen.append(len(begun(redis))))
    Sender(store, site).deliver()
    assert len(provider.ids) == len(names)
    # Each partition that is looked at gets an equal part of the room, rounded up.
    assert SENDS_AT_ONCE <= max(seen) < SENDS_AT_ONCE + PARTITIONS


# -- failed ----------------------------------------------------------------------------------------


def test_a_failure_is_recorded_reported_once_and_tried_again_under_the_same_id(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page())
    provider.answers["e7.1"] = FAILED
    for number, wait in enumerate(POLICY.retry_backoff[:3], 1):
        sender.deliver()
        assert left(store).attempts == number
        sender.deliver()
        assert len(provider.ids) == number, "not before it is due"
        sender.clock.at += wait
    del provider.answers["e7.1"]
    sender.deliver()
    assert provider.ids == ["e7.1"] * 4
    assert outcomes(store) == [("e7.1", "failed"), ("e7.1", "sent")]
    sender.all_woken.wait(10)
    assert sender.woken == [KEYS.of("P1").number], "the evaluation hears of the first failure at once"


def test_an_undeliverable_page_is_reported_once_and_still_tried(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page())
    provider.answers["e7.1"] = REFUSED
    for _ in range(3):
        sender.deliver()
        sender.clock.at += POLICY.retry_backoff[-1]
    assert len(provider.ids) == 3
    assert outcomes(store) == [("e7.1", "undeliverable")]


def test_a_channel_that_is_no_longer_configured_is_reported_not_lost(
    redis: Redis, store: Store, provider: FakeProvider
) -> None:
    owe(redis, page(channel="pigeon"))
    Sender(store).deliver()
    [receipt] = receipts(store)
    assert (receipt.outcome, english(receipt.detail)) == ("undeliverable", "the channel is no longer configured")
    assert owed_ids(redis) == {"e7.1"}
    assert provider.ids == []


def test_what_is_logged_names_no_patient(
    redis: Redis, sender: Sender, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    owe(redis, page())
    provider.answers["e7.1"] = FAILED
    with caplog.at_level(logging.INFO):
        sender.deliver()
    assert "page e7.1 on phone-1: temporary" in caplog.text
    assert not any(word in caplog.text for word in ("P1", "HAEM", "38.9"))


# -- cancelled -------------------------------------------------------------------------------------


def test_a_cancelled_page_is_not_sent(redis: Redis, store: Store, sender: Sender, provider: FakeProvider) -> None:
    owe(redis, page("e1.1"), page("e2.1"), page("e3.1"))
    provider.meanwhile["e1.1"] = lambda: cancel(store, "e2.1")
    sender.deliver()
    assert provider.ids == ["e1.1", "e3.1"]
    assert not redis.exists(KEYS.queue("queue:phone-1"), PARTITION.begun)


@pytest.mark.parametrize(("answer", "receipts"), [(FAILED, []), (Attempt(Outcome.SENT), [("e7.1", "sent")])])
def test_a_page_cancelled_while_it_is_sent_is_not_brought_back(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider, answer: Attempt, receipts: list[object]
) -> None:
    owe(redis, page())
    provider.answers["e7.1"] = answer
    provider.meanwhile["e7.1"] = lambda: cancel(store, "e7.1")
    sender.deliver()
    assert owed_ids(redis) == set()
    assert not redis.exists(KEYS.queue("queue:phone-1"), PARTITION.agenda, PARTITION.begun)
    assert outcomes(store) == receipts


# -- dead and late senders -------------------------------------------------------------------------


def test_the_page_of_a_sender_that_died_is_sent_again_under_its_id_once_its_lease_is_gone(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page())
    lease = die_while_sending(store, sender.clock)
    sender.deliver()
    assert provider.ids == [], "another has the lease"
    assert 0 < redis.pttl(PARTITION.lease) <= POLICY.lease / timedelta(milliseconds=1)
    lease.release(redis)
    sender.deliver()
    assert provider.ids == ["e7.1"]
    assert begun(redis) == {}


def test_a_page_over_which_senders_die_is_reported_as_unknown_before_it_is_tried_again(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page())
    reported: list[list[tuple[str, str]]] = []
    provider.answers["e7.1"] = FAILED
    provider.meanwhile["e7.1"] = lambda: reported.append(outcomes(store))
    for _ in range(2):
        die_while_sending(store, sender.clock).release(redis)
    sender.deliver()
    assert reported == [[("e7.1", "unknown")]]
    assert outcomes(store) == [("e7.1", "unknown")], "a failure is no news after that"
    assert left(store).attempts == 3


def test_one_death_is_no_news(redis: Redis, store: Store, sender: Sender, provider: FakeProvider) -> None:
    owe(redis, page())
    die_while_sending(store, sender.clock).release(redis)
    provider.answers["e7.1"] = FAILED
    sender.deliver()
    assert outcomes(store) == [("e7.1", "failed")]
    assert left(store).attempts == 2


def test_who_lost_the_lease_records_no_failure_and_may_still_record_what_was_sent(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page("fails.1"), page("arrives.1", channel="phone-2"))
    provider.answers["fails.1"] = FAILED
    for id, channel in (("fails.1", "phone-1"), ("arrives.1", "phone-2")):
        lease = KEYS.partition_of(channel).lease
        provider.meanwhile[id] = lambda lease=lease: redis.set(lease, "another")
    sender.deliver()
    assert outcomes(store) == [("arrives.1", "sent")]
    assert left(store, "fails.1") == Owed(page=page("fails.1"))
    assert redis.get(PARTITION.lease) == b"another"


# -- the store away --------------------------------------------------------------------------------


@pytest.fixture
def outage(redis: Redis) -> Callable[[bool], None]:
    def reachable(is_there: bool) -> None:
        redis.connection_pool.connection_kwargs["server"].connected = is_there

    return reachable


def test_a_sent_page_that_cannot_be_recorded_is_recorded_later_and_not_sent_twice(
    redis: Redis,
    store: Store,
    sender: Sender,
    provider: FakeProvider,
    outage: Callable[[bool], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owe(redis, page("e1.1"), page("e2.1"))
    provider.meanwhile["e1.1"] = lambda: outage(False)
    tried: list[int] = []
    original = sender._keep

    def keep(*given: object) -> None:
        tried.append(1)
        outage(len(tried) >= 3)
        original(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(sender, "_keep", keep)
    with caplog.at_level(logging.WARNING):
        sender.deliver()
    assert len(tried) == 3
    assert "the store rejects the record of a sent page" in caplog.text
    assert provider.ids == ["e1.1", "e2.1"]
    assert owed_ids(redis) == set()
    assert outcomes(store) == [("e1.1", "sent"), ("e2.1", "sent")]


def test_pages_whose_hand_out_was_lost_on_the_way_are_sent_at_once(
    redis: Redis, sender: Sender, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(redis, page())
    original = delivery_trip.make_trips

    def lose(*given: object) -> object:
        monkeypatch.setattr(delivery_trip, "make_trips", original)
        original(*given)  # type: ignore[arg-type]
        raise ConnectionError

    monkeypatch.setattr(delivery_trip, "make_trips", lose)
    sender.deliver()
    assert provider.ids == ["e7.1"]


def test_a_process_that_stops_records_what_is_under_way_and_begins_nothing(
    redis: Redis, store: Store, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page("e1.1"), page("e2.1"))
    provider.meanwhile["e1.1"] = sender.stop
    sender.wake(PARTITION.number)
    sender.run()
    assert provider.ids == ["e1.1"]
    assert outcomes(store) == [("e1.1", "sent")]
    assert not redis.exists(PARTITION.lease)
    Sender(store).deliver()
    assert provider.ids == ["e1.1", "e2.1"]


# -- the rate limit --------------------------------------------------------------------------------

LIMIT = Limit(pages=3, within="1 min")
LIMITED: Site = SITE._replace(
    on_call=SITE.on_call.model_copy(
        update={
            "channels": {
                name: channel.model_copy(update={"limit": LIMIT}) for name, channel in SITE.on_call.channels.items()
            }
        }
    )
)


def test_pages_over_the_limit_wait_and_the_last_place_takes_all_that_are_left(
    redis: Redis, store: Store, provider: FakeProvider
) -> None:
    sender = Sender(store, LIMITED)
    pages = [page(f"e{number}.1", patient=f"P{number}") for number in range(6)]
    owe(redis, *pages)
    sender.deliver()
    assert provider.given == [["e0.1"], ["e1.1"], [f"e{number}.1" for number in range(2, 6)]]
    owe(redis, page("late.1"), page("late.2"), page("late.3"), page("critical.1", urgency="critical"))
    sender.deliver()
    assert provider.given[3:] == [["critical.1"]], "critical pages pass every limit, and take no other with them"
    assert count_rate_limited(redis, KEYS, LIMITED.on_call.channels, NOW) == {"phone-1": 3}
    assert backlog.read(redis, KEYS, NOW).pending().partitions == [], "nobody is woken before the channel is open"
    cancel(store, "late.2")
    sender.clock.at += LIMIT.within
    sender.deliver()
    assert provider.given[4:] == [["late.1"], ["late.3"]]
    assert owed_ids(redis) == set()


def test_a_bundle_that_fails_is_owed_as_a_whole_and_reported_for_each(
    redis: Redis, store: Store, provider: FakeProvider
) -> None:
    sender = Sender(store, LIMITED)
    owe(redis, *(page(f"e{number}.1", patient=f"P{number}") for number in range(6)))
    provider.answers["e2.1"] = FAILED
    sender.deliver()
    bundle = [f"e{number}.1" for number in range(2, 6)]
    assert provider.given[2:] == [bundle]
    assert owed_ids(redis) == set(bundle)
    assert [receipt for receipt in outcomes(store) if receipt[1] == "failed"] == [(id, "failed") for id in bundle]
    provider.answers.clear()
    sender.clock.at += POLICY.retry_backoff[0]
    sender.deliver()
    assert provider.given[3:] == [bundle], "a failure takes no place: the last one is still free"


def test_the_most_urgent_page_leads_its_bundle_and_a_bundle_has_an_end(
    redis: Redis, store: Store, provider: FakeProvider
) -> None:
    sender = Sender(store, LIMITED)
    many = [page(f"e{number}.1", urgency="medium") for number in range(2 + BUNDLE_LIMIT - 1)]
    owe(redis, *many, page("high.1"), page("beyond.1"))
    sender.deliver()
    assert len(provider.given[2]) == BUNDLE_LIMIT
    assert provider.given[2][0] == "high.1"
    assert owed_ids(redis) == {"beyond.1"}


# -- what cannot be read ---------------------------------------------------------------------------


def test_a_page_that_cannot_be_read_is_listed_and_holds_up_no_other(
    redis: Redis, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page("e1.1"), page("e2.1"))
    shard = KEYS.of("P1")
    redis.hset(shard.key("outbox"), "e1.1", b"\xff")
    sender.deliver()
    assert provider.ids == ["e2.1"]
    assert redis.hkeys(shard.key("unreadable")) == [b"page e1.1"]
    assert owed_ids(redis) == set()


def test_a_queue_of_another_type_is_moved_away_and_its_pages_are_sent(
    redis: Redis, sender: Sender, provider: FakeProvider
) -> None:
    owe(redis, page("e1.1"), page("e2.1", channel="phone-2"))
    redis.set(KEYS.queue("queue:phone-1"), "a stranger's")
    sender.deliver()
    assert sorted(provider.ids) == ["e1.1", "e2.1"]


@pytest.mark.usefixtures("provider")
def test_only_a_page_that_went_alone_may_have_its_picture(redis: Redis, store: Store) -> None:
    sender = Sender(store, LIMITED)
    owe(redis, *(page(f"e{number}.1") for number in range(5)))
    sender.deliver()
    assert sender.pages_sent == ["e0.1", "e1.1"]
