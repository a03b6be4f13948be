"""A Celery consumer that no message can end: a message that is no task message becomes a dead letter.

Celery builds a request while it consumes. An exception there ends the worker. With late acknowledgement the broker then
gives the message to the next worker, which ends as well. Other messages raise in the pool's callback: they are never
acknowledged, and the worker consumes nothing more. This consumer therefore checks each message before Celery gets it.

Celery logs the body of a message that it cannot use, which may name a patient; this consumer does not.
"""

import logging
import time
from collections.abc import Callable, Container
from contextlib import suppress
from functools import partial
from typing import Any

import kombu
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.exceptions import ContentDisallowed, OperationalError
from kombu.message import Message
from redis.exceptions import RedisError

from alerts.state import DeadLetter
from worker.monitoring.stalled_consumer import consumer_watch
from worker.runtime.queues import wake_shards
from worker.runtime.runtime import runtime
from worker.store.inbox import RAW_KEPT, SOURCE_SHOWN, add_dead_letters
from worker.wakeup_batcher import WakeupGatherer

log = logging.getLogger(__name__)

STORE_PAUSE_SECONDS = 1.0
"""The pause after a dead letter could not be stored. Without it the message would return at once."""

NAMELESS = "no task"

HEADERS = ("lang", "task", "id")
"""The headers that are used. By any other a stranger could delay, expire or limit a task, or link tasks to it."""

PROTOCOL_1 = ("task", "id", "args", "kwargs")
"""The used parts of a body of protocol 1, which has no headers."""

RECONNECT_SECONDS = 1
"""The pause between two attempts to reach a lost broker. Celery waits 2 s longer after each attempt, up to 30 s."""

PARTS = 3
"""The number of parts of a protocol 2 body: arguments, named arguments, and links of the task."""


class TolerantConsumer(Consumer):
    """Keeps a message that is no task message as a dead letter, then rejects it without requeue."""

    connection_errors: tuple[type[Exception], ...]
    strategies: dict[str, Any]
    task_consumer: kombu.Consumer

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """The broker is lost: Celery closes the connection, then connects anew.

        Kombu returns unacknowledged messages while it closes. If it has already cleared the connection, an
        AttributeError would end the worker, whose restart takes seconds. The broker delivers those messages again.
        """
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError as error:
            log.warning("the lost connection to the broker did not close cleanly (%s)", error)

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect to the broker; while that fails, try again each second."""
        every = RECONNECT_SECONDS
        often = partial(conn.ensure_connection, interval_start=every, interval_step=0, interval_max=every)
        conn.ensure_connection = often  # type: ignore[method-assign]
        return super().ensure_connected(conn)

    def create_task_handler(self, *arguments: Any) -> Callable[[Message], None]:
        """The handler of each message; Celery calls it in the worker's event loop."""
        return WakeupGatherer(self, self.create_unchecked_handler(*arguments))

    def create_unchecked_handler(self, *arguments: Any) -> Callable[[Message], None]:
        """Celery's own handler, for messages that were checked."""
        handler: Callable[[Message], None] = super().create_task_handler(*arguments)
        return handler

    def checked(self, receive: Callable[[Message], None]) -> Callable[[Message], None]:
        """A handler that refuses what is no task message, and passes any other on."""

        def receive_checked(message: Message) -> None:
            consumer_watch.taken += 1
            why = check(message, self.strategies)
            if why:
                self._refuse(message, why)
            else:
                receive(message)

        return receive_checked

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Refuse a message that cannot even be decompressed; Celery calls this instead of the handler."""
        consumer_watch.taken += 1
        self._refuse(message, f"cannot be decoded ({type(exc).__name__})")

    def _refuse(self, message: Message, why: str) -> None:
        """Keep a message as a dead letter, then reject it; while the store is away, leave it in the queue."""
        task = _task_of(message)
        run = runtime()
        # Each source has an incident of its own; invented task names share one.
        source = f"celery {task}" if task in self.strategies else "celery"
        try:
            now = run.clock.now()
            record = DeadLetter(now, source, "", "", f"task {task}: {why}", _text(message.body))
            shards = add_dead_letters(run.store.redis, run.store.keys, [record], source, now)
        except RedisError as error:
            log.error("a message for task %s %s; it waits for the store (%s)", task, why, type(error).__name__)
            time.sleep(STORE_PAUSE_SECONDS)
            message.requeue()
            return
        log.warning("refused a message for task %s: it %s", task, why)
        with suppress(OperationalError):  # the ticker makes up for a lost wake-up
            wake_shards(self.app, shards)
        message.reject_log_error(log, self.connection_errors)


def check(message: Message, tasks: Container[str]) -> str:
    """The reason why a message is no task message; empty if it is one. Unused headers and parts are removed."""
    try:
        body = message.decode()
    except ContentDisallowed:
        kind = str(message.content_type)[:SOURCE_SHOWN]
        return f"is sent as {kind if kind.isprintable() else 'another type'}, and only application/json is read"
    except Exception as error:  # a codec may raise anything on a stranger's bytes
        return f"cannot be decoded ({type(error).__name__})"
    if isinstance(message.headers, dict) and "task" in message.headers:
        kept: dict[str, Any] = {name: message.headers.get(name) for name in HEADERS}
        message.headers = kept
        return _names(kept, tasks) or _parts(body)
    if not isinstance(body, dict):
        return "names no task"
    for name in body.keys() - set(PROTOCOL_1):
        del body[name]
    return _names(body, tasks) or _arguments(body.get("args", []), body.get("kwargs", {}))


def _names(given: dict[str, Any], tasks: Container[str]) -> str:
    task, id_ = given.get("task"), given.get("id")
    if not isinstance(task, str) or task not in tasks:
        return "names a task that does not exist"
    return "" if isinstance(id_, str) and id_ else "has no id"


def _parts(body: Any) -> str:
    if not isinstance(body, list | tuple) or len(body) != PARTS:
        return "is no list of arguments, named arguments and links"
    args, kwargs, links = body
    if links is not None and (not isinstance(links, dict) or any(links.values())):
        return "links other tasks to it; send it alone"
    return _arguments(args, kwargs)


def _arguments(args: Any, kwargs: Any) -> str:
    if not isinstance(args, list | tuple):
        return "has arguments that are no list"
    return "" if isinstance(kwargs, dict) else "has named arguments that are no object"


def _task_of(message: Message) -> str:
    given: Any = message.headers
    if not isinstance(given, dict) or "task" not in given:
        with suppress(Exception):  # a codec may raise anything on a stranger's bytes
            given = message.decode()
    task = given.get("task") if isinstance(given, dict) else None
    return task[:SOURCE_SHOWN] if isinstance(task, str) and task.isprintable() else NAMELESS


def _text(body: Any) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return text[:RAW_KEPT]
