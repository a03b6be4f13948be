"""A refused configuration: an incident of each machine, opened once and closed once."""

import socket
from datetime import datetime
from typing import Any, cast

from alerts.step.system_faults import fault
from alerts.wording.phrase import Phrase, phrase
from worker.runtime.reload import WatchedConfig
from worker.store.inbox import append, encoded
from worker.store.keys import Shard
from worker.store.shard import Store


def report(store: Store, in_force: WatchedConfig[Any], now: datetime) -> list[Shard]:
    """Open or close the incident of this machine's refused configuration; return the shards to wake.

    The first process of a machine that sees it reports it. It closes when no machine refuses any part.
    """
    refused = in_force.refused
    if refused == in_force.reported:
        return []
    key, machine = f"{store.keys.namespace}:configuration:refused", socket.gethostname()
    field = f"{machine} {in_force.part}".strip()
    known = cast("dict[bytes, bytes]", store.redis.hgetall(key))
    before = known.pop(field.encode(), b"").decode()
    wake: list[Shard] = []
    if refused and refused != before:
        text = "the configuration on {machine} cannot be used; the one before stays in force: {why}"
        what = phrase(text, machine=machine, why=refused)
        wake = _say(store, what, now, over=False)
        store.redis.hset(key, field, refused)
    elif before and not refused:
        if not known:
            wake = _say(store, Phrase("the configuration can be used again"), now, over=True)
        store.redis.hdel(key, field)
    # Recorded only after the fault stands in the inbox: a second notification is better than none.
    in_force.reported = refused
    return wake


def _say(store: Store, what: Phrase, now: datetime, *, over: bool) -> list[Shard]:
    message = fault("configuration", what, f"configuration {over} {now.isoformat()}", now, over=over)
    return append(store.redis, store.keys, [encoded(message)], now).wake
