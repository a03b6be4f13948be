"""Dead letters: texts that could not be used. Each is stored once, with its reasons, its count and its last time.

They have a quota in bytes, and each source has a share of it. A source beyond its share loses its own oldest letters,
which are counted; no other source loses any. `write` reads nothing, so it may join any transaction; `trim` follows it.
"""

import hashlib
import sys
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar, cast

import msgspec
from redis import Redis
from redis.client import Pipeline

from alerts.state import DeadLetter
from worker.clock import milliseconds
from worker.store.capacity import Memory, ask_memory, memory_of
from worker.store.codec import Codec, readable
from worker.store.keys import Keys
from worker.store.schema import UnreadableError

PART_OF_STORE = 0.1
"""The part of the store's memory for all dead letters."""

AT_MOST = 128 * 1024 * 1024
"""Bytes of all dead letters, however large the store is."""

IN_UNKNOWN_STORE = 64 * 1024 * 1024
"""Bytes of all dead letters in a store that does not report its memory."""

PART_OF_SOURCE = 0.25
"""The part of the quota for one source."""

TRIMMED_TO = 0.9
"""The part of its share that a trimmed source keeps, so that not every later letter drops another."""

WRITTEN_AT_ONCE = 4 * 1024 * 1024
"""Bytes of dead letters of one source in one transaction. The first ones beyond it are dropped at once."""

OVERHEAD = 400
"""Bytes that a letter takes beside its text: its id in three keys."""

DROPPED_LATELY = timedelta(minutes=10)
"""The time for which the technician's incident stays open after the last drop."""


