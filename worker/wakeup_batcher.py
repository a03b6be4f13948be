"""Wake-ups of shards that wait behind each other become one task, which advances the shards side by side.

While a pool process is busy, one wake-up waits for it in the worker and the others wait in the queue. Each would be
fetched, recorded and acknowledged by itself, and then wait for the three round trips of its shard. On a busy machine
that was most of the time from a reading to its page. A worker that has work under way therefore takes what waits behind
a wake-up in one go. Each shard is still taken, evaluated and committed by itself.
"""

from collections.abc import Callable
from typing import Any, Protocol

from celery.worker import state
from kombu import Consumer
from kombu.message import Message

from worker.runtime.broker_fetch import fetches
from worker.task_batcher import GatheredTasks, receive_others

ADVANCE = "advance"

SHARDS_AT_ONCE = 4
"""Shards of one task. A worker that takes more of the waiting wake-ups leaves less to the others."""

Receive = Callable[[Message], None]


class WakeupConsumer(Protocol):
    """The part of a worker's consumer that is used here."""

    task_consumer: Consumer

    def checked(self, receive: Receive) -> Receive:
        """A handler that refuses what is no task message."""
        ...


class WakeupGatherer:
    """The handler of a worker's messages: hands over a wake-up with those behind it, and any other message alone."""

    def __init__(self, consumer: WakeupConsumer, hand_over: Receive) -> None:
        self._consumer, self._hand_over = consumer, hand_over
        self._receive = consumer.checked(self._gather)
        self._messages: list[Message] = []
        self._shards: list[int] = []

    def __call__(self, message: Message) -> None:
        """Receive a message. Without work under way the pool gets a wake-up at once."""
        self._receive(message)
        if self._messages and state.active_requests and fetches(self._consumer.task_consumer.channel):
            receive_others(self._receive, self._consumer.task_consumer, ADVANCE, SHARDS_AT_ONCE - 1)
        messages, shards = self._messages, self._shards
        self._messages, self._shards = [], []
        if len(messages) > 1:
            self._hand_over(GatheredTasks(messages, ADVANCE, shards))
        elif messages:
            self._hand_over(messages[0])

    def _gather(self, message: Message) -> None:
        shard = the_shard(message)
        if shard is None:
            self._hand_over(message)
        else:
            self._messages.append(message)
            self._shards.append(shard)


def the_shard(message: Message) -> int | None:
    """The shard of a checked wake-up; None if a message is no wake-up of one shard, as ours are."""
    body: Any = message.decode()
    if message.headers.get("task") != ADVANCE or isinstance(body, dict):
        return None
    args, kwargs = body[:2]
    return args[0] if len(args) == 1 and isinstance(args[0], int) and not kwargs else None
