"""Names of the keys in the state store: the only module that spells them.

The state store is one Redis primary, not a Redis Cluster: one transaction may write keys of several shards, so the
names carry no hash tags (`docs/adr/0001-one-redis-primary.md`). The keys of a shard, without their prefix:

inbox      stream   accepted messages that are not evaluated yet; an entry leaves it in the transaction that commits
                    its effect
states     hash     patient -> the packed PatientState
revisions  hash     patient -> the token of the batch that wrote the state last
timers     zset     patient -> when the patient is looked at next (ms since 1970)
outbox     hash     page id -> the packed page and its attempts; its place in the queue of its channel is `Place`
unregistered hash   patient that nobody has registered -> how many messages, since when, from whom
episodes   hash     episode id -> patient
last_seen  hash     source -> when it last sent something (ms)
journal    stream   each batch: what came in, what followed; it feeds the audit (`worker/audit/`)
exports    stream   of each batch what goes to the EHR; only if an export is configured
export_lease string the lease on the shard's exports
page:ID    string   an exported page, updated as its delivery goes on
refused    stream   resources that the EHR refused, with the reason
crashes    string   how often a batch was taken and not committed; each commit takes two off
cursor     string   the inbox entry at which the next scan begins; before it stands the backlog of those who sent more
                    than their share
suspect    string   the inbox entry that is evaluated alone, because it may kill workers
lease      string   the lease on the shard: the worker that advances it now
unreadable hash     what of the shard cannot be read, one field each (`worker/store/unreadable.py`)
unreadable_values hash  the same fields -> the packed values that were moved out of the way
suspended  stream   messages of patients whose state cannot be read; they go back to the inbox once it can
wakeup_pending string  a wake-up of the shard is on its way
receipts   string   how many entries of the inbox are receipts of pages that were sent
"""

from typing import NamedTuple
from zlib import crc32

from config.site import Urgency

SYNTHETIC = "~synthetic"
"""The synthetic patient of the canary. Its page goes the whole way and reaches nobody, to show that pages arrive."""


class Shard(NamedTuple):
    """The keys of one shard."""

    number: int
    prefix: str

    def key(self, name: str) -> str:
        """One of the keys listed above."""
        return f"{self.prefix}{name}"

    @property
    def inbox(self) -> str:
        """The stream of messages that wait."""
        return self.key("inbox")

    @property
    def lease(self) -> str:
        """The lease of the worker that advances the shard."""
        return self.key("lease")

    @property
    def wakeup_pending(self) -> str:
        """Set while a wake-up of the shard is on its way."""
        return self.key("wakeup_pending")

    @property
    def crashes(self) -> str:
        """The count of batches that were taken and not committed."""
        return self.key("crashes")

    @property
    def receipts(self) -> str:
        """The number of receipts of sent pages in the inbox. They are not urgent."""
        return self.key("receipts")

    @property
    def exports(self) -> str:
        """The stream of what is to be exported."""
        return self.key("exports")

    @property
    def export_lease(self) -> str:
        """The lease of the worker that exports the shard."""
        return self.key("export_lease")

    def page(self, page: str) -> str:
        """An exported page."""
        return self.key(f"page:{page}")


class Place(NamedTuple):
    """Where a page stands: the number of its shard, and its id."""

    shard: int
    page: str

    @property
    def text(self) -> str:
        """The place as a member of a Redis set; `parse_place` is the inverse."""
        return f"{self.shard} {self.page}"


def parse_place(text: bytes) -> Place:
    """A place from a member of a Redis set."""
    shard, _, page = text.decode().partition(" ")
    return Place(int(shard), page)


ORDINARY, CRITICAL = "queue", "critical"


def queue_name(channel: str, urgency: Urgency) -> str:
    """The queue of a channel for pages of an urgency. Critical pages have one of their own."""
    return f"{CRITICAL if urgency == 'critical' else ORDINARY}:{channel}"


PARTITIONS = 4
"""Parts of the channels that workers may send for at the same time. One worker may have all of them."""


class Partition(NamedTuple):
    """The keys of a part of the channels, which one worker at a time sends for.

    The `agenda` is a sorted set: queue of a channel -> when it is looked at next (ms). The hash `begun` holds the
    places of pages whose sending has begun and not ended: how often, and the queue.
    """

    number: int
    lease: str
    wakeup_pending: str
    agenda: str
    begun: str


