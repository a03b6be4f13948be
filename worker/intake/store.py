"""What the ways in keep in the state store, besides the inboxes of the patients.

All on the site's own shard:

test              stream   test and training messages: kept apart, never charted, the oldest dropped
unmapped          hash     source, sort, system, code -> how often met
unmapped_examples hash     the same -> an example of its name or value
sources           hash     key id -> the source, the hash of its secret, when it was made (`worker.intake.source_keys`)
seen:SOURCE       zset     deliveries that were stored, by when (ms), so that a repetition is not stored again
told:SOURCE       string   the technician has just been told that messages of a source are set aside

Texts that could not be used are dead letters (`worker.store.dead_letters`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from alerts.messages import SITE_SUBJECT, AnyMessage
from alerts.state import DeadLetter
from alerts.step.system_faults import fault
from worker.clock import milliseconds
from worker.intake.parsed import ElementResult, Native, Outcome, Parsed, ParsedResource, Unmapped
from worker.intake.quota import is_kept, is_refused, refuse_delivery, size
from worker.store import dead_letters
from worker.store.capacity import Capacity
from worker.store.codec import pack
from worker.store.dead_letters import ListedLetter
from worker.store.inbox import ANSWERS, SOURCE_SHOWN, Addressed, Addressee, append, claim_wakeups, queue
from worker.store.keys import Keys, Shard
from worker.store.requirements import require_same_shard_count

SEEN_FOR = timedelta(hours=2)
"""Longer than an engine goes on sending what it heard no answer to, and no longer: each takes room. What is repeated
later is appended again, and the chart, which knows a message by source and id, has it already. Only where a sender
repeats the older of two corrections alone, it holds again: of corrections the one that came last does."""

SEEN_KEPT = 100_000
"""Of one source: 14 a second for so long, about 12 MB. Of what sends more the oldest are forgotten sooner."""

TOLD_FOR = timedelta(minutes=10)
TEST_KEPT = 10_000
TEST_CHARACTERS = 20_000
"""Of the text of a test message, which is kept to be looked at and never read again."""

REASONS_KEPT = 50
"""Of one text; where more of its elements cannot be used, one reason speaks for all."""

WHOLE = "whole.text"
"""The place of a reason that speaks for a whole text, and is the place of no element."""

UNMAPPED_KEPT = 2_000
_BETWEEN = "\x1f"


class Count(NamedTuple):
    """How often something that nothing is known about was met, and an example of it."""

    source: str
    sort: str
    system: str
    code: str
    times: int
    example: str


class Put(NamedTuple):
    """What became of deliveries: which shards are to be woken, whether all had been stored before, and each as it was
    kept; what the store has no room for stands in it as `Outcome.OVER_QUOTA`."""

    wake: list[Shard]
    repeated: bool
    taken: tuple[Parsed, ...]


class IntakeStore:
    """Durable before anybody hears "accepted"."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys
        self._capacity = Capacity(redis, keys)
        self._fits = False

    @property
    def _site(self) -> Shard:
        return self.keys.of(SITE_SUBJECT)

    def put(self, taken: Parsed, now: datetime) -> Put:
        """Store a delivery in one transaction: messages in their inboxes, the rest set aside or counted.

        A delivery with the key of one that was stored is a repetition, and done with. What was refused is kept as
        well where its sender cannot be told why (HL7).

        Raises:
            redis.exceptions.RedisError: nothing was stored.
            UnfitStoreError: the installation was begun with another number of shards; nothing was stored.
        """
        return self.put_all([taken], now)

    def put_all(self, deliveries: Sequence[Parsed], now: datetime) -> Put:
        """The same for several deliveries, in one transaction.

        Raises:
            redis.exceptions.RedisError, UnfitStoreError: nothing was stored.
        """
        self._refuse_other_shape()
        new, placed = self._new(deliveries, now)
        if not new:
            return Put([], bool(placed) and not any(map(is_refused, placed)), placed)
        pipe = self.redis.pipeline(transaction=True)
        wake: list[Shard] = []
        records: list[DeadLetter] = []
        for taken in new:
            if taken.test:
                self._keep_apart(taken, now, pipe)
                continue
            wake += queue(pipe, self.keys, map(_readied, taken.messages), now, taken.source)
            records += _records(taken, now)
        self._remember(new, now, pipe)
        dead_letters.write(pipe, self.keys, records, now)
        notices = self._notices(records, now, pipe)
        wake += queue(pipe, self.keys, notices, now)
        # Of feeds on trial as well: a site completes its map before go-live.
        self._count(new, pipe)
        woken = claim_wakeups(self.redis, list(dict.fromkeys(wake)), pipe)
        if records:
            dead_letters.trim(self.redis, self.keys, now)
        return Put(woken, False, placed)

    def _refuse_other_shape(self) -> None:
        """Once: a store that was away when this process began is known only now."""
        if not self._fits:
            require_same_shard_count(self.redis, self.keys)
            self._fits = True

    def _new(self, deliveries: Sequence[Parsed], now: datetime) -> tuple[list[Parsed], tuple[Parsed, ...]]:
        """Those that were not stored before, each once, and all of them as they are kept.

        One that there is no room for is not among the new: it is not remembered, and is new when it is sent again.
        """
        look = self.redis.pipeline(transaction=False)
        for taken in deliveries:
            look.zscore(self._seen(taken.source), taken.key)
        first: dict[str, Parsed] = {}
        placed: list[Parsed] = []
        for number, (taken, seen) in enumerate(zip(deliveries, look.execute(), strict=True)):
            if taken.key and seen is not None and seen > milliseconds(now - SEEN_FOR):
                placed.append(taken)
                continue
            name = taken.key or f" {number}"
            if name not in first:
                first[name] = self._with_room(taken)
            placed.append(first[name])
        return [taken for taken in first.values() if not is_refused(taken)], tuple(placed)

    def _with_room(self, taken: Parsed) -> Parsed:
        """A delivery as it is, or turned away; what is not kept anyway needs no room."""
        needed = size(taken)
        why = self._capacity.refusal(taken.source, needed) if needed else ""
        return refuse_delivery(taken, why) if why else taken

    def _seen(self, source: str) -> str:
        return self._site.key(f"seen:{source}")

    def _remember(self, deliveries: Iterable[Parsed], now: datetime, pipe: Pipeline) -> None:
        """That they were stored: for a while, and of each source the last."""
        keys: dict[str, dict[str, int]] = {}
        for taken in deliveries:
            if taken.key:
                keys.setdefault(self._seen(taken.source), {})[taken.key] = milliseconds(now)
        for seen, added in keys.items():
            pipe.zadd(seen, added)
            pipe.zremrangebyscore(seen, "-inf", milliseconds(now - SEEN_FOR))
            pipe.zremrangebyrank(seen, 0, -SEEN_KEPT - 1)
            pipe.expire(seen, SEEN_FOR)

    def _keep_apart(self, taken: Parsed, now: datetime, pipe: Pipeline) -> None:
        for item in taken.items:
            record = _record(taken, item._replace(raw=item.raw[:TEST_CHARACTERS]), "", now)
            pipe.xadd(self._site.key("test"), {"s": pack(record)}, maxlen=TEST_KEPT)

    def put_native(self, messages: list[tuple[AnyMessage, bytes]], now: datetime, source: str) -> list[Shard]:
        """Append native messages of a source that were read already; return the shards to wake.

        Raises:
            IntakeStoppedError: there is no room for them; nothing was stored. For answers there always is.
            redis.exceptions.RedisError, UnfitStoreError: nothing was stored.
        """
        self._refuse_other_shape()
        needed = sum(len(raw) for message, raw in messages if message.type not in ANSWERS)
        if needed:
            self._capacity.require(source, needed)
        return append(self.redis, self.keys, messages, now, source=source).wake

    def _notices(self, records: list[DeadLetter], now: datetime, pipe: Pipeline) -> list[tuple[AnyMessage, bytes]]:
        """The notice to the technician, once in a while for each source."""
        return [
            notice
            for source, number in Counter(record.source for record in records).items()
            for notice in self._told(source, number, now, pipe)
        ]

    def _told(self, source: str, records: int, now: datetime, pipe: Pipeline) -> list[tuple[AnyMessage, bytes]]:
        told = self._site.key(f"told:{source[:SOURCE_SHOWN]}")
        if self.redis.exists(told):
            return []
        pipe.set(told, 1, ex=TOLD_FOR)
        name = source[:SOURCE_SHOWN]
        what = f"messages from {name} are set aside; see `cartwatch dead-letters`"
        message = fault(f"intake {name}", what, f"{name} {now.isoformat()} {records}", now)
        return [(message, message.model_dump_json(exclude_none=True).encode())]

    # -- what is not mapped ----------------------------------------------------------------------

    def _count(self, deliveries: Iterable[Parsed], pipe: Pipeline) -> None:
        met = [
            (_field(taken.source, element.unmapped), element.unmapped.example)
            for taken in deliveries
            for element in taken.elements
            if element.unmapped is not None
        ]
        if not met:
            return
        counts, examples = self._site.key("unmapped"), self._site.key("unmapped_examples")
        names = list(dict.fromkeys(name for name, _ in met))
        look = self.redis.pipeline(transaction=False)
        look.hlen(counts)
        look.hmget(counts, names)
        length, known = look.execute()
        room = UNMAPPED_KEPT - length
        counted = {name for name, held in zip(names, known, strict=True) if held is not None}
        counted |= {name for name in names if name not in counted and (room := room - 1) >= 0}
        for name, example in met:
            if name in counted:
                pipe.hincrby(counts, name, 1)
                if example:
                    pipe.hset(examples, name, example)

    def unmapped(self) -> list[Count]:
        """What was met and nothing is known about, the most frequent first."""
        counts = cast("dict[bytes, bytes]", self.redis.hgetall(self._site.key("unmapped")))
        examples = cast("dict[bytes, bytes]", self.redis.hgetall(self._site.key("unmapped_examples")))
        found = []
        for name, times in counts.items():
            source, sort, system, code = name.decode(errors="replace").split(_BETWEEN)
            example = examples.get(name, b"").decode(errors="replace")
            found.append(Count(source, sort, system, code, int(times), example))
        return sorted(found, key=lambda count: (count.source, -count.times, count.system, count.code))

    def forget_unmapped(self) -> None:
        """Count from nothing again."""
        self.redis.delete(self._site.key("unmapped"), self._site.key("unmapped_examples"))

    # -- dead letters ----------------------------------------------------------------------------

    def dead_letters(self) -> list[ListedLetter]:
        """Every dead letter, oldest first."""
        return dead_letters.everything(self.redis, self.keys)

    def remove(self, listed: Iterable[ListedLetter]) -> None:
        """Take letters off the list that are kept elsewhere."""
        dead_letters.remove(self.redis, self.keys, listed)

    def done_with(
        self, one: ListedLetter, messages: list[Native], left: list[DeadLetter], now: datetime
    ) -> list[Shard]:
        """Append what a letter has become, and leave of it what still cannot be used; return the shards to wake."""
        pipe = self.redis.pipeline(transaction=True)
        dead_letters.take_off(pipe, self.keys, one)
        dead_letters.write(pipe, self.keys, left, now)
        return append(self.redis, self.keys, map(_readied, messages), now, pipe).wake


