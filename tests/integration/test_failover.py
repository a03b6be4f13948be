"""A store of three servers and three Sentinels: whoever dies, what was accepted is there, and nobody else writes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from config.settings import Settings
from tests.support.hospital import Hospital, crs2
from tests.support.sentinels import SERVICE, Node, Sentinels, wait_until
from tests.support.stored_ward import NOW, reading
from worker.client import Client
from worker.clock import StoreClock
from worker.monitoring.set_back import NewestSeen
from worker.runtime.runtime import connect, make
from worker.standalone.fake_phone import FakePhone
from worker.store.commit import Commit, LostLeaseError, Transaction
from worker.store.connection import StoreClient
from worker.store.durable import NotCopiedError, accepting
from worker.store.lease import Lease
from worker.store.shard import Store

pytestmark = pytest.mark.server

GAP_SECONDS = 10.0
"""The most time without an accepted message that is promised."""


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with Sentinels(tmp_path_factory.mktemp("sentinels")) as made:
        yield made


@pytest.fixture
def whole(sentinels: Sentinels) -> Iterator[Sentinels]:
    """The store, empty, with all its servers before and after."""
    with connect(sentinels.url) as redis:
        redis.flushall()
    yield sentinels
    sentinels.start()
    sentinels.wait_until_whole()


@pytest.fixture
def redis(whole: Sentinels) -> Iterator[StoreClient]:
    with connect(whole.url, copies=2) as client:
        yield client


def store_of(redis: StoreClient, url: str) -> Store:
    return make(Settings(redis_url=url), redis).store


def append(redis: StoreClient, value: int) -> None:
    pipe = accepting(redis)
    pipe.xadd("accepted", {"n": value})
    pipe.execute()


def is_appended(redis: StoreClient, value: int) -> bool:
    try:
        append(redis, value)
    except RedisError:
        return False
    return True


def killed(sentinels: Sentinels) -> None:
    sentinels.primary().kill()


def frozen(sentinels: Sentinels) -> None:
    sentinels.primary().freeze()


@pytest.mark.parametrize("blow", [killed, frozen, Sentinels.fail_over])
def test_what_is_accepted_survives_the_primary(
    whole: Sentinels, redis: StoreClient, blow: Callable[[Sentinels], None]
) -> None:
    first, accepted, last = whole.primary(), [], time.monotonic()
    gap = 0.0
    for number in range(1000):
        if number == 20:
            blow(whole)
        try:
            append(redis, number)
        except RedisError:
            continue
        now = time.monotonic()
        gap, last = max(gap, now - last), now
        accepted.append(number)
        if number > 60 and whole.primary() is not first:
            break
    assert whole.primary() is not first
    wait_until(lambda: len(accepted) > 20, "messages are accepted again")
    found = [int(fields[b"n"]) for _, fields in redis.xrange("accepted")]
    assert set(accepted) <= set(found)
    assert gap < GAP_SECONDS


def test_a_primary_that_returns_accepts_nothing(whole: Sentinels, redis: StoreClient) -> None:
    """For some ten seconds it believes that it is the primary, and what it takes is lost."""
    wait_until(lambda: answers(redis), "the store answers")
    append(redis, 1)
    old = whole.primary()
    old.freeze()
    wait_until(lambda: whole.primary() is not old, "another server is the primary")
    old.thaw()
    refused = 0
    with isolated(whole, old) as alone:
        while leads(alone):
            with pytest.raises(RedisError):
                append(alone, 2)
            refused += 1
    assert refused
    assert [fields for _, fields in redis.xrange("accepted")] == [{b"n": b"1"}]


def follows(sentinels: Sentinels, primary: Node, replica: Node) -> bool:
    """Whether the primary has a replica."""
    with sentinels.asking(primary) as redis:
        return any(int(port) == replica.port and int(offset) for _, port, offset in redis.role()[2])


def is_down(sentinels: Sentinels, replica: Node) -> bool:
    """Whether every Sentinel misses a replica."""
    for sentinel in sentinels.sentinels:
        with sentinels.asking(sentinel) as redis:
            if not all(one["is_sdown"] for one in redis.sentinel_slaves(SERVICE) if one["port"] == replica.port):
                return False
    return True


@pytest.mark.parametrize("leaves", ["returned", "other"])
def test_a_replica_that_has_just_returned_does_not_stand_for_the_one_that_was_chosen(
    whole: Sentinels, redis: StoreClient, leaves: str
) -> None:
    """The Sentinels learn only after a moment that it follows. Until then they may choose either."""
    wait_until(lambda: answers(redis), "the store answers")
    primary, (other, returned) = whole.primary(), whole.replicas()
    returned.kill()
    wait_until(lambda: is_down(whole, returned), "the Sentinels miss the replica")
    wait_until(lambda: is_appended(redis, 1), "a message is accepted without it")
    for sentinel in whole.sentinels:
        sentinel.kill()
    returned.start()
    wait_until(lambda: follows(whole, primary, returned), "the replica follows, and no Sentinel knows")
    wait_until(lambda: is_appended(redis, 2), "a message is accepted with it")
    with whole.asking(returned if leaves == "returned" else other) as chosen:
        chosen.replicaof("NO", "ONE")
    with pytest.raises(NotCopiedError):
        append(redis, 3)


def send(url: str, redis: StoreClient) -> int:
    client = Client(Settings(redis_url=url), redis)
    try:
        return client.send([reading("crp", 12)])
    finally:
        client._celery.close()


def is_sent(url: str, redis: StoreClient) -> bool:
    try:
        return send(url, redis) == 1
    except RedisError:
        return False


def answers(redis: StoreClient) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def leads(redis: StoreClient) -> bool:
    """Whether a server leads, as far as it says. The Sentinels close its connections when they make it a replica."""
    try:
        return bool(redis.role()[0] == b"master")
    except RedisError:
        return True


def isolated(sentinels: Sentinels, node: Node) -> StoreClient:
    """A client that the Sentinels do not reach: it talks to one server, and remembers that two replicas could lead.

    Without that memory it would accept: for a moment the other replica still copies the old primary.
    """
    client = StoreClient(node.host, node.port, password=sentinels._password, socket_timeout=3)
    client.copies = 3
    return client


def test_a_dead_first_sentinel_costs_less_than_a_second(whole: Sentinels) -> None:
    whole.sentinels[0].freeze()
    began = time.monotonic()
    with connect(whole.url) as client:
        client.ping()
    assert time.monotonic() - began < 1.0


def test_without_replicas_nothing_is_accepted_and_every_sender_hears_it(whole: Sentinels, redis: StoreClient) -> None:
    for node in whole.replicas():
        node.kill()
    with pytest.raises(NotCopiedError):
        send(whole.url, redis)
    for node in whole.nodes:
        node.start()
    whole.wait_until_whole()
    wait_until(lambda: is_sent(whole.url, redis), "the sender sends again, and it is accepted")


def test_a_commit_lands_only_where_its_lease_stands(whole: Sentinels, redis: StoreClient) -> None:
    """Two primaries live. The worker took its batch on the old one, and the new one has another worker's lease."""
    store = store_of(redis, whole.url)
    wait_until(lambda: is_sent(whole.url, redis), "a message is accepted")
    shard = store.keys.of("P1")
    batch = store.take(shard, StoreClock(redis))
    assert batch is not None
    old = whole.primary()
    old.freeze()
    wait_until(lambda: whole.primary() is not old, "another server is the primary")
    with whole.asking(whole.primary()) as new:
        new.set(shard.lease, Lease.of(shard.lease).token)
    old.thaw()
    with isolated(whole, old) as alone, Transaction(store_of(alone, whole.url), batch) as transaction:
        # A worker that the Sentinels do not reach: on the old primary its lease stands, and the commit is lost with it.
        transaction.states(["P1"])
        transaction.commit(batch, Commit(), NOW)
    whole.wait_until_whole()
    assert redis.xlen(shard.inbox) == 1
    with Transaction(store, batch) as transaction, pytest.raises(LostLeaseError):
        transaction.states(["P1"])


