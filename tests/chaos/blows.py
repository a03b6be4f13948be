"""How each blow is dealt, and how what it broke is repaired: a blow returns when, and by what."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kombu import Connection, Queue
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.chaos.scenario import truncated_message
from tests.chaos.schedule import Blow
from tests.chaos.stand import Stand
from tests.support.hospital import descendants, kill
from worker.standalone.supervisor import Supervised

STANDS_STILL_SECONDS = 7.0
"""Longer than a lease, and than a claim of the synthetic clock: whoever wakes up must find that it lost them."""

HANGS_SECONDS = 10.0
"""Longer than a sender waits for an answer."""


class Repair(NamedTuple):
    """What ends the trouble, and after how many seconds."""

    after: float
    what: Callable[[], None]


def deal(stand: Stand, blow: Blow) -> Repair | None:
    """Deal it. None where there was nobody to be hit, or where nothing is to be repaired."""
    kind, dice = blow.kind, blow.dice
    if kind in _VICTIMS:
        kill(*_VICTIMS[kind](stand))
        return None
    if kind.endswith("stands still"):
        return _stop(_group(stand, kind.partition(" ")[0]))
    if kind.startswith("phone"):
        return _phone(stand, kind, dice)
    return _STORE[kind](stand, dice)


# -- processes -------------------------------------------------------------------------------------


def _whole(process: Supervised | None) -> list[int]:
    pid = process.pid if process is not None else None
    return [pid, *descendants(pid)] if pid is not None else []


def _child(process: Supervised | None, dice: random.Random = random.Random(7)) -> list[int]:  # noqa: B008
    below = _whole(process)[1:]
    return [dice.choice(below)] if below else []


_VICTIMS: dict[str, Callable[[Stand], list[int]]] = {
    "evaluating worker": lambda stand: _whole(stand.processes.evaluating),
    "delivering worker": lambda stand: _whole(stand.processes.delivering),
    "main process alone": lambda stand: _whole(stand.processes.evaluating)[:1],
    "evaluating child": lambda stand: _child(stand.processes.evaluating),
    "delivering child": lambda stand: _child(stand.processes.delivering),
    "gateway": lambda stand: _whole(stand.processes.gateway),
    "listener": lambda stand: _whole(stand.processes.listener),
}


def _group(stand: Stand, who: str) -> list[int]:
    if who == "store":
        return [stand.server.pid] if stand.server.pid is not None else []
    return _whole(stand.processes.evaluating if who == "evaluating" else stand.processes.delivering)


def _stop(pids: Iterable[int]) -> Repair:
    stopped = list(pids)
    _signal(stopped, signal.SIGSTOP)
    return Repair(STANDS_STILL_SECONDS, lambda: _signal(stopped, signal.SIGCONT))


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


# -- the phone -------------------------------------------------------------------------------------


def _phone(stand: Stand, kind: str, dice: random.Random) -> Repair:
    if kind == "phone hangs":
        stand.phone.behave(delay=HANGS_SECONDS, drop=True)
    elif kind == "phone hangs up":
        stand.phone.behave(drop=True)
    else:
        stand.phone.behave(status=int(kind.rpartition(" ")[2]))
    return Repair(dice.uniform(2, 8), stand.phone.behave)


# -- the store -------------------------------------------------------------------------------------


def _store_killed(stand: Stand, dice: random.Random) -> Repair:
    stand.server.kill()
    return Repair(dice.uniform(0.1, 3), stand.server.start)


def _store_truncated(stand: Stand, dice: random.Random) -> Repair:
    """Killed, with the beginning of a transaction at the end of its file that the cut did not let it finish.

    Nothing that was acknowledged is cut: it stood on the disk before its answer was given.
    """
    stand.server.kill()
    whole = b"".join(map(_command, _unfinished()))
    newest = max(stand.server.folder.rglob("*.aof"), key=lambda file: file.stat().st_mtime)
    _append(newest, whole[: dice.randrange(1, len(whole))])
    return Repair(dice.uniform(0.1, 1), stand.server.start)


def _unfinished() -> list[list[str]]:
    import json

    from worker.store.keys import Keys

    body = truncated_message()
    shard = Keys("cartwatch", 16).of(body["patient"])
    return [
        ["SELECT", "0"],
        ["MULTI"],
        ["XADD", shard.inbox, f"{time.time_ns() // 1_000_000}-0", "m", json.dumps(body)],
        ["HSET", "chart:truncated", body["id"], "1"],
        ["SET", shard.wakeup_pending, "1"],
    ]


def _command(words: list[str]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        parts.append(f"${len(word.encode())}\r\n".encode() + word.encode() + b"\r\n")
    return b"".join(parts)


def _append(file: Path, text: bytes) -> None:
    with file.open("ab") as open_file:
        open_file.write(text)


def _store_full(stand: Stand, dice: random.Random) -> Repair:
    def limit(most: int) -> None:
        with suppress(RedisError), direct(stand.server.url) as redis:
            redis.config_set("maxmemory", most)

    limit(1)
    return Repair(dice.uniform(1, 5), lambda: limit(0))


def _queues_emptied(stand: Stand, _: random.Random) -> None:
    if stand.broker.startswith("redis"):
        with suppress(RedisError), direct(stand.broker) as redis:
            redis.flushdb()
        return
    with suppress(OSError), Connection(stand.broker) as connection:
        for queue in stand.queues:
            # One that no worker has declared yet is empty; the broker closes the channel of whoever asks.
            with suppress(*connection.channel_errors):
                Queue(queue, channel=connection.channel()).purge()


def direct(url: str) -> Redis:
    """A connection that says at once when there is none."""
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=2, socket_connect_timeout=1)


_STORE: dict[str, Callable[[Stand, random.Random], Repair | None]] = {
    "store": _store_killed,
    "store, last write truncated": _store_truncated,
    "store full": _store_full,
    "queues emptied": _queues_emptied,
}
