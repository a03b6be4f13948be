"""From the journals to the audit: read what is new, write it to disk, and only then let the journals be trimmed.

The files say up to where they go, so a crash between the disk and the store repeats nothing. The store holds a copy
(`Keys.audit`): by it the watchdog sees that the audit stands still, and that records which were written are missing.
"""

import base64
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec

from alerts.assessment.result_cache import config_digest
from alerts.messages import SITE_SUBJECT
from alerts.wording.phrase import Phrase, phrase
from config.site import Site
from worker.audit.folder import AuditFolder, Tail
from worker.runtime.runtime import Runtime
from worker.store.codec import unpack_journal
from worker.store.fair_shares import routed
from worker.store.journal import trim_recorded
from worker.store.keys import Shard
from worker.store.lease import Lease
from worker.store.schema import UnreadableError
from worker.store.shard import Store

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0

BEHIND_AFTER = timedelta(minutes=10)
"""The time without a record after which the technician is paged."""

AT_ONCE = 200
"""Entries of a journal that are read at once."""

PASS_SECONDS = 2.0
"""After this time a pass ends, and the next goes on."""

LEASE = timedelta(seconds=30)

CONDITION = "audit"

TAKE_OVER_AFTER = timedelta(minutes=10)
"""If the folder of another machine has not been written to for so long, the record is continued in this one."""


class RecordedSoFar(NamedTuple):
    """What the store knows of the audit: the folder, its last number and hash, when, and the cursors of the shards."""

    folder: str = ""
    n: int = 0
    head: str = ""
    at: datetime | None = None
    cursors: Mapping[str, str] = MappingProxyType({})


def recorded(run: Runtime) -> RecordedSoFar:
    """How far the audit goes, by the store."""
    found = cast("dict[bytes, bytes]", run.store.redis.hgetall(run.store.keys.audit))
    known = {name.decode(): value.decode() for name, value in found.items()}
    if "at" not in known:
        return RecordedSoFar()
    prefix = "cursor:"
    cursors = {name.removeprefix(prefix): value for name, value in known.items() if name.startswith(prefix)}
    at = datetime.fromisoformat(known["at"])
    return RecordedSoFar(known["folder"], int(known["n"]), known["head"], at, cursors)


