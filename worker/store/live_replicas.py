"""How many replicas must have a message before it is accepted: all that could become the primary now.

If Sentinels replace a primary that still runs, it goes on to accept for a second or so, and its other replica copies
that. All of it is lost: one copy proves nothing then. So each replica that the Sentinels could choose must have the
message. The one that was chosen has left the old primary, which then accepts nothing.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

ASKED_EVERY_SECONDS = 1.0

CHOSEN_FOR_SECONDS = 5.0
"""The time within which all Sentinels know the replica that one of them chose. Until then it counts as a replica. A
former primary that returns reports that it is one for longer, and then no longer counts."""


class _Known(NamedTuple):
    primary: tuple[str, int]
    replicas: int
    until: float


class LiveReplicas:
    """The replicas of a service, asked of its Sentinels once a second at most. While none answers, the last ones."""

    def __init__(self, sentinels: Sentinel, service: str) -> None:
        self._sentinels = sentinels
        self._service = service
        self._known: _Known | None = None

    def required(self, host: str, port: int) -> int:
        """How many replicas must have what was written on the server at this address.

        Raises:
            redis.exceptions.ConnectionError: another server is the primary.
        """
        now = time.monotonic()
        if self._known is None or now >= self._known.until:
            self._ask(now)
        if self._known is None:
            return 1
        if self._known.primary != (host, port):
            self._known = None
            raise StoreConnectionError("another server is the primary")
        return self._known.replicas

    def _ask(self, now: float) -> None:
        for sentinel in self._sentinels.sentinels:
            try:
                host, port = cast(Any, sentinel.sentinel_get_master_addr_by_name(self._service))
                found = cast("list[Mapping[str, Any]]", sentinel.sentinel_slaves(self._service))
            except (RedisError, TypeError):
                continue
            primary = (host.decode() if isinstance(host, bytes) else host, int(port))
            self._known = _Known(primary, sum(map(could_be_chosen, found)), now + ASKED_EVERY_SECONDS)
            return


def could_be_chosen(replica: Mapping[str, Any]) -> bool:
    """Whether Sentinels could make a replica the primary now, or have just done so, as one of them reports it.

    A replica closes its connections when it becomes the primary, so that one without them may be the one.
    """
    if {"s_down", "o_down"} & set(str(replica["flags"]).split(",")):
        return False
    if replica.get("role-reported") == "master":
        return bool(replica.get("role-reported-time", 0) < CHOSEN_FOR_SECONDS * 1000)
    return replica.get("master-link-status") == "ok"
