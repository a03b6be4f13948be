"""Stored data that cannot be read. It affects its own patient or page alone, and is kept.

A state that cannot be read stays in its place. Its patient is not watched, and their messages are suspended: they wait
in a stream of their own, so that they delay no neighbour. A page or an export entry that cannot be read is moved away.
All of them are listed, with an incident for the technician; for a patient the on-call clinician is paged too. The
watchdog retries them: after a repair or an upgrade the waiting messages are evaluated.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct
from redis import Redis
from redis.client import Pipeline

from alerts.messages import Fault
from alerts.step.system_faults import fault
from alerts.wording.phrase import Phrase
from worker.clock import milliseconds
from worker.store.backlog import per_shard
from worker.store.channel_queues import enqueue
from worker.store.codec import unpack_export, unpack_owed, unpack_state
from worker.store.fair_shares import InboxEntry, routed
from worker.store.inbox import append
from worker.store.keys import Keys, Shard
from worker.store.schema import UnreadableError

log = logging.getLogger(__name__)

Kind = Literal["state", "site", "page", "export"]

SUSPENDED_AT_MOST = 50_000
"""Messages of a shard that wait for states to become readable; beyond these they become dead letters."""

INCIDENTS_OF_A_SHARD = 5
"""The most patients of a shard whose states have incidents of their own. All further ones share one."""

MOVED_AT_ONCE = 1000


class Unreadable(Struct, frozen=True, kw_only=True):
    """One value: a patient's `state`, the `site`'s own state, a `page` or an `export` entry.

    `since`: when it was listed (ms). `incident`: the condition of its technical episode.
    """

    kind: Kind
    name: str
    since: int
    why: str
    incident: str

    @property
    def at(self) -> datetime:
        """The time from which it is listed."""
        return datetime.fromtimestamp(self.since / 1000, UTC)

    @property
    def field(self) -> str:
        """Its field in the list of its shard."""
        return f"{self.kind} {self.name}"


# -- states ----------------------------------------------------------------------------------------


class Suspension(Struct):
    """The changes that a commit makes for states that cannot be read: new list entries, and messages that wait.

    `moved` are packed states that new ones replace, by their fields.
    """

    listed: list[Unreadable] = []
    waiting: list[InboxEntry] = []
    moved: dict[str, bytes] = {}

    def write(self, pipe: Pipeline, shard: Shard) -> None:
        """Queue the changes onto an open MULTI."""
        for one in self.listed:
            pipe.hset(shard.key("unreadable"), one.field, msgspec.json.encode(one))
        for field, packed in self.moved.items():
            pipe.hset(shard.key("unreadable_values"), field, packed)
        for item in self.waiting:
            fields: dict[Any, Any] = {"m": item.raw, "r": item.received.isoformat(), "p": item.patient}
            pipe.xadd(shard.key("suspended"), fields | ({"s": item.sender} if item.sender else {}))


def begins_anew(subject: str) -> bool:
    """Whether a state that cannot be read is replaced. The site's own state is, because it must report the problem."""
    return subject.startswith("~")


def suspend(
    redis: Redis,
    shard: Shard,
    unreadable: Mapping[str, UnreadableError],
    waiting: Collection[InboxEntry],
    now: datetime,
) -> tuple[Suspension, list[InboxEntry]]:
    """List patients whose states cannot be read, each with the reason, and suspend their messages.

    Returns also the messages for which there is no room.
    """
    pipe = redis.pipeline(transaction=False)
    pipe.hkeys(shard.key("unreadable"))
    pipe.xlen(shard.key("suspended"))
    fields, length = pipe.execute()
    known = {field.decode() for field in fields}
    number = sum(field.startswith("state ") for field in known)
    found = Suspension()
    for subject, error in unreadable.items():
        kind: Kind = "site" if begins_anew(subject) else "state"
        incident = f"unreadable state {_digest(subject)}"
        if number + len(found.listed) >= INCIDENTS_OF_A_SHARD:
            incident = f"unreadable states of shard {shard.number}"
        one = Unreadable(kind=kind, name=subject, since=milliseconds(now), why=str(error), incident=incident)
        if one.field in known:
            continue
        log.error("a stored state cannot be read (shard %d): %s", shard.number, error)
        found.listed.append(one)
        if kind == "site":
            found.moved[one.field] = cast("bytes | None", redis.hget(shard.key("states"), subject)) or b""
    room = max(0, SUSPENDED_AT_MOST - length)
    ordered = sorted(waiting, key=lambda item: item.order)
    found.waiting.extend(ordered[:room])
    return found, ordered[room:]


