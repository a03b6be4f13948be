"""One Celery task a reading: many leave the broker in one go, none is lost on the way, and each is stored."""

import json
import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from kombu import Connection
from redis import Redis
from redis.connection import AbstractConnection

from tests.support.hospital import Hospital, descendants, eventually, reading, registration
from worker.runtime import broker_fetch
from worker.runtime.broker_fetch import acknowledge, fetch, fetches

pytestmark = pytest.mark.server

log = logging.getLogger(__name__)
QUEUE = "ingest"


@pytest.fixture
def broker(hospital: Hospital) -> Iterator[Redis]:
    with Redis.from_url(hospital.settings.broker) as client:
        client.flushdb()
        yield client


@pytest.fixture
def channel(hospital: Hospital, broker: Redis) -> Iterator[Any]:
    del broker
    with Connection(hospital.settings.broker) as connection:
        yield connection.channel()


def publish(hospital: Hospital, count: int) -> None:
    with Connection(hospital.settings.broker) as connection, connection.Producer() as producer:
        for number in range(count):
            producer.publish({"n": number}, exchange="", routing_key=QUEUE, serializer="json")


def numbers(messages: list[Any]) -> list[int]:
    return [message.decode()["n"] for message in messages]


def test_what_a_queue_holds_is_taken_in_order_and_recorded(hospital: Hospital, broker: Redis, channel: Any) -> None:
    publish(hospital, 7)
    assert fetches(channel)
    taken = fetch(channel, QUEUE, 5)
    assert numbers(taken) == [0, 1, 2, 3, 4]
    assert (broker.llen(QUEUE), broker.hlen("unacked"), broker.zcard("unacked_index")) == (2, 5, 5)
    acknowledge(taken, log, ())
    assert (broker.llen(QUEUE), broker.hlen("unacked"), broker.zcard("unacked_index")) == (2, 0, 0)
    assert all(message.acknowledged for message in taken)
    assert numbers(fetch(channel, QUEUE, 5)) == [5, 6]
    assert fetch(channel, QUEUE, 5) == []


def test_what_was_taken_and_not_acknowledged_comes_again(hospital: Hospital, broker: Redis) -> None:
    publish(hospital, 3)
    with Connection(hospital.settings.broker) as connection:
        first, *_ = fetch(connection.channel(), QUEUE, 3)
        first.reject(requeue=True)
        assert (broker.llen(QUEUE), broker.hlen("unacked")) == (1, 2)
    assert (broker.llen(QUEUE), broker.hlen("unacked")) == (3, 0)
    with Connection(hospital.settings.broker) as connection:
        assert sorted(numbers(fetch(connection.channel(), QUEUE, 3))) == [0, 1, 2]


def test_a_worker_that_is_full_takes_as_many_as_any(hospital: Hospital, channel: Any) -> None:
    """Else it would take as few as were just acknowledged, each time, and a flood would wait behind itself."""
    publish(hospital, 5)
    channel.basic_qos(0, 3, False)
    taken = fetch(channel, QUEUE, 3)
    assert not channel.qos.can_consume()
    assert len(fetch(channel, QUEUE, 5)) == 2
    acknowledge(taken, log, ())
    assert channel.qos.can_consume()


@pytest.mark.parametrize("strange", ["{", "[]", "7", '{"properties": {}}', '{"properties": 7}', "[" * 5000, "large"])
def test_a_strange_or_large_message_is_left_where_it_is(
    hospital: Hospital, broker: Redis, channel: Any, strange: str
) -> None:
    publish(hospital, 2)
    broker.lpush(QUEUE, "x" * (broker_fetch.LARGEST + 1) if strange == "large" else strange)
    publish(hospital, 1)
    assert numbers(fetch(channel, QUEUE, 10)) == [0, 1]
    assert (broker.llen(QUEUE), broker.hlen("unacked")) == (2, 2)
    assert fetch(channel, QUEUE, 10) == []


def test_many_shards_are_woken_in_one_round_trip(
    hospital: Hospital, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each publication waits for the disk: a batch of readings of a whole ward would wait sixteen times."""
    shards = hospital.store.keys.all()
    hospital.client.wake(shards[:1])
    trips: list[object] = []
    send_packed = AbstractConnection.send_packed_command
    monkeypatch.setattr(
        AbstractConnection, "send_packed_command", lambda *given, **how: trips.append(1) or send_packed(*given, **how)
    )
    hospital.client.wake(shards)
    assert len(trips) == 1
    assert broker.llen("advance") == 1 + len(shards)


def test_shards_are_woken_though_the_broker_has_closed_the_connection(hospital: Hospital, broker: Redis) -> None:
    shards = hospital.store.keys.all()
    hospital.client.wake(shards)
    broker.client_kill_filter(_type="normal", skipme=True)
    hospital.client.wake(shards)
    assert broker.llen("advance") >= 2 * len(shards)


def send(hospital: Hospital, bodies: list[Any]) -> None:
    with Celery("producer", broker=hospital.settings.broker, set_as_current=False) as app:
        for number, body in enumerate(bodies):
            app.send_task("ingest", [body], **({"queue": "ingest"} if number % 2 else {}))


def charted(hospital: Hospital, patient: str) -> set[str]:
    """The ids of the patient's messages that were evaluated."""
    shard = hospital.store.keys.of(patient)
    records = [record for _, record in hospital.store.journal(shard)]
    found = [json.loads(item["message"]) for record in records for item in record["in"]]
    return {body["id"] for body in found if body["patient"] == patient}


def test_each_of_many_is_stored_though_processes_are_killed_and_some_are_malformed(
    hospital: Hospital, broker: Redis
) -> None:
    now = datetime.now(UTC)
    bodies: list[Any] = [registration("many", now - timedelta(days=1))]
    bodies += [reading("heart_rate", 80 + n % 30, "many", now - timedelta(seconds=n), id=f"m{n}") for n in range(400)]
    bodies[200:200] = [reading("heart_rate", 80, "many", now, id="bad") | {"unknown field": 1}, "{", 7]
    with hospital.workers(1) as worker:
        os.kill(worker.pid or 0, signal.SIGSTOP)
        send(hospital, bodies)
        os.kill(worker.pid or 0, signal.SIGCONT)
        for _ in range(3):
            for child in descendants(worker.pid or 0)[:1]:
                os.kill(child, signal.SIGKILL)
            eventually(lambda: descendants(worker.pid or 0), "the pool has a process again")
        wanted = {f"m{n}" for n in range(400)}
        eventually(lambda: charted(hospital, "many") >= wanted, "every reading is evaluated")
        eventually(lambda: len(hospital.store.dead_letters()) == 3, "what cannot be read is a dead letter")
        eventually(lambda: not broker.hlen("unacked"), "everything is acknowledged")
        assert worker.starts == 1
