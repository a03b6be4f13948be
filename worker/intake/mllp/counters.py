"""Counters of each peer, for metrics and silent-feed checks. They contain nothing of a patient."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, cast

from redis import Redis

from worker.store.keys import Keys

MOST_PEERS = 500
"""Peers beyond this number are counted together, so that connecting cannot fill the store."""

COUNTED = {
    "connections": "Connections",
    "connections_rejected": "Connections that were rejected",
    "bytes": "Bytes received",
    "received": "Messages received",
    "stored": "Messages stored",
    "dead_lettered": "Messages that became dead letters",
    "ignored": "Messages without anything that is watched",
    "refused": "Messages answered with AE",
    "messages_not_acknowledged": "Messages not acknowledged because the store was down",
    "skipped_bytes": "Bytes outside any frame",
    "frames_aborted": "Frames that broke off",
}
"""The counters of a peer, with their descriptions."""

OTHERS = "others"
LAST_SEEN = "last_seen"


class CounterDeltas(NamedTuple):
    """The counts since the last write: amounts, and when (ms) each peer last sent something."""

    amounts: Mapping[tuple[str, str], int]
    seen: Mapping[str, int]


class Counters:
    """The counters of one listener, kept in memory and written from time to time. Single-threaded."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[str, str]] = Counter()
        self._seen: dict[str, int] = {}
        self._peers: set[str] = set()

    def add(self, peer: str, amounts: Mapping[str, int], at_ms: int | None = None) -> None:
        """Count for a peer; `at_ms` if it sent something now."""
        peer = self._named(peer)
        for name, amount in amounts.items():
            if amount:
                self._amounts[peer, name] += amount
        if at_ms is not None:
            self._seen[peer] = at_ms

    def take(self) -> CounterDeltas:
        """Return and reset the counts, to be written."""
        change = CounterDeltas(dict(self._amounts), dict(self._seen))
        self._amounts.clear()
        self._seen.clear()
        return change

    def put_back(self, change: CounterDeltas) -> None:
        """Add back counts that could not be written."""
        self._amounts.update(change.amounts)
        self._seen = {**change.seen, **self._seen}

    def _named(self, peer: str) -> str:
        if peer not in self._peers and len(self._peers) >= MOST_PEERS:
            return OTHERS
        self._peers.add(peer)
        return peer


def write(redis: Redis, keys: Keys, listener: str, change: CounterDeltas) -> None:
    """Add counts to those of a listener in the store."""
    if not (change.amounts or change.seen):
        return
    pipe = redis.pipeline(transaction=True)
    pipe.sadd(_listeners(keys), listener)
    for (peer, name), amount in change.amounts.items():
        pipe.hincrby(_key(keys, listener), f"{peer} {name}", amount)
    for peer, at_ms in change.seen.items():
        pipe.hset(_key(keys, listener), f"{peer} {LAST_SEEN}", at_ms)
    pipe.execute()


def read(redis: Redis, keys: Keys, listener: str) -> dict[str, dict[str, int]]:
    """Peer -> its counts; `last_seen` in ms since 1970."""
    found: dict[str, dict[str, int]] = {}
    for field, value in cast("dict[bytes, bytes]", redis.hgetall(_key(keys, listener))).items():
        peer, _, name = field.decode().rpartition(" ")
        found.setdefault(peer, {})[name] = int(value)
    return found


def read_all(redis: Redis, keys: Keys) -> dict[str, dict[str, dict[str, int]]]:
    """The counts of every listener, by its name."""
    names = sorted(name.decode() for name in cast("set[bytes]", redis.smembers(_listeners(keys))))
    return {name: read(redis, keys, name) for name in names}


def _listeners(keys: Keys) -> str:
    return f"{keys.namespace}:mllp"


def _key(keys: Keys, listener: str) -> str:
    return f"{keys.namespace}:mllp:{listener}"
