"""What waits to be exported: for the tick, which wakes for it, and for health and metrics."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from alerts.state import DeadLetter
from worker.clock import milliseconds
from worker.fhir_export import circuit_breaker
from worker.fhir_export.circuit_breaker import CircuitState
from worker.store.codec import readable, unpack_dead_letter
from worker.store.shard import Store


class Backlog(NamedTuple):
    """How many batches wait, how long the oldest has, how many resources were refused, and whether the base fails."""

    batches: int
    oldest: timedelta
    refused: int
    pause: CircuitState | None

    def is_well(self, now: datetime) -> bool:
        """Whether nothing waits for too long."""
        failing = self.pause is not None and self.pause.is_to_be_reported(now)
        return not failing and self.oldest < circuit_breaker.REPORTED_AFTER


def due(store: Store, now: datetime) -> list[int]:
    """The shards that can be exported now, in one round trip more than whether the base is to be left alone."""
    pause = circuit_breaker.read(store.redis, store.keys)
    if pause is not None and pause.is_open(now):
        return []
    pipe = store.redis.pipeline(transaction=False)
    shards = store.keys.all()
    for shard in shards:
        pipe.xlen(shard.exports)
        pipe.exists(shard.export_lease)
    answers = pipe.execute()
    pairs = zip(shards, answers[0::2], answers[1::2], strict=True)
    return [shard.number for shard, waiting, claimed in pairs if waiting and not claimed]


def backlog(store: Store, now: datetime) -> Backlog:
    """What waits in all shards."""
    pipe = store.redis.pipeline(transaction=False)
    shards = store.keys.all()
    for shard in shards:
        pipe.xlen(shard.exports)
        pipe.xrange(shard.exports, count=1)
        pipe.xlen(shard.key("refused"))
    answers = pipe.execute()
    score = milliseconds(now)
    first = min((int(fields[b"at"]) for head in answers[1::3] for _, fields in head), default=score)
    oldest = timedelta(milliseconds=max(score - first, 0))
    return Backlog(sum(answers[0::3]), oldest, sum(answers[2::3]), circuit_breaker.read(store.redis, store.keys))


def refused(store: Store) -> Iterator[DeadLetter]:
    """Every resource on the list of what the base refused, shard by shard, oldest first."""
    for shard in store.keys.all():
        packed = ((entry, fields.get(b"s", b"")) for entry, fields in store.stream(shard.key("refused")))
        yield from (record for _, record in readable(unpack_dead_letter, packed))


def forget_refused(store: Store) -> int:
    """Empty that list; how many there were."""
    pipe = store.redis.pipeline(transaction=True)
    for shard in store.keys.all():
        pipe.xlen(shard.key("refused"))
        pipe.delete(shard.key("refused"))
    return sum(cast("list[int]", pipe.execute())[0::2])
