"""Patients' states that this process has read or committed, so that they need not be fetched and decoded each time.

A state is used only at the revision it was remembered at. The revision is read under the lease that the commit
states, and every transaction that writes a state writes a new one: what is remembered may be out of date, and is then
never what a batch is judged on. After a commit of which no answer came, the old revision is remembered still: if the
commit happened it matches nothing any more, and if it did not it is right.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redis import Redis
from redis.client import Pipeline

from alerts.state import PatientState
from worker.store.codec import unpack_state
from worker.store.keys import Shard
from worker.store.schema import UnreadableError

MOST = 256
"""States one process remembers: of a long stay, decoded, each takes about 1 MB."""


WRITTEN: Sequence[tuple[Callable[[Pipeline, str], object], str]] = (
    *((Pipeline.hlen, key) for key in ("outbox", "states", "episodes", "last_seen")),
    *((Pipeline.zcard, key) for key in ("due", "urgent", "timers")),
    *((Pipeline.xlen, key) for key in ("journal",)),
)
"""What a commit may write, asked for before it. Where one command of a transaction fails the others are done all the
same: a state would be kept and its page would not. A key of another type is to be found before."""


class CachedState(NamedTuple):
    """A state, and the revision it is of."""

    revision: bytes
    state: PatientState


class StatesRead(NamedTuple):
    """Who holds the lease, the patients' states as they stand, and how many in the shard nobody has registered.

    `unreadable`: why the states that are left out cannot be read.
    """

    holder: bytes | None
    states: dict[str, PatientState]
    unregistered: int
    unreadable: dict[str, UnreadableError]


class _Fetched(NamedTuple):
    holder: bytes | None
    unregistered: int
    revisions: dict[str, bytes | None]
    packed: dict[str, bytes | None]


class StateCache:
    """The states used last."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._states: OrderedDict[str, CachedState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def keep(self, patient: str, revision: bytes, state: PatientState) -> None:
        """Remember a state; what was used longest ago is forgotten for it."""
        self._states.pop(patient, None)
        self._states[patient] = CachedState(revision, state)
        while len(self._states) > self._most:
            self._states.popitem(last=False)

    def read(self, redis: Redis, shard: Shard, names: Sequence[str]) -> StatesRead:
        """Patients' states: in one round trip, and in a second those that others have changed since.

        A patient not seen before gets a fresh one. A state that cannot be read is left out.
        """
        known = {name: self._states.get(name) for name in names}
        fetched = _fetch(redis, shard, names, [name for name in names if known[name] is None])
        changed = [name for name, one in known.items() if one is not None and one.revision != fetched.revisions[name]]
        if changed:
            again = _fetch(redis, shard, changed, changed)
            revisions, packed_states = fetched.revisions | again.revisions, fetched.packed | again.packed
            fetched = again._replace(revisions=revisions, packed=packed_states)
        states: dict[str, PatientState] = {}
        unreadable: dict[str, UnreadableError] = {}
        for name in names:
            one = known[name]
            if one is not None and name not in fetched.packed:
                states[name] = one.state
                continue
            packed, revision = fetched.packed[name], fetched.revisions[name]
            try:
                states[name] = PatientState(patient=name) if packed is None else unpack_state(packed)
            except UnreadableError as error:
                unreadable[name] = error
                continue
            if revision is not None:
                self.keep(name, revision, states[name])
        return StatesRead(fetched.holder, states, fetched.unregistered, unreadable)


def _fetch(redis: Redis, shard: Shard, names: Sequence[str], wanted: Sequence[str]) -> _Fetched:
    """The lease, the revisions of some patients and the packed states of others, as they stand at one moment."""
    pipe = redis.pipeline(transaction=True)
    pipe.get(shard.lease)
    pipe.hlen(shard.key("unregistered"))
    for ask, key in WRITTEN:
        ask(pipe, shard.key(key))
    for key, fields in (("revisions", names), ("states", wanted)):
        if fields:
            pipe.hmget(shard.key(key), list(fields))
    holder, unregistered, *answers = pipe.execute()
    found = iter(answers[len(WRITTEN) :])
    revisions, packed = (dict(zip(fields, next(found), strict=True)) if fields else {} for fields in (names, wanted))
    return _Fetched(holder, unregistered, revisions, packed)
