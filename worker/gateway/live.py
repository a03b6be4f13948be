"""The ward as it is now, read once for everybody who looks."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, cast

from alerts.watch import Watch
from worker.feeds import last_heard
from worker.gateway.sessions import Sessions
from worker.health import Check, examine
from worker.packing import unpack_unregistered, unpack_watch
from worker.runtime import Runtime
from worker.store import is_shown
from worker.unregistered import NOBODY, Tally, tally

EVERY_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0


class Ward(NamedTuple):
    """Everything the board shows, as read at one moment. Who is not registered is only counted, unless they page;
    `sessions` are the digests of those that last.
    """

    at: datetime
    watches: tuple[Watch, ...]
    heard: dict[str, datetime]
    checks: tuple[Check, ...]
    sessions: frozenset[str]
    unregistered: Tally = NOBODY


class Live:
    """One look at the store in each interval, shared by all who ask. A patient who has not changed is not decoded."""

    def __init__(
        self,
        run: Runtime,
        sessions: Sessions,
        every: float = EVERY_SECONDS,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every = every
        self.closing = threading.Event()
        self._run = run
        self._sessions = sessions
        self._ticks = ticks
        self._lock = threading.Lock()
        self._read: tuple[float, Ward] | None = None
        self._decoded: dict[bytes, tuple[bytes, Watch]] = {}

    def ward(self, *, fresh: bool = False) -> Ward:
        """The ward, at most one interval old; `fresh`: as it is now.

        Raises:
            redis.exceptions.RedisError: the store cannot be reached.
        """
        with self._lock:
            now = self._ticks()
            if self._read is not None and not fresh and now - self._read[0] < self.every * 0.9:
                return self._read[1]
            ward = self._look()
            self._read = (now, ward)
            return ward

    def _look(self) -> Ward:
        now = self._run.clock.now()
        store, site = self._run.store, self._run.site
        pipe = store.redis.pipeline(transaction=False)
        pipe.hgetall(self._sessions.key)
        for shard in store.keys.all():
            pipe.hgetall(shard.key("watches"))
            pipe.hgetall(shard.key("unregistered"))
        sessions, *packed = cast("list[dict[bytes, bytes]]", pipe.execute())
        notes = {patient: note for shard in packed[1::2] for patient, note in shard.items()}
        held = {
            patient: watch for shard in packed[::2] for patient, watch in shard.items() if is_shown(notes.get(patient))
        }
        return Ward(
            at=now,
            watches=self._unpacked(held),
            unregistered=tally(map(unpack_unregistered, notes.values())),
            heard=last_heard(store, site, now) if site.on_call.feeds else {},
            checks=self._checks(now),
            sessions=self._sessions.alive(sessions, now),
        )

    def _checks(self, now: datetime) -> tuple[Check, ...]:
        """How the service is. What cannot be examined is ill, and takes nothing else of the board away."""
        try:
            return tuple(examine(self._run.store, now))
        except Exception as error:
            return (Check("store", False, f"cannot be examined ({type(error).__name__})"),)

    def _unpacked(self, held: dict[bytes, bytes]) -> tuple[Watch, ...]:
        decoded = {}
        for patient, packed in held.items():
            known = self._decoded.get(patient)
            decoded[patient] = known if known is not None and known[0] == packed else (packed, unpack_watch(packed))
        self._decoded = decoded
        return tuple(watch for _, (_, watch) in sorted(decoded.items()))
