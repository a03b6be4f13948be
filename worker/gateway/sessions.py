"""The sessions of the board. They are kept in the state store, so that every gateway can end them."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from redis import Redis

from worker.links import SIGN_IN_WITHIN, SignIn
from worker.store.keys import Keys
from worker.store.lease import once_every

LASTS = timedelta(hours=12)
"""The longest session, whatever the activity: a shift."""

IDLE = timedelta(minutes=60)
"""The longest time without activity. Automatic refreshes do not count as activity."""


class Session(NamedTuple):
    """One session: the id in the cookie, and the person."""

    id: str
    person: str


class Sessions:
    """Begins, finds and ends sessions. The store holds only a digest of the cookie."""

    def __init__(self, redis: "Redis", keys: Keys) -> None:
        self._redis = redis
        self.key = f"{keys.namespace}:sessions"
        self._used = f"{keys.namespace}:signed-in:"

    def begin(self, link: SignIn, now: datetime) -> Session | None:
        """Begin a session by a link; None if the link was used before."""
        if not once_every(self._redis, f"{self._used}{link.id}", 2 * SIGN_IN_WITHIN):
            return None
        stored = self._all()
        gone = [field for field, note in stored.items() if not _lasts(note, now)]
        if gone:
            self._redis.hdel(self.key, *gone)
        session = Session(secrets.token_urlsafe(32), link.person)
        self._note(session, now, now)
        return session

    def find(self, id: str, now: datetime, *, active: bool = True) -> Session | None:
        """The session of a cookie, while it lasts. `active`: the person acts, which extends it by an hour."""
        note = cast("bytes | None", self._redis.hget(self.key, digest(id))) if id else None
        if note is None or not _lasts(note, now):
            return None
        person, since, seen = _read(note)
        session = Session(id, person)
        if active and now > seen:
            self._note(session, since, now)
        return session

    def alive(self, stored: Mapping[bytes, bytes], now: datetime) -> frozenset[str]:
        """The digests of the valid sessions, among those read from the store under `key`."""
        return frozenset(field.decode() for field, note in stored.items() if _lasts(note, now))

    def end(self, id: str) -> None:
        """Sign out."""
        self._redis.hdel(self.key, digest(id))

    def end_all(self, person: str) -> int:
        """End every session of a person; return how many there were."""
        theirs = [field for field, note in self._all().items() if _read(note)[0] == person]
        return self._redis.hdel(self.key, *theirs) if theirs else 0

    def _all(self) -> dict[str, bytes]:
        stored = cast("dict[bytes, bytes]", self._redis.hgetall(self.key))
        return {field.decode(): note for field, note in stored.items()}

    def _note(self, session: Session, since: datetime, seen: datetime) -> None:
        note = json.dumps([session.person, since.isoformat(), seen.isoformat()])
        self._redis.hset(self.key, digest(session.id), note)


def digest(id: str) -> str:
    """The name of a session in the store."""
    return hashlib.sha256(id.encode(errors="replace")).hexdigest()


def _read(note: bytes) -> tuple[str, datetime, datetime]:
    person, since, seen = json.loads(note)
    return person, datetime.fromisoformat(since), datetime.fromisoformat(seen)


def _lasts(note: bytes, now: datetime) -> bool:
    _, since, seen = _read(note)
    return now - since < LASTS and now - seen < IDLE