def _digest(subject: str) -> str:
    """A digest that distinguishes the incidents of patients and names none of them."""
    return hashlib.blake2s(subject.encode(errors="replace"), digest_size=4).hexdigest()


def faults(listed: Iterable[Unreadable], now: datetime, *, over: bool = False) -> Iterator[Fault]:
    """The faults of values that cannot be read, or are readable again. They name no patient."""
    for one in listed:
        about = f"{one.incident} {over} {now.isoformat()}"
        if one.kind == "state":
            what = Phrase(
                "a patient's stored state cannot be read: the patient is not watched; see `cartwatch unreadable`"
            )
            yield _for_clinicians(one, now).model_copy(update={"over": over})
        elif one.kind == "site":
            what = Phrase("the stored technical incidents cannot be read and begin anew; see `cartwatch unreadable`")
        elif one.kind == "page":
            what = Phrase("a page that is owed cannot be read and is not sent; see `cartwatch unreadable`")
        else:
            what = Phrase("an entry for the EHR cannot be read and is not exported; see `cartwatch unreadable`")
        yield fault(one.incident, what, about, now).model_copy(update={"over": over})


def _for_clinicians(one: Unreadable, now: datetime) -> Fault:
    """The fault for the on-call clinicians: a patient is not watched. The ward board names the patient."""
    condition = f"not watched, {one.incident}"
    what = Phrase("a patient is not watched, because their stored data cannot be read: see the ward board")
    return fault(condition, what, f"{condition} {now.isoformat()}", now).model_copy(update={"urgency": "high"})


# -- pages and export entries ----------------------------------------------------------------------


def move(
    pipe: Pipeline,
    keys: Keys,
    shard: Shard,
    kind: Kind,
    name: str,
    packed: bytes,
    error: UnreadableError,
    now: datetime,
) -> None:
    """Queue onto an open MULTI that a value is listed and kept, and its incident; the caller deletes the value."""
    one = Unreadable(kind=kind, name=name, since=milliseconds(now), why=str(error), incident=f"unreadable {kind}")
    pipe.hset(shard.key("unreadable"), one.field, msgspec.json.encode(one))
    pipe.hset(shard.key("unreadable_values"), one.field, packed)
    for message in faults([one], now):
        raw = message.model_dump_json(exclude_none=True)
        pipe.xadd(keys.of(message.patient).inbox, {"m": raw, "r": now.astimezone(UTC).isoformat()})
    log.error("a stored %s cannot be read: %s", kind, error)


# -- the list, and the way back --------------------------------------------------------------------


def listed(redis: Redis, keys: Keys) -> list[tuple[Shard, Unreadable]]:
    """The whole list, in one round trip."""
    shards = keys.advanced()
    rows = per_shard(redis, shards, lambda pipe, shard: pipe.hvals(shard.key("unreadable")))
    found = []
    for shard, (values,) in zip(shards, rows, strict=True):
        for value in values:
            try:
                found.append((shard, msgspec.json.decode(value, type=Unreadable)))
            except msgspec.MsgspecError:
                log.error("an entry of the list of what cannot be read is none (shard %d)", shard.number)
    return sorted(found, key=lambda pair: pair[1].since)


def retry(redis: Redis, keys: Keys, now: datetime) -> list[Shard]:
    """Read everything on the list again, and restore readable values. Returns the shards to wake."""
    items = listed(redis, keys)
    back = [(shard, one) for shard, one in items if _put_back(redis, keys, shard, one, now)]
    if not back:
        return []
    still = {item[1].incident for item in items if item not in back}
    wake = append(redis, keys, _ended((one for _, one in back if one.incident not in still), now), now).wake
    log.warning("%d stored value(s) that could not be read can be read again", len(back))
    return [*wake, *{shard.number: shard for shard, _ in back}.values()]


def _ended(values: Iterable[Unreadable], now: datetime) -> list[tuple[Fault, bytes]]:
    """The end of the incidents of some values."""
    over = {one.incident: one for one in values}.values()
    return [(one, one.model_dump_json(exclude_none=True).encode()) for one in faults(over, now, over=True)]


