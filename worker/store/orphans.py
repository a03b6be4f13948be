"""Orphaned leases: the leases of a killed process are released at once, before they expire.

The leases of shards, exports and partitions of channels expire by themselves, some only after a minute. Each second the
tick checks whether their owners still run: processes of this machine by their number, others by their connections. The
next owner of a partition finds what its last owner had begun.
"""

import logging
from typing import cast

from worker.store.lease import Lease, RemoteOwners, owner_is_dead, process_of
from worker.store.shard import Store

log = logging.getLogger(__name__)


def release_orphans(store: Store, elsewhere: RemoteOwners) -> None:
    """Release the leases of killed processes. It takes one round trip, unless a lease is old."""
    keys = [key for shard in store.keys.advanced() for key in (shard.lease, shard.export_lease)]
    keys += [partition.lease for partition in store.keys.partitions()]
    holders = cast("list[bytes | None]", store.redis.mget(keys))
    held = [Lease(key, holder) for key, holder in zip(keys, holders, strict=True) if holder is not None]
    ended = elsewhere.dead(store.redis, (lease.token for lease in held))
    for lease in held:
        if owner_is_dead(lease.token) or process_of(lease.token) in ended:
            log.warning("the worker that owned %s was killed; it is released", lease.key)
            lease.release(store.redis)
