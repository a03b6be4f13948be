"""Leases: one owner of a key at a time, the writes that only the owner may make, and whether an owner still lives.

A lease is a key that holds its owner's token and expires. The token is drawn anew for each lease and serves as a
fencing token: a transaction of the owner watches the key, so an owner that has lost the lease can no longer commit.

A token names its process by machine, number and start time. No other machine, container or later process of the same
number has the same name. A process on another machine or in another container cannot be examined. The store knows its
connections by name (`introduce`), and they close when the process ends. A process that is paused or cut off keeps its
connections: its leases expire. They also expire if there is no /proc (without Linux).
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError, WatchError

_STATE, _BEGAN = 0, 19
"""Fields of /proc/PID/stat after the name, which is in brackets."""

_ENDED = ("Z", "X")

KNOWN_AFTER_SECONDS = 30
"""A process draws conclusions from missing connections only after it has been connected itself for this long. This is
longer than the silence of a process that sends a page. The store may have been restarted meanwhile."""


class Lease(NamedTuple):
    """The right of one owner to write what a key guards, until the owner releases it or it expires."""

    key: str
    token: bytes

    @classmethod
    def of(cls, key: str) -> "Lease":
        """A lease of this process with a new token, not acquired yet."""
        return cls(key, owner_token().encode())

    @classmethod
    def acquire(cls, redis: Redis, key: str, period: timedelta) -> "Lease | None":
        """Acquire a lease for a period; None if another owner has it."""
        lease = cls.of(key)
        return lease if lease.queue_acquire(redis, period) else None

    def queue_acquire(self, pipe: Redis, period: timedelta) -> Any:
        """Queue `acquire` onto a pipeline; the reply is true if the lease was free."""
        return pipe.set(self.key, self.token, nx=True, px=period)

    def write(self, redis: Redis, write: Callable[[Pipeline], object]) -> bool:
        """Write in one transaction, which commits only while the lease is still ours; return whether it did."""
        with redis.pipeline(transaction=True) as pipe:
            try:
                pipe.watch(self.key)  # type: ignore[no-untyped-call]
                if pipe.get(self.key) != self.token:
                    return False
                pipe.multi()
                write(pipe)
                pipe.execute()
            except WatchError:
                return False
        return True

    def release(self, redis: Redis) -> bool:
        """Release the lease if it is still ours; return whether it was."""
        return self.write(redis, lambda pipe: pipe.delete(self.key))


def watch_and_read(pipe: Pipeline, key: str, ask: Callable[[Pipeline], object]) -> list[Any]:
    """Watch a key and read, in one round trip, on the connection that executes what is queued on `pipe` afterwards.

    `ask` queues the commands, and reads the key among them: the watch begins before. After a lost connection both are
    repeated on a new one, so the caller checks the key that was read last.
    """
    asked = pipe.pipeline(transaction=False)
    ask(asked)
    commands = [(("WATCH", key), {}), *asked.command_stack]
    client, connection = cast(Any, pipe), cast(Any, pipe.connection or pipe.connection_pool.get_connection())
    client.connection = connection

    def trip() -> list[Any]:
        connection.send_packed_command(connection.pack_commands([command for command, _ in commands]))
        replies = [_reply(client, connection, command, options) for command, options in commands]
        pipe.watching = True
        return replies

    replies: list[Any]
    _, *replies = connection.retry.call_with_retry(trip, lambda _: connection.disconnect())
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies


def _reply(pipe: Any, connection: Any, command: Sequence[Any], options: Mapping[str, Any]) -> Any:
    try:
        return pipe.parse_response(connection, command[0], **options)
    except ResponseError as error:
        return error


def once_every(redis: Redis, key: str, period: timedelta) -> bool:
    """Whether the caller is the first in this period: of all processes that ask, one does the work.

    Onto a pipeline it is only queued, and the reply to it is the answer.
    """
    return bool(redis.set(key, 1, nx=True, px=period))


def process_name() -> str:
    """The name of this process, with which all its tokens begin."""
    number = os.getpid()
    return f"{_machine()}-{number}-{_began(number)}"


def process_of(token: bytes) -> str:
    """The name of the process of a token."""
    return token.decode(errors="replace").rpartition("-")[0]


def owner_token() -> str:
    """A new token of this process."""
    return f"{process_name()}-{secrets.token_hex(8)}"


def introduce(connection: AbstractConnection) -> None:
    """Begin a connection to the store and name it after this process, if the store allows that."""
    connection.on_connect()  # type: ignore[no-untyped-call]
    connection.send_command("CLIENT", "SETNAME", process_name())  # type: ignore[no-untyped-call]
    with suppress(ResponseError):
        connection.read_response()


class RemoteOwners:
    """The dead owners on other machines.

    Most leases last for milliseconds. Only the owner of a lease that two consecutive calls have seen is looked up,
    which costs a round trip.
    """

    def __init__(self) -> None:
        self._tokens: frozenset[bytes] = frozenset()

    def dead(self, redis: Redis, tokens: Iterable[bytes]) -> frozenset[str]:
        """The names of the dead processes among the owners of these tokens."""
        remote = frozenset(token for token in tokens if _is_remote(token))
        again, self._tokens = remote & self._tokens, remote
        return _not_connected(redis, {process_of(token) for token in again}) if again else frozenset()


def _is_remote(token: bytes) -> bool:
    machine, *rest = token.decode(errors="replace").split("-")
    return len(rest) == 3 and "" not in (machine, _machine()) and machine != _machine()


def _not_connected(redis: Redis, names: Collection[str]) -> frozenset[str]:
    """Those of `names` without a connection; none if the store does not answer, or was reached only just now."""
    try:
        clients = redis.client_list()
    except ResponseError:
        return frozenset()
    ours = max((int(client["age"]) for client in clients if client["name"] == process_name()), default=0)
    if ours < KNOWN_AFTER_SECONDS:
        return frozenset()
    return frozenset(names) - {client["name"] for client in clients}


def owner_is_dead(token: bytes) -> bool:
    """Whether the process of a token has ended, as far as this machine can see."""
    try:
        machine, number, began, _ = token.decode().split("-")
        return machine == _machine() != "" and _began(int(number)) != began
    except ValueError:
        return False


def owner_is_alive(token: bytes) -> bool:
    """Whether the process of a token runs on this machine now. Without Linux any process of that number counts."""
    try:
        machine, number, began, _ = token.decode().split("-")
        if machine != _machine():
            return False
        if machine:
            return _began(int(number)) == began
        os.kill(int(number), 0)
    except (ValueError, OSError):
        return False
    return True


@cache
def _machine() -> str:
    """This boot of this machine and process namespace; empty if it cannot be found out."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return hashlib.blake2s(boot + os.readlink("/proc/self/ns/pid").encode(), digest_size=6).hexdigest()
    except OSError:
        return ""


def _began(number: int) -> str:
    """When a process began, in the kernel's clock ticks; empty if it has ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in _ENDED else fields[_BEGAN]
