"""The versions of the resources that a source has sent: what a client names in If-Match and If-None-Exist.

Per source, on the site's own shard:

fhir_versions:SOURCE  hash  Type/ID -> its version, and what its messages were; `Type?SYSTEM|VALUE` -> the id of the
                            resource with that identifier
fhir_written:SOURCE   zset  the same fields, by when they were written last (ms)

An update finds its messages without them: their ids follow from the resource alone (`logical_id`). Once the oldest are
dropped, their versions begin anew, an update that names a version of one is refused, and one that moves a result to
another patient no longer withdraws it from the first.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from worker.clock import milliseconds
from worker.store.keys import Shard

KEPT = 50_000
"""Fields of a source, of 300 bytes or so each: 15 MB."""

_SCRIPT = """
local versions = {}
for at = 3, #ARGV, 4 do
  local name = ARGV[at]
  local before = redis.call('HGET', KEYS[1], name)
  local version = tonumber(before and string.match(before, '^%d+') or 0) + ARGV[at + 1]
  if ARGV[at + 1] ~= '0' then
    redis.call('HSET', KEYS[1], name, string.format('%d ', version) .. ARGV[at + 3])
  end
  versions[#versions + 1] = version
  redis.call('ZADD', KEYS[2], ARGV[1], name)
  if ARGV[at + 2] ~= '' then
    local kind, id = string.match(name, '^([^/]*)/(.*)$')
    local search = kind .. '?' .. ARGV[at + 2]
    redis.call('HSET', KEYS[1], search, id)
    redis.call('ZADD', KEYS[2], ARGV[1], search)
  end
end
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[2])
while over > 0 do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, math.min(over, 1000) - 1)
  redis.call('HDEL', KEYS[1], unpack(oldest))
  redis.call('ZREM', KEYS[2], unpack(oldest))
  over = over - #oldest
end
return versions
"""


class Written(NamedTuple):
    """A resource that a delivery writes, or (`again`) finds written: Type/ID, an identifier, its packed messages."""

    name: str
    identifier: str = ""
    packed: bytes = b""
    again: bool = False


class ResourceVersion(NamedTuple):
    """The version of a resource, and its packed messages (`worker.intake.fhir.withdrawals`)."""

    number: int
    packed: bytes = b""


class Known(NamedTuple):
    """What was known of some resources when a delivery was read; the delivery is written only if that still holds."""

    versions: Mapping[str, ResourceVersion] = MappingProxyType({})
    ids: Mapping[str, str] = MappingProxyType({})


NOTHING = Known()


class ResourceVersions:
    """The versions of the resources of one source."""

    def __init__(self, site: Shard, source: str) -> None:
        self._hash = site.key(f"fhir_versions:{source}")
        self._ages = site.key(f"fhir_written:{source}")

    def look(self, redis: Redis, names: Iterable[str], searches: Iterable[str]) -> Known:
        """What is known of resources (Type/ID) and searches (Type?SYSTEM|VALUE), in one round trip or two.

        The version of a resource that a search finds is known as well. What is not known is left out.
        """
        ids = self._read(redis, dict.fromkeys(searches))
        found = (f"{search.partition('?')[0]}/{id.decode()}" for search, id in ids.items())
        versions = self._read(redis, dict.fromkeys((*names, *found)))
        return Known(
            {name: _version(raw) for name, raw in versions.items()},
            {search: id.decode() for search, id in ids.items()},
        )

    def _read(self, redis: Redis, fields: Iterable[str]) -> dict[str, bytes]:
        asked = list(fields)
        values = cast("list[bytes | None]", redis.hmget(self._hash, asked)) if asked else []
        return {name: value for name, value in zip(asked, values, strict=True) if value is not None}

    def require(self, pipe: Pipeline, known: Known, names: Iterable[str], searches: Iterable[str]) -> None:
        """Let a transaction that was not begun yet take place only if what is known still holds when it does.

        Raises:
            WatchError: it does not hold any more.
        """
        pipe.watch(self._hash)  # type: ignore[no-untyped-call]
        if self.look(pipe, names, searches) != known:
            raise WatchError
        pipe.multi()

    def queue(self, pipe: Pipeline, written: Iterable[Written], now: datetime) -> None:
        """Queue the next version of each resource onto an open MULTI. The reply is the version of each."""
        arguments: list[Any] = [milliseconds(now), KEPT]
        for one in written:
            arguments += (one.name, 0 if one.again else 1, one.identifier, one.packed)
        pipe.eval(_SCRIPT, 2, self._hash, self._ages, *arguments)


def _version(raw: bytes) -> ResourceVersion:
    number, _, packed = raw.partition(b" ")
    return ResourceVersion(int(number), packed)
