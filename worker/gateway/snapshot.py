"""Snapshots of the ward. Each is read once for all readers."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, cast

from redis.exceptions import TimeoutError as StoreTimeoutError

from alerts.overview import Overview, overview
from alerts.state import PatientState
from config.site import Site
from worker.gateway.sessions import Sessions
from worker.monitoring.health import Check, examine
from worker.monitoring.silent_feeds import LastSeen, last_seen
from worker.monitoring.unregistered import NOBODY, UnregisteredSummary, summarise
from worker.runtime.bulkhead import Bulkhead, SingleFlight
from worker.runtime.runtime import Runtime
from worker.store.codec import readable, unpack_state, unpack_unregistered
from worker.store.shard import is_shown

EVERY_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0

LOOK_SECONDS = 3.0
"""The time for which a reader waits for a snapshot in progress. After it the last snapshot is shown with its time."""

STALE_SECONDS = 10.0
"""An older snapshot is not shown as the present ward."""


class Ward(NamedTuple):
    """The contents of the board, read at one moment.

    Unregistered patients are only counted, unless they have an open episode. `sessions`: the digests of the valid
    sessions. Two snapshots with the same `version` look the same. `unreadable`: the patients whose stored state cannot
    be read.
    """

    at: datetime
    states: tuple[PatientState, ...]
    feeds: dict[str, LastSeen]
    checks: tuple[Check, ...]
    sessions: frozenset[str]
    version: int
    unregistered: UnregisteredSummary = NOBODY
    unreadable: tuple[str, ...] = ()


class WardSnapshots:
    """One snapshot in each interval, one at a time, shared by all readers.

    The state of an unchanged patient is not decoded again.
    """

    def __init__(
        self,
        run: Runtime,
        sessions: Sessions,
        every: float = EVERY_SECONDS,
        threads: Bulkhead | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every = every
        self.closing = threading.Event()
        self._run = run
        self._sessions = sessions
        self._ticks = ticks
        self._lock = threading.Lock()
        self._flight: SingleFlight[Ward] = SingleFlight(threads or Bulkhead(1))
        self._read: tuple[float, Ward] | None = None
        self._decoded: dict[bytes, tuple[bytes, PatientState]] = {}
        self._overviews: dict[str, tuple[Site, Overview]] = {}
        self._shown: object = None
        self._version = 0

    async def ward(self, *, fresh: bool = False, or_last: bool = True) -> Ward:
        """The ward, at most one interval old; `fresh`: the present ward. Readers share a snapshot in progress.

        `or_last`: if the snapshot takes too long, return the last one, with its time, for a limited time.

        Raises:
            redis.exceptions.RedisError: the store cannot be reached, or does not answer in time.
        """
        if not fresh and (recent := self._younger_than(self.every * 0.9)) is not None:
            return recent
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._flight.join(self.look, fresh=fresh)
        except TimeoutError:
            if or_last and (last := self._younger_than(STALE_SECONDS)) is not None:
                return last
            raise StoreTimeoutError("the store does not answer in time") from None

    def look(self) -> Ward:
        """Read the present ward.

        Raises:
            redis.exceptions.RedisError: the store cannot be reached.
        """
        began = self._ticks()
        ward = self._look()
        self._read = (began, ward)
        return ward

    def _younger_than(self, seconds: float) -> Ward | None:
        read = self._read
        return read[1] if read is not None and self._ticks() - read[0] < seconds else None

    def overviews(self, ward: Ward) -> list[Overview]:
        """The overview of every patient. Unchanged patients are not assessed again."""
        site = self._run.site
        with self._lock:
            known = self._overviews
            self._overviews = {
                state.patient: known[state.patient]
                if state.patient in known and known[state.patient][0] is site and known[state.patient][1].state is state
                else (site, overview(state, site))
                for state in ward.states
            }
            return [one for _, one in self._overviews.values()]

    def _look(self) -> Ward:
        now = self._run.clock.now()
        store, site = self._run.store, self._run.site
        pipe = store.redis.pipeline(transaction=False)
        pipe.hgetall(self._sessions.key)
        for shard in store.keys.all():
            pipe.hgetall(shard.key("states"))
            pipe.hgetall(shard.key("unregistered"))
        sessions, *packed = cast("list[dict[bytes, bytes]]", pipe.execute())
        notes = {patient: note for shard in packed[1::2] for patient, note in shard.items()}
        packed_states = {
            patient: state for shard in packed[::2] for patient, state in shard.items() if is_shown(notes.get(patient))
        }
        states = self._unpacked(packed_states)
        checks = self._checks(now)
        unreadable = tuple(
            sorted(name.decode(errors="replace") for name in packed_states.keys() - self._decoded.keys())
        )
        feeds = last_seen(store, site, now) if site.on_call.feeds else {}
        unregistered = summarise(note for _, note in readable(unpack_unregistered, notes.items()))
        return Ward(
            at=now,
            states=states,
            unregistered=unregistered,
            unreadable=unreadable,
            feeds=feeds,
            checks=checks,
            sessions=self._sessions.alive(sessions, now),
            version=self._version_of(now, states, feeds, checks, unregistered, unreadable),
        )

    def _version_of(
        self,
        now: datetime,
        states: tuple[PatientState, ...],
        feeds: dict[str, LastSeen],
        checks: tuple[Check, ...],
        unregistered: UnregisteredSummary,
        unreadable: tuple[str, ...],
    ) -> int:
        """A number that increases whenever the board would look different. The board shows no seconds."""
        minutes = {name: _minute(last.at) for name, last in feeds.items()}
        parts = tuple((check.part, check.well) for check in checks)
        # The states of the last look were kept until these had been decoded, so that no two have one identity.
        identities = [id(state) for state in states]
        shown = (_minute(now), minutes, parts, identities, unregistered, unreadable, id(self._run.site))
        if shown != self._shown:
            self._shown = shown
            self._version += 1
        return self._version

    def _checks(self, now: datetime) -> tuple[Check, ...]:
        """The health of the service. If it cannot be examined, the rest of the board is shown all the same."""
        try:
            return tuple(examine(self._run.store, now, self._run.site.on_call.channels))
        except Exception as error:
            return (Check("store", False, f"cannot be examined ({type(error).__name__})"),)

    def _unpacked(self, packed_states: dict[bytes, bytes]) -> tuple[PatientState, ...]:
        known = self._decoded
        same = {
            patient: known[patient]
            for patient, packed in packed_states.items()
            if known.get(patient, (b"",))[0] == packed
        }
        changed = ((patient, packed) for patient, packed in packed_states.items() if patient not in same)
        decoded = {patient: (packed_states[patient], state) for patient, state in readable(unpack_state, changed)}
        self._decoded = decoded = same | decoded
        return tuple(state for _, (_, state) in sorted(decoded.items()))


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
