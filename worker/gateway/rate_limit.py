"""Limits (throttles) of one address or session: wrong links and keys, bytes of bodies, live boards."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

WITHIN_SECONDS = 60.0
TRIES = 20
KNOWN = 10_000

BODIES_OF_ALL = 64 * 1024 * 1024
BODIES_OF_ONE = 16 * 1024 * 1024
"""Bytes of bodies in progress: four of the largest that the intake accepts."""

SMALL_BODY = 64 * 1024
"""The free part of each body: a response on a page and a few readings are accepted in any case."""


def sender(address: str) -> str:
    """The counted unit: an IPv4 address, or the /64 network of an IPv6 address, which belongs to one host."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


class FailedAttempts:
    """Wrong links or keys of each address within the last minute, of a limited number of addresses.

    A valid link or key is always accepted, because a whole hospital may have one address.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._tries: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, address: str) -> bool:
        """Count one more attempt; return whether there are too many."""
        key, now = sender(address), self._ticks()
        since, count = self._tries.pop(key, (now, 0))
        if now - since >= WITHIN_SECONDS:
            since, count = now, 0
        self._tries[key] = (since, count + 1)
        while len(self._tries) > KNOWN:
            self._tries.popitem(last=False)
        return count + 1 > TRIES

    def are_too_many(self, address: str) -> bool:
        """Whether one more attempt would be too many."""
        since, count = self._tries.get(sender(address), (0.0, 0))
        return count >= TRIES and self._ticks() - since < WITHIN_SECONDS


class BodyBudget:
    """The bytes of bodies in progress, of each address and in all."""

    def __init__(self, of_all: int = BODIES_OF_ALL, of_one: int = BODIES_OF_ONE) -> None:
        self._of_all = of_all
        self._of_one = of_one
        self._bytes: Counter[str] = Counter()
        self._all = 0

    def add(self, address: str, size: int) -> bool:
        """Count bytes that arrived; return whether they are within the budget."""
        key = sender(address)
        self._bytes[key] += size
        self._all += size
        return self._all <= self._of_all and self._bytes[key] <= self._of_one

    def release(self, address: str, size: int) -> None:
        """Release the bytes of a finished request."""
        key = sender(address)
        self._all -= size
        self._bytes[key] -= size
        if self._bytes[key] <= 0:
            del self._bytes[key]


class LiveBoards:
    """The open live boards of each session; their number is limited for one session and in all."""

    OF_ONE = 6
    OF_ALL = 150

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def is_full(self, session: str) -> bool:
        """Whether a session may open no more."""
        return self._open[session] >= self.OF_ONE or self._open.total() >= self.OF_ALL

    @contextmanager
    def one(self, session: str) -> Iterator[None]:
        """Count one more board while it is open."""
        self._open[session] += 1
        try:
            yield
        finally:
            self._open[session] -= 1
            self._open += Counter()  # Remove counts of zero.
