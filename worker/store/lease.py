"""Leases: one owner at a time of a key, whether the owner still lives, and what only the owner may do.

A token names its process by machine, number and the moment it began, so that neither another machine, nor another
container on this one, nor a later process of the same number is taken for it. A process of another machine or container
cannot be looked at, but the store can be asked: the connections of a process close when it ends, and each bears its
name (`introduce`). Those of one that is paused or cut off stay; what it held runs out, as it does without Linux.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from redis import Redis
from redis.client import Pipeline
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError, WatchError

_STATE, _BEGAN = 0, 19
"""Fields of /proc/PID/stat after the name, which stands in brackets."""

_ENDED = ("Z", "X")


KNOWN_AFTER_SECONDS = 30
"""How long this process must have been connected to draw conclusions: longer than a process that sends a page goes
without a word to the store, which may have been restarted meanwhile."""


def while_held(redis: Redis, key: str, token: bytes, write: Callable[[Pipeline], object]) -> bool:
    """Write in one transaction, if the key still has this token; whether it had."""
    with redis.pipeline(transaction=True) as pipe:
        try:
            pipe.watch(key)  # type: ignore[no-untyped-call]
            if pipe.get(key) != token:
                return False
            pipe.multi()
            write(pipe)
            pipe.execute()
        except WatchError:
            return False
    return True


def free(redis: Redis, key: str, token: bytes) -> bool:
    """Let another have a key, if it still has this token; whether it had."""
    return while_held(redis, key, token, lambda pipe: pipe.delete(key))


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
    """Begin a connection to the store, and give it the name of this process, where the store allows that."""
    connection.on_connect()  # type: ignore[no-untyped-call]
    connection.send_command("CLIENT", "SETNAME", process_name())  # type: ignore[no-untyped-call]
    with suppress(ResponseError):
        connection.read_response()


class Elsewhere:
    """Which processes of other machines have ended, by two looks: what is held for long is looked at, and costs a
    round trip; most is held for a few thousandths of a second."""

    def __init__(self) -> None:
        self._held: frozenset[bytes] = frozenset()

    def ended(self, redis: Redis, tokens: Iterable[bytes]) -> frozenset[str]:
        """The names of those that have, among the processes whose tokens are there as they were at the last look."""
        held = frozenset(token for token in tokens if _is_elsewhere(token))
        again, self._held = held & self._held, held
        return _not_connected(redis, {process_of(token) for token in again}) if again else frozenset()


def _is_elsewhere(token: bytes) -> bool:
    machine, *rest = token.decode(errors="replace").split("-")
    return len(rest) == 3 and "" not in (machine, _machine()) and machine != _machine()


def _not_connected(redis: Redis, names: Collection[str]) -> frozenset[str]:
    """Those of `names` of which the store has no connection; none where it does not say, or has just been reached."""
    try:
        clients = redis.client_list()
    except ResponseError:
        return frozenset()
    here = max((int(client["age"]) for client in clients if client["name"] == process_name()), default=0)
    if here < KNOWN_AFTER_SECONDS:
        return frozenset()
    return frozenset(names) - {client["name"] for client in clients}


def owner_is_dead(token: bytes) -> bool:
    """Whether the process of a token has ended, as far as can be known here."""
    try:
        machine, number, began, _ = token.decode().split("-")
        return machine == _machine() != "" and _began(int(number)) != began
    except ValueError:
        return False


def owner_is_alive(token: bytes) -> bool:
    """Whether the process of a token runs on this machine now. Without Linux any process of its number will do."""
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
    """This boot of this machine, as its processes see each other; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return hashlib.blake2s(boot + os.readlink("/proc/self/ns/pid").encode(), digest_size=6).hexdigest()
    except OSError:
        return ""


def _began(number: int) -> str:
    """When a process began, in the kernel's own count; empty where it has ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in _ENDED else fields[_BEGAN]