def test_a_failover_between_watch_and_commit_commits_nothing(whole: Sentinels, redis: StoreClient) -> None:
    """The watch was on the dead connection: what follows must not be repeated without it."""
    store = store_of(redis, whole.url)
    wait_until(lambda: is_sent(whole.url, redis), "a message is accepted")
    batch = store.take(store.keys.of("P1"), StoreClock(redis))
    assert batch is not None
    with Transaction(store, batch) as transaction:
        transaction.states(["P1"])
        killed(whole)
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, Commit(), NOW)
    wait_until(lambda: answers(redis), "another server is the primary")
    assert redis.xlen(batch.shard.inbox) == 1


# -- the workers -----------------------------------------------------------------------------------


@pytest.fixture
def hospital(whole: Sentinels, tmp_path: Path) -> Iterator[Hospital]:
    with FakePhone() as receiver:
        made = Hospital(whole.url, whole.broker_url, receiver, tmp_path, "failover")
        yield made
        made.close()


def becomes_ill(hospital: Hospital, patient: str) -> None:
    """Send until it is accepted, then wait for the page."""

    def accepted() -> bool:
        try:
            return hospital.client.send(crs2(patient)) == 3
        except RedisError:
            return False

    wait_until(accepted, "the messages are accepted")
    wait_until(lambda: hospital.paged("CRS 2", patient), "the page arrives")


def test_without_replicas_what_is_owed_is_paged_and_somebody_hears_of_it(whole: Sentinels, hospital: Hospital) -> None:
    with hospital.workers() as worker:
        for node in whole.replicas():
            node.kill()
        becomes_ill(hospital, "alone")
        wait_until(lambda: technical(hospital, "store copies"), "the technician hears of it", 60)
        assert worker.starts == 1


def test_a_store_that_is_emptied_is_reported(redis: StoreClient, hospital: Hospital) -> None:
    with hospital.workers():
        becomes_ill(hospital, "before")
        wait_until(lambda: NewestSeen(hospital.settings).newest, "the machine remembers a run of the watchdog", 60)
        redis.flushall()
        wait_until(lambda: technical(hospital, "store set back"), "the technician hears of it", 60)


def technical(hospital: Hospital, condition: str) -> bool:
    written = {event["page"] for event in hospital.events("page") if condition in event["levels"]}
    return any(page.page_id in written for page in hospital.phone.received)


def test_a_worker_outlives_every_kind_of_failover_and_pages_after_it(whole: Sentinels, hospital: Hospital) -> None:
    with hospital.workers() as worker:
        becomes_ill(hospital, "before")
        for number, blow in enumerate([killed, frozen, Sentinels.fail_over]):
            old = whole.primary()
            blow(whole)
            wait_until(lambda was=old: is_another(whole, was), "another server is the primary", 60)
            becomes_ill(hospital, f"after-{number}")
            whole.start()
            whole.wait_until_whole()
        assert worker.starts == 1


def is_another(sentinels: Sentinels, node: Node) -> bool:
    try:
        return sentinels.primary() is not node
    except RedisError:
        return False
