"""The one transaction: a batch of a shard's inbox and its due timers, taken to the next state.

Round trips to Redis for a batch, however many messages and patients it holds: look whether anything waits (1), take
the lease and read (1), count the attempt (1), watch the lease (1), read lease, revisions and the states this process
does not remember (1, or 2 where another process has changed one it does), commit (1). Lease, count and commit write.
Only where one patient fills a whole window of the inbox, another trip reads the next window, within the budget.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from msgspec import structs
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from alerts.messages import AnyMessage
from alerts.state import DeadLetter, PatientState, Unregistered
from worker.clock import Clock, milliseconds, read_with
from worker.store import dead_letters, schema
from worker.store.capacity import Capacity
from worker.store.codec import Owed, pack, pack_journal, readable, unpack_journal, unpack_state, unpack_unregistered
from worker.store.fair_shares import (
    BUDGET_PART,
    OF_THE_BACKLOG,
    PATIENTS,
    SCAN_PART,
    InboxEntry,
    Scan,
    Selection,
    TimeBudget,
    routed,
)
from worker.store.inbox import encoded, queue, queue_wakeups, to_wake
from worker.store.keys import Keys, Shard
from worker.store.lease import Lease
from worker.store.schema import UnreadableError
from worker.store.state_cache import StateCache
from worker.store.unreadable import Suspension

log = logging.getLogger(__name__)

Entry = tuple[bytes, dict[bytes, bytes]]
"""An entry of a stream: its id and its fields."""

STUCK_WAITS = timedelta(minutes=1)

LOOK_AT_LEAST_EVERY = timedelta(hours=6)
"""A patient is looked at again after this though nothing is due before: a next look that lies further ahead was written
by a wrong clock, and is due (`worker/monitoring/clock_jump.py`)."""

EXPORTS_KEPT = 10_000
"""Batches of a shard that wait for the record system at most. A record system that is gone for good must not fill the
store: beyond these the oldest are dropped, days after that was paged."""


class ReadPosition(NamedTuple):
    """Where a shard's inbox is read: the `cursor` of its scans, and the `suspect` that is evaluated alone."""

    cursor: bytes = b""
    suspect: bytes = b""

    @property
    def before(self) -> bytes:
        """The end of the backlog, which lies before the cursor."""
        return self.cursor[1:] if self.cursor.startswith(b"(") else b"(" + self.cursor


HEAD = ReadPosition()
"""The beginning of an inbox without backlog."""


class Batch(NamedTuple):
    """What one worker has taken of a shard: entries, and patients whose timers are due. `crashes` is how often the
    shard was taken in vain lately, this time included; `place` is where the next scan of the inbox begins."""

    shard: Shard
    token: str
    waiting: list[InboxEntry]
    due: list[str]
    crashes: int = 1
    scan: Scan = Scan()
    place: ReadPosition = HEAD

    @property
    def lease(self) -> Lease:
        """The lease on the shard."""
        return Lease(self.shard.lease, self.token.encode())

    def done_with(self, entries: Collection[bytes]) -> "Batch":
        """The same, of which only these entries have been dealt with."""
        done = [one for one in self.waiting if one.entry in entries]
        return self._replace(waiting=done, place=ReadPosition(self.scan.after(self.waiting, entries)))


class Commit(NamedTuple):
    """What a batch led to, ready to be committed.

    `forwarded` are messages for the inboxes of other shards, or of this one. The timers of `failed_timers` are due
    again later. `last_seen` is when (ms) each source last sent something. `exports` are for the EHR. `suspension` is
    what waits for states that cannot be read.
    """

    states: dict[str, PatientState]
    pages: list[Owed]
    cancelled: list[str]
    dead_letters: list[DeadLetter]
    events: list[dict[str, Any]]
    forwarded: list[AnyMessage]
    failed_timers: list[str]
    last_seen: Mapping[str, int] = MappingProxyType({})
    exports: bytes = b""
    suspension: Suspension = Suspension()