class Keys(NamedTuple):
    """All shards of one installation."""

    namespace: str
    shards: int

    def shard(self, number: int) -> Shard:
        """The keys of a shard."""
        return Shard(number, f"{self.namespace}:{number:02d}:")

    def of(self, patient: str) -> Shard:
        """The shard a patient belongs to."""
        return self.canary if patient == SYNTHETIC else self.shard(crc32(patient.encode()) % self.shards)

    def all(self) -> list[Shard]:
        """Every shard of patients; the site's subject is in one of them."""
        return [self.shard(number) for number in range(self.shards)]

    @property
    def canary(self) -> Shard:
        """The shard of the canary alone. Lists for people are read from the other shards."""
        return self.shard(self.shards)

    def advanced(self) -> list[Shard]:
        """Every shard that workers advance: those of patients and the canary's."""
        return [*self.all(), self.canary]

    def partition(self, number: int) -> Partition:
        """The keys of a part of the channels."""
        names = ("delivery_lease", "delivery_wakeup", "agenda", "begun")
        return Partition(number, *(f"{self.namespace}:{name}:{number}" for name in names))

    def partition_of(self, channel: str) -> Partition:
        """The part that a channel belongs to."""
        return self.partition(crc32(channel.encode()) % PARTITIONS)

    def partitions(self) -> list[Partition]:
        """Every part of the channels."""
        return [self.partition(number) for number in range(PARTITIONS)]

    def queue(self, name: str) -> str:
        """Sorted set: the places of the pages of a channel, by when each is to be sent (ms); `queue_name` names it."""
        return f"{self.namespace}:{name}"

    def sent(self, channel: str) -> str:
        """The messages a channel was sent lately, by when (ms)."""
        return f"{self.namespace}:sent:{channel}"

    def tick_claimed(self, what: str) -> str:
        """Set while one worker's ticker looks for due work on behalf of all: `what` is "due" or "exports"."""
        return f"{self.namespace}:tick_claimed:{what}"

    @property
    def followed(self) -> str:
        """Pages that ring at a provider until they are answered -> the provider's receipt."""
        return f"{self.namespace}:followed"

    def answer_used(self, press: str) -> str:
        """An answer from a notification that had its effect."""
        return f"{self.namespace}:answer_used:{press}"

    def answer_number(self, channel: str, number: str) -> str:
        """The page that a number answers by a text message."""
        return f"{self.namespace}:answer_number:{channel}:{number}"

    def reports(self, channel: str, episode: str) -> str:
        """The number of the last page of an episode that an alert manager has accepted."""
        return f"{self.namespace}:reports:{channel}:{episode}"

    @property
    def fhir_base(self) -> str:
        """The circuit breaker of the FHIR base: since when it fails, why, when to retry. Absent while it works."""
        return f"{self.namespace}:fhir_base"

    @property
    def workers(self) -> str:
        """Hash: machine and process -> the last beat of a worker (`worker.monitoring.beats`)."""
        return f"{self.namespace}:workers"

    @property
    def measurements(self) -> str:
        """Hash: counts and durations of the workers (`worker.store.measurements`)."""
        return f"{self.namespace}:measurements"

    @property
    def messages_lately(self) -> str:
        """Hash: source -> its messages evaluated since the watchdog's last run (`worker.monitoring.floods`)."""
        return f"{self.namespace}:messages_lately"

    @property
    def messages_total(self) -> str:
        """Hash: source -> its messages that were evaluated before."""
        return f"{self.namespace}:messages_total"

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
        """Hash: source -> an upper bound of the bytes of its dead letters."""
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
    def audit(self) -> str:
        """Hash: how far the audit has recorded the journals, and where (`worker.audit.feed`)."""
        return f"{self.namespace}:audit"

    @property
    def audit_lease(self) -> str:
        """The lease of the process that writes the audit."""
        return f"{self.namespace}:audit_lease"

    @property
    def subscriptions(self) -> str:
        """Hash: source and FHIR Subscription -> what is known of it (`worker.store.subscriptions`)."""
        return f"{self.namespace}:subscriptions"

    @property
    def watchdog(self) -> str:
        """Hash: what the watchdog found at its last run."""
        return f"{self.namespace}:watchdog"

    @property
    def watchdog_claim(self) -> str:
        """Set until the watchdog is to run again."""
        return f"{self.namespace}:watchdog:claim"

    @property
    def shard_count(self) -> str:
        """The number of shards that the installation was begun with."""
        return f"{self.namespace}:shards"

    @property
    def schema(self) -> str:
        """The newest schema version that has written to the store (`worker.store.schema`)."""
        return f"{self.namespace}:schema"

    @property
    def clock(self) -> str:
        """The simulated time (ISO 8601) of a replay."""
        return f"{self.namespace}:clock"
