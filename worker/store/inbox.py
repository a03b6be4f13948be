"""The inbox: a message is accepted once it stands in the inbox of its patient's shard."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace
from redis import Redis
from redis.client import Pipeline

from alerts.chart.charting import why_unusable
from alerts.chart.sampling import WHY as WAVEFORM
from alerts.chart.sampling import Sampling
from alerts.message_fields import Status
from alerts.message_json import BadMessage, read_message
from alerts.messages import INTERNAL, SITE_SUBJECT, AnyMessage, Reading
from alerts.state import DeadLetter
from alerts.step.system_faults import fault
from alerts.wording.phrase import phrase
from config.site import Site
from worker.store import dead_letters
from worker.store.capacity import Capacity
from worker.store.durable import accepting
from worker.store.keys import Keys, Partition, Shard
from worker.store.lease import once_every
from worker.tracing import span

log = logging.getLogger(__name__)

WAKE_LASTS = timedelta(seconds=2)
"""A wake-up without an answering worker is repeated after this time."""

UNKNOWN = "unknown"

ANSWERS = ("acknowledgement", "hand_over", "silence", "closure")
"""Types of messages that people send from outside about the site's own technical episodes."""

RAW_KEPT = 20_000
"""The characters kept of a message that cannot be read."""

NOTIFIED_FOR = timedelta(minutes=10)
"""The technician is notified of dead letters of one source at most once in this time."""

SOURCE_SHOWN = 100
"""Characters of a source's name in a fault: the texts of faults are bounded."""


Woken = TypeVar("Woken", bound=Shard | Partition)


class Addressed(Protocol):
    """An object with a patient's shard: a message, or only its addressee."""

    @property
    def patient(self) -> str:
        """The patient it is about."""
        ...


class Addressee(NamedTuple):
    """The patient of a message that was parsed before, or cannot be parsed."""

    patient: str


class Accepted(NamedTuple):
    """The result of a delivery: how many messages were stored, which were refused, and the shards to wake.

    A refused message is a dead letter. The `unusable` ones were stored and the chart will reject them: each with its
    place in the delivery and the reason.
    """

    stored: int
    refused: list[DeadLetter]
    wake: list[Shard]
    unusable: tuple[tuple[int, str], ...] = ()


class Appended(NamedTuple):
    """The ids of the inbox entries that were written, in their order, and the shards to wake."""

    ids: list[str]
    wake: list[Shard]


def append(
    redis: Redis,
    keys: Keys,
    messages: Iterable[tuple[Addressed, bytes]],
    now: datetime,
    pipe: Pipeline | None = None,
    source: str = "",
) -> Appended:
    """Append messages to the inboxes of their shards, in one transaction and one round trip.

    Each message is given with its JSON text (`encoded`). `pipe` may hold commands of the same transaction. It is
    `accepting` if a sender waits for the answer; messages of our own wait for no copy. The messages of a `source` count
    against its share of the store while they wait (`worker.store.capacity`).
    """
    pipe = redis.pipeline(transaction=True) if pipe is None else pipe
    first = len(pipe)
    queued = list(messages)
    shards = queue(pipe, keys, queued, now, source)
    queue_wakeups(pipe, shards)
    with span("append", messages=len(queued)):
        replies = pipe.execute()
    ids = [entry.decode() for entry in replies[first : first + len(queued)]]
    return Appended(ids, to_wake(shards, replies))


def encoded(message: AnyMessage) -> tuple[AnyMessage, bytes]:
    """A message with its JSON text, as `append` takes it."""
    return message, message.model_dump_json(exclude_none=True).encode()


def queue(
    pipe: Pipeline, keys: Keys, messages: Iterable[tuple[Addressed, bytes]], now: datetime, source: str = ""
) -> list[Shard]:
    """Queue messages onto an open MULTI; return the shards they are for."""
    received = now.astimezone(UTC).isoformat()
    of: dict[Any, Any] = {"s": source} if source else {}
    touched: dict[int, Shard] = {}
    size = 0
    for message, raw in messages:
        shard = keys.of(message.patient)
        touched[shard.number] = shard
        size += len(raw)
        pipe.xadd(shard.inbox, {"m": raw, "r": received, **of})
    if source and size:
        pipe.hincrby(keys.waiting_bytes, source, size)
    return list(touched.values())


def claim_wakeups(redis: Redis, woken: list[Woken], pipe: Pipeline | None = None) -> list[Woken]:
    """Claim wake-ups; return the shards and partitions for which no other wake-up is pending.

    The commands that `pipe` holds are executed first, in the same transaction.
    """
    pipe = redis.pipeline(transaction=True) if pipe is None else pipe
    queue_wakeups(pipe, woken)
    return to_wake(woken, pipe.execute())


def queue_wakeups(pipe: Pipeline, woken: Iterable[Shard | Partition]) -> None:
    """Queue the claims of wake-ups onto an open MULTI. Each reply says whether our claim is the first."""
    for one in woken:
        once_every(pipe, one.wakeup_pending, WAKE_LASTS)


def to_wake(woken: list[Woken], replies: list[Any]) -> list[Woken]:
    """The shards and partitions whose wake-ups, queued last, got the reply that our claim is the first."""
    return [one for one, first in zip(woken, replies[len(replies) - len(woken) :], strict=True) if first]