class LostLeaseError(Exception):
    """Another worker has taken the shard; nothing was committed."""


class Store:
    """The state store of one installation; `exports`: a record system is to be told what follows."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        batch: int,
        lease_seconds: int,
        journal_length: int,
        exports: bool = False,
    ) -> None:
        self.redis = redis
        self.exports = exports
        self.keys = keys
        self._batch = batch
        self.lease_ms = lease_seconds * 1000
        self._journal_length = journal_length
        self.state_cache = StateCache()
        self.capacity = Capacity(redis, keys)

    # -- taking a batch --------------------------------------------------------------------------

    def look(self, shard: Shard, clock: Clock) -> ReadPosition | None:
        """Where to read a shard's inbox; None where nothing waits in the shard. Many a wake-up comes when its message
        was taken with others before: that costs one round trip and no write. The trip also reads the store's clock.

        Raises:
            NewerStoreError: a newer version has written to the store.
        """
        pipe = self.redis.pipeline(transaction=False)
        pipe.xlen(shard.inbox)
        pipe.zrange(shard.key("timers"), 0, 0, withscores=True)
        pipe.mget(shard.key("cursor"), shard.key("suspect"), self.keys.schema)
        *waits, timers, (cursor, suspect, written_by) = read_with(clock, pipe)
        waits += [due_at <= milliseconds(clock.now()) for _, due_at in timers]
        if not any(waits):
            return None
        if schema.newest_writer(written_by) != schema.VERSION:
            schema.record_version(self.redis, self.keys)
        return ReadPosition(cursor or b"", suspect or b"")

    def budget(self, monotonic: Callable[[], float]) -> TimeBudget:
        """The time of one turn."""
        return TimeBudget(self.lease_ms / 1000 / BUDGET_PART, monotonic)

    def take(
        self, shard: Shard, now: datetime, place: ReadPosition = HEAD, budget: TimeBudget | None = None
    ) -> Batch | None:
        """Take the lease and read what waits; None where another worker has the shard or nothing waits.

        A `place` that is out of date costs time and no message.
        """
        lease = Lease.of(shard.lease)
        pipe = self.redis.pipeline(transaction=False)
        lease.queue_take(pipe, timedelta(milliseconds=self.lease_ms))
        pipe.xrange(shard.inbox, min=place.cursor or "-", count=self._batch)
        pipe.zrangebyscore(shard.key("timers"), "-inf", milliseconds(now), start=0, num=PATIENTS)
        if place.cursor:
            pipe.xrange(shard.inbox, max=place.before, count=OF_THE_BACKLOG)
        leased, entries, due, *before = pipe.execute()
        if not leased:
            return None
        backlog = [_waiting(entry, now) for entry in before[0]] if before else []
        selection = self._select(shard, entries, now, place, budget)
        waiting, scan = selection.close(backlog, longer=len(backlog) == OF_THE_BACKLOG)
        # Only who has the lease counts: a count that others may leave behind would set good messages aside.
        crashes = self.redis.incr(shard.crashes)
        batch = Batch(shard, lease.token.decode(), waiting, [patient.decode() for patient in due], crashes, scan, place)
        if not batch.waiting and not batch.due:
            self.release(batch)
            return None
        return batch

    def _select(
        self, shard: Shard, entries: Sequence[Entry], now: datetime, place: ReadPosition, budget: TimeBudget | None
    ) -> Selection:
        """Choose from a window of the inbox, and from the next ones while one patient or source fills them."""
        selection = Selection(self._batch, place.cursor)
        while True:
            for entry in entries:
                selection.offer(_waiting(entry, now))
            selection.end = len(entries) < self._batch
            if selection.end or selection.is_full or budget is None or budget.is_spent(SCAN_PART):
                return selection
            after = b"(" + entries[-1][0]
            entries = cast("list[Entry]", self.redis.xrange(shard.inbox, min=after, count=self._batch))

    def suspect(self, batch: Batch, entry: bytes) -> None:
        """Record that an entry is evaluated alone, if the lease is still ours: should the worker die, it is known."""
        shard = batch.shard
        batch.lease.write(self.redis, lambda pipe: pipe.set(shard.key("suspect"), entry))

    def release(self, batch: Batch) -> None:
        """Give the lease back without committing, if it is still ours: nobody died over it."""
        shard = batch.shard

        def give_back(pipe: Pipeline) -> None:
            pipe.delete(shard.lease)
            pipe.decr(shard.crashes)

        if not batch.lease.write(self.redis, give_back):
            log.info("shard %d was taken over before it was given back", batch.shard.number)

    # -- committing ------------------------------------------------------------------------------

    def transaction(self, batch: Batch) -> "Transaction":
        """Watch the lease; what is committed through this either happens whole, or not at all."""
        return Transaction(self, batch)

    def write(self, pipe: Pipeline, batch: Batch, outcome: Commit, now: datetime) -> list[Shard]:
        """Queue everything one batch changes onto an open MULTI; return the shards that messages are forwarded to."""
        shard = batch.shard
        for patient, state in outcome.states.items():
            self._write_state(pipe, shard, patient, state, now)
        if outcome.states:
            # The token is drawn anew for every batch, so that no two states of a patient have one revision.
            pipe.hset(shard.key("revisions"), mapping=dict.fromkeys(outcome.states, batch.token))
        for patient in outcome.failed_timers:
            pipe.zadd(shard.key("timers"), {patient: milliseconds(now + STUCK_WAITS)}, xx=True)
        for owed in outcome.pages:
            pipe.hset(shard.key("outbox"), owed.page.id, pack(owed))
            pipe.zadd(shard.due(owed.page.urgency), {owed.page.id: milliseconds(now)})
        if outcome.last_seen:
            pipe.hset(shard.key("last_seen"), items=[part for pair in outcome.last_seen.items() for part in pair])
        if outcome.cancelled:
            pipe.hdel(shard.key("outbox"), *outcome.cancelled)
            pipe.zrem(shard.key("due"), *outcome.cancelled)
            pipe.zrem(shard.key("urgent"), *outcome.cancelled)
            # Whoever is sending one of them now can then no longer bring it back.
            pipe.delete(
                *[name(page) for page in outcome.cancelled for name in (shard.page_lease, shard.unfinished_attempts)]
            )
        dead_letters.write(pipe, self.keys, outcome.dead_letters, now)
        outcome.suspension.write(pipe, shard)
        evaluated = [item for item in batch.waiting if item not in outcome.suspension.waiting]
        if self._journal_length and (evaluated or outcome.events):
            record_ = journal_record(evaluated, outcome.events, now)
            pipe.xadd(shard.key("journal"), {"j": record_}, maxlen=self._journal_length, approximate=True)
        if outcome.exports:
            pipe.xadd(
                shard.exports,
                {"at": milliseconds(now), "e": outcome.exports},
                maxlen=EXPORTS_KEPT,
                approximate=True,
            )
        if batch.waiting:
            pipe.xdel(shard.inbox, *[waiting.entry for waiting in batch.waiting])
        for source, size in _counted(batch.waiting).items():
            pipe.hincrby(self.keys.waiting_bytes, source, -size)
        return queue(pipe, self.keys, map(encoded, outcome.forwarded), now)

    def _write_state(self, pipe: Pipeline, shard: Shard, patient: str, state: PatientState, now: datetime) -> None:
        pipe.hset(shard.key("states"), patient, pack(state))
        next_at = state.next_at()
        if next_at is None:
            pipe.zrem(shard.key("timers"), patient)
        else:
            pipe.zadd(shard.key("timers"), {patient: milliseconds(min(next_at, now + LOOK_AT_LEAST_EVERY))})
        if state.unregistered is not None:
            note = structs.replace(state.unregistered, open=bool(state.episodes))
            pipe.hset(shard.key("unregistered"), patient, pack(note))
        else:
            pipe.hdel(shard.key("unregistered"), patient)
        for episode in state.episodes.values():
            pipe.hset(shard.key("episodes"), episode.id, patient)

    # -- reading ---------------------------------------------------------------------------------

    def state(self, patient: str) -> PatientState | None:
        """One patient's state as last committed."""
        packed = cast("bytes | None", self.redis.hget(self.keys.of(patient).key("states"), patient))
        return unpack_state(packed) if packed is not None else None

    def states(self, *, unregistered: bool = False) -> list[PatientState]:
        """The state of every patient who is registered or has an open episode, and of the site; or of all."""
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
        pipe = self.redis.pipeline(transaction=False)
        for shard in self.keys.all():
            pipe.hget(shard.key("episodes"), episode)
        return next((found.decode() for found in pipe.execute() if found is not None), None)

    def dead_letters(self) -> list[tuple[str, DeadLetter]]:
        """What could not be used, oldest first: a record for each reason, with the id its letter is listed under."""
        letters = dead_letters.everything(self.redis, self.keys)
        return [(one.id, record) for one in letters for record in one.letter.records()]

    def unregistered(self) -> dict[str, Unregistered]:
        """Patients nobody has registered, in one round trip: how many messages, since when, from which sources."""
        pipe = self.redis.pipeline(transaction=False)
        for shard in self.keys.all():
            pipe.hgetall(shard.key("unregistered"))
        notes = (item for shard in pipe.execute() for item in shard.items())
        return dict(sorted((patient.decode(), note) for patient, note in readable(unpack_unregistered, notes)))

    def stream(self, key: str, after: str = "-") -> list[tuple[bytes, dict[bytes, bytes]]]:
        """The entries of a stream after an entry, oldest first."""
        start = after if after == "-" else f"({after}"
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", self.redis.xrange(key, min=start))

    def journal(self, shard: Shard, after: str = "-") -> list[tuple[str, dict[str, Any]]]:
        """Journal records of a shard after an entry, oldest first; without those that cannot be read."""
        entries = self.stream(shard.key("journal"), after)
        packed = ((entry.decode(), fields.get(b"j", b"")) for entry, fields in entries)
        found = list(readable(unpack_journal, packed))
        if len(found) < len(entries):
            log.error("%d journal record(s) of shard %d cannot be read", len(entries) - len(found), shard.number)
        return found


