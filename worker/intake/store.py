"""What the intake stores beside the inboxes of patients.

All on the site's own shard:

test              stream   test and training messages: never charted, the oldest dropped
sources           hash     key id -> the source, the hash of its secret, when it was made (`worker.intake.source_keys`)
seen:SOURCE       zset     stored deliveries, by time (ms): a delivery is idempotent
notified:SOURCE   string   the technician was just notified of dead letters of a source

Texts that could not be used are dead letters (`worker.store.dead_letters`). Codes without a mapping are counted in
`worker.intake.unmapped`, versions of FHIR resources in `worker.intake.fhir.versions`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from redis import Redis
from redis.client import Pipeline

from alerts.messages import SITE_SUBJECT, AnyMessage
from alerts.state import DeadLetter
from alerts.step.system_faults import fault
from alerts.wording.phrase import phrase
from worker.clock import milliseconds
from worker.intake import answers
from worker.intake.fhir.versions import ResourceVersions, Written
from worker.intake.fhir.withdrawals import packed
from worker.intake.parsed import ElementOutcome, ElementResult, Native, Parsed, ParsedResource
from worker.intake.quota import is_kept, is_refused, refuse_delivery, size
from worker.intake.unmapped import UnmappedCodes
from worker.store import dead_letters
from worker.store.capacity import Capacity
from worker.store.codec import pack
from worker.store.dead_letters import ListedLetter
from worker.store.durable import accepting, copies_of
from worker.store.inbox import (
    ANSWERS,
    SOURCE_SHOWN,
    Addressed,
    Addressee,
    append,
    encoded,
    is_notice_due,
    queue,
    queue_wakeups,
    to_wake,
)
from worker.store.keys import Keys, Shard
from worker.store.requirements import require_same_shard_count

SEEN_FOR = timedelta(hours=2)
"""Longer than an engine retries an unanswered message. A later repetition is appended again, but the chart recognises a
message by source and id. Exception: the last correction received wins. A sender that repeats only the older of two
corrections therefore reinstates it."""

SEEN_KEPT = 100_000
"""Per source: 14 a second for two hours, about 12 MB. A source that sends more loses its oldest keys sooner."""

TEST_KEPT = 10_000
TEST_CHARACTERS = 20_000
"""The length of a stored test message, which is only displayed."""

REASONS_KEPT = 50
"""Reasons per text. If more elements cannot be used, one reason stands for all."""

WHOLE = "whole.text"
"""The place of a reason for a whole text. No element has this place."""


class Put(NamedTuple):
    """The result of `put`: the shards to wake, whether all deliveries were stored before, and each delivery as stored.

    A delivery over the quota has the outcome `ElementOutcome.OVER_QUOTA`. `versions`: of each written FHIR resource, by
    its type and id.
    """

    wake: list[Shard]
    repeated: bool
    deliveries: tuple[Parsed, ...]
    versions: Mapping[str, int] = MappingProxyType({})


Condition = Callable[[Pipeline], None]
"""Called before a transaction is begun; it watches what the transaction rests on."""


class IntakeStore:
    """Stores deliveries durably before they are acknowledged."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys
        self._capacity = Capacity(redis, keys)
        self._fits = False
        self.unmapped = UnmappedCodes(redis, self._site)

    @property
    def _site(self) -> Shard:
        return self.keys.of(SITE_SUBJECT)

    def put(self, parsed: Parsed, now: datetime, condition: Condition | None = None) -> Put:
        """Store a delivery in one transaction: messages in their inboxes, the rest as dead letters or counts.

        Idempotent: a delivery with the key of a stored one is a repetition. Refused HL7 is stored as a dead letter,
        because no answer can name the reason to its sender.

        Raises:
            redis.exceptions.WatchError: what the `condition` watches has changed; nothing was stored.
            redis.exceptions.RedisError: nothing was stored.
            UnfitStoreError: the installation was begun with another number of shards; nothing was stored.
        """
        return self.put_all([parsed], now, condition)

    def put_all(self, deliveries: Sequence[Parsed], now: datetime, condition: Condition | None = None) -> Put:
        """Store several deliveries in one transaction.

        Raises:
            redis.exceptions.RedisError, UnfitStoreError: nothing was accepted. With `NotCopiedError` the deliveries may
                be stored, on too few machines.
        """
        self._refuse_other_shape()
        deliveries = [answers.addressed(parsed, self.redis, self.keys) for parsed in deliveries]
        new, placed = self._new(deliveries, now)
        stored = [parsed for parsed in placed if not is_refused(parsed)]
        repeated = not new and bool(placed) and len(stored) == len(placed)
        # Where several machines must have a delivery, a repetition writes again: too few may have it so far.
        to_remember = new if copies_of(self.redis) == 1 else stored
        if not to_remember:
            return Put([], repeated, placed)
        pipe = accepting(self.redis)
        if condition is not None:
            condition(pipe)
        wake: list[Shard] = []
        records: list[DeadLetter] = []
        writes: dict[int, list[str]] = {}
        for parsed in new:
            if written := _written(parsed):
                writes[len(pipe)] = [one.name for one in written]
                self.versions(parsed.source).queue(pipe, written, now)
            if parsed.test:
                self._store_test(parsed, now, pipe)
                continue
            wake += queue(pipe, self.keys, map(_readied, parsed.messages), now, parsed.source)
            records += _records(parsed, now)
        self._remember(to_remember, now, pipe)
        dead_letters.write(pipe, self.keys, records, now)
        notices = self._notices(records, now, pipe)
        wake += queue(pipe, self.keys, notices, now)
        # Test feeds count as well: a site completes its map before go-live.
        self.unmapped.queue(pipe, new)
        shards = list(dict.fromkeys(wake))
        queue_wakeups(pipe, shards)
        replies = pipe.execute()
        if records:
            dead_letters.trim(self.redis, self.keys, now)
        versions = {
            name: version
            for place, names in writes.items()
            for name, version in zip(names, replies[place], strict=True)
        }
        return Put(to_wake(shards, replies), repeated, placed, versions)

    def versions(self, source: str) -> ResourceVersions:
        """The versions of the FHIR resources of a source."""
        return ResourceVersions(self._site, source)

    def _refuse_other_shape(self) -> None:
        """Check the number of shards once, at the first delivery. The store may have been down at our start."""
        if not self._fits:
            require_same_shard_count(self.redis, self.keys)
            self._fits = True

    def _new(self, deliveries: Sequence[Parsed], now: datetime) -> tuple[list[Parsed], tuple[Parsed, ...]]:
        """The new deliveries without repetitions, and all deliveries as they are stored.

        A delivery over the quota is not remembered, so it counts as new when the sender repeats it.
        """
        look = self.redis.pipeline(transaction=False)
        for parsed in deliveries:
            look.zscore(self._seen(parsed.source), parsed.key)
        first: dict[str, Parsed] = {}
        placed: list[Parsed] = []
        for number, (parsed, seen) in enumerate(zip(deliveries, look.execute(), strict=True)):
            if parsed.key and seen is not None and seen > milliseconds(now - SEEN_FOR):
                placed.append(parsed)
                continue
            name = parsed.key or f" {number}"
            if name not in first:
                first[name] = self._within_quota(parsed)
            placed.append(first[name])
        return [parsed for parsed in first.values() if not is_refused(parsed)], tuple(placed)

    def _within_quota(self, parsed: Parsed) -> Parsed:
        """Return a delivery, refused if it exceeds the quota. A delivery that stores nothing needs no quota."""
        needed = size(parsed)
        why = self._capacity.refusal(parsed.source, needed) if needed else ""
        return refuse_delivery(parsed, why) if why else parsed

    def _seen(self, source: str) -> str:
        return self._site.key(f"seen:{source}")

    def _remember(self, deliveries: Iterable[Parsed], now: datetime, pipe: Pipeline) -> None:
        """Remember the keys of stored deliveries for `SEEN_FOR`, at most `SEEN_KEPT` per source."""
        keys: dict[str, dict[str, int]] = {}
        for parsed in deliveries:
            if parsed.key:
                keys.setdefault(self._seen(parsed.source), {})[parsed.key] = milliseconds(now)
        for seen, added in keys.items():
            pipe.zadd(seen, added)
            pipe.zremrangebyscore(seen, "-inf", milliseconds(now - SEEN_FOR))
            pipe.zremrangebyrank(seen, 0, -SEEN_KEPT - 1)
            pipe.expire(seen, SEEN_FOR)

    def _store_test(self, parsed: Parsed, now: datetime, pipe: Pipeline) -> None:
        for item in parsed.items:
            record = _record(parsed, item._replace(raw=item.raw[:TEST_CHARACTERS]), "", now)
            pipe.xadd(self._site.key("test"), {"s": pack(record)}, maxlen=TEST_KEPT)

    def put_native(self, messages: list[tuple[AnyMessage, bytes]], now: datetime, source: str) -> list[Shard]:
        """Append validated native messages of a source; return the shards to wake.

        Raises:
            IntakeStoppedError: the quota is full; nothing was stored. Answers of people always fit.
            redis.exceptions.RedisError, UnfitStoreError: nothing was stored.
        """
        self._refuse_other_shape()
        needed = sum(len(raw) for message, raw in messages if message.type not in ANSWERS)
        if needed:
            self._capacity.require(source, needed)
        return append(self.redis, self.keys, messages, now, accepting(self.redis), source).wake

    def _notices(self, records: list[DeadLetter], now: datetime, pipe: Pipeline) -> list[tuple[AnyMessage, bytes]]:
        """The notice to the technician about dead letters, at most once in `NOTIFIED_FOR` per source."""
        return [
            notice
            for source, number in Counter(record.source for record in records).items()
            for notice in self._notice(source, number, now, pipe)
        ]

    def _notice(self, source: str, records: int, now: datetime, pipe: Pipeline) -> list[tuple[AnyMessage, bytes]]:
        if not is_notice_due(self.redis, pipe, self.keys, source):
            return []
        name = source[:SOURCE_SHOWN]
        what = phrase("messages from {source} cannot be used; see `cartwatch dead-letters`", source=name)
        message = fault(f"intake {name}", what, f"{name} {now.isoformat()} {records}", now)
        return [encoded(message)]

    # -- dead letters ----------------------------------------------------------------------------

    def replace_letter(
        self, one: ListedLetter, messages: list[Native], left: list[DeadLetter], now: datetime
    ) -> list[Shard]:
        """Append the messages of a letter and keep its parts that still cannot be used; return the shards to wake."""
        pipe = accepting(self.redis)
        dead_letters.take_off(pipe, self.keys, one)
        dead_letters.write(pipe, self.keys, left, now)
        return append(self.redis, self.keys, map(_readied, messages), now, pipe).wake


