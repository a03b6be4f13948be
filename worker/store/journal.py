"""The journal, a shard's audit trail: one compressed record for each batch, with its messages and their effects."""

import logging
from datetime import datetime
from typing import Any, cast

from redis import Redis

from worker.store.codec import pack_journal, readable, unpack_journal
from worker.store.fair_shares import InboxEntry
from worker.store.keys import Shard

log = logging.getLogger(__name__)


def journal_record(waiting: list[InboxEntry], events: list[dict[str, Any]], now: datetime) -> bytes:
    """The packed record of one batch."""
    came_in = [
        {"received": item.received.isoformat(), "message": item.raw.decode(errors="replace")} for item in waiting
    ]
    return pack_journal({"at": now.isoformat(), "in": came_in, "events": events})


def read_journal(redis: Redis, shard: Shard, after: str = "-") -> list[tuple[str, dict[str, Any]]]:
    """The journal's records after an entry, oldest first, with their ids; records that cannot be read are left out."""
    start = after if after == "-" else f"({after}"
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(shard.key("journal"), min=start))
    packed = ((entry.decode(), fields.get(b"j", b"")) for entry, fields in entries)
    found = list(readable(unpack_journal, packed))
    if len(found) < len(entries):
        log.error("%d journal record(s) of shard %d cannot be read", len(entries) - len(found), shard.number)
    return found