class Committed(NamedTuple):
    """What follows a commit: whether `more` waits in the shard already, and the other shards to wake."""

    more: bool
    wake: list[Shard]


class Transaction:
    """The commit of one batch, guarded by the lease: a worker that lost it cannot commit.

    Read with the batch's states: `unregistered`, how many patients of the shard nobody has registered, and
    `unreadable`, why some states cannot be read.
    """

    def __init__(self, store: Store, batch: Batch) -> None:
        self._store = store
        self._batch = batch
        self._pipe = store.redis.pipeline(transaction=True)
        self.unregistered = 0
        self.unreadable: dict[str, UnreadableError] = {}

    def __enter__(self) -> "Transaction":
        self._pipe.watch(self._batch.shard.lease)  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.reset()

    def states(self, patients: Iterable[str]) -> dict[str, PatientState]:
        """The states of the batch's patients; a patient not seen before gets a fresh one.

        Raises:
            LostLeaseError: the lease is no longer ours.
        """
        read = self._store.state_cache.read(self._store.redis, self._batch.shard, sorted(set(patients)))
        if read.holder != self._batch.token.encode():
            raise LostLeaseError(self._batch.shard.number)
        self.unregistered = read.unregistered
        self.unreadable = read.unreadable
        return read.states

    def commit(self, batch: Batch, outcome: Commit, now: datetime) -> Committed:
        """Commit `batch` (the one taken, or its beginning) and release the lease.

        A producer that appends after this finds no wake-up pending and sends one; what was appended before is counted.

        Raises:
            LostLeaseError: the lease was taken over; nothing was committed.
        """
        self._require_inboxes(outcome.forwarded)
        self._pipe.multi()
        shards = [other for other in self._store.write(self._pipe, batch, outcome, now) if other != batch.shard]
        self._move_on(batch)
        queue_wakeups(self._pipe, shards)
        self._pipe.xlen(batch.shard.inbox)
        self._pipe.zcount(batch.shard.key("timers"), "-inf", milliseconds(now))
        try:
            *replies, waiting, due = self._pipe.execute()
        except WatchError as error:
            raise LostLeaseError(batch.shard.number) from error
        for patient, state in outcome.states.items():
            self._store.state_cache.keep(patient, batch.token.encode(), state)
        if outcome.dead_letters:
            dead_letters.trim(self._store.redis, self._store.keys, now)
        return Committed(bool(waiting or due), to_wake(shards, replies))

    def _require_inboxes(self, forwarded: Iterable[AnyMessage]) -> None:
        """Find an inbox that holds another type before the commit, which would otherwise lose what it forwards."""
        pipe = self._store.redis.pipeline(transaction=False)
        for shard in {self._store.keys.of(message.patient) for message in forwarded}:
            pipe.xlen(shard.inbox)
        if len(pipe):
            pipe.execute()

    def _move_on(self, batch: Batch) -> None:
        """Release the lease, and record where the next batch begins and how careful it must be."""
        shard, cursor = batch.shard, batch.place.cursor
        gone = [shard.lease, shard.wakeup_pending, shard.receipts, shard.key("suspect")]
        if batch.crashes > 2:
            # It is counted again when the shard is taken: each batch may be larger than the one before.
            self._pipe.set(shard.crashes, batch.crashes - 2)
        else:
            gone.append(shard.crashes)
        if cursor:
            self._pipe.set(shard.key("cursor"), cursor)
        else:
            gone.append(shard.key("cursor"))
        self._pipe.delete(*gone)