_Id = TypeVar("_Id", str, bytes)


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One part of a text that could not be used: its patient, its place, and why."""

    patient: str
    id: str
    why: str


class StoredLetter(msgspec.Struct, frozen=True, array_like=True):
    """One text of one source, compressed, and why parts of it could not be used. `at`: when it first arrived."""

    at: datetime
    source: str
    form: str
    text: bytes
    reasons: tuple[Reason, ...]

    @property
    def raw(self) -> str:
        """The original text."""
        return zlib.decompress(self.text).decode(errors="surrogatepass")

    def records(self) -> list[DeadLetter]:
        """One dead letter for each reason."""
        raw = self.raw
        return [DeadLetter(self.at, self.source, r.patient, r.id, r.why, raw, self.form) for r in self.reasons]


class ListedLetter(NamedTuple):
    """A stored letter with its id, its count, and the time it last arrived."""

    id: str
    letter: StoredLetter
    times: int
    last: datetime


class DeadLetterUsage(NamedTuple):
    """The number of letters, their approximate bytes, the quota, and the number of dropped letters of each source.

    `dropping`: the sources that recently lost letters.
    """

    letters: int
    used: int
    limit: int
    dropped: dict[str, int]
    dropping: tuple[str, ...]


_letters = Codec("dead letter", StoredLetter)
_identity = msgspec.msgpack.Encoder()


def letters_of(records: Iterable[DeadLetter]) -> list[StoredLetter]:
    """The dead letters of each text as one stored letter, in the order they came."""
    grouped: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for record in records:
        grouped.setdefault((record.source, record.form, record.raw), []).append(record)
    return [
        StoredLetter(
            min(record.at for record in of_it),
            source,
            form,
            zlib.compress(raw.encode(errors="surrogatepass"), 1),
            tuple(Reason(record.patient, record.id, record.why) for record in of_it),
        )
        for (source, form, raw), of_it in grouped.items()
    ]


def write(pipe: Pipeline, keys: Keys, records: Iterable[DeadLetter], now: datetime) -> None:
    """Queue dead letters onto an open MULTI. A letter that the store has is only counted. Call `trim` after it."""
    by_source: dict[str, list[StoredLetter]] = {}
    for letter in letters_of(records):
        by_source.setdefault(letter.source, []).append(letter)
    for source, letters in by_source.items():
        packed = {_id(letter): _letters.pack(letter) for letter in letters}
        kept = _newest(list(packed), [len(one) for one in packed.values()], WRITTEN_AT_ONCE)
        for id_ in kept:
            pipe.hsetnx(keys.dead_letters, id_, packed[id_])
            pipe.hincrby(keys.dead_letter_times, id_, 1)
        pipe.zadd(keys.dead_letters_of(source), dict.fromkeys(kept, milliseconds(now)))
        pipe.hincrby(keys.dead_letter_bytes, source, sum(len(packed[id_]) + OVERHEAD for id_ in kept))
        _count_dropped(pipe, keys, source, len(packed) - len(kept), now)


def trim(redis: Redis, keys: Keys, now: datetime) -> None:
    """Drop the oldest letters of each source beyond its share, and of the largest while all exceed the quota."""
    used, memory = _used(redis, keys)
    limit = limit_of(memory)
    share = int(limit * PART_OF_SOURCE)
    for source, bytes_ in used.items():
        if bytes_ > share:
            used[source] = _drop_oldest(redis, keys, source, int(share * TRIMMED_TO), now)
    while (surplus := sum(used.values()) - limit) > 0:
        largest = max(used, key=lambda source: used[source])
        left = max(0, used[largest] - surplus - int(limit * (1 - TRIMMED_TO)))
        used[largest] = _drop_oldest(redis, keys, largest, left, now)


def limit_of(memory: Memory) -> int:
    """The quota in bytes in a store of so much memory."""
    return min(memory.share(PART_OF_STORE), AT_MOST) if memory.limit else IN_UNKNOWN_STORE


def everything(redis: Redis, keys: Keys) -> list[ListedLetter]:
    """All dead letters, oldest first."""
    pipe = redis.pipeline(transaction=False)
    pipe.hgetall(keys.dead_letters)
    pipe.hgetall(keys.dead_letter_times)
    packed, times = cast("list[dict[bytes, bytes]]", pipe.execute())
    letters = dict(readable(_letters.unpack, packed.items()))
    pipe = redis.pipeline(transaction=False)
    for id_, letter in letters.items():
        pipe.zscore(keys.dead_letters_of(letter.source), id_)
    found = [
        ListedLetter(id_.decode(), letter, int(times.get(id_, 1)), _moment(last) or letter.at)
        for (id_, letter), last in zip(letters.items(), pipe.execute(), strict=True)
    ]
    return sorted(found, key=lambda one: (one.letter.at, one.id))


def unreadable(redis: Redis, keys: Keys) -> list[tuple[str, str]]:
    """Each letter that cannot be read, with the reason. It is kept, and counts for its source."""
    found = []
    for id_, packed in cast("dict[bytes, bytes]", redis.hgetall(keys.dead_letters)).items():
        try:
            _letters.unpack(packed)
        except UnreadableError as error:
            found.append((id_.decode(errors="replace"), str(error)))
    return found


def remove(redis: Redis, keys: Keys, listed: Iterable[ListedLetter]) -> None:
    """Remove letters that are stored elsewhere, and reset the counts of dropped ones."""
    gone = list(listed)
    pipe = redis.pipeline(transaction=True)
    for one in gone:
        take_off(pipe, keys, one)
    pipe.delete(keys.dead_letters_dropped)
    pipe.execute()
    for source in {one.letter.source for one in gone}:
        _drop_oldest(redis, keys, source, sys.maxsize, gone[-1].last)


def take_off(pipe: Pipeline, keys: Keys, one: ListedLetter) -> None:
    """Queue the removal of one letter onto an open MULTI."""
    source = one.letter.source
    pipe.hdel(keys.dead_letters, one.id)
    pipe.hdel(keys.dead_letter_times, one.id)
    pipe.zrem(keys.dead_letters_of(source), one.id)
    pipe.hincrby(keys.dead_letter_bytes, source, -len(_letters.pack(one.letter)) - OVERHEAD)


def usage(redis: Redis, keys: Keys, now: datetime) -> DeadLetterUsage:
    """Count the letters and their bytes, in one round trip."""
    pipe = redis.pipeline(transaction=False)
    ask_memory(pipe)
    pipe.hlen(keys.dead_letters)
    pipe.hvals(keys.dead_letter_bytes)
    pipe.hgetall(keys.dead_letters_dropped)
    pipe.zrangebyscore(keys.dead_letters_dropping, milliseconds(now - DROPPED_LATELY), "+inf")
    memory, letters, used, dropped, dropping = pipe.execute(raise_on_error=False)
    return DeadLetterUsage(
        letters,
        sum(max(0, int(value)) for value in used),
        limit_of(memory_of(memory)),
        {source.decode(): int(number) for source, number in dropped.items()},
        tuple(sorted(source.decode() for source in dropping)),
    )


def _used(redis: Redis, keys: Keys) -> tuple[dict[str, int], Memory]:
    pipe = redis.pipeline(transaction=False)
    ask_memory(pipe)
    pipe.hgetall(keys.dead_letter_bytes)
    memory, used = pipe.execute(raise_on_error=False)
    return {source.decode(): max(0, int(number)) for source, number in used.items()}, memory_of(memory)


def _drop_oldest(redis: Redis, keys: Keys, source: str, most: int, now: datetime) -> int:
    """Keep the newest letters of a source that fit; return the bytes that they take, counted again."""
    ids = cast("list[bytes]", redis.zrange(keys.dead_letters_of(source), 0, -1))
    pipe = redis.pipeline(transaction=False)
    for id_ in ids:
        pipe.hstrlen(keys.dead_letters, id_)
    sizes = cast("list[int]", pipe.execute())
    kept = _newest(ids, sizes, most)
    surplus = ids[: len(ids) - len(kept)]
    left = sum(sizes[len(surplus) :]) + OVERHEAD * len(kept)
    pipe = redis.pipeline(transaction=True)
    if left:
        pipe.hset(keys.dead_letter_bytes, source, str(left))
    else:
        pipe.hdel(keys.dead_letter_bytes, source)
    if surplus:
        pipe.hdel(keys.dead_letters, *surplus)
        pipe.hdel(keys.dead_letter_times, *surplus)
        pipe.zrem(keys.dead_letters_of(source), *surplus)
    _count_dropped(pipe, keys, source, len(surplus), now)
    pipe.execute()
    return left


def _count_dropped(pipe: Pipeline, keys: Keys, source: str, number: int, now: datetime) -> None:
    if number:
        pipe.hincrby(keys.dead_letters_dropped, source, number)
        pipe.zadd(keys.dead_letters_dropping, {source: milliseconds(now)})


def _newest(ids: Sequence[_Id], sizes: Sequence[int], most: int) -> list[_Id]:
    """The last ids that fit together, of ids in the order of time."""
    for place in range(len(ids) - 1, -1, -1):
        most -= sizes[place] + OVERHEAD
        if most < 0:
            return list(ids[place + 1 :])
    return list(ids)


def _id(letter: StoredLetter) -> str:
    whole = _identity.encode((letter.source, letter.form, letter.text, letter.reasons))
    return hashlib.blake2s(whole, digest_size=8).hexdigest()


def _moment(ms: float | None) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms is not None else None
