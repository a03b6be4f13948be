"""Names of the keys in the state store. All keys of a shard carry its hash tag, so they share a cluster slot.

inbox      stream   messages accepted and not yet taken into the state; an entry leaves it in the transaction
                    that commits what it changed
watches    hash     patient -> the packed Watch
timers     zset     patient -> when its ladders are next looked at (ms since 1970)
outbox     hash     page id -> the packed page and its attempts
due        zset     page id -> when its delivery is next tried (ms)
claim:ID   string   which worker is trying to deliver a page now
set_aside  stream   messages that could not be used, with the reason
unclaimed  hash     patient -> messages of a patient who is not registered
episodes   hash     episode id -> patient
relay      stream   messages of this shard for other shards (faults go to the site's own shard)
journal    stream   every batch: what came in, what followed
lease      string   which worker advances this shard now
woken      string   a wake-up is already on its way
"""

from typing import NamedTuple
from zlib import crc32


class Shard(NamedTuple):
    """The keys of one shard."""

    number: int
    prefix: str

    def key(self, name: str) -> str:
        """One of the keys listed above."""
        return f"{self.prefix}{name}"

    @property
    def inbox(self) -> str:
        """Stream of messages that wait."""
        return self.key("inbox")

    @property
    def lease(self) -> str:
        """Who advances the shard."""
        return self.key("lease")

    @property
    def woken(self) -> str:
        """Whether a wake-up is on its way."""
        return self.key("woken")

    def claim(self, page: str) -> str:
        """Who sends a page now."""
        return self.key(f"claim:{page}")


class Keys(NamedTuple):
    """All shards of one installation."""

    namespace: str
    shards: int

    def shard(self, number: int) -> Shard:
        """The keys of a shard."""
        return Shard(number, f"{self.namespace}:{{{number:02d}}}:")

    def of(self, patient: str) -> Shard:
        """The shard a patient belongs to."""
        return self.shard(crc32(patient.encode()) % self.shards)

    def all(self) -> list[Shard]:
        """Every shard."""
        return [self.shard(number) for number in range(self.shards)]

    def ailing(self, channel: str) -> str:
        """Set while a channel has failed lately."""
        return f"{self.namespace}:ailing:{channel}"

    def trying(self, channel: str) -> str:
        """Set while a worker tries a channel that ails."""
        return f"{self.namespace}:trying:{channel}"

    @property
    def clock(self) -> str:
        """The simulated time (ISO 8601), where a replay drives it."""
        return f"{self.namespace}:clock"
