"""Keys of the store that hold another type or text than ours. They are renamed, so that they block nothing.

A second program with the same prefix may write a text to the key of a stream. Each command on that key then fails, and
a pipeline over all shards fails with it: one key would silence every patient.
"""

import logging
import re
from datetime import datetime
from typing import cast

from redis import Redis
from redis.exceptions import ResponseError

from alerts.step.system_faults import fault
from alerts.wording.phrase import phrase
from worker.clock import milliseconds
from worker.store.channel_queues import enqueue_again
from worker.store.inbox import append, encoded
from worker.store.keys import Keys, Shard

log = logging.getLogger(__name__)

TYPES = {
    name: kind
    for kind, names in {
        b"stream": "inbox journal exports refused suspended test",
        b"hash": "states revisions outbox unregistered episodes last_seen unmapped unmapped_examples watchdog feeds"
        " fhir_versions subscriptions"
        " followed begun: workers measurements unreadable unreadable_values waiting_bytes"
        " messages_lately messages_total"
        " dead_letters dead_letter_times dead_letter_bytes dead_letters_dropped",
        b"zset": "timers seen fhir_written agenda: queue: critical: sent: dead_letters_of: dead_letters_dropping",
        b"string": "export_lease crashes cursor suspect lease wakeup_pending receipts"
        " tick_claimed: delivery_lease: delivery_wakeup: clock schema"
        " reports: answer_number: answer_used: cds_token: cds_card:",
    }.items()
    for name in names.split()
}
"""The type of a key, by the part of its name after namespace and shard. A colon: the name continues."""

HOLDS = {
    **dict.fromkeys(("crashes", "receipts"), re.compile(rb"-?\d+")),
    "cursor": re.compile(rb"\(?\d+-\d+"),
}
"""The format of some texts. Commands fail on another text as on another type."""

MOVED = "wrong_type"

FAILS = ("WRONGTYPE", "not an integer", "Invalid stream ID")
"""The errors of commands on a key of another type, or with another text."""


def move_wrong_types_away(error: ResponseError, redis: Redis, keys: Keys, now: datetime) -> list[Shard]:
    """Call `move_away` if a command failed on a key with another type or text than ours; return the shards to wake."""
    return move_away(redis, keys, now) if any(words in str(error) for words in FAILS) else []


def move_away(redis: Redis, keys: Keys, now: datetime) -> list[Shard]:
    """Rename every key with another type than ours, and open an incident for each; return the shards to wake.

    It scans all keys of the installation, so it runs only after a command has failed on one.
    """
    moved = [name for name in _wrong(redis, keys) if _rename(redis, keys, name, now)]
    if not moved:
        return []
    log.error("%d key(s) of the store were of another type and were renamed", len(moved))
    enqueue_again(redis, keys, now)
    faults = [
        fault(
            f"store key {name.removeprefix(f'{keys.namespace}:')}",
            phrase(
                "the key {name} was of another type than ours and was renamed: find what else writes to this store",
                name=name,
            ),
            f"{name} {now.isoformat()}",
            now,
        )
        for name in moved
    ]
    return append(redis, keys, map(encoded, faults), now).wake


def _wrong(redis: Redis, keys: Keys) -> list[str]:
    names = [name.decode(errors="replace") for name in redis.scan_iter(f"{keys.namespace}:*", count=1000)]
    expected = [(name, kind) for name in names if (kind := TYPES.get(_part(name, keys))) is not None]
    pipe = redis.pipeline(transaction=False)
    for name, _ in expected:
        pipe.type(name)
    found = dict(zip((name for name, _ in expected), pipe.execute(), strict=True))
    wrong = [name for name, kind in expected if found[name] not in (kind, b"none")]
    texts = [name for name, kind in expected if found[name] == kind == b"string" and _part(name, keys) in HOLDS]
    values = cast("list[bytes | None]", redis.mget(texts)) if texts else []
    for name, value in zip(texts, values, strict=True):
        if value is not None and not HOLDS[_part(name, keys)].fullmatch(value):
            wrong.append(name)
    return wrong


def _part(name: str, keys: Keys) -> str:
    """The part of a key's name that says what the key holds."""
    first, colon, rest = name.removeprefix(f"{keys.namespace}:").partition(":")
    return rest.partition(":")[0] if first.isdigit() else first + colon


def _rename(redis: Redis, keys: Keys, name: str, now: datetime) -> bool:
    """Rename a key; return whether this process did so, not another."""
    try:
        return bool(redis.renamenx(name, f"{keys.namespace}:{MOVED}:{name}:{milliseconds(now)}"))
    except ResponseError:
        return False
