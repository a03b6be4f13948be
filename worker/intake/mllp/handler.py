"""The handler of the listener: it parses messages, stores all of them in one transaction, then wakes the workers."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from redis.exceptions import RedisError

from config.intake import Intake, Source
from worker.intake import read
from worker.intake.budget import Budget, OverBudget
from worker.intake.foreseen import foreseen
from worker.intake.hl7.header import message_key
from worker.intake.mllp.acknowledger import MessageOutcome, ReceivedMessage
from worker.intake.parsed import FOREIGN_ALERT, ElementOutcome, ElementResult, Parsed, ParsedResource, dead_letter
from worker.intake.permissions import permitted
from worker.intake.quota import why_refused
from worker.intake.store import IntakeStore, Put
from worker.intake.watched_config import IntakeConfig
from worker.store.keys import Shard
from worker.store.requirements import UnfitStoreError

log = logging.getLogger(__name__)

NOT_THIS_PEER = "this address may not send for this source"


class StoringHandler:
    """A `worker.intake.mllp.acknowledger.Handler` for one listener.

    `source`: the source of every message of this listener. Without it MSH-3 and MSH-4 name the source.
    """

    def __init__(
        self,
        store: IntakeStore,
        configured: Callable[[], IntakeConfig],
        wake: Callable[[Iterable[Shard]], None],
        now: Callable[[], datetime],
        source: str | None = None,
        budget: Callable[[], Budget] = Budget,
    ) -> None:
        self._store = store
        self._configured = configured
        self._wake = wake
        self._now = now
        self._source = source
        self._budget = budget
        # A slow broker must not delay the acknowledgement of stored messages.
        self._waker = ThreadPoolExecutor(1, thread_name_prefix="mllp-wake")

    def __call__(self, messages: Sequence[ReceivedMessage]) -> list[MessageOutcome]:
        """Store the messages. A message that cannot be parsed becomes a dead letter.

        Raises:
            redis.exceptions.RedisError, UnfitStoreError: nothing was stored.
        """
        configured = self._configured()
        source = configured.intake.source(self._source) if self._source is not None else None
        now = self._now()
        places: list[int | MessageOutcome] = []
        kept: list[Parsed] = []
        for message in messages:
            try:
                parsed = _read(message.raw, configured, source, now, self._budget())
            except OverBudget as error:
                places.append(MessageOutcome(ElementOutcome.REFUSED, str(error)))
                continue
            if not _may_send(parsed, message.peer, source, configured.intake):
                places.append(MessageOutcome(ElementOutcome.REFUSED, NOT_THIS_PEER))
                continue
            if (alert := _foreign_alert(parsed)) is not None:
                places.append(MessageOutcome(ElementOutcome.REFUSED, alert.why))
                continue
            places.append(len(kept))
            kept.append(parsed)
            if message.count_mismatch:
                kept.append(_mismatch_notice(parsed, message))
        placed = self._put(kept, now)
        return [at if isinstance(at, MessageOutcome) else _result(placed[at]) for at in places]

    def close(self) -> None:
        """Send the waiting wake-ups."""
        self._waker.shutdown()

    def _put(self, kept: list[Parsed], now: datetime) -> list[Parsed]:
        """Store deliveries; return each as stored."""
        try:
            puts = [self._store.put_all(kept, now)]
        except (RedisError, UnfitStoreError):
            raise
        except Exception as error:
            log.error("a batch of %d message(s) is stored one by one (%s)", len(kept), type(error).__name__)
            puts = [self._put_alone(parsed, now) for parsed in kept]
        wake = [shard for put in puts for shard in put.wake]
        if wake:
            self._waker.submit(self._wake, wake)
        return [parsed for put in puts for parsed in put.deliveries]

    def _put_alone(self, parsed: Parsed, now: datetime) -> Put:
        """Store one delivery. If that fails by an error of ours, store its texts as dead letters."""
        try:
            return self._store.put(parsed, now)
        except RedisError:
            raise
        except Exception as error:
            items = tuple(_unusable(item.raw, error) for item in parsed.items)
            return self._store.put(Parsed(parsed.source, items, key=parsed.key), now)


def _read(raw: bytes, configured: IntakeConfig, source: Source | None, now: datetime, budget: Budget) -> Parsed:
    try:
        parsed = read.hl7(raw, configured.intake, configured.tables, source, budget)
        sender = source or configured.intake.source(parsed.source)
        return foreseen(permitted(parsed, sender) if sender is not None else parsed, now, configured.site)
    except OverBudget:
        raise
    except Exception as error:
        # A message that makes us fail must not keep the messages behind it from being stored.
        log.error("a message cannot be read: internal error %s", type(error).__name__)
        name = source.name if source is not None else read.UNKNOWN
        return Parsed(name, (_unusable(raw.decode(errors="replace"), error),), key=message_key(raw))


def _unusable(raw: str, error: Exception) -> ParsedResource:
    return ParsedResource("hl7", raw, "", (dead_letter("MSH", "", f"internal error {type(error).__name__}"),))


def _may_send(parsed: Parsed, peer: str, source: Source | None, intake: Intake) -> bool:
    sender = source or intake.source(parsed.source)
    return sender is None or sender.allows(peer)


def _foreign_alert(parsed: Parsed) -> ElementResult | None:
    """The refusal of another system's alert. Stored as a dead letter, it would count as delivered there."""
    return next((element for element in parsed.elements if element.where == FOREIGN_ALERT), None)


def _result(parsed: Parsed) -> MessageOutcome:
    outcome = parsed.items[0].outcome
    if outcome is ElementOutcome.OVER_QUOTA:
        return MessageOutcome(ElementOutcome.REFUSED, why_refused(parsed))
    # Refused HL7 is stored as a dead letter: no answer can name the reason to its sender.
    return MessageOutcome(ElementOutcome.DEAD_LETTER if outcome is ElementOutcome.REFUSED else outcome)


def _mismatch_notice(parsed: Parsed, message: ReceivedMessage) -> Parsed:
    """The dead letter of a batch that differs from its stated count."""
    item = ParsedResource("hl7", "", "", (dead_letter("BTS", "", message.count_mismatch),))
    return Parsed(parsed.source, (item,), key=f"{parsed.key}:batch")
