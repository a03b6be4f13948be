"""Acceptance: a message is accepted once it stands on as many machines as the installation requires.

The transaction that stores it is followed by `WAIT` on the connection that wrote: on another connection, or inside the
transaction, `WAIT` waits for nothing. Where Sentinels choose the primary, every replica that they could choose must
have the message (`worker/store/live_replicas.py`). A replica has what the primary wrote before, so one wait covers all
of it. A transaction that writes nothing would wait for nothing either: a repetition of a stored delivery writes again.

What is not accepted may still be stored, on one machine. Its sender sends it again, and the chart knows it by source
and id. Commits wait for no copy: if one is lost with its primary, its inbox entries are back and evaluated again.
"""

from collections.abc import Iterable
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from worker.store.live_replicas import LiveReplicas
from worker.store.sentinels import Address

WAIT_MS = 500
"""How long a replica may take. A longer wait gains nothing: the sender repeats what was not accepted."""


class NotCopiedError(RedisError):
    """A message stands on fewer machines than required, so it is not accepted: its sender must send it again.

    It is no ConnectionError: redis-py would repeat the transaction.
    """

    def __init__(self, copies: int, required: int) -> None:
        super().__init__(f"stored on {copies} machine(s), and {required} are required: not accepted, send it again")


class AcceptingPipeline(Pipeline):
    """A transaction that succeeds once `copies` machines have it."""

    copies = 1
    wait_ms = WAIT_MS
    replicas: LiveReplicas | None = None

    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: bool) -> list[Any]:
        replies: list[Any] = super()._execute_transaction(connection, commands, raise_on_error)
        copied, required = -1, self._required(connection)
        while copied < required:
            copied, connected = self._wait(connection, required)
            if copied < required:
                raise NotCopiedError(1 + copied, 1 + required)
            # A replica that has just connected may have it in place of one that was chosen and left.
            required = self._required(connection, connected)
        return replies

    def _required(self, connection: Any, connected: Iterable[Address] = ()) -> int:
        if self.replicas is None:
            return self.copies - 1
        return max(self.copies - 1, self.replicas.required((connection.host, connection.port), connected))

    def _wait(self, connection: Any, required: int) -> tuple[int, frozenset[Address]]:
        """How many replicas have what was written, and which could be among them.

        One that still reads the whole store has acknowledged nothing, and is none of them.
        """
        connection.send_packed_command(connection.pack_commands([("WAIT", required, self.wait_ms), ("ROLE",)]))
        try:
            copied, role = int(connection.read_response()), connection.read_response()
        except RedisError:
            connection.disconnect()  # the other answer would be read as that of the next command
            raise
        connected = role[2] if _text(role[0]) == "master" else ()
        return copied, frozenset((_text(host), int(port)) for host, port, offset in connected if int(offset))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def copies_of(redis: Redis) -> int:
    """On how many machines a message of this client must stand before it is accepted."""
    return int(getattr(redis, "copies", 1))


def accepting(redis: Redis, wait_ms: int = WAIT_MS) -> Pipeline:
    """A transaction that makes what it stores accepted.

    Its `execute` raises `NotCopiedError` if too few machines have it.
    """
    if copies_of(redis) == 1:
        return redis.pipeline(transaction=True)
    pipe = AcceptingPipeline(redis.connection_pool, redis.response_callbacks, True, None)
    pipe.copies, pipe.wait_ms, pipe.replicas = copies_of(redis), wait_ms, getattr(redis, "replicas", None)
    return pipe