def _records(taken: Parsed, now: datetime) -> list[DeadLetter]:
    return [record for item in taken.items for record in _records_of(taken, item, now)]


def _records_of(taken: Parsed, item: ParsedResource, now: datetime) -> list[DeadLetter]:
    """One for each element that is kept; or one for all where they are many."""
    kept = [element for element in item.elements if is_kept(item, element)]
    if len(kept) > REASONS_KEPT:
        why = f"{len(kept)} elements cannot be used; the first: {kept[0].why}"
        kept = [ElementResult(Outcome.DEAD_LETTER, WHOLE, kept[0].patient, why)]
    return [_record(taken, item, element, now) for element in kept]


def _record(taken: Parsed, item: ParsedResource, element: ElementResult | str, now: datetime) -> DeadLetter:
    if isinstance(element, str):
        return DeadLetter(now, taken.source, "", item.id, "a test or training message", item.raw, item.form)
    name = f"{item.id} {element.where}".strip()
    return DeadLetter(now, taken.source, element.patient, name, element.why, item.raw, item.form)


def _readied(message: Native) -> tuple[Addressed, bytes]:
    """What is appended: `taken.stored` has found it sound."""
    return Addressee(message["patient"].strip()), json.dumps(message, ensure_ascii=False).encode(errors="replace")


def _field(source: str, unmapped: Unmapped) -> str:
    parts = (source, unmapped.sort, unmapped.system, unmapped.code)
    return _BETWEEN.join(part.replace(_BETWEEN, " ") for part in parts)