def accept(
    redis: Redis,
    keys: Keys,
    raws: Iterable[bytes],
    now: datetime,
    source: str = UNKNOWN,
    *,
    capacity: Capacity | None = None,
    site: Site | None = None,
    apart: bool = False,
) -> Accepted:
    """Parse native messages from their JSON texts: store the valid ones, and make the others dead letters.

    With a `site` the answer also names the messages that the chart will reject. `apart`: each text is a delivery of its
    own, so that several make no waveform.

    Raises:
        IntakeStoppedError: the store has no room for them, and nothing was stored. For answers there always is room.
        redis.exceptions.RedisError: the store cannot be reached, or too few machines have them (`NotCopiedError`);
            nothing was accepted.
    """
    good: list[tuple[AnyMessage, bytes]] = []
    refused: list[DeadLetter] = []
    unusable: list[tuple[int, str]] = []
    size = 0
    sampling = Sampling()
    for place, raw in enumerate(raws):
        try:
            message = read_message(raw)
            if message.patient.startswith("~") and message.type not in ANSWERS:
                raise BadMessage(f"patient: {message.patient!r} is reserved")
            if message.type in INTERNAL:
                raise BadMessage(f"type: {message.type} is written by cartwatch itself")
            refuse_waveform(Sampling() if apart else sampling, message)
            good.append(received_here(message, raw, now))
            if site is not None and (why := why_unusable(message, now, site)):
                unusable.append((place, why))
            size += len(raw) if message.type not in ANSWERS else 0
        except BadMessage as error:
            refused.append(DeadLetter(now, source, "", "", str(error), raw.decode(errors="replace")[:RAW_KEPT]))
            size += len(raw)
    refused = _waveforms_once(refused)
    if capacity is not None and size:
        capacity.require(source, size)
    pipe = accepting(redis)
    wake = append(redis, keys, _with_letters(redis, pipe, keys, good, refused, source, now), now, pipe, source).wake
    if refused:
        dead_letters.trim(redis, keys, now)
    return Accepted(len(good), refused, wake, tuple(unusable))


def refuse_waveform(sampling: Sampling, message: AnyMessage) -> None:
    """Check one more message of a delivery.

    Raises:
        BadMessage: the message is part of a waveform, which is refused from the eleventh value of a second on.
    """
    if isinstance(message, Reading) and (
        why := sampling.why_refused(message.patient, message.source, message.reading, message.effective)
    ):
        raise BadMessage(why)


def _waveforms_once(refused: list[DeadLetter]) -> list[DeadLetter]:
    """Keep only the first value of waveforms, and their number."""
    values = [record for record in refused if record.why == WAVEFORM]
    if len(values) < 2:
        return refused
    first = replace(values[0], why=f"{WAVEFORM} ({len(values)} values were refused)")
    return [first, *(record for record in refused if record.why != WAVEFORM)]


def received_here(message: AnyMessage, raw: bytes, now: datetime) -> tuple[AnyMessage, bytes]:
    """A message as it is appended: a correction gets our time of receipt, and no time of receipt lies ahead.

    Of two corrections the one received later counts. How far ahead an infusion may lie is measured from that time.
    """
    if message.received is None or (message.status is Status.FINAL and message.received <= now):
        return message, raw
    ours = message.model_copy(update={"received": None})
    return encoded(ours)


def add_dead_letters(redis: Redis, keys: Keys, refused: list[DeadLetter], source: str, now: datetime) -> list[Shard]:
    """Store unreadable messages as dead letters, and open an incident for their source; return the shards to wake."""
    pipe = accepting(redis)
    wake = append(redis, keys, _with_letters(redis, pipe, keys, [], refused, source, now), now, pipe).wake
    dead_letters.trim(redis, keys, now)
    return wake


def _with_letters(
    redis: Redis,
    pipe: Pipeline,
    keys: Keys,
    good: list[tuple[AnyMessage, bytes]],
    refused: list[DeadLetter],
    source: str,
    now: datetime,
) -> list[tuple[AnyMessage, bytes]]:
    """The messages to append, with a report of the dead letters. The letters are queued onto the same MULTI."""
    if not refused:
        return good
    dead_letters.write(pipe, keys, refused, now)
    log.warning("%d message(s) from %s became dead letters", len(refused), refused[0].source)
    return [*good, _refusal(refused, source, now)] if is_notice_due(redis, pipe, keys, source) else good


def is_notice_due(redis: Redis, pipe: Pipeline, keys: Keys, source: str) -> bool:
    """Whether the technician was not notified of dead letters of a source lately; then it is queued that this is done.

    Otherwise a source that sends a thousand texts a second that cannot be read would send as many faults.
    """
    notified = keys.of(SITE_SUBJECT).key(f"notified:{source[:SOURCE_SHOWN]}")
    if redis.exists(notified):
        return False
    pipe.set(notified, 1, ex=NOTIFIED_FOR)
    return True


def _refusal(refused: list[DeadLetter], source: str, now: datetime) -> tuple[AnyMessage, bytes]:
    source = source[:SOURCE_SHOWN]
    what = phrase("messages from {source} cannot be read; see `cartwatch dead-letters`", source=source)
    return encoded(fault(f"intake {source}", what, f"{source} {now.isoformat()} {len(refused)}", now))
