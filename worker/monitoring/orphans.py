"""What a killed process held is given to the next at once, instead of when it runs out.

The lease of a shard, the claim on its exports, the turn on a channel and the claims on pages all run out by themselves,
some after a minute. Each second the tick looks whether the processes that hold them are still there: those of this
machine by their number, those of others by their connections.
"""

import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import cast

from worker.delivery import channel_lock, page_lease
from worker.store.lease import Elsewhere, free, owner_is_dead, process_of
from worker.store.shard import Store

log = logging.getLogger(__name__)


def recover(store: Store, channels: Iterable[str], now: datetime, elsewhere: Elsewhere) -> None:
    """Free what processes held when they were killed: one round trip where nothing is held for long.

    A turn is looked for in two places: in what a lane sends, and at its channel, where it stays though a lane that
    has come to hold its turns for a shorter time no longer counts it.
    """
    held = [key for shard in store.keys.advanced() for key in (shard.lease, shard.export_lease)]
    asked = [(channel, lane) for channel in channels for lane in channel_lock.DELIVERS]
    pipe = store.redis.pipeline(transaction=False)
    pipe.mget([*held, *(store.keys.trying(channel, lane) for channel, lane in asked)])
    for lane in channel_lock.DELIVERS:
        pipe.zrange(store.keys.sending(lane), 0, -1)
    holders, *sends = pipe.execute()
    found = {
        channel_lock.Turn(*place, token.decode())
        for place, token in zip(asked, holders[len(held) :], strict=True)
        if token
    }
    found |= {
        channel_lock.held(item, lane)
        for lane, sending in zip(channel_lock.DELIVERS, sends, strict=True)
        for item in sending
    }
    tokens = {*filter(None, holders[: len(held)]), *(turn.token.encode() for turn in found)}
    ended = elsewhere.ended(store.redis, tokens)
    for key, holder in zip(held, holders, strict=False):
        if holder is not None and _has_ended(holder, ended):
            log.warning("the worker that held %s was killed; it is free", key)
            free(store.redis, key, holder)
    for turn in found:
        if _has_ended(turn.token.encode(), ended):
            _end(store, turn, now, ended)


def _has_ended(holder: bytes, ended: Collection[str]) -> bool:
    return owner_is_dead(holder) or process_of(holder) in ended


def _end(store: Store, turn: channel_lock.Turn, now: datetime, ended: Collection[str]) -> None:
    """A worker was killed while it sent: its channel is free, and the pages it had claimed are due."""
    log.warning("a worker was killed while it sent on %s; its pages are due again", turn.channel)
    _free_claims(store, now, ended)
    free(store.redis, store.keys.trying(turn.channel, turn.lane), turn.token.encode())
    # Last, so that whoever is killed here leaves the rest to be found.
    store.redis.zrem(store.keys.sending(turn.lane), turn.text)


def _free_claims(store: Store, now: datetime, ended: Collection[str]) -> None:
    shards = store.keys.advanced()
    pipe = store.redis.pipeline(transaction=False)
    for shard in shards:
        pipe.hkeys(shard.key("outbox"))
    places = [(shard, page.decode()) for shard, pages in zip(shards, pipe.execute(), strict=True) for page in pages]
    asked = [shard.claim(page) for shard, page in places]
    holders = cast("list[bytes | None]", store.redis.mget(asked)) if asked else []
    for (shard, page), holder in zip(places, holders, strict=True):
        if holder is not None and _has_ended(holder, ended):
            page_lease.take_away(store.redis, shard, page, holder, now)
