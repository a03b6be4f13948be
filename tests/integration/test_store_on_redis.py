"""What a store in memory cannot show: expiry under WATCH, what the server says of itself, two workers at once."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from alerts.wording.phrase import phrase
from config.settings import Settings
from config.site import load_site
from tests.support.delivery import fake_provider
from tests.support.hospital import course, crs2, eventually
from tests.support.pages import page as build_page
from worker.clock import StoreClock
from worker.delivery.deliver import Deliverer
from worker.delivery.outcome import Attempt, Outcome
from worker.monitoring.health import examine
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime, connect
from worker.store import capacity
from worker.store.channel_queues import enqueue
from worker.store.codec import Owed
from worker.store.commit import Commit, LostLeaseError, Transaction
from worker.store.inbox import accept
from worker.store.keys import Keys
from worker.store.shard import Store

pytestmark = pytest.mark.server

KEYS = Keys("on-redis", 4)
SHARD = KEYS.of("P1")
SITE = load_site()
NOTHING = Commit()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis, KEYS, batch=50, lease_seconds=5, journal_length=1000)


def send(store: Store, messages: list[dict[str, object]]) -> None:
    raws = [json.dumps(message).encode() for message in messages]
    assert accept(store.redis, KEYS, raws, datetime.now(UTC)).refused == []


def test_a_lease_that_runs_out_during_the_evaluation_commits_nothing(store: Store) -> None:
    send(store, crs2("P1"))
    batch = store.take(SHARD, StoreClock(store.redis))
    assert batch is not None
    with Transaction(store, batch) as transaction:
        transaction.states(["P1"])
        store.redis.pexpire(SHARD.lease, 20)
        eventually(lambda: store.redis.pttl(SHARD.lease) < 0, "the lease has run out")
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, NOTHING, datetime.now(UTC))
    assert store.redis.xlen(SHARD.inbox) == 3
    assert store.journal(SHARD) == []


def test_a_lease_that_runs_out_while_a_page_is_sent_leaves_its_failure_to_the_next_owner(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, page = fake_provider(monkeypatch), build_page()
    pipe = store.redis.pipeline()
    enqueue(pipe, store.keys, SHARD, Owed(page=page), datetime.now(UTC) - timedelta(seconds=1))
    pipe.execute()
    lease = store.keys.partition_of(page.channel).lease

    def slow() -> None:
        # At one moment: between the end of our lease and the next owner's we might take it again.
        store.redis.set(lease, "the next owner")

    provider.meanwhile[page.id] = slow
    provider.answers[page.id] = Attempt(Outcome.PERMANENT, phrase("the provider answered {n}", n=404))
    run = Runtime(Settings(receiver_url="json://127.0.0.1:9"), SITE, store, StoreClock(store.redis))
    delivery = Deliverer(run)
    delivery.wake(store.keys.partition_of(page.channel).number)
    delivery.until_idle()
    assert provider.ids == [page.id]
    assert store.redis.xlen(SHARD.inbox) == 0, "no receipt"
    assert store.redis.get(lease) == b"the next owner"


@pytest.mark.parametrize("limit", [16_000_000, 1], ids=["a small store", "a bound set far too low"])
def test_what_nothing_waits_for_gives_way_and_the_small_shards_lose_nothing(
    store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    large, small = (shard.key("journal") for shard in store.keys.all()[:2])
    for key, entries in ((large, 5_000), (small, 20)):
        for _ in range(entries):
            redis.xadd(key, {"j": os.urandom(1_000)})
    monkeypatch.setattr(capacity, "memory_of", lambda _: capacity.Memory(0, limit))
    capacity.trim_streams(redis, store.keys)
    assert redis.xlen(small) == 20
    assert 2_000_000 < int(redis.memory_usage(large) or 0) + int(redis.memory_usage(small) or 0) <= 4_300_000


def test_many_workers_on_the_same_shards_judge_every_message_once(store: Store) -> None:
    """Eight threads advance four shards as fast as they can while messages come in."""
    patients = [f"patient {number}" for number in range(8)]
    messages = course(patients, datetime.now(UTC), rounds=6)
    sent = 0

    def work(_: int) -> int:
        evaluated = 0
        while sent < len(messages) or any(store.redis.xlen(shard.inbox) for shard in KEYS.all()):
            evaluated += sum(advance(store, shard, StoreClock(store.redis), SITE).messages for shard in KEYS.all())
        return evaluated

    with ThreadPoolExecutor(8) as pool:
        evaluated = [pool.submit(work, number) for number in range(8)]
        for begin in range(0, len(messages), 7):
            send(store, messages[begin : begin + 7])
            sent += 7
        counts = [future.result(60) for future in evaluated]
    records = [record for shard in KEYS.all() for _, record in store.journal(shard)]
    taken = [json.loads(item["message"])["id"] + item["message"] for record in records for item in record["in"]]
    assert len(taken) == len(set(taken)) == len(messages) == sum(counts)
    assert [state.patient for state in store.states()] == patients


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("appendonly", "no", "store durability"),
        ("appendfsync", "everysec", "store durability"),
        ("maxmemory-policy", "allkeys-lru", "store eviction"),
    ],
)
def test_health_reads_the_settings_of_the_server(store: Store, option: str, value: str, part: str) -> None:
    def ill() -> set[str]:
        return {check.part for check in examine(store, datetime.now(UTC)) if not check.well}

    before_it = ill()
    assert "workers" in before_it
    assert part not in before_it
    before = store.redis.config_get(option)[option]
    store.redis.config_set(option, value)
    try:
        assert ill() == {*before_it, part}
    finally:
        store.redis.config_set(option, before)
    eventually(lambda: ill() == before_it, "the server is as it was")
