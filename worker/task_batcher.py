"""Readings that come as one Celery task each are gathered, and the worker stores them in one append.

A task of its own for each reading costs an append to the inbox that waits for the disk, and a way through the pool.
The worker therefore takes what the queues of `ingest` hold in one go, on a channel of their own, so that it fetches
ahead from no other queue, and hands it to the pool as one task, `ingest_readings`. Only after that has stored all of
them each message is acknowledged; if it fails, each goes back to its queue.

Only a task with one reading is gathered. Any other is executed alone, as before: people's answers, for which the store
always has room, wait for no readings, and neither does what is large.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from celery import bootsteps
from kombu import Consumer
from kombu.common import ignore_errors
from kombu.message import Message

from worker.runtime.broker_fetch import acknowledge, fetch, fetches
from worker.runtime.queues import FOREIGN_QUEUE

QUEUES = ("ingest", FOREIGN_QUEUE)
"""The queues in which producers put readings."""

INGEST, INGEST_READINGS = "ingest", "ingest_readings"

AT_MOST = 100
"""Readings of one append."""

FETCHED_AHEAD = 2 * AT_MOST
"""The worker takes more from these queues while fewer of theirs are unacknowledged: one append is under way while the
next is gathered. Up to `AT_MOST` more come with the last. A worker that is killed keeps them from the others until
the broker gives them out again."""

WITHIN_SECONDS = 0.01
"""So long the first of them waits for others, where the broker sends them by itself."""

LARGEST = 4096
"""Bytes of a message that is gathered."""

_SCALARS = (str, int, float, bool, bytes, Decimal, date, type(None))


class GatheredTasks(Message):
    """The messages of several tasks, as the message of one task; what becomes of it becomes of each."""

    def __init__(self, messages: Sequence[Message], task: str, arguments: Sequence[Any]) -> None:
        first = messages[0]
        headers = {"lang": "py", "task": task, "id": str(uuid.uuid4())}
        super().__init__(
            headers=headers, delivery_info=first.delivery_info, properties=first.properties, channel=first.channel
        )
        self._messages = messages
        self._arguments = arguments

    def _decode(self) -> dict[str, Any]:
        return {"args": self._arguments, "kwargs": {}}

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        """Acknowledge each message."""
        del multiple
        acknowledge(self._messages, logger, errors)

    def reject_log_error(self, logger: Any, errors: Any, requeue: bool = False) -> None:
        """Reject each message."""
        for message in self._messages:
            message.reject_log_error(logger, errors, requeue)


class ReadingGatherer:
    """Gathers readings, and hands them over when they are enough or the first has waited long enough."""

    def __init__(self, timer: Any, hand_over: Callable[[Message], object]) -> None:
        self._timer = timer
        self._hand_over = hand_over
        self._messages: list[Message] = []
        self._readings: list[Any] = []

    def __call__(self, message: Message) -> None:
        """Gather a checked message that holds one reading; hand over any other alone."""
        reading = the_reading(message)
        if reading is None:
            self._hand_over(message)
            return
        self._messages.append(message)
        self._readings.append(reading)
        if len(self._messages) >= AT_MOST:
            self.flush()
        elif len(self._messages) == 1:
            self._timer.call_after(WITHIN_SECONDS, self.flush)

    @property
    def room(self) -> int:
        """How many more readings are gathered at once; none while no reading is."""
        return AT_MOST - len(self._messages) if self._messages else 0

    def flush(self) -> None:
        """Hand over what was gathered."""
        messages, readings = self._messages, self._readings
        self._messages, self._readings = [], []
        if messages:
            self._hand_over(GatheredTasks(messages, INGEST_READINGS, readings))


class _Kind(msgspec.Struct):
    type: str = ""


_kind = msgspec.json.Decoder(_Kind)


def the_reading(message: Message) -> Any:
    """The one reading of a checked `ingest` message; None if it is no such message, or holds anything else."""
    body = message.decode()
    task = message.headers.get("task") or body.get("task")
    if task != INGEST or len(message.body or "") > LARGEST:
        return None
    args, kwargs = (body.get("args", []), body.get("kwargs", {})) if isinstance(body, dict) else body[:2]
    given = [*args, *kwargs.values()]
    return given[0] if len(given) == 1 and _is_reading(given[0]) else None


def _is_reading(item: Any) -> bool:
    """Whether an item is a reading, as an object without nested ones or as JSON text."""
    if isinstance(item, dict):
        return item.get("type") == "reading" and all(isinstance(value, _SCALARS) for value in item.values())
    try:
        return isinstance(item, str | bytes) and _kind.decode(item).type == "reading"
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def _with_others(
    receive: Callable[[Message], None], consumer: Consumer, gatherer: ReadingGatherer
) -> Callable[[Message], None]:
    """Receive a message with what waits behind it in its queue, if it holds a reading."""

    def receive_all(message: Message) -> None:
        receive(message)
        queue = (message.delivery_info or {}).get("routing_key")
        if gatherer.room and queue in QUEUES:
            receive_others(receive, consumer, queue, gatherer.room)
        gatherer.flush()

    return receive_all


def receive_others(receive: Callable[[Message], None], consumer: Consumer, queue: str, most: int) -> None:
    """Receive up to so many messages that wait in a queue, though the worker fetches no more by itself.

    A worker with as many as it fetches ahead would else take as few as were just acknowledged, each time.
    """
    for other in fetch(consumer.channel, queue, most):
        other.accept = consumer.accept
        if other.errors:
            other._reraise_error(consumer.on_decode_error)
        else:
            receive(other)


class IngestQueues(bootsteps.StartStopStep):
    """Takes the queues of `ingest` over from the worker's consumer, and consumes them on a channel of their own."""

    requires = ("celery.worker.consumer:Tasks",)

    def __init__(self, parent: Any, **more: Any) -> None:
        super().__init__(parent, **more)
        self._consumer: Consumer | None = None

    def start(self, parent: Any) -> None:
        """Consume these queues, if the worker was started for them."""
        queues = [queue for queue in parent.task_consumer.queues if queue.name in QUEUES]
        if not queues:
            return
        for queue in queues:
            parent.task_consumer.cancel_by_queue(queue.name)
        channel = parent.connection.channel()
        channel.basic_qos(0, FETCHED_AHEAD, False)
        consumer = Consumer(
            channel, queues, accept=parent.app.conf.accept_content, on_decode_error=parent.on_decode_error
        )
        gatherer = ReadingGatherer(parent.timer, parent.create_unchecked_handler())
        receive = parent.checked(gatherer)
        consumer.on_message = _with_others(receive, consumer, gatherer) if fetches(channel) else receive
        consumer.consume()
        self._consumer = consumer

    def stop(self, parent: Any) -> None:
        """Take no more from these queues. What was not handed over goes back to them with the connection."""
        if self._consumer is not None:
            ignore_errors(parent.connection, self._consumer.cancel)
            self._consumer = None

    shutdown = stop
