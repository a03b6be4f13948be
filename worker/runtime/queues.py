"""The Celery queues of wake-ups. Producers and workers must declare them in the same way."""

from collections.abc import Collection, Iterable
from typing import Any

from celery import Celery
from kombu import Queue
from kombu.exceptions import BatchPublishError  # type: ignore[attr-defined]

from worker.store.keys import Partition, Shard

QUEUES = ("advance", "ingest", "deliver", "export")
"""One queue for each task. Work that waits for the outside world has processes of its own, as bulkheads: no evaluation
waits for a phone or an EHR."""

FOREIGN_QUEUE = "celery"
"""The queue of `send_task("ingest", ...)` for a producer that does not know ours."""

QUORUM = {"x-queue-type": "quorum"}
"""RabbitMQ replicates such a queue to several nodes, so that a crash loses none of it."""


def is_amqp(broker: str) -> bool:
    """Whether a broker is RabbitMQ."""
    return broker.startswith(("amqp", "pyamqp"))


def declared(broker: str) -> list[Queue]:
    """Every queue. The foreign one has the type that any Celery producer declares: another would refuse it.

    Wake-ups of the delivery are not acknowledged, which costs the broker two writes each. They take no time, so that no
    worker takes too many, and the ticker makes up for a lost one.
    """
    arguments = QUORUM if is_amqp(broker) else None
    # Without a routing key of its own, Celery would bind each to its default exchange by the same key.
    ours = [Queue(name, routing_key=name, queue_arguments=arguments, no_ack=name == "deliver") for name in QUEUES]
    return [*ours, Queue(FOREIGN_QUEUE, routing_key=FOREIGN_QUEUE)]


def wake_shards(app: Celery, woken: Iterable[Shard | Partition]) -> None:
    """Ask the workers to advance shards, and to deliver for partitions of channels."""
    publish(app, [("advance" if isinstance(one, Shard) else "deliver", (one.number,)) for one in woken])


def publish(app: Celery, calls: Collection[tuple[str, tuple[Any, ...]]]) -> None:
    """Send tasks, each to the queue of its name; with a Redis broker all in one round trip."""
    if not calls:
        return
    with app.producer_pool.acquire(block=True) as producer:
        try:
            with producer.batch():  # type: ignore[attr-defined]
                _send(app, calls, producer)
        except BatchPublishError:
            # A batch is not repeated on a new connection. A wake-up too many is harmless.
            _send(app, calls, producer)


def _send(app: Celery, calls: Iterable[tuple[str, tuple[Any, ...]]], producer: Any) -> None:
    for task, arguments in calls:
        app.send_task(task, arguments, queue=task, producer=producer)
