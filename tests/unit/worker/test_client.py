"""The client for producers: what it returns for is stored; a broker that is gone costs nothing but a second."""

import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from alerts.message_json import BadMessage
from config.settings import Settings
from tests.support.stored_ward import NOW, acknowledgement, crs2, raw, reading
from worker.client import Client
from worker.store.capacity import FULL, IntakeStoppedError
from worker.store.keys import Keys
from worker.store.requirements import UnfitStoreError

SETTINGS = Settings(redis_url="redis://127.0.0.1:1/0", namespace="ward", shards=4)


@pytest.fixture
def woken() -> list[tuple[str, tuple[int, ...], str]]:
    return []


@pytest.fixture
def client(redis: Redis, woken: list[tuple[str, tuple[int, ...], str]], monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client(SETTINGS, redis)
    monkeypatch.setattr(
        made._celery, "send_task", lambda name, arguments, queue, **_: woken.append((name, arguments, queue))
    )
    return made


def test_what_is_accepted_stands_in_the_inbox_and_its_shard_is_woken(
    client: Client, redis: Redis, woken: list[tuple[str, tuple[int, ...], str]]
) -> None:
    assert client.send(crs2()) == 3
    shard = client.keys.of("P1")
    assert redis.xlen(shard.inbox) == 3
    assert woken == [("advance", (shard.number,), "advance")]


def test_it_was_accepted_when_the_store_s_clock_says(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer's machine may be a day ahead; of two corrections the one accepted later holds."""
    monkeypatch.setattr(redis, "time", lambda: (int(NOW.timestamp()), 0))
    client.send(crs2())
    accepted = [fields[b"r"].decode() for _, fields in redis.xrange(client.keys.of("P1").inbox)]
    assert all(NOW <= datetime.fromisoformat(at) < NOW + timedelta(minutes=1) for at in accepted)


def test_the_keys_are_those_of_the_settings(client: Client) -> None:
    assert client.keys == Keys("ward", 4)


def test_with_another_number_of_shards_than_the_workers_nothing_is_accepted(client: Client, redis: Redis) -> None:
    """It would stand in a shard that no worker looks into."""
    redis.set(client.keys.shard_count, 8)
    with pytest.raises(UnfitStoreError, match="CARTWATCH_SHARDS=8"):
        client.send(crs2())
    assert redis.keys("*inbox*") == []
    redis.set(client.keys.shard_count, 4)
    assert client.send(crs2()) == 3


def test_a_bad_message_is_an_error_that_names_the_field_and_the_good_ones_are_accepted(
    client: Client, redis: Redis
) -> None:
    with pytest.raises(BadMessage, match="value: the number is too large"):
        client.send([*crs2(), reading("crp", "1e15")])
    assert redis.xlen(client.keys.of("P1").inbox) == 3


def test_json_texts_are_answered_for_one_by_one(client: Client) -> None:
    accepted = client.send_raw([raw(crs2()[0]), b"{"], now=NOW)
    assert accepted.stored == 1
    assert [record.raw for record in accepted.refused] == ["{"]


def test_a_store_that_is_nearly_full_takes_answers_only(
    client: Client, redis: Redis, memory: Callable[[int, int], None]
) -> None:
    memory(90, 100)
    with pytest.raises(IntakeStoppedError, match=FULL):
        client.send(crs2())
    with pytest.raises(IntakeStoppedError):
        client.send_raw([b"{"])
    assert client.send([acknowledgement("crs 1")]) == 1
    assert redis.xlen(client.keys.of("P1").inbox) == 1


def test_nothing_sent_wakes_nobody(client: Client, woken: list[tuple[str, tuple[int, ...], str]]) -> None:
    assert client.send([]) == 0
    assert woken == []


@pytest.mark.parametrize("error", [OperationalError("gone"), ConnectionRefusedError()])
def test_without_the_broker_a_message_is_accepted_all_the_same(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(client._celery, "send_task", fail)
    assert client.send(crs2()) == 3
    assert redis.xlen(client.keys.of("P1").inbox) == 3


def test_without_the_store_nothing_is_accepted_and_the_sender_hears_it() -> None:
    with pytest.raises(RedisConnectionError):
        Client(SETTINGS).send(crs2())


def test_a_broker_that_accepts_and_never_answers_holds_no_sender(redis: Redis) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = SETTINGS.model_copy(update={"broker_url": f"redis://127.0.0.1:{silent.getsockname()[1]}/1"})
        client = Client(settings, redis)
        stored: list[int] = []
        sending = threading.Thread(target=lambda: stored.append(client.send(crs2())), daemon=True)
        sending.start()
        sending.join(20)
        assert stored == [3]
        client._celery.close()