def _put_back(redis: Redis, keys: Keys, shard: Shard, one: Unreadable, now: datetime) -> bool:
    """Restore a value, with the messages that wait for it, if it is readable now; return whether it is."""
    place, field = ("states", one.name) if one.kind == "state" else ("unreadable_values", one.field)
    packed = cast("bytes | None", redis.hget(shard.key(place), field))
    pipe = redis.pipeline(transaction=True)
    try:
        if one.kind == "state":
            if packed is not None:
                unpack_state(packed)
            _resume(redis, keys, shard, one.name)
        elif packed is not None and one.kind == "site":
            unpack_state(packed)
        elif packed is not None and one.kind == "page":
            enqueue(pipe, keys, shard, unpack_owed(packed), now)
        elif packed is not None:
            unpack_export(packed)
            pipe.xadd(shard.exports, {"at": one.since, "e": packed})
    except UnreadableError:
        return False
    pipe.hdel(shard.key("unreadable"), one.field)
    if one.kind != "state":
        pipe.hdel(shard.key("unreadable_values"), one.field)
    pipe.execute()
    return True


def _resume(redis: Redis, keys: Keys, shard: Shard, patient: str) -> None:
    """Return the suspended messages of a patient to the inbox, with their times of acceptance."""
    start = "-"
    while entries := cast(
        "list[tuple[bytes, dict[bytes, bytes]]]",
        redis.xrange(shard.key("suspended"), min=start, count=MOVED_AT_ONCE),
    ):
        start = f"({entries[-1][0].decode()}"
        theirs = [(entry, fields) for entry, fields in entries if fields.get(b"p") == patient.encode()]
        if not theirs:
            continue
        pipe = redis.pipeline(transaction=True)
        for _, fields in theirs:
            kept: dict[Any, Any] = {name: value for name, value in fields.items() if name != b"p"}
            pipe.xadd(shard.inbox, kept)
            if sender := fields.get(b"s"):
                pipe.hincrby(keys.waiting_bytes, sender.decode(errors="replace"), len(fields.get(b"m", b"")))
        pipe.xdel(shard.key("suspended"), *[entry for entry, _ in theirs])
        pipe.execute()


# -- by hand ---------------------------------------------------------------------------------------


def rebuild(
    redis: Redis, keys: Keys, patient: str, journal: Iterable[tuple[str, dict[str, Any]]], now: datetime
) -> tuple[int, list[Shard]]:
    """Begin a patient anew from the journal of their shard; the state that cannot be read is kept beside it.

    The messages of the journal are accepted again, each with the time of its acceptance, and then those that waited.
    Returns how many the journal had, and the shards to wake; nothing is done if the state can be read.
    """
    shard = keys.of(patient)
    wake = retry(redis, keys, now)
    one = next((one for of, one in listed(redis, keys) if (of, one.kind, one.name) == (shard, "state", patient)), None)
    packed = cast("bytes | None", redis.hget(shard.key("states"), patient))
    if one is None:
        return 0, wake
    pipe = redis.pipeline(transaction=True)
    count = 0
    for _, record in journal:
        for item in record["in"]:
            if routed(b"", item["message"].encode(), now).patient == patient:
                pipe.xadd(shard.inbox, {"m": item["message"], "r": item["received"]})
                count += 1
    if packed is not None:
        pipe.hset(shard.key("unreadable_values"), one.field, packed)
    pipe.hdel(shard.key("states"), patient)
    pipe.hdel(shard.key("revisions"), patient)
    pipe.execute()
    return count, [*wake, *retry(redis, keys, now)]


def forget(redis: Redis, keys: Keys, now: datetime) -> tuple[int, list[Shard]]:
    """Drop the pages, export entries and old technical incidents of the list. States stay.

    Returns how many there were, and the shards to wake.
    """
    dropped = [(shard, one) for shard, one in listed(redis, keys) if one.kind != "state"]
    pipe = redis.pipeline(transaction=True)
    for shard, one in dropped:
        pipe.hdel(shard.key("unreadable"), one.field)
        pipe.hdel(shard.key("unreadable_values"), one.field)
    return len(dropped), append(redis, keys, _ended((one for _, one in dropped), now), now, pipe).wake
