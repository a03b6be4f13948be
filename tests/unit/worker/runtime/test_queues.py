"""Queues are declared alike by whoever uses them, and as the broker needs them."""

import pytest

from worker.runtime.queues import FOREIGN_QUEUE, QUEUES, QUORUM, declared


@pytest.mark.parametrize("broker", ["amqp://127.0.0.1//", "amqps://127.0.0.1//", "pyamqp://127.0.0.1//"])
def test_on_rabbitmq_ours_are_quorum_queues_and_the_foreign_one_is_what_any_producer_declares(broker: str) -> None:
    found = {queue.name: queue.queue_arguments for queue in declared(broker)}
    assert found == {**dict.fromkeys(QUEUES, QUORUM), FOREIGN_QUEUE: None}


def test_on_redis_they_are_plain() -> None:
    assert {queue.queue_arguments for queue in declared("redis://127.0.0.1:6379/1")} == {None}


def test_each_is_reached_by_its_own_key() -> None:
    assert [queue.routing_key for queue in declared("redis://127.0.0.1:6379/1")] == [*QUEUES, FOREIGN_QUEUE]
