"""The one transaction of a batch: all its effects are committed, with its inbox entries, or none of them."""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct, field, structs
from redis.client import Pipeline
from redis.exceptions import WatchError

from alerts.messages import AnyMessage
from alerts.state import Effects, PatientState
from worker.clock import milliseconds
from worker.store import dead_letters, measurements
from worker.store.channel_queues import enqueue
from worker.store.codec import Owed, pack
from worker.store.fair_shares import InboxEntry
from worker.store.inbox import SOURCE_SHOWN, UNKNOWN, encoded, queue, queue_wakeups, to_wake
from worker.store.journal import journal_record
from worker.store.keys import Keys, Partition, Shard
from worker.store.schema import UnreadableError
from worker.store.shard import Batch, Store
from worker.store.unreadable import Suspension

FAILED_TIMER_WAITS = timedelta(minutes=1)

LOOK_AT_LEAST_EVERY = timedelta(hours=6)
"""The longest time between two looks at a patient. A timer further ahead was written by a wrong clock, and is due
(`worker/monitoring/clock_jump.py`)."""

EXPORTS_KEPT = 10_000
"""Batches of a shard that may wait for the EHR. An EHR that is gone for good must not fill the store. Beyond this
number the oldest are dropped, days after the technician was paged."""


class Commit(Struct, kw_only=True):
    """The result of a batch.

    `effects` are those of all its patients together, and `owed` their pages in the form of the outbox. The timers of
    `failed_timers` are due again later. `last_seen`: when (ms) each source last sent something. `exports` are for the
    EHR. `configuration`: the digest of the rules it was evaluated under. `suspension`: the messages that wait for
    states that cannot be read.
    """

    states: dict[str, PatientState] = {}
    effects: Effects = field(default_factory=Effects)
    owed: list[Owed] = []
    failed_timers: list[str] = []
    last_seen: dict[str, int] = {}
    exports: bytes = b""
    configuration: str = ""
    suspension: Suspension = field(default_factory=Suspension)

    @property
    def outgoing(self) -> list[AnyMessage]:
        """Messages for inboxes: faults for that of the site, and messages for other records."""
        return [*self.effects.faults, *self.effects.forwarded]


class Committed(NamedTuple):
    """The consequences of a commit: whether `more` waits in the shard already, and the partitions and other shards to
    wake."""

    more: bool
    wake: list[Shard | Partition]


class LostLeaseError(Exception):
    """Another worker has the lease on the shard; nothing was committed."""


class Transaction:
    """The commit of one batch, guarded by the lease as a fencing token: a worker that lost it cannot commit.

    Read with the batch's states: `unregistered`, how many patients of the shard nobody has registered, and
    `unreadable`, why some states cannot be read.
    """

    def __init__(self, store: Store, batch: Batch) -> None:
        self._store = store
        self._batch = batch
        self._pipe = store.redis.pipeline(transaction=True)
        self._began = time.monotonic()
        self.unregistered = 0
        self.unreadable: dict[str, UnreadableError] = {}

    def __enter__(self) -> "Transaction":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.reset()

    def states(self, patients: Iterable[str]) -> dict[str, PatientState]:
        """The states of the batch's patients. A patient who was not seen before gets a fresh one.

        From here on the lease is watched: a commit after another worker took it fails.

        Raises:
            LostLeaseError: the lease is no longer ours.
        """
        read = self._store.state_cache.read(self._pipe, self._batch.shard, sorted(set(patients)))
        if read.holder != self._batch.token.encode():
            raise LostLeaseError(self._batch.shard.number)
        self.unregistered = read.unregistered
        self.unreadable = read.unreadable
        return read.states

    def commit(self, batch: Batch, commit: Commit, now: datetime) -> Committed:
        """Commit `batch` (the one that was taken, or its beginning) and release the lease, after `states`.

        A producer that appends after this finds no wake-up pending and sends one. What was appended before is counted.

        Raises:
            LostLeaseError: another worker has the lease; nothing was committed.
        """
        if not self._pipe.watching:
            raise RuntimeError("a commit without its states is not fenced")
        self._require_inboxes(commit.outgoing)
        self._pipe.multi()
        woken = [one for one in write(self._store, self._pipe, batch, commit, now) if one != batch.shard]
        self._measure(batch, commit, now)
        self._move_on(batch)
        queue_wakeups(self._pipe, woken)
        self._pipe.xlen(batch.shard.inbox)
        self._pipe.zcount(batch.shard.key("timers"), "-inf", milliseconds(now))
        try:
            *replies, waiting, due = self._pipe.execute()
        except WatchError as error:
            raise LostLeaseError(batch.shard.number) from error
        for patient, state in commit.states.items():
            self._store.state_cache.keep(patient, batch.token.encode(), state)
        if commit.effects.dead_letters:
            dead_letters.trim(self._store.redis, self._store.keys, now)
        return Committed(bool(waiting or due), to_wake(woken, replies))

    def _measure(self, batch: Batch, commit: Commit, now: datetime) -> None:
        """Queue how long the batch took, and how long ago the first message of each patient it pages was accepted."""
        keys, lasted = self._store.keys, time.monotonic() - self._began
        measurements.observe(self._pipe, keys, measurements.BATCH, lasted)
        paged = {owed.page.patient for owed in commit.owed if not owed.page.patient.startswith("~")}
        accepted: dict[str, datetime] = {}
        for entry in batch.waiting:
            if entry.patient in paged:
                accepted[entry.patient] = min(accepted.get(entry.patient, entry.received), entry.received)
        for at in accepted.values():
            seconds = max((now - at).total_seconds(), 0.0) + lasted
            measurements.observe(self._pipe, keys, measurements.READING_TO_PAGE, seconds)

    def _require_inboxes(self, outgoing: Iterable[AnyMessage]) -> None:
        """Fail before the commit on an inbox that holds another type: the commit would lose what it forwards."""
        pipe = self._store.redis.pipeline(transaction=False)
        for shard in {self._store.keys.of(message.patient) for message in outgoing}:
            pipe.xlen(shard.inbox)
        if len(pipe):
            pipe.execute()

    def _move_on(self, batch: Batch) -> None:
        """Release the lease, and record where the next batch begins and how careful it must be."""
        shard, cursor = batch.shard, batch.cursor
        gone = [shard.lease, shard.wakeup_pending, shard.receipts, shard.key("suspect")]
        if batch.crashes > 2:
            # The next batch counts itself again, so it may be one step larger than this one.
            self._pipe.set(shard.crashes, batch.crashes - 2)
        else:
            gone.append(shard.crashes)
        if cursor:
            self._pipe.set(shard.key("cursor"), cursor)
        else:
            gone.append(shard.key("cursor"))
        self._pipe.delete(*gone)


