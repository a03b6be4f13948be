"""Keys of sources that send by HTTP: 256 random bits, shown once, stored only as a hash.

A key reads `cw_ID_SECRET`. The id finds the key; the secret is compared in constant time. A secret that cannot be
guessed needs no slow hash. Each process caches the keys for two seconds. A revoked key is therefore accepted for that
long, and requests without a valid key cost the store nothing.
"""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, cast

from redis import Redis

from alerts.messages import SITE_SUBJECT
from worker.runtime.bulkhead import Bulkhead, SingleFlight
from worker.store.keys import Keys

_KEY = re.compile(r"cw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODYS = hashlib.sha256(b"").hexdigest()

REMEMBERED_SECONDS = 2.0


class SourceKey(NamedTuple):
    """A listed key, without its secret."""

    id: str
    source: str
    made: str


class SourceKeys:
    """The keys of an installation."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._hash = keys.of(SITE_SUBJECT).key("sources")

    def add(self, source: str, now: datetime) -> str:
        """Make a key for a source. The returned text is shown nowhere else."""
        identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        stored = {"source": source, "hash": _hashed(secret), "made": now.isoformat(timespec="seconds")}
        self._redis.hset(self._hash, identifier, json.dumps(stored))
        return f"cw_{identifier}_{secret}"

    def read(self) -> dict[str, dict[str, str]]:
        """The stored fields of each key, by its id."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self._hash))
        return {identifier.decode(): json.loads(raw) for identifier, raw in found.items()}

    def all(self) -> list[SourceKey]:
        """Every key, by source."""
        return sorted(
            (SourceKey(identifier, held["source"], held["made"]) for identifier, held in self.read().items()),
            key=lambda key: (key.source, key.made, key.id),
        )

    def revoke(self, identifier: str) -> bool:
        """Revoke a key; return whether it existed."""
        return bool(self._redis.hdel(self._hash, identifier))


class RememberedKeys:
    """A cache of the keys. It is read again after two seconds, or if a key is unknown."""

    def __init__(self, keys: SourceKeys, ticks: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._ticks = ticks
        self._read_at = float("-inf")
        self._held: Mapping[str, Mapping[str, str]] = MappingProxyType({})
        self._flight: SingleFlight[None] = SingleFlight(Bulkhead(1))

    async def source_of(self, key: str, *, slowed: bool = False) -> str | None:
        """The source of a key; None if no such key exists.

        `slowed`: the client has tried many wrong keys. An unknown key of theirs does not refresh the cache.

        Raises:
            redis.exceptions.RedisError: the store is to be asked and does not answer.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        is_recent = self._ticks() - self._read_at < REMEMBERED_SECONDS
        if not (is_recent and (slowed or self._find(match) is not None)):
            await self._flight.join(self._read, fresh=is_recent)
        return self._find(match)

    def _read(self) -> None:
        began = self._ticks()
        self._held = self._keys.read()
        self._read_at = began

    def _find(self, match: re.Match[str]) -> str | None:
        held = self._held.get(match[1], {"hash": _NOBODYS})
        return held.get("source") if hmac.compare_digest(_hashed(match[2]), held["hash"]) else None


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
