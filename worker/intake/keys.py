"""Keys of sources that send by HTTP: 256 random bits, shown once, kept only as a hash.

A key reads `cw_ID_SECRET`. The id finds it; the secret is compared in constant time. A hash that is fast to compute
is enough for a secret that cannot be guessed.
"""

import hashlib
import hmac
import json
import re
import secrets
from datetime import datetime
from typing import NamedTuple, cast

from redis import Redis

from alerts.messages import SITE_SUBJECT
from worker.keys import Keys

_KEY = re.compile(r"cw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODYS = hashlib.sha256(b"").hexdigest()


class SourceKey(NamedTuple):
    """A key as it is listed: never its secret."""

    id: str
    source: str
    made: str


class SourceKeys:
    """The keys of an installation."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._hash = keys.of(SITE_SUBJECT).key("sources")

    def add(self, source: str, now: datetime) -> str:
        """Make a key for a source; what is returned is shown nowhere else."""
        identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        held = {"source": source, "hash": _hashed(secret), "made": now.isoformat(timespec="seconds")}
        self._redis.hset(self._hash, identifier, json.dumps(held))
        return f"cw_{identifier}_{secret}"

    def source_of(self, key: str) -> str | None:
        """The source a key belongs to; None for anything that is no key of ours."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        raw = cast("bytes | None", self._redis.hget(self._hash, match[1]))
        held: dict[str, str] = json.loads(raw) if raw is not None else {"hash": _NOBODYS}
        fits = hmac.compare_digest(_hashed(match[2]), held["hash"])
        return held.get("source") if fits else None

    def all(self) -> list[SourceKey]:
        """Every key, by source."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self._hash))
        keys = [(identifier.decode(), json.loads(raw)) for identifier, raw in found.items()]
        return sorted(
            (SourceKey(identifier, held["source"], held["made"]) for identifier, held in keys),
            key=lambda key: (key.source, key.made, key.id),
        )

    def revoke(self, identifier: str) -> bool:
        """Take a key away at once; whether there was one."""
        return bool(self._redis.hdel(self._hash, identifier))


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
