"""The export of a shard's stream to the FHIR base. An entry is removed only after it was sent.

One process exports a shard at a time, in the order of the stream, so that a patient's records never overtake each
other. If a process dies between the response and the removal, the next process sends again. That is idempotent, because
the base finds every resource by its identifier. While the base fails, everything stays in the stream. If the base
refuses a content, the resources are sent one by one; the refused ones are listed with the reason, and reported.
"""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, cast

from celery.exceptions import SoftTimeLimitExceeded
from redis.client import Pipeline

from alerts.messages import Fault
from alerts.state import DeadLetter
from alerts.step.system_faults import fault
from alerts.wording.phrase import phrase
from config.settings import Settings
from worker.clock import Clock
from worker.fhir_export import circuit_breaker
from worker.fhir_export.bundle import Resource, latest, name_of
from worker.fhir_export.client import PutOutcome, PutResult
from worker.fhir_export.communication import ExportedPage, communication, updated
from worker.fhir_export.communication import pack as pack_page
from worker.fhir_export.communication import unpack as unpack_page
from worker.fhir_export.episodes import episode_resource
from worker.fhir_export.observation import observation
from worker.fhir_export.records import Item
from worker.store import schema, unreadable
from worker.store.codec import pack, readable, unpack_export
from worker.store.inbox import encoded, queue
from worker.store.keys import Shard
from worker.store.lease import Lease
from worker.store.schema import NewerStoreError, TooNewError, UnreadableError
from worker.store.shard import Store

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Entries of a stream in one transaction; each holds the records of one batch of messages."""

LEASE_LASTS = timedelta(seconds=60)
"""Longer than the task may run: after the lease no process still exports."""

PAGE_KEPT = timedelta(days=14)
"""The time for which the outcome of an exported page is still added to it."""

REFUSED_KEPT = 1000
"""Refused resources listed per shard; the oldest are dropped."""

GRADES = ("grade", "regrade")

SOURCE = "cartwatch"

REFUSED = "FHIR base refuses"
"""The condition of a refusal."""


class Base(Protocol):
    """The receiver of resources."""

    def put(self, resources: Sequence[Resource], now: datetime) -> PutResult:
        """Put all of them, or none."""
        ...


class ExportEntry(NamedTuple):
    """The records of one batch: its id in the stream, the time of its commit (ms), and the items."""

    id: bytes
    at: int
    items: list[Item]

    @property
    def issued(self) -> str:
        """The time of the commit, in ISO 8601."""
        return datetime.fromtimestamp(self.at / 1000, UTC).isoformat(timespec="milliseconds")


class Draft(NamedTuple):
    """The content of some entries: the resources to put, and the pages with their new outcome."""

    resources: list[Resource]
    pages: dict[str, ExportedPage]


def export(store: Store, shard: Shard, clock: Clock, settings: Settings, base: Base) -> bool:
    """Export the waiting entries of a shard; return whether more of them can be sent at once."""
    now = clock.now()
    circuit = circuit_breaker.read(store.redis, store.keys)
    if circuit is not None and circuit.is_open(now):
        return False
    lease = Lease.acquire(store.redis, shard.export_lease, LEASE_LASTS)
    if lease is None:
        return False
    try:
        result = _ShardExport(store, shard, lease, settings, base).run(now)
    except NewerStoreError as error:
        log.error("export: shard %d is left to a newer version: %s", shard.number, error)
        return False
    finally:
        lease.release(store.redis)
    if result.outcome is PutOutcome.FAILED:
        log.warning("export: shard %d waits, the FHIR base cannot be used: %s", shard.number, result.why)
        circuit_breaker.record_failure(store.redis, store.keys, circuit, result.why, result.wait, now)
        return False
    if circuit is not None:
        circuit_breaker.close(store.redis, store.keys)
    return bool(store.redis.xlen(shard.exports))


class _ShardExport:
    """The export by the owner of a shard's export lease."""

    def __init__(self, store: Store, shard: Shard, lease: Lease, settings: Settings, base: Base) -> None:
        self._redis, self._keys = store.redis, store.keys
        self._shard = shard
        self._lease = lease
        self._settings = settings
        self._base = base

    def run(self, now: datetime) -> PutResult:
        """Put the first entries of the stream; return the last result."""
        entries = self._entries(now)
        result = self._together(entries, now)
        if result.outcome is not PutOutcome.REFUSED:
            return result
        for entry in entries:
            result = self._alone(entry, now)
            if result.outcome is PutOutcome.FAILED:
                break
        return result

    def _entries(self, now: datetime) -> list[ExportEntry]:
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(self._shard.exports, count=AT_ONCE))
        entries = []
        for id, fields in found:
            try:
                entries.append(ExportEntry(id, int(fields.get(b"at", b"0")), unpack_export(fields.get(b"e", b""))))
            except UnreadableError as error:
                self._move_away(id, fields.get(b"e", b""), error, now)
        return entries

    def _move_away(self, id: bytes, packed: bytes, error: UnreadableError, now: datetime) -> None:
        """Move an unreadable entry off the stream and list it. An entry of a newer version is left to that version.

        Raises:
            NewerStoreError: a newer version has written to the store.
        """
        if isinstance(error, TooNewError):
            schema.refuse_newer(self._redis, self._keys)

        def write(pipe: Pipeline) -> None:
            pipe.xdel(self._shard.exports, id)
            unreadable.move(pipe, self._keys, self._shard, "export", id.decode(), packed, error, now)

        self._lease.write(self._redis, write)

    def _together(self, entries: list[ExportEntry], now: datetime) -> PutResult:
        """Put all in one transaction. An item that cannot be expressed in FHIR counts as a refusal."""
        try:
            draft = self._draft(entries)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            return PutResult(PutOutcome.REFUSED, f"internal error {type(error).__name__}")
        result = self._put(draft.resources, now)
        if result.outcome is PutOutcome.ACCEPTED:
            self._done(entries, draft.pages, [], now)
        return result

    def _alone(self, entry: ExportEntry, now: datetime) -> PutResult:
        """Put one entry resource by resource, and list the refused ones."""
        try:
            draft = self._draft([entry])
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            log.error("export: an entry cannot be expressed in FHIR (%s)", type(error).__name__)
            why = f"internal error {type(error).__name__}"
            self._done([entry], {}, [DeadLetter(now, SOURCE, "", "", why, json.dumps(entry.items), "export")], now)
            return PutResult(PutOutcome.ACCEPTED)
        refused = []
        for resource in draft.resources:
            result = self._put([resource], now)
            if result.outcome is PutOutcome.FAILED:
                return result
            if result.outcome is PutOutcome.REFUSED:
                refused.append(_refusal(resource, result, now))
        self._done([entry], draft.pages, refused, now)
        return PutResult(PutOutcome.ACCEPTED)

    def _put(self, resources: list[Resource], now: datetime) -> PutResult:
        return self._base.put(resources, now) if resources else PutResult(PutOutcome.ACCEPTED)

    def _draft(self, entries: list[ExportEntry]) -> Draft:
        """The content of some entries: the last version of each resource."""
        known = self._pages(entries)
        changed: dict[str, ExportedPage] = {}
        resources: list[Resource] = []
        for entry in entries:
            for item in entry.items:
                if item["kind"] in GRADES:
                    resources.append(observation(item, entry.issued, self._settings))
                    continue
                if item["kind"] == "episode":
                    resources += filter(None, [episode_resource(item, self._settings)])
                    continue
                for page in _pages_of(item):
                    before = known.get(page)
                    after = ExportedPage(page=item) if item["kind"] == "page" else before and updated(before, item)
                    if after is not None and after != before:
                        known[page] = changed[page] = after
                        resources.append(communication(after, self._settings))
        return Draft(latest(resources), changed)

    def _pages(self, entries: list[ExportEntry]) -> dict[str, ExportedPage]:
        """The already exported pages that these entries concern."""
        names = list({page for entry in entries for item in entry.items for page in _pages_of(item)})
        if not names:
            return {}
        packed = cast("list[bytes | None]", self._redis.mget([self._shard.page(name) for name in names]))
        known = ((name, one) for name, one in zip(names, packed, strict=True) if one is not None)
        return dict(readable(unpack_page, known))

    def _done(
        self, entries: list[ExportEntry], pages: dict[str, ExportedPage], refused: list[DeadLetter], now: datetime
    ) -> None:
        """Remove entries from the stream and record their outcome; do nothing if the lease was lost."""

        def write(pipe: Pipeline) -> None:
            pipe.xdel(self._shard.exports, *[entry.id for entry in entries])
            for name, page in pages.items():
                pipe.set(self._shard.page(name), pack_page(page), ex=PAGE_KEPT)
            for record in refused:
                pipe.xadd(self._shard.key("refused"), {"s": pack(record)}, maxlen=REFUSED_KEPT)
            if refused:
                queue(pipe, self._keys, [encoded(_fault(refused, entries[0], now))], now)

        if entries:
            self._lease.write(self._redis, write)


def _pages_of(item: Item) -> list[str]:
    """The pages that an item concerns."""
    return list(item["pages"]) if "pages" in item else [item["page"]] if "page" in item else []


def _refusal(resource: Resource, result: PutResult, now: datetime) -> DeadLetter:
    kind, _, name = name_of(resource)
    patient = (resource.get("subject") or resource["for"])["identifier"]["value"]
    why = f"{result.why}: {result.diagnostics}" if result.diagnostics else result.why
    return DeadLetter(now, SOURCE, patient, f"{kind} {name}", why, json.dumps(resource, ensure_ascii=False), "export")


def _fault(refused: list[DeadLetter], entry: ExportEntry, now: datetime) -> Fault:
    """The notice to the technician. The base's own text about a resource stays on the list."""
    text = "the FHIR base refuses {n} of what it was sent; see `cartwatch fhir-export status`"
    what = phrase(text, n=len(refused))
    about = f"refused {refused[0].id} {entry.id.decode()}"
    return fault(REFUSED, what, about, now)
