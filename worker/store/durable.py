"""Acceptance: a message is accepted once it stands on as many machines as the installation requires.

The transaction that stores it is followed by `WAIT` on the connection that wrote: on another connection, or inside the
transaction, `WAIT` waits for nothing. Where Sentinels choose the primary, every replica that they could choose must
have the message (`worker/store/live_replicas.py`). A replica has what the primary wrote before, so one wait covers all
of it. A transaction that writes nothing would wait for nothing either: a repetition of a stored delivery writes again.

What is not accepted may still be stored, on one machine. Its sender sends it again, and the chart knows it by source
and id. Commits wait for no copy: if one is lost with its primary, its inbox entries are back and evaluated again.
"""

from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from worker.store.live_replicas import LiveReplicas

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
        required = self.copies - 1
        if self.replicas is not None:
            required = max(required, self.replicas.required(connection.host, connection.port))
        connection.send_command("WAIT", required, self.wait_ms)
        replicas = int(connection.read_response())
        if replicas < required:
            raise NotCopiedError(1 + replicas, 1 + required)
        return replies


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
