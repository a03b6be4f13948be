"""Keys of another type and values that nobody can read: other patients' pages arrive, also those of the same shard."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis.exceptions import ResponseError

from tests.support.hospital import Hospital, crs2, eventually
from worker.standalone.supervisor import Supervised
from worker.store import unreadable
from worker.store.keys import Place, Shard

pytestmark = pytest.mark.server

WRONG = ("inbox", "timers", "lease", "states", "outbox", "journal")


@pytest.fixture(scope="module")
def worker(hospital: Hospital) -> Iterator[Supervised]:
    with hospital.workers(1) as running:
        yield running


def neighbour(hospital: Hospital, shard: Shard, name: str) -> str:
    return next(bed for number in range(999) if hospital.store.keys.of(bed := f"{name} {number}") == shard)


def falls_ill(hospital: Hospital, bed: str) -> None:
    """Sent again until it is accepted, as a sender does."""
    raws = [json.dumps(body).encode() for body in crs2(bed)]

    def accepted() -> bool:
        with suppress(ResponseError):
            return hospital.client.send_raw(raws).stored == len(raws)
        return False

    eventually(accepted, "the messages are accepted")


def test_a_key_of_another_type_stops_nobody(hospital: Hospital, worker: Supervised) -> None:
    shard = hospital.store.keys.shard(3)
    for name in WRONG:
        hospital.redis.delete(shard.key(name))
        hospital.redis.sadd(shard.key(name), "strange")
        bed = f"elsewhere {name}"
        falls_ill(hospital, bed)
        eventually(lambda bed=bed: hospital.paged("CRS", bed), f"with a strange {name} another patient is paged")
        same = neighbour(hospital, shard, f"same {name}")
        falls_ill(hospital, same)
        eventually(lambda name=name: is_moved(hospital, shard.key(name)), f"{name} is moved away")
        eventually(lambda bed=same: hospital.paged("CRS", bed), f"after a strange {name} its own shard pages")
    assert worker.starts == 1


def test_a_key_of_the_delivery_of_another_type_stops_no_page(hospital: Hospital, worker: Supervised) -> None:
    keys = hospital.store.keys
    partition = keys.partition_of("phone-1")
    for number, key in enumerate((keys.queue("queue:phone-1"), partition.agenda, partition.begun)):
        hospital.redis.delete(key)
        hospital.redis.sadd(key, "strange")
        bed = f"paged though strange {number}"
        falls_ill(hospital, bed)
        eventually(lambda key=key: is_moved(hospital, key), f"{key} is moved away")
        eventually(lambda bed=bed: hospital.paged("CRS", bed), "the patient is paged")
    assert worker.starts == 1


def is_moved(hospital: Hospital, key: str) -> bool:
    return bool(hospital.redis.keys(f"*wrong_type:{key}:*"))


def test_junk_in_streams_and_states_concerns_nobody_else(hospital: Hospital, worker: Supervised) -> None:
    shard = hospital.store.keys.shard(5)
    for name in ("inbox", "journal"):
        hospital.redis.xadd(shard.key(name), {"what": "is this"})
        hospital.redis.xadd(shard.key(name), {"m": "{", "s": "junk", "j": "junk"})
    spoiled = neighbour(hospital, shard, "spoiled")
    for name in ("states", "unregistered", "outbox"):
        hospital.redis.hset(shard.key(name), spoiled, b"junk")
    hospital.redis.zadd(shard.key("timers"), {spoiled: 1})
    for name in ("cursor", "crashes", "receipts"):
        hospital.redis.set(shard.key(name), "strange")
    keys = hospital.store.keys
    hospital.redis.zadd(keys.queue("queue:phone-1"), {Place(shard.number, spoiled).text: 1, "junk": 1})
    hospital.redis.zadd(keys.partition_of("phone-1").agenda, {"queue:phone-1": 1, "junk": 1, "inbox": 1})
    hospital.redis.hset(keys.partition_of("phone-1").begun, "junk", "junk")
    falls_ill(hospital, spoiled)
    bed = neighbour(hospital, shard, "beside the spoiled one")
    falls_ill(hospital, bed)
    eventually(lambda: hospital.paged("CRS", bed), "the neighbour is paged")
    suspended = shard.key("suspended")
    eventually(lambda: hospital.redis.xlen(suspended) == 3, "what came for the spoiled one waits")
    eventually(lambda: any(page.path == "/phone-4" for page in hospital.phone.received), "the technician is paged")
    listed = {(one.kind, one.name) for _, one in unreadable.listed(hospital.redis, hospital.store.keys)}
    assert listed == {("state", spoiled), ("page", spoiled)}
    assert not hospital.paged("CRS", spoiled)
    hospital.redis.hdel(shard.key("states"), spoiled)
    eventually(lambda: hospital.paged("CRS", spoiled), "after the repair what waited is evaluated")
    assert hospital.redis.xlen(suspended) == 0
    assert worker.starts == 1
