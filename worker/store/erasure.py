"""Removal of patients from the working state: everything that names them, in every key that may.

Streams cannot be edited. One is written anew beside, with the ids of its entries, and renamed under the lease of those
who append to it. What is appended meanwhile is added before the renaming.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, cast

import msgspec
from redis import Redis
from redis.client import Pipeline

from alerts.messages import SITE_SUBJECT
from worker.store import dead_letters
from worker.store.codec import pack_export, pack_journal, readable, unpack_export, unpack_journal, unpack_owed
from worker.store.keys import Keys, Shard
from worker.store.lease import Lease
from worker.store.schema import UnreadableError

LEASE = timedelta(seconds=30)
WAITS_SECONDS = 30.0
AT_ONCE = 500

Fields = dict[bytes, bytes]
Edit = Callable[[Fields], Fields | None]
"""The fields of an entry without the patients; None if nothing is left of it."""


class ShardBusyError(Exception):
    """A shard was never free: its worker hangs."""


class Erased(NamedTuple):
    """Patients, the ids of their episodes, and what finds either in a text."""

    patients: frozenset[str]
    episodes: frozenset[str]

    def stand_in(self, text: str) -> bool:
        """Whether a text names one of them, as a whole word."""
        names = "|".join(map(re.escape, (*self.patients, *self.episodes)))
        return re.search(rf"(?<![\w-])(?:{names})(?![\w-])", text) is not None

    def concern(self, body: dict[str, Any]) -> bool:
        """Whether a message or an event is about one of them, or names one as the other record of a merge."""
        if {body.get("patient"), body.get("into"), body.get("old")} & self.patients:
            return True
        about_site = str(body.get("patient", "~")).startswith("~")
        return about_site and self.stand_in(msgspec.json.encode(body).decode())

    def concern_text(self, text: str) -> bool:
        """The same for the text of a message; one that cannot be read is searched."""
        try:
            body = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return self.stand_in(text)
        return self.concern(body) if isinstance(body, dict) else self.stand_in(text)


def erased(redis: Redis, keys: Keys, patients: Collection[str]) -> Erased:
    """These patients with the episodes that the store knows of them."""
    episodes = set()
    for patient in patients:
        found = cast("dict[bytes, bytes]", redis.hgetall(keys.of(patient).key("episodes")))
        episodes |= {episode.decode() for episode, of in found.items() if of.decode() == patient}
    return Erased(frozenset(patients), frozenset(episodes))


def remove_state(pipe: Pipeline, shard: Shard, patient: str, episodes: Collection[str]) -> None:
    """Queue the removal of a patient's state and of what is kept by their name."""
    for name in ("states", "revisions", "unregistered"):
        pipe.hdel(shard.key(name), patient)
    pipe.zrem(shard.key("timers"), patient)
    for name in ("unreadable", "unreadable_values"):
        pipe.hdel(shard.key(name), f"state {patient}")
    if episodes:
        pipe.hdel(shard.key("episodes"), *episodes)


def erase(redis: Redis, keys: Keys, who: Erased) -> None:
    """Remove patients from the store: state, messages, pages owed, exports, journals, dead letters.

    Raises:
        ShardBusyError: a shard stayed leased; run it again.
    """
    for shard in keys.all():
        with _leased(redis, shard.lease) as lease:
            lease.write(redis, lambda pipe, shard=shard: _remove(redis, pipe, shard, who))  # type: ignore[misc]
        _rewrite(redis, shard.key("journal"), shard.lease, lambda fields: _journal(fields, who))
        _rewrite(redis, shard.key("suspended"), shard.lease, lambda fields: _message(fields, who))
        # The exporter takes entries off under its own lease, and commits append under the shard's.
        with _leased(redis, shard.export_lease):
            _rewrite(redis, shard.exports, shard.lease, lambda fields: _export(fields, who))
        _rewrite(redis, shard.key("refused"), shard.lease, lambda fields: _searched(fields, who))
    letters = [
        one
        for one in dead_letters.everything(redis, keys)
        if {reason.patient for reason in one.letter.reasons} & who.patients or who.stand_in(one.letter.raw)
    ]
    dead_letters.remove(redis, keys, letters)
    _remove_resource_versions(redis, keys, who)


def _remove(redis: Redis, pipe: Pipeline, shard: Shard, who: Erased) -> None:
    for patient in who.patients:
        remove_state(pipe, shard, patient, who.episodes)
    for page, packed in cast("dict[bytes, bytes]", redis.hgetall(shard.key("outbox"))).items():
        for _, owed in readable(unpack_owed, [(page, packed)]):
            if owed.page.patient in who.patients:
                pipe.hdel(shard.key("outbox"), page)
    for entry, fields in cast("list[tuple[bytes, Fields]]", redis.xrange(shard.inbox)):
        if _message(fields, who) is None:
            pipe.xdel(shard.inbox, entry)
    for episode in who.episodes:
        for key in redis.scan_iter(shard.page(f"{episode}.*"), count=1000):
            pipe.unlink(key)


