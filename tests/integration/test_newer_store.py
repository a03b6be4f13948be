"""A store that a newer version has written to: running workers leave it, none starts on it, nothing changes."""

import pytest

from tests.support.hospital import Hospital, crs2, eventually
from worker.store import schema

pytestmark = pytest.mark.server

NEWER = schema.VERSION + 1


def test_a_worker_leaves_a_store_that_a_newer_version_writes_to_until_it_is_rolled_back(hospital: Hospital) -> None:
    keys = hospital.store.keys
    with hospital.workers(1) as worker:
        eventually(lambda: hospital.redis.get(keys.schema) == str(schema.VERSION).encode(), "the version is recorded")
        hospital.redis.set(keys.schema, NEWER)
        eventually(lambda: worker.starts > 1, "the worker ends")
        eventually(lambda: "this worker does not start" in hospital.log.read_text(), "the next one refuses by name")
        hospital.client.send(crs2("later"))
        assert f"version {NEWER}, and this cartwatch knows version {schema.VERSION} at most" in hospital.log.read_text()
        shard = keys.of("later")
        assert (hospital.redis.xlen(shard.inbox), hospital.redis.hlen(shard.key("states"))) == (3, 0)
        hospital.redis.set(keys.schema, schema.VERSION)  # as from the backup made before the upgrade
        eventually(lambda: hospital.paged("CRS", "later"), "what was accepted meanwhile is evaluated")
