"""The queues wake-ups wait in, as whoever sends or takes them must declare them: the same everywhere."""

from collections.abc import Iterable

from celery import Celery
from kombu import Queue

from worker.store.keys import Shard

QUEUES = ("advance", "ingest", "deliver", "deliver_urgent", "picture", "export")
"""One queue for each task. Those that wait for the outside world have processes of their own: critical pages are not
held up by others, and nothing by a picture or by a record system."""

FOREIGN_QUEUE = "celery"
"""Where a producer that knows nothing of our queues sends `send_task("ingest", ...)`."""

QUORUM = {"x-queue-type": "quorum"}
"""RabbitMQ keeps such a queue on several nodes and forgets nothing of it in a crash."""


def is_amqp(broker: str) -> bool:
    """Whether a broker is RabbitMQ."""
    return broker.startswith(("amqp", "pyamqp"))


def declared(broker: str) -> list[Queue]:
    """Every queue. The foreign one is what any Celery producer declares it to be: another type would refuse it."""
    arguments = QUORUM if is_amqp(broker) else None
    # Without a key of their own all would be bound to Celery's default exchange by the same one.
    ours = [Queue(name, routing_key=name, queue_arguments=arguments) for name in QUEUES]
    return [*ours, Queue(FOREIGN_QUEUE, routing_key=FOREIGN_QUEUE)]


def wake_shards(app: Celery, shards: Iterable[Shard]) -> None:
    """Ask some worker to advance these shards."""
    for shard in shards:
        app.send_task("advance", (shard.number,))
