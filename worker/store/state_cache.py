"""The state cache: decoded states of patients that this process has recently read or committed.

A cached state is used only if its revision is still current. The revision is read under the lease that the commit
watches, and each transaction that writes a state writes a new revision. So a batch is never evaluated on an outdated
state. If a commit gets no reply, the cache keeps the old revision: it is outdated if the commit happened, and right if
it did not.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redis.client import Pipeline

from alerts.state import PatientState
from worker.store.codec import unpack_state
from worker.store.keys import Shard
from worker.store.lease import watch_and_read
from worker.store.schema import UnreadableError

MOST = 256
"""The most states that one process caches. The decoded state of a long stay takes about 1 MB."""


WRITTEN: Sequence[tuple[Callable[[Pipeline, str], object], str]] = (
    *((Pipeline.hlen, key) for key in ("outbox", "states", "episodes", "last_seen")),
    (Pipeline.zcard, "timers"),
    *((Pipeline.xlen, key) for key in ("journal",)),
)
"""The keys that a commit may write, read before it. If one command of a Redis transaction fails, the others still take
effect: a state would be stored and its page would not. A key of another type must therefore be found before."""


class CachedState(NamedTuple):
    revision: bytes
    state: PatientState


class StatesRead(NamedTuple):
    """The owner of the lease, the patients' current states, and how many patients of the shard nobody has registered.

    `unreadable`: the reasons why the missing states cannot be read.
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
    """The most recently used states (LRU)."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._states: OrderedDict[str, CachedState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def keep(self, patient: str, revision: bytes, state: PatientState) -> None:
        """Cache a state. The least recently used one makes room."""
        self._states.pop(patient, None)
        self._states[patient] = CachedState(revision, state)
        while len(self._states) > self._most:
            self._states.popitem(last=False)

    def read(self, pipe: Pipeline, shard: Shard, names: Sequence[str]) -> StatesRead:
        """Read patients' states in one round trip, and in a second one those that other processes have changed.

        `pipe` watches the lease from then on, and commits. A patient who was not seen before gets a fresh state. A
        state that cannot be read is left out.
        """
        known = {name: self._states.get(name) for name in names}
        fetched = _fetch(pipe, shard, names, [name for name in names if known[name] is None])
        changed = [name for name, one in known.items() if one is not None and one.revision != fetched.revisions[name]]
        if changed:
            again = _fetch(pipe, shard, changed, changed)
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


def _fetch(pipe: Pipeline, shard: Shard, names: Sequence[str], wanted: Sequence[str]) -> _Fetched:
    """The lease, the revisions of some patients and the packed states of others.

    Nobody but the owner of the lease writes them: what is read belongs together if the lease is still ours.
    """

    def ask(queue: Pipeline) -> None:
        queue.get(shard.lease)
        queue.hlen(shard.key("unregistered"))
        for command, key in WRITTEN:
            command(queue, shard.key(key))
        for key, fields in (("revisions", names), ("states", wanted)):
            if fields:
                queue.hmget(shard.key(key), list(fields))

    holder, unregistered, *answers = watch_and_read(pipe, shard.lease, ask)
    found = iter(answers[len(WRITTEN) :])
    revisions, packed = (dict(zip(fields, next(found), strict=True)) if fields else {} for fields in (names, wanted))
    return _Fetched(holder, unregistered, revisions, packed)
