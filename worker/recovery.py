"""What a killed process held is given to the next at once, instead of when it runs out.

The lease of a shard, the claim on its exports, the turn on a channel and the claims on pages all run out by themselves,
some after a minute. Each second the tick looks whether the processes that hold them are still there.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import cast

from worker.delivery import claims, turns
from worker.holding import free
from worker.liveness import is_gone
from worker.store import Store

log = logging.getLogger(__name__)


def recover(store: Store, channels: Iterable[str], now: datetime) -> None:
    """Free what processes of this machine held when they were killed: one round trip where there is nothing.

    A turn is looked for in two places: in what a lane sends, and at its channel, where it stays though a lane that
    has come to hold its turns for a shorter time no longer counts it.
    """
    held = [key for shard in store.keys.advanced() for key in (shard.lease, shard.exporting)]
    asked = [(channel, lane) for channel in channels for lane in turns.DELIVERS]
    pipe = store.redis.pipeline(transaction=False)
    pipe.mget([*held, *(store.keys.trying(channel, lane) for channel, lane in asked)])
    for lane in turns.DELIVERS:
        pipe.zrange(store.keys.sending(lane), 0, -1)
    holders, *sends = pipe.execute()
    for key, holder in zip(held, holders, strict=False):
        if holder is not None and is_gone(holder):
            log.warning("the worker that held %s was killed; it is free", key)
            free(store.redis, key, holder)
    found = {
        turns.Turn(*place, token.decode()) for place, token in zip(asked, holders[len(held) :], strict=True) if token
    }
    found |= {turns.held(item, lane) for lane, sending in zip(turns.DELIVERS, sends, strict=True) for item in sending}
    for turn in found:
        if is_gone(turn.token.encode()):
            _end(store, turn, now)


def _end(store: Store, turn: turns.Turn, now: datetime) -> None:
    """A worker was killed while it sent: its channel is free, and the pages it had claimed are due."""
    log.warning("a worker was killed while it sent on %s; its pages are due again", turn.channel)
    _free_claims(store, now)
    free(store.redis, store.keys.trying(turn.channel, turn.lane), turn.token.encode())
    # Last, so that whoever is killed here leaves the rest to be found.
    store.redis.zrem(store.keys.sending(turn.lane), turn.text)


def _free_claims(store: Store, now: datetime) -> None:
    shards = store.keys.advanced()
    pipe = store.redis.pipeline(transaction=False)
    for shard in shards:
        pipe.hkeys(shard.key("outbox"))
    places = [(shard, page.decode()) for shard, pages in zip(shards, pipe.execute(), strict=True) for page in pages]
    asked = [shard.claim(page) for shard, page in places]
    holders = cast("list[bytes | None]", store.redis.mget(asked)) if asked else []
    for (shard, page), holder in zip(places, holders, strict=True):
        if holder is not None and is_gone(holder):
            claims.take_away(store.redis, shard, page, holder, now)