def _remove_resource_versions(redis: Redis, keys: Keys, who: Erased) -> None:
    """Remove the versions of FHIR resources about these patients (`worker.intake.fhir.versions`)."""
    versions, written = (keys.of(SITE_SUBJECT).key(name) for name in ("fhir_versions:", "fhir_written:"))
    for key in redis.scan_iter(f"{versions}*", count=1000):
        source = key.decode().removeprefix(versions)
        fields = dict(redis.hscan_iter(key, count=1000))
        gone = {field for field, value in fields.items() if _is_version_of(field, value, who)}
        # `Type?SYSTEM|VALUE` holds the id of the resource that an identifier finds.
        gone |= {field for field, value in fields.items() if field.partition(b"?")[0] + b"/" + value in gone}
        about = sorted(gone)
        for start in range(0, len(about), AT_ONCE):
            redis.hdel(key, *about[start : start + AT_ONCE])
            redis.zrem(f"{written}{source}", *about[start : start + AT_ONCE])


def _is_version_of(field: bytes, value: bytes, who: Erased) -> bool:
    try:
        sent = msgspec.msgpack.decode(value.partition(b" ")[2])
    except msgspec.DecodeError:
        sent = []
    return who.stand_in(field.decode(errors="replace")) or any(one[1] in who.patients for one in sent)


def _message(fields: Fields, who: Erased) -> Fields | None:
    return None if who.concern_text(fields.get(b"m", b"").decode(errors="replace")) else fields


def _journal(fields: Fields, who: Erased) -> Fields | None:
    try:
        record = unpack_journal(fields.get(b"j", b""))
    except UnreadableError:
        return fields
    came_in = [item for item in record["in"] if not who.concern_text(item["message"])]
    events = [event for event in record["events"] if not who.concern(event)]
    if len(came_in) == len(record["in"]) and len(events) == len(record["events"]):
        return fields
    return {b"j": pack_journal({**record, "in": came_in, "events": events})} if came_in or events else None


def _export(fields: Fields, who: Erased) -> Fields | None:
    try:
        items = unpack_export(fields.get(b"e", b""))
    except UnreadableError:
        return fields
    left = [item for item in items if not who.stand_in(msgspec.json.encode(item).decode())]
    if len(left) == len(items):
        return fields
    return fields | {b"e": pack_export(left)} if left else None


def _searched(fields: Fields, who: Erased) -> Fields | None:
    text = b" ".join(fields.values()).decode(errors="replace")
    return None if who.stand_in(text) else fields


# -- streams ---------------------------------------------------------------------------------------


def _rewrite(redis: Redis, key: str, lease_key: str, edit: Edit) -> None:
    """Replace a stream by one without some entries, or parts of them, if there are any."""
    beside = f"{key}:rewritten"
    redis.delete(beside)
    last, changed = _copy(redis, key, beside, edit, b"-")
    with _leased(redis, lease_key) as lease:
        _, again = _copy(redis, key, beside, edit, b"(" + last if last else b"-")
        if not changed and not again:
            redis.delete(beside)
        elif redis.exists(beside):
            lease.write(redis, lambda pipe: pipe.rename(beside, key))
        else:
            lease.write(redis, lambda pipe: pipe.delete(key))


def _copy(redis: Redis, key: str, to: str, edit: Edit, start: bytes) -> tuple[bytes, bool]:
    """Copy the edited entries of a stream; return the id of the last one read, and whether any was changed."""
    last, changed = b"", False
    while entries := cast("list[tuple[bytes, Fields]]", redis.xrange(key, min=start, count=AT_ONCE)):
        pipe = redis.pipeline(transaction=False)
        for entry, fields in entries:
            edited = edit(fields)
            changed = changed or edited is not fields
            if edited is not None:
                pipe.xadd(to, cast(Any, edited), id=entry)
        pipe.execute()
        last = entries[-1][0]
        start = b"(" + last
    return last, changed


@contextmanager
def _leased(redis: Redis, key: str) -> Iterator[Lease]:
    deadline = time.monotonic() + WAITS_SECONDS
    while (lease := Lease.acquire(redis, key, LEASE)) is None:
        if time.monotonic() > deadline:
            raise ShardBusyError(f"{key} is not released: see `cartwatch health`")
        time.sleep(0.01)
    try:
        yield lease
    finally:
        lease.release(redis)
