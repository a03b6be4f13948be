"""What the Sentinels of a store say: which server is the primary, and which replicas it has.

One Sentinel may be cut off together with an old primary, and knows no other. A failover is decided by more than half of
them, and each has a number that only rises: of what more than half answer, the newest is so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError, Sentinel

Address = tuple[str, int]


class View(NamedTuple):
    """What one Sentinel answers: `epoch` is the number of the failover that made this server the primary."""

    primary: Address
    epoch: int
    is_down: bool
    replicas: Sequence[Mapping[str, Any]]


class Quorum(Sentinel):
    """The Sentinels of a store, of whom more than half are asked."""

    def views(self, service: str) -> tuple[list[View], bool]:
        """The newest answers, which agree, and whether more than half of the Sentinels answered."""
        views: list[View] = []
        silent: list[Redis] = []
        asked = list(self.sentinels)
        majority = len(asked) // 2 + 1
        for sentinel in asked:
            try:
                views.append(_view(sentinel, service))
            except (RedisError, TypeError):  # it does not answer, or does not know the service
                silent.append(sentinel)
            if len(views) == majority:
                break
        # Whoever is silent may be frozen, and costs its time: it is asked last from now on.
        self.sentinels = [one for one in asked if one not in silent] + silent
        newest = max((view.epoch for view in views), default=0)
        return [view for view in views if view.epoch == newest], len(views) == majority

    def discover_master(self, service_name: str) -> Address:
        """The address of the primary. If fewer than half answer, theirs: what was accepted is paged everywhere.

        Raises:
            redis.sentinel.MasterNotFoundError: no Sentinel knows one that answers.
        """
        views, _ = self.views(service_name)
        if all(view.is_down for view in views):
            raise MasterNotFoundError(f"No master found for {service_name!r}")
        return views[0].primary


def _view(sentinel: Redis, service: str) -> View:
    pipe = sentinel.pipeline(transaction=False)
    # In the middle of a failover this is the new primary, of which the next answer does not speak.
    pipe.sentinel_get_master_addr_by_name(service)
    pipe.sentinel_master(service)
    pipe.sentinel_slaves(service)
    (host, port), known, replicas = cast(Any, pipe.execute())
    primary = (host.decode() if isinstance(host, bytes) else host, int(port))
    return View(primary, int(known["config-epoch"]), known["is_sdown"] or known["is_odown"], replicas)
