"""Thousands of made-up patients: a bounded number is kept, and the board reads none of them."""

import json
from datetime import UTC, datetime
from math import ceil

import pytest

from config.site import load_site
from tests.support.hospital import Hospital, crs2, eventually, reading
from worker.store import dead_letters
from worker.store import shard as stores

pytestmark = pytest.mark.server

IDS = 6_000
SITE = load_site()


def test_the_board_reads_only_who_is_registered_or_pages(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    at, shards = datetime.now(UTC), hospital.store.keys.all()
    bodies = [reading("heart_rate", 80, f"made up {number}", at, source="monitor-7") for number in range(IDS)]
    with hospital.workers(2):
        for begin in range(0, IDS, 2_000):
            hospital.client.send_raw([json.dumps(body).encode() for body in bodies[begin : begin + 2_000]])
        hospital.client.send(crs2("bed real"))
        eventually(lambda: hospital.paged("CRS", "bed real"), "another patient is paged meanwhile", 15)
        eventually(lambda: not any(hospital.redis.xlen(shard.inbox) for shard in shards), "all is read")
    per_shard = ceil(SITE.conventions.unregistered.at_most.value / len(shards))
    assert len(hospital.store.unregistered()) <= per_shard * len(shards)
    read = []
    real = stores.unpack_state
    monkeypatch.setattr(stores, "unpack_state", lambda packed: (read.append(1), real(packed))[1])
    shown = [state.patient for state in hospital.store.states() if not state.patient.startswith("~")]
    assert (shown, len(read) <= 3) == (["bed real"], True)
    found = dead_letters.usage(hospital.redis, hospital.store.keys, datetime.now(UTC))
    assert found.used <= found.limit * dead_letters.PART_OF_SOURCE
