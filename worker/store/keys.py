"""Names of the keys in the state store. All keys of a shard carry its hash tag, so they share a cluster slot.

inbox      stream   messages accepted and not yet taken into the state; an entry leaves it in the transaction
                    that commits what it changed
states    hash     patient -> the packed PatientState
revisions  hash     patient -> which batch wrote it last
timers     zset     patient -> when its ladders are next looked at (ms since 1970)
outbox     hash     page id -> the packed page and its attempts
due        zset     page id -> when its delivery is next tried (ms)
urgent     zset     the same for critical pages, which have workers of their own
claim:ID   string   which worker is trying to deliver a page now
begun:ID   string   attempts on a page that were begun and of which nothing was heard
unregistered hash  patient -> how many messages of a patient nobody has registered, since when, from whom
episodes   hash     episode id -> patient
journal    stream   every batch: what came in, what followed
exports    stream   of every batch what the record system is to be told; only where one is configured
export_lease string   which worker exports this shard now
page:ID    string   an exported page, to which what becomes of it is added
refused    stream   resources that the record system refused, with the reason
crashes    string   how often the shard was taken and nothing was committed; each commit takes one off
cursor     string   the inbox entry from which the next scan goes on; what stands before it is the backlog of those who
                    sent more than their share
suspect    string   the inbox entry that is evaluated alone, to find out whether it kills workers
lease      string   which worker advances this shard now
unreadable hash     what of the shard cannot be read, one field each (`worker/store/unreadable.py`)
unreadable_values hash  the same fields -> the packed values that were moved out of the way
suspended  stream   messages of patients whose state cannot be read; they go back to the inbox once it can
wakeup_pending string   a wake-up is already on its way
receipts   string   how many of the entries in the inbox are receipts of pages that were sent
"""

from typing import NamedTuple
from zlib import crc32

from config.site import Urgency

SYNTHETIC = "~synthetic"
"""The subject whose page goes round to show that the way is open; nobody is ever paged about it."""


class Shard(NamedTuple):
    """The keys of one shard."""

    number: int
    prefix: str

    def key(self, name: str) -> str:
        """One of the keys listed above."""
        return f"{self.prefix}{name}"

    def due(self, urgency: Urgency) -> str:
        """When pages of an urgency are next tried."""
        return self.key("urgent" if urgency == "critical" else "due")

    @property
    def inbox(self) -> str:
        """Stream of messages that wait."""
        return self.key("inbox")

    @property
    def lease(self) -> str:
        """Who advances the shard."""
        return self.key("lease")

    @property
    def wakeup_pending(self) -> str:
        """Whether a wake-up is on its way."""
        return self.key("wakeup_pending")

    @property
    def crashes(self) -> str:
        """How often the shard was taken and nothing was committed."""
        return self.key("crashes")

    @property
    def receipts(self) -> str:
        """How many receipts of sent pages wait in the inbox: nobody hurries for them."""
        return self.key("receipts")

    def claim(self, page: str) -> str:
        """Who sends a page now."""
        return self.key(f"claim:{page}")

    @property
    def exports(self) -> str:
        """Stream of what is to be exported."""
        return self.key("exports")

    @property
    def export_lease(self) -> str:
        """Who exports the shard."""
        return self.key("export_lease")

    def page(self, page: str) -> str:
        """An exported page."""
        return self.key(f"page:{page}")

    def begun(self, page: str) -> str:
        """How many attempts on a page were begun and never heard of again."""
        return self.key(f"begun:{page}")


class Keys(NamedTuple):
    """All shards of one installation."""

    namespace: str
    shards: int

    def shard(self, number: int) -> Shard:
        """The keys of a shard."""
        return Shard(number, f"{self.namespace}:{{{number:02d}}}:")

    def of(self, patient: str) -> Shard:
        """The shard a patient belongs to."""
        return self.canary if patient == SYNTHETIC else self.shard(crc32(patient.encode()) % self.shards)

    def all(self) -> list[Shard]:
        """Every shard of patients, and with them the site's."""
        return [self.shard(number) for number in range(self.shards)]

    @property
    def canary(self) -> Shard:
        """The shard of the synthetic subject alone: what is shown to people is read from the others."""
        return self.shard(self.shards)

    def advanced(self) -> list[Shard]:
        """Every shard in which something may wait."""
        return [*self.all(), self.canary]

    def ailing(self, channel: str) -> str:
        """Set while a channel has failed lately."""
        return f"{self.namespace}:ailing:{channel}"

    def trying(self, channel: str, lane: str) -> str:
        """Set while a worker of a lane sends on a channel."""
        return f"{self.namespace}:trying:{lane}:{channel}"

    def sending(self, lane: str) -> str:
        """Everything a lane sends now, by when it began (ms)."""
        return f"{self.namespace}:sending:{lane}"

    def waiting(self, channel: str, lane: str) -> str:
        """Pages that found their channel busy, by when they were owed (ms)."""
        return f"{self.namespace}:waiting:{lane}:{channel}"

    def sent(self, channel: str) -> str:
        """What a channel was sent lately, by when (ms)."""
        return f"{self.namespace}:sent:{channel}"

    def held(self, channel: str) -> str:
        """Pages over a channel's limit, by when they were held back (ms)."""
        return f"{self.namespace}:held:{channel}"

    def tick_claimed(self, what: str) -> str:
        """Set while some worker's ticker looks for what is due, or has just done so ("look"; for exports "exports")."""
        return f"{self.namespace}:tick_claimed:{what}"

    @property
    def fhir_base(self) -> str:
        """Since when the FHIR base fails, why, and when it is tried again; absent while it takes what it is sent."""
        return f"{self.namespace}:fhir_base"

    @property
    def waiting_bytes(self) -> str:
        """Hash: source -> bytes of its messages that wait in the inboxes."""
        return f"{self.namespace}:waiting_bytes"

    @property
    def dead_letters(self) -> str:
        """Hash: id -> the packed dead letter (`worker.store.dead_letters`)."""
        return f"{self.namespace}:dead_letters"

    @property
    def dead_letter_times(self) -> str:
        """Hash: id -> how often it came."""
        return f"{self.namespace}:dead_letter_times"

    def dead_letters_of(self, source: str) -> str:
        """Sorted set: ids of a source's dead letters, by when they came last (ms)."""
        return f"{self.namespace}:dead_letters_of:{source}"

    @property
    def dead_letter_bytes(self) -> str:
        """Hash: source -> at most so many bytes its dead letters take."""
        return f"{self.namespace}:dead_letter_bytes"

    @property
    def dead_letters_dropped(self) -> str:
        """Hash: source -> how many of its dead letters were dropped."""
        return f"{self.namespace}:dead_letters_dropped"

    @property
    def dead_letters_dropping(self) -> str:
        """Sorted set: sources by when one of their dead letters was last dropped (ms)."""
        return f"{self.namespace}:dead_letters_dropping"

    @property
    def watchdog(self) -> str:
        """Hash: what the watchdog found at its last run."""
        return f"{self.namespace}:watchdog"

    @property
    def shard_count(self) -> str:
        """The number of shards the installation was begun with."""
        return f"{self.namespace}:shards"

    @property
    def schema(self) -> str:
        """The newest schema version that has written to the store (`worker.store.schema`)."""
        return f"{self.namespace}:schema"

    @property
    def clock(self) -> str:
        """The simulated time (ISO 8601), where a replay drives it."""
        return f"{self.namespace}:clock"
