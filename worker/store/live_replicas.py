"""How many replicas must have a message before it is accepted: all that could become the primary now.

If Sentinels replace a primary that still runs, it goes on to accept for a second or so, and its other replica copies
that. All of it is lost: one copy proves nothing then. So each replica that the Sentinels could choose must have the
message. The one that was chosen has left the old primary, which then accepts nothing.

Sentinels ask a replica only every ten seconds whether it follows. The primary knows it at once, so that its word counts
as well. A client that more than half of the Sentinels do not answer may be cut off with the old primary: no replica is
dead to it then.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError as StoreConnectionError

from worker.store.sentinels import Address, Quorum

ASKED_EVERY_SECONDS = 1.0

CHOSEN_FOR_SECONDS = 5.0
"""The time within which all Sentinels know the replica that one of them chose. Until then it counts as a replica. A
former primary that returns reports that it is one for longer, and then no longer counts; a client that knows it by its
address never counts it."""


class _Known(NamedTuple):
    primary: Address
    epoch: int
    could_lead: frozenset[Address]
    down: frozenset[Address]
    asked: float


class LiveReplicas:
    """The replicas of a service, asked of its Sentinels once a second at most. While none answers, the last ones."""

    def __init__(self, sentinels: Quorum, service: str) -> None:
        self._sentinels = sentinels
        self._service = service
        self._known: _Known | None = None
        self._followed: dict[Address, float] = {}
        self._replaced: Address | None = None

    def required(self, primary: Address, connected: Iterable[Address] = ()) -> int:
        """How many replicas must have what was written on the server at this address, which reports these `connected`.

        Raises:
            redis.exceptions.ConnectionError: another server is the primary.
        """
        now = time.monotonic()
        if self._known is None or now - self._known.asked >= ASKED_EVERY_SECONDS or self._known.primary != primary:
            self._ask(now)
        known = self._known or _Known(primary, 0, frozenset(), frozenset(), now)
        if known.primary != primary:
            raise StoreConnectionError("another server is the primary")
        following = frozenset(connected)
        self._followed |= dict.fromkeys(following, now)
        lately = {
            replica
            for replica, at in list(self._followed.items())
            if now - at < CHOSEN_FOR_SECONDS and (replica not in known.down or at > known.asked)
        }
        return max(1, len(known.could_lead | following | lately))

    def _ask(self, now: float) -> None:
        views, is_majority = self._sentinels.views(self._service)
        if not views:
            return
        primary, epoch, before = views[0].primary, views[0].epoch, frozenset[Address]()
        if self._known and self._known.primary == primary:
            before = self._known.could_lead
        elif self._known and self._known.epoch < epoch:  # for a moment the older may be answered again
            self._replaced, self._followed = self._known.primary, {}
        found = [replica for view in views for replica in view.replicas]
        could_lead = (
            frozenset(address(replica) for replica in found if could_be_chosen(replica, self._replaced))
            if is_majority
            else before | set(map(address, found))
        )
        down = frozenset(address(replica) for replica in found if is_majority and is_down(replica)) - could_lead
        self._known = _Known(primary, epoch, could_lead, down, now)


def address(replica: Mapping[str, Any]) -> Address:
    """Where a replica is, as a Sentinel reports it."""
    return str(replica["ip"]), int(replica["port"])


def is_down(replica: Mapping[str, Any]) -> bool:
    """Whether a replica does not answer the Sentinel that reports it."""
    return bool(replica["is_sdown"] or replica["is_odown"])


def could_be_chosen(replica: Mapping[str, Any], replaced: Address | None = None) -> bool:
    """Whether Sentinels could make a replica the primary now, or have just done so, as one of them reports it.

    A replica closes its connections when it becomes the primary, so that one without them may be the one. The primary
    that was `replaced` believes for about ten seconds that it is one.
    """
    if is_down(replica):
        return False
    if replica.get("role-reported") == "master":
        lately = replica.get("role-reported-time", 0) < CHOSEN_FOR_SECONDS * 1000
        return bool(lately and address(replica) != replaced)
    return replica.get("master-link-status") == "ok"
