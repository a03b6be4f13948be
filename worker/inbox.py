"""The durable way in: a message is accepted when it stands in its shard's inbox."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from redis import Redis
from redis.client import Pipeline

from alerts.charting import why_unusable
from alerts.faults import fault
from alerts.fields import Status
from alerts.messages import SITE_SUBJECT, AnyMessage, BadMessage, read_message
from alerts.watch import SetAside
from config.site import Site
from worker import bounds
from worker.keys import Keys, Shard
from worker.packing import pack

log = logging.getLogger(__name__)

WAKE_LASTS_MS = 2000
"""A wake-up that has not been answered after this is sent again."""

UNKNOWN = "unknown"

ANSWERS = ("acknowledgement", "hand_over", "silence", "closure")
"""What may be said of the site's own technical episodes from outside."""

RAW_KEPT = 20_000
"""Characters of a message that cannot be read which are kept."""

SOURCE_SHOWN = 100
"""Characters of a source's name in a fault, whose own texts are bounded."""


class Addressed(Protocol):
    """What belongs to a patient's shard: a message, or what is known of one that was read before."""

    @property
    def patient(self) -> str:
        """The patient it is about."""
        ...


class Accepted(NamedTuple):
    """What became of a batch: how many were stored, which not, which shards are to be woken.

    What was refused is set aside; not `kept` where there was no room for it. Of what was stored, `unusable` will become
    dead letters when it is charted: each with its place in the batch and the reason.
    """

    stored: int
    refused: list[SetAside]
    wake: list[Shard]
    kept: bool = True
    unusable: tuple[tuple[int, str], ...] = ()


def append(
    redis: Redis,
    keys: Keys,
    messages: Iterable[tuple[Addressed, bytes]],
    now: datetime,
    pipe: Pipeline | None = None,
) -> list[Shard]:
    """Append messages to the inboxes of their shards in one round trip; return the shards to wake.

    Each is given with the JSON text it came in. `pipe` may hold commands that belong to the same transaction.
    """
    received = now.astimezone(UTC).isoformat()
    pipe = redis.pipeline(transaction=True) if pipe is None else pipe
    touched: dict[int, Shard] = {}
    for message, raw in messages:
        shard = keys.of(message.patient)
        touched[shard.number] = shard
        pipe.xadd(shard.inbox, {"m": raw, "r": received})
    return unanswered(redis, list(touched.values()), pipe)


def unanswered(redis: Redis, shards: list[Shard], pipe: Pipeline | None = None) -> list[Shard]:
    """Of these shards, those for which no wake-up is on its way; it is noted that one now is. `pipe` goes first."""
    pipe = redis.pipeline(transaction=True) if pipe is None else pipe
    for shard in shards:
        pipe.set(shard.woken, 1, nx=True, px=WAKE_LASTS_MS)
    answers = pipe.execute()
    return [shard for shard, first in zip(shards, answers[len(answers) - len(shards) :], strict=True) if first]


def accept(
    redis: Redis,
    keys: Keys,
    raws: Iterable[bytes],
    now: datetime,
    source: str = UNKNOWN,
    *,
    bounded: bool = False,
    site: Site | None = None,
) -> Accepted:
    """Read native messages from their JSON texts: store the good ones, set the others aside, lose none.

    `bounded`: the sender hears of what is refused, and keeps it where the list of what is set aside is full. With a
    `site` the sender also hears of what will not be used.
    """
    good: list[tuple[AnyMessage, bytes]] = []
    refused: list[SetAside] = []
    unusable: list[tuple[int, str]] = []
    for place, raw in enumerate(raws):
        try:
            message = read_message(raw)
            if message.patient.startswith("~") and message.type not in ANSWERS:
                raise BadMessage(f"patient: {message.patient!r} is reserved")
            good.append(received_here(message, raw, now))
            if site is not None and (why := why_unusable(message, now, site)):
                unusable.append((place, why))
        except BadMessage as error:
            refused.append(SetAside(now, source, "", "", str(error), raw.decode(errors="replace")[:RAW_KEPT]))
    stored = len(good)
    kept = not (refused and bounded and bounds.count(redis, keys) + len(refused) > bounds.MOST)
    if refused and kept:
        good.append(_keep(redis, keys, refused, source, now))
    return Accepted(stored, refused, append(redis, keys, good, now), kept, tuple(unusable))


def received_here(message: AnyMessage, raw: bytes, now: datetime) -> tuple[AnyMessage, bytes]:
    """A message as it is appended: the time at which a correction was received is ours, and no time lies ahead.

    Of two corrections the one received later holds, and how far ahead an infusion may lie counts from that time.
    """
    if message.received is None or (message.status is Status.FINAL and message.received <= now):
        return message, raw
    ours = message.model_copy(update={"received": None})
    return ours, ours.model_dump_json(exclude_none=True).encode()


def dead_letter(redis: Redis, keys: Keys, refused: list[SetAside], source: str, now: datetime) -> list[Shard]:
    """Keep what cannot be read, and open an incident for its source; return the shards to wake."""
    return append(redis, keys, [_keep(redis, keys, refused, source, now)], now)


def _keep(redis: Redis, keys: Keys, refused: list[SetAside], source: str, now: datetime) -> tuple[AnyMessage, bytes]:
    """Write the dead letters; the message that reports them is still to be appended."""
    shard = keys.of(SITE_SUBJECT)
    pipe = redis.pipeline(transaction=True)
    for record in refused:
        pipe.xadd(shard.key("set_aside"), {"s": pack(record)})
    pipe.execute()
    log.warning("set aside %d message(s) from %s", len(refused), refused[0].source)
    return _refusal(refused, source, now)


def _refusal(refused: list[SetAside], source: str, now: datetime) -> tuple[AnyMessage, bytes]:
    source = source[:SOURCE_SHOWN]
    what = f"messages from {source} cannot be read; see `cartwatch set-aside`"
    message = fault(f"intake {source}", what, f"{source} {now.isoformat()} {len(refused)}", now)
    return message, message.model_dump_json(exclude_none=True).encode()
