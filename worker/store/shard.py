"""The state store: take a batch of a shard's inbox and due timers, and read committed data.

A batch takes three round trips to Redis, however many messages and patients it holds: take the lease, count the attempt
and read what waits, in one script (`worker/store/take.py`); watch the lease and read it with the revisions and the
states that are not cached; commit. The first and the last write. One more reads states that another process has
changed, one more the next window of an inbox that one patient fills, one more checks the inboxes that a commit forwards
messages to.
"""

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from alerts.state import DeadLetter, PatientState, Unregistered
from worker.clock import Clock
from worker.store import dead_letters
from worker.store.backlog import per_shard
from worker.store.capacity import Capacity
from worker.store.codec import readable, unpack_state, unpack_unregistered
from worker.store.fair_shares import (
    BUDGET_PART,
    OF_THE_BACKLOG,
    SCAN_PART,
    InboxEntry,
    Scan,
    Selection,
    TimeBudget,
    routed,
)
from worker.store.journal import read_journal
from worker.store.keys import Keys, Shard
from worker.store.lease import Lease
from worker.store.schema import UnreadableError
from worker.store.state_cache import StateCache
from worker.store.take import Entry, Taken, take

log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """The work that one worker has taken of a shard: inbox entries, and patients whose timers are due.

    `crashes`: how often a batch of the shard was taken lately and not committed, this one included. The `suspect` is
    the entry that is evaluated alone. The next scan of the inbox begins at the `cursor`.
    """

    shard: Shard
    token: str
    waiting: list[InboxEntry]
    due: list[str]
    crashes: int = 1
    scan: Scan = Scan()
    cursor: bytes = b""
    suspect: bytes = b""

    @property
    def lease(self) -> Lease:
        return Lease(self.shard.lease, self.token.encode())

    def done_with(self, entries: Collection[bytes]) -> "Batch":
        """The batch with only the entries that are done."""
        done = [one for one in self.waiting if one.entry in entries]
        return self._replace(waiting=done, cursor=self.scan.after(self.waiting, entries))


