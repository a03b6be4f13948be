"""A ward whose grades and pages are exported to an EHR."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from config.settings import Settings
from tests.support.fake_ehr import FakeEhr, Resource
from tests.support.stored_ward import SITE, Body, Clock, send
from worker.fhir_export.client import FhirClient
from worker.fhir_export.export import export
from worker.fhir_export.records import Item
from worker.processing.advance import advance
from worker.store import backlog
from worker.store.backlog import ExportBacklog
from worker.store.codec import unpack_export
from worker.store.keys import Shard
from worker.store.shard import Store


def receipt(page: str, outcome: str, at: datetime, patient: str = "P1") -> Body:
    """What the delivery says of a page."""
    body = {"type": "receipt", "id": f"{page} {outcome}", "source": "cartwatch", "patient": patient}
    return body | {"effective": at.isoformat(), "page": page, "channel": "phone-1", "outcome": outcome}


class Exporting:
    """The store, its clock and the EHR, and what the workers do with them."""

    def __init__(self, store: Store, clock: Clock, record: FakeEhr, settings: Settings, base: FhirClient) -> None:
        self.store = store
        self.clock = clock
        self.record = record
        self.settings = settings
        self.base = base

    def shard(self, patient: str = "P1") -> Shard:
        return self.store.keys.of(patient)

    def comes(self, *bodies: Body, patient: str = "P1") -> bool:
        """Messages come in and are evaluated; whether there is to export."""
        send(self.store, bodies, self.clock.now())
        return advance(self.store, self.shard(patient), self.clock, SITE).exports

    def export(self, patient: str = "P1") -> bool:
        """Export a patient's shard once; whether more waits."""
        return export(self.store, self.shard(patient), self.clock, self.settings, self.base)

    def backlog(self) -> ExportBacklog:
        """What waits in all shards."""
        found = backlog.read(self.store.redis, self.store.keys, self.clock.now(), exports=True).exports
        assert found is not None
        return found

    def waits(self, patient: str = "P1") -> int:
        """How many batches wait in a patient's shard."""
        return int(self.store.redis.xlen(self.shard(patient).exports))

    def items(self, patient: str = "P1") -> Iterator[Item]:
        """What waits there."""
        for _, fields in self.store.stream(self.shard(patient).exports):
            yield from unpack_export(fields[b"e"])

    def crs_page(self) -> Item:
        """The page about CRS that waits to be exported."""
        [page] = [item for item in self.items() if item["kind"] == "page" and item["condition"] == "crs"]
        return page

    def observations(self, system: str = "crs") -> list[Resource]:
        """The Observations of a system as the record has them."""
        return [one for one in self.record.resources_of("Observation") if one["code"]["coding"][0]["code"] == system]

    def communication(self, page: str) -> dict[str, Any]:
        """The Communication of a page as the record has it."""
        [found] = [one for one in self.record.resources_of("Communication") if one["identifier"][0]["value"] == page]
        return found