def behind(store: Store, now: datetime) -> dict[str, Phrase]:
    """The incident of an audit that stands still, by its condition; empty while it goes on."""
    if not store.audited:
        return {}
    pipe = store.redis.pipeline(transaction=False)
    pipe.hsetnx(store.keys.audit, "expected", now.isoformat())
    pipe.hmget(store.keys.audit, "at", "expected")
    last = [datetime.fromisoformat(value.decode()) for value in pipe.execute()[1] if value is not None]
    if not last or now - max(last) < BEHIND_AFTER:
        return {}
    text = "the audit has recorded nothing for {minutes} min: check that its folder can be written to"
    return {CONDITION: phrase(text, minutes=(now - max(last)) // timedelta(minutes=1))}


def feed_folder(run: Runtime) -> None:
    """Record what is new in the folder of the settings."""
    if run.settings.audit_dir is not None:
        feed(run, _folder(run.settings.audit_dir))


@cache
def _folder(path: Path) -> AuditFolder:
    return AuditFolder(path)


def feed(run: Runtime, folder: AuditFolder) -> int:
    """Record what is new in the journals; return the number of new lines. Nothing is done while another process does.

    Raises:
        OSError: the folder cannot be written to.
    """
    now = run.clock.now()
    with writing(run, folder) as record:
        if record is None:
            return 0
        before = record.tail.n
        _record_configuration(folder, record.tail, run.site, now)
        _drop_old(folder, run.settings.audit_days, now)
        deadline = time.monotonic() + PASS_SECONDS
        while _record(run, folder, record.tail) and time.monotonic() < deadline:
            _commit(run, folder, record, now)
    return record.tail.n - before


class Writing(NamedTuple):
    """The right to write to a folder: its end, and the lease."""

    tail: Tail
    lease: Lease


@contextmanager
def writing(run: Runtime, folder: AuditFolder) -> Iterator[Writing | None]:
    """Write to a folder, after what the store knows of it was compared; None while another process or machine writes.

    At the end the lines are written to disk, and the store records how far they go.
    """
    store, now = run.store, run.clock.now()
    lease = Lease.acquire(store.redis, store.keys.audit_lease, LEASE)
    if lease is None:
        yield None
        return
    try:
        with folder.locked(now) as tail:
            known = recorded(run)
            if tail is None or _is_elsewhere(known, tail, now):
                yield None
                return
            folder.begin_if_due(now)
            _reconcile(folder, known, tail, now)
            record = Writing(tail, lease)
            yield record
            _commit(run, folder, record, now)
    finally:
        lease.release(store.redis)


def _is_elsewhere(known: RecordedSoFar, tail: Tail, now: datetime) -> bool:
    other = known.folder not in ("", tail.folder)
    return other and known.at is not None and now - known.at < TAKE_OVER_AFTER


def _reconcile(folder: AuditFolder, known: RecordedSoFar, tail: Tail, now: datetime) -> None:
    """Compare the files with what the store knows of them, and record a difference."""
    if known.folder not in ("", tail.folder):
        log.warning("the audit is continued in this folder: that of another machine stands still")
        body = {"from": known.folder, "n": known.n, "hash": known.head, "cursors": dict(known.cursors)}
        folder.append(now, "moved", body)
    elif known.folder and known.n > tail.n:
        log.error("records %d to %d of the audit are missing: the folder was set back", tail.n + 1, known.n)
        folder.append(now, "gap", {"first": tail.n + 1, "last": known.n, "hash": known.head})


def _record_configuration(folder: AuditFolder, tail: Tail, site: Site, now: datetime) -> None:
    """Record the configuration if it is not the last one. Addresses of channels hold passwords, and are left out."""
    on_call = site.on_call.model_dump(mode="json")
    on_call["channels"] = {
        name: channel | {"url": "".join(channel["url"].partition("://")[:2])}
        for name, channel in on_call["channels"].items()
    }
    body = {
        "rules": config_digest(site),
        "release": site.release,
        "conventions": site.conventions.model_dump(mode="json"),
        "on_call": on_call,
    }
    digest = sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:16]
    if digest != tail.configuration:
        folder.append(now, "configuration", {"digest": digest, **body})


def _drop_old(folder: AuditFolder, days: int, now: datetime) -> None:
    """Delete files that are older than the retention period, and record it."""
    if days and (old := folder.drop_before((now - timedelta(days=days)).date())):
        first = folder.files()[0].first
        folder.append(now, "dropped", {"files": [file.path.name for file in old], "first": first})


def _record(run: Runtime, folder: AuditFolder, tail: Tail) -> bool:
    """Append the next entries of every journal; return whether there may be more."""
    shards = run.store.keys.all()
    pipe = run.store.redis.pipeline(transaction=False)
    for shard in shards:
        again = len(tail.recent.get(str(shard.number), ()))
        pipe.xrange(shard.key("journal"), min=tail.start(str(shard.number)), count=again + AT_ONCE)
    more = False
    for shard, entries in zip(shards, pipe.execute(), strict=True):
        known = set(tail.recent.get(str(shard.number), ()))
        new = [(entry, fields) for entry, fields in entries if entry.decode() not in known]
        more = more or len(new) >= AT_ONCE
        for entry, fields in new:
            *parts, last = contents(fields.get(b"j", b""), run.clock.now())
            for at, body in parts:
                folder.append(at, "batch", body)
            # The last line of an entry names it. Lines of an entry without their last one are cut after a crash.
            folder.append(last[0], "batch", last[1], f"{shard.number} {entry.decode()}")
    return more


def contents(packed: bytes, now: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """The contents of a journal entry: one for each patient, with the time of the batch."""
    try:
        record = unpack_journal(packed)
    except UnreadableError as error:
        kept = base64.b64encode(packed).decode()
        yield now, {"patient": "", "in": [], "events": [], "why": str(error), "packed": kept}
        return
    at = datetime.fromisoformat(record["at"])
    parts: dict[str, dict[str, Any]] = {}

    def part(patient: str) -> dict[str, Any]:
        configuration = record.get("configuration", "")
        return parts.setdefault(patient, {"patient": patient, "rules": configuration, "in": [], "events": []})

    for item in record["in"]:
        part(routed(b"", item["message"].encode(errors="replace"), at).patient)["in"].append(item)
    for event in record["events"]:
        part(event.get("patient", SITE_SUBJECT))["events"].append(event)
    for body in parts.values() or [part("")]:
        yield at, body


def _commit(run: Runtime, folder: AuditFolder, record: Writing, now: datetime) -> None:
    """Write the lines to disk, then in the store how far they go, then trim the journals."""
    folder.flush()
    tail, lease = record
    keys, redis = run.store.keys, run.store.redis
    fields = {"folder": tail.folder, "n": str(tail.n), "head": tail.hash, "at": now.isoformat()}
    fields |= {f"cursor:{shard}": entry for shard, entry in tail.cursors.items()}
    items = [part for pair in fields.items() for part in pair]
    if not lease.write(redis, lambda pipe: pipe.hset(keys.audit, items=items)):
        log.warning("another process has continued the audit")
        return
    for shard in keys.all():
        if cursor := tail.cursors.get(str(shard.number)):
            _trim(run, shard, cursor)


def _trim(run: Runtime, shard: Shard, cursor: str) -> None:
    trim_recorded(run.store.redis, shard, cursor, run.store.journal_length)
