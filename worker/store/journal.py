"""The journal of a shard, which feeds the audit: one compressed record a batch, with its messages and effects."""

import logging
from datetime import datetime
from typing import Any, cast

from redis import Redis

from worker.store.codec import pack_journal, readable, unpack_journal
from worker.store.fair_shares import InboxEntry
from worker.store.keys import Keys, Shard

log = logging.getLogger(__name__)


def journal_record(
    waiting: list[InboxEntry], events: list[dict[str, Any]], now: datetime, configuration: str = ""
) -> bytes:
    """The packed record of one batch, evaluated under a configuration."""
    came_in = [
        {"received": item.received.isoformat(), "message": item.raw.decode(errors="replace")} for item in waiting
    ]
    return pack_journal({"at": now.isoformat(), "configuration": configuration, "in": came_in, "events": events})


def read_journal(redis: Redis, shard: Shard, after: str = "-") -> list[tuple[str, dict[str, Any]]]:
    """The journal's records after an entry, oldest first, with their ids; records that cannot be read are left out."""
    start = after if after == "-" else f"({after}"
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(shard.key("journal"), min=start))
    packed = ((entry.decode(), fields.get(b"j", b"")) for entry, fields in entries)
    found = list(readable(unpack_journal, packed))
    if len(found) < len(entries):
        log.error("%d journal record(s) of shard %d cannot be read", len(entries) - len(found), shard.number)
    return found


UNSEEN = 1000
"""A journal of which the audit lacks so many entries is not trimmed: the audit comes first."""

_TRIM = """
local unseen = #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[3])
if unseen < tonumber(ARGV[3]) then
  return redis.call('XTRIM', KEYS[1], 'MAXLEN', math.max(unseen, tonumber(ARGV[2])))
end
return 0
"""


def recorded_to(redis: Redis, keys: Keys, shard: Shard) -> str:
    """The last entry of a journal that stands in the audit."""
    found = cast("bytes | None", redis.hget(keys.audit, f"cursor:{shard.number}"))
    return found.decode() if found is not None else "0-0"


def trim_recorded(redis: Redis, shard: Shard, cursor: str, length: int) -> None:
    """Trim a journal to its length, and drop nothing after the cursor: the last entry that stands in the audit."""
    redis.eval(_TRIM, 1, shard.key("journal"), cursor, length, UNSEEN)
