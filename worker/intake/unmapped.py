"""Codes, units and values without a mapping, counted by source: a site completes its map from them.

On the site's own shard:

unmapped          hash     source, sort, system, code -> a count
unmapped_examples hash     the same -> an example of its name or value
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from worker.intake.parsed import Parsed, Unmapped
from worker.store.keys import Shard

UNMAPPED_KEPT = 2_000
_BETWEEN = "\x1f"


class Count(NamedTuple):
    """A code without a mapping: its count, and an example."""

    source: str
    sort: str
    system: str
    code: str
    times: int
    example: str


class UnmappedCodes:
    """The counts of an installation."""

    def __init__(self, redis: Redis, site: Shard) -> None:
        self._redis = redis
        self._counts, self._examples = site.key("unmapped"), site.key("unmapped_examples")

    def queue(self, pipe: Pipeline, deliveries: Iterable[Parsed]) -> None:
        """Queue the counts of what some deliveries hold without a mapping onto an open MULTI."""
        met = [
            (_field(parsed.source, element.unmapped), element.unmapped.example)
            for parsed in deliveries
            for element in parsed.elements
            if element.unmapped is not None
        ]
        if not met:
            return
        names = list(dict.fromkeys(name for name, _ in met))
        look = self._redis.pipeline(transaction=False)
        look.hlen(self._counts)
        look.hmget(self._counts, names)
        length, known = look.execute()
        free = UNMAPPED_KEPT - length
        counted = {name for name, count in zip(names, known, strict=True) if count is not None}
        counted |= {name for name in names if name not in counted and (free := free - 1) >= 0}
        for name, example in met:
            if name in counted:
                pipe.hincrby(self._counts, name, 1)
                if example:
                    pipe.hset(self._examples, name, example)

    def all(self) -> list[Count]:
        """Codes, units and values without a mapping, the most frequent first."""
        counts = cast("dict[bytes, bytes]", self._redis.hgetall(self._counts))
        examples = cast("dict[bytes, bytes]", self._redis.hgetall(self._examples))
        found = []
        for name, times in counts.items():
            source, sort, system, code = name.decode(errors="replace").split(_BETWEEN)
            example = examples.get(name, b"").decode(errors="replace")
            found.append(Count(source, sort, system, code, int(times), example))
        return sorted(found, key=lambda count: (count.source, -count.times, count.system, count.code))

    def forget(self) -> None:
        """Reset the counts."""
        self._redis.delete(self._counts, self._examples)


def _field(source: str, unmapped: Unmapped) -> str:
    parts = (source, unmapped.sort, unmapped.system, unmapped.code)
    return _BETWEEN.join(part.replace(_BETWEEN, " ") for part in parts)