class Store:
    """The state store of one installation.

    `exports`: effects are also exported to an EHR. `audited`: journals are trimmed only by the audit.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        batch: int,
        lease_seconds: int,
        journal_length: int,
        exports: bool = False,
        audited: bool = False,
    ) -> None:
        self.redis = redis
        self.exports = exports
        self.audited = audited
        self.keys = keys
        self._batch = batch
        self.lease_ms = lease_seconds * 1000
        self.journal_length = journal_length
        self.state_cache = StateCache()
        self.capacity = Capacity(redis, keys)

    def is_audited(self, shard: Shard) -> bool:
        """Whether the audit records a shard; that of the canary is left out."""
        return self.audited and shard != self.keys.canary

    # -- taking a batch --------------------------------------------------------------------------

    def budget(self, monotonic: Callable[[], float]) -> TimeBudget:
        """The time budget of one run."""
        return TimeBudget(self.lease_ms / 1000 / BUDGET_PART, monotonic)

    def take(self, shard: Shard, clock: Clock, budget: TimeBudget | None = None) -> Batch | None:
        """Take the lease and read what waits; None if another worker has the lease or nothing waits.

        Raises:
            NewerStoreError: a newer version has written to the store.
        """
        lease = Lease.of(shard.lease)
        taken = take(self.redis, self.keys, shard, lease, self.lease_ms, self._batch, clock)
        if taken is None:
            return None
        now = clock.now()
        selection = self._select(shard, taken, now, budget)
        backlog = [_waiting(entry, now) for entry in taken.backlog]
        waiting, scan = selection.close(backlog, longer=len(backlog) == OF_THE_BACKLOG)
        token = lease.token.decode()
        return Batch(shard, token, waiting, taken.due, taken.crashes, scan, taken.cursor, taken.suspect)

    def _select(self, shard: Shard, taken: Taken, now: datetime, budget: TimeBudget | None) -> Selection:
        """Choose from a window of the inbox, and from the next windows while one patient or source fills them."""
        selection, entries = Selection(self._batch, taken.cursor), taken.entries
        while True:
            for entry in entries:
                selection.offer(_waiting(entry, now))
            selection.end = len(entries) < self._batch
            if selection.end or selection.is_full or budget is None or budget.is_spent(SCAN_PART):
                return selection
            after = b"(" + entries[-1][0]
            entries = cast("list[Entry]", self.redis.xrange(shard.inbox, after, taken.last, self._batch))

    def mark_suspect(self, batch: Batch, entry: bytes) -> None:
        """Record, if the lease is ours, which entry is evaluated alone. If the worker dies, that entry killed it."""
        shard = batch.shard
        batch.lease.write(self.redis, lambda pipe: pipe.set(shard.key("suspect"), entry))

    def release(self, batch: Batch) -> None:
        """Release the lease without a commit, if it is still ours; this was no crash."""
        shard = batch.shard

        def uncounted(pipe: Pipeline) -> None:
            pipe.delete(shard.lease)
            pipe.decr(shard.crashes)

        if not batch.lease.write(self.redis, uncounted):
            log.info("another worker took shard %d before it was released", batch.shard.number)

    # -- reading ---------------------------------------------------------------------------------

    def state(self, patient: str) -> PatientState | None:
        """One patient's last committed state."""
        packed = cast("bytes | None", self.redis.hget(self.keys.of(patient).key("states"), patient))
        return unpack_state(packed) if packed is not None else None

    def states(self, *, unregistered: bool = False) -> list[PatientState]:
        """The states of registered patients, of the site, and of others while they have an open episode; or of all."""
        found: list[PatientState] = []
        for shard in self.keys.all():
            pipe = self.redis.pipeline(transaction=False)
            pipe.hgetall(shard.key("states"))
            pipe.hgetall(shard.key("unregistered"))
            packed, notes = cast("list[dict[bytes, bytes]]", pipe.execute())
            shown = (item for item in packed.items() if unregistered or is_shown(notes.get(item[0])))
            found += [state for _, state in readable(unpack_state, shown)]
        return sorted(found, key=lambda state: state.patient)

    def patient_of(self, episode: str) -> str | None:
        """The patient an episode belongs to."""
        rows = per_shard(self.redis, self.keys.all(), lambda pipe, shard: pipe.hget(shard.key("episodes"), episode))
        return next((found.decode() for (found,) in rows if found is not None), None)

    def dead_letters(self) -> list[tuple[str, DeadLetter]]:
        """The dead letters, oldest first: a record for each reason, with the id that its text is listed under."""
        letters = dead_letters.everything(self.redis, self.keys)
        return [(one.id, record) for one in letters for record in one.letter.records()]

    def unregistered(self) -> dict[str, Unregistered]:
        """The patients that nobody has registered, in one round trip."""
        rows = per_shard(self.redis, self.keys.all(), lambda pipe, shard: pipe.hgetall(shard.key("unregistered")))
        notes = (item for (found,) in rows for item in found.items())
        return dict(sorted((patient.decode(), note) for patient, note in readable(unpack_unregistered, notes)))

    def stream(self, key: str, after: str = "-") -> list[tuple[bytes, dict[bytes, bytes]]]:
        """The entries of a stream after an entry, oldest first."""
        start = after if after == "-" else f"({after}"
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", self.redis.xrange(key, min=start))

    def journal(self, shard: Shard, after: str = "-") -> list[tuple[str, dict[str, Any]]]:
        """A shard's journal records after an entry, oldest first."""
        return read_journal(self.redis, shard, after)


def is_shown(unregistered: bytes | None) -> bool:
    """Whether the board shows a patient. One that nobody has registered is shown only while an episode is open."""
    if unregistered is None:
        return True
    with suppress(UnreadableError):
        return unpack_unregistered(unregistered).open
    return True


def _waiting(entry: Entry, now: datetime) -> InboxEntry:
    id, fields = entry
    found = routed(id, fields.get(b"m", b""), _accepted_at(id, fields, now))
    return found._replace(sender=fields[b"s"].decode(errors="replace")) if b"s" in fields else found


def _accepted_at(entry: bytes, fields: dict[bytes, bytes], now: datetime) -> datetime:
    """The time at which an entry was accepted: its own field, else its stream id, because other programs append too."""
    with suppress(KeyError, ValueError):
        received = datetime.fromisoformat(fields[b"r"].decode())
        if received.tzinfo is not None:
            return received
    try:
        return datetime.fromtimestamp(int(entry.split(b"-")[0]) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return now