def is_shown(unregistered: bytes | None) -> bool:
    """Whether the board shows a patient, by the note of those nobody has registered: these only while they page."""
    if unregistered is None:
        return True
    with suppress(UnreadableError):
        return unpack_unregistered(unregistered).open
    return True


def _waiting(entry: Entry, now: datetime) -> InboxEntry:
    id, fields = entry
    found = routed(id, fields.get(b"m", b""), _accepted_at(id, fields, now))
    return found._replace(sender=fields[b"s"].decode(errors="replace")) if b"s" in fields else found


def _counted(waiting: Iterable[InboxEntry]) -> Counter[str]:
    """Bytes of each sender that leave the inbox."""
    counts: Counter[str] = Counter()
    for item in waiting:
        if item.sender:
            counts[item.sender] += len(item.raw)
    return counts


def _accepted_at(entry: bytes, fields: dict[bytes, bytes], now: datetime) -> datetime:
    """When an entry was accepted: as it says, else by its stream id; producers append in other languages."""
    with suppress(KeyError, ValueError):
        received = datetime.fromisoformat(fields[b"r"].decode())
        if received.tzinfo is not None:
            return received
    try:
        return datetime.fromtimestamp(int(entry.split(b"-")[0]) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return now


def journal_record(waiting: list[InboxEntry], events: list[dict[str, Any]], now: datetime) -> bytes:
    """What came in and what followed, compressed: one entry a batch keeps the audit trail cheap."""
    came_in = [
        {"received": item.received.isoformat(), "message": item.raw.decode(errors="replace")} for item in waiting
    ]
    return pack_journal({"at": now.isoformat(), "in": came_in, "events": events})