def _records(parsed: Parsed, now: datetime) -> list[DeadLetter]:
    return [record for item in parsed.items for record in _records_of(parsed, item, now)]


def _records_of(parsed: Parsed, item: ParsedResource, now: datetime) -> list[DeadLetter]:
    """One dead letter for each element, or one for all if there are many."""
    kept = [element for element in item.elements if is_kept(item, element)]
    if len(kept) > REASONS_KEPT:
        why = f"{len(kept)} elements cannot be used; the first: {kept[0].why}"
        kept = [ElementResult(ElementOutcome.DEAD_LETTER, WHOLE, kept[0].patient, why)]
    return [_record(parsed, item, element, now) for element in kept]


def _record(parsed: Parsed, item: ParsedResource, element: ElementResult | str, now: datetime) -> DeadLetter:
    if isinstance(element, str):
        return DeadLetter(now, parsed.source, "", item.id, "a test or training message", item.raw, item.form)
    name = f"{item.id} {element.where}".strip()
    return DeadLetter(now, parsed.source, element.patient, name, element.why, item.raw, item.form)


def _written(parsed: Parsed) -> list[Written]:
    """The FHIR resources of a delivery whose messages are stored now or were before, but for test resources."""
    rows: list[Written] = []
    for item in parsed.items if not parsed.test else ():
        if item.form == "fhir" and item.id and (item.again or any(element.messages for element in item.elements)):
            first, *others = item.identifiers or ("",)
            rows.append(Written(item.id, first, packed(item), item.again))
            rows += (Written(item.id, other, again=True) for other in others)
    return rows


def _readied(message: Native) -> tuple[Addressed, bytes]:
    """An inbox entry of a message that `parsed.stored` has validated."""
    return Addressee(message["patient"].strip()), json.dumps(message, ensure_ascii=False).encode(errors="replace")
