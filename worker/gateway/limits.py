"""Whoever tries links that were not made here is slowed down. A good link is answered always."""

from collections import OrderedDict
from datetime import datetime, timedelta

WITHIN = timedelta(minutes=1)
TRIES = 20
KNOWN = 10_000


class BadTries:
    """How many bad links each address has tried within the last minute; of so many addresses at most."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def note(self, address: str, now: datetime) -> bool:
        """Note one more; return whether they are too many."""
        since, count = self._tries.pop(address, (now, 0))
        if now - since >= WITHIN:
            since, count = now, 0
        self._tries[address] = (since, count + 1)
        while len(self._tries) > KNOWN:
            self._tries.popitem(last=False)
        return count + 1 > TRIES
