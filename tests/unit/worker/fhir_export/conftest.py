"""An installation that exports to an EHR on loopback."""

from collections.abc import Iterator

import pytest
from redis import Redis

from config.settings import Settings
from tests.support.exporting import Exporting
from tests.support.fake_ehr import FakeEhr
from tests.support.stored_ward import KEYS, Clock
from worker.fhir_export.client import FhirClient
from worker.store.shard import Store


@pytest.fixture
def record() -> Iterator[FakeEhr]:
    with FakeEhr() as system:
        yield system


@pytest.fixture
def settings(record: FakeEhr) -> Settings:
    return Settings(fhir_base=record.base, fhir_token="a-token", fhir_system="urn:oid:1.2.3")  # noqa: S106


@pytest.fixture
def base(settings: Settings) -> Iterator[FhirClient]:
    made = FhirClient(settings)
    yield made
    made.close()


@pytest.fixture
def ward(redis: Redis, clock: Clock, record: FakeEhr, settings: Settings, base: FhirClient) -> Exporting:
    store = Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=1000, exports=True)
    return Exporting(store, clock, record, settings, base)