def write(store: Store, pipe: Pipeline, batch: Batch, commit: Commit, now: datetime) -> list[Shard | Partition]:
    """Queue everything one batch changes onto an open MULTI; return what is to be woken.

    These are the partitions of the channels of its pages, and the shards of its outgoing messages.
    """
    shard, effects = batch.shard, commit.effects
    for patient, state in commit.states.items():
        _write_state(pipe, shard, patient, state, now)
    if commit.states:
        # The token is drawn anew for every batch, so that no two states of a patient have one revision.
        pipe.hset(shard.key("revisions"), mapping=dict.fromkeys(commit.states, batch.token))
    for patient in commit.failed_timers:
        pipe.zadd(shard.key("timers"), {patient: milliseconds(now + FAILED_TIMER_WAITS)}, xx=True)
    if commit.last_seen:
        pipe.hset(shard.key("last_seen"), items=[part for pair in commit.last_seen.items() for part in pair])
    partitions = _write_pages(pipe, store.keys, shard, commit, now)
    dead_letters.write(pipe, store.keys, effects.dead_letters, now)
    commit.suspension.write(pipe, shard)
    suspended = {item.entry for item in commit.suspension.waiting}
    evaluated = [item for item in batch.waiting if item.entry not in suspended]
    length = None if store.is_audited(shard) else store.journal_length
    if length != 0 and (evaluated or effects.events):
        record: dict[Any, Any] = {"j": journal_record(evaluated, effects.events, now, commit.configuration)}
        pipe.xadd(shard.key("journal"), record, maxlen=length, approximate=True)
    if commit.exports:
        entry = {"at": milliseconds(now), "e": commit.exports}
        pipe.xadd(shard.exports, entry, maxlen=EXPORTS_KEPT, approximate=True)  # type: ignore[arg-type]
    if batch.waiting:
        pipe.xdel(shard.inbox, *[waiting.entry for waiting in batch.waiting])
    for source, size in _counted(batch.waiting).items():
        pipe.hincrby(store.keys.waiting_bytes, source, -size)
    for source, count in Counter(item.source for item in batch.waiting).items():
        pipe.hincrby(store.keys.messages_lately, source[:SOURCE_SHOWN] or UNKNOWN, count)
    return [*partitions, *queue(pipe, store.keys, map(encoded, commit.outgoing), now)]


def _write_pages(pipe: Pipeline, keys: Keys, shard: Shard, commit: Commit, now: datetime) -> list[Partition]:
    """Queue the pages owed and cancelled; return the partitions to wake. A cancelled page is never handed out."""
    partitions = {one.number: one for one in (enqueue(pipe, keys, shard, owed, now) for owed in commit.owed)}
    if commit.effects.cancelled:
        pipe.hdel(shard.key("outbox"), *commit.effects.cancelled)
    return list(partitions.values())


def _write_state(pipe: Pipeline, shard: Shard, patient: str, state: PatientState, now: datetime) -> None:
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


def _counted(waiting: Iterable[InboxEntry]) -> Counter[str]:
    """The bytes of each sender that leave the inbox."""
    counts: Counter[str] = Counter()
    for item in waiting:
        if item.sender:
            counts[item.sender] += len(item.raw)
    return counts
