"""A recorded store: everything that a scripted ward has left in it, as a file, so that later versions must upgrade it.

`python -m tests.support.recorded_store` records today's version, and the shapes of what is stored
(`tests/support/stored_shapes.py`), under tests/unit/worker/store/recorded/. Record once for each schema version, and
never again.
"""

import sys
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
from fakeredis import FakeRedis, FakeServer
from msgspec.structs import replace
from redis import Redis

from alerts.pages.page import Page
from config.settings import Settings
from tests.support.exporting import receipt
from tests.support.stored_ward import KEYS, NOW, SITE, Body, Clock, acknowledgement, crs2, raw, reading, registration
from worker.clock import milliseconds
from worker.fhir_export.bundle import Resource
from worker.fhir_export.client import PutOutcome, PutResult
from worker.fhir_export.export import export
from worker.processing.advance import advance
from worker.store import schema
from worker.store.codec import pack, unpack_owed
from worker.store.inbox import accept
from worker.store.keys import Place, Shard, queue_name
from worker.store.shard import Store

FOLDER = Path(__file__).parents[1] / "unit" / "worker" / "store" / "recorded"

UNSENT = "P2"
"""Nothing is delivered of this patient's pages before the recording: they are owed."""

MESSAGES = NOW + timedelta(minutes=30)
"""When the second part begins."""


class Said(NamedTuple):
    """What somebody reads of a page."""

    id: str
    to: str
    channel: str
    title: str
    text: str


class Ehr:
    """An EHR that takes everything but the first page it is shown."""

    def __init__(self) -> None:
        self._refused = ""

    def put(self, resources: Iterable[Resource], now: object) -> PutResult:
        del now
        pages = [one["identifier"][0]["value"] for one in resources if one["resourceType"] == "Communication"]
        self._refused = self._refused or next(iter(pages), "")
        return PutResult(PutOutcome.REFUSED if self._refused in pages else PutOutcome.ACCEPTED)


class RecordedWard:
    """The scripted ward: its messages, what evaluates them, and a delivery that always succeeds."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self.clock = clock
        self.store = store_of(redis)
        self.said: list[Said] = []

    def comes(self, *bodies: Body) -> None:
        """Messages come in and are evaluated, and what follows is delivered."""
        accept(self.store.redis, KEYS, map(raw, bodies), self.clock.now(), "monitor-7")
        self.settle()

    def settle(self) -> None:
        """Until nothing waits."""
        for _ in range(9):
            for shard in KEYS.advanced():
                advance(self.store, shard, self.clock, SITE)
            for shard in KEYS.advanced():
                self._deliver(shard)

    def later(self, **wait: float) -> None:
        self.clock.forward(**wait)
        self.settle()

    def episode(self, patient: str, condition: str = "crs") -> str:
        state = self.store.state(patient)
        assert state is not None
        return state.episodes[condition].id

    def _deliver(self, shard: Shard) -> None:
        redis = self.store.redis
        for id_, packed in sorted(redis.hgetall(shard.key("outbox")).items()):
            owed = unpack_owed(packed)
            if owed.page.patient == UNSENT and self.clock.now() < MESSAGES:
                redis.hset(shard.key("outbox"), id_, pack(replace(owed, attempts=2, reported="failed")))
                place = Place(shard.number, owed.page.id).text
                redis.zadd(KEYS.queue(_queue(owed.page)), {place: milliseconds(MESSAGES)})
                continue
            self._sent(shard, owed.page)

    def _sent(self, shard: Shard, page: Page) -> None:
        redis, now = self.store.redis, self.clock.now()
        self.said.append(Said(page.id, page.to, page.channel, str(page.heading), page.text))
        body = receipt(page.id, "sent", now, page.patient) | {"channel": page.channel}
        redis.xadd(shard.inbox, {"m": raw(body), "r": now.isoformat()})
        redis.hdel(shard.key("outbox"), page.id)
        redis.zrem(KEYS.queue(_queue(page)), Place(shard.number, page.id).text)


def _queue(page: Page) -> str:
    return queue_name(page.channel, page.urgency)


def store_of(redis: Redis) -> Store:
    return Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=1000, exports=True)


def first_part(ward: RecordedWard) -> None:
    """Half an hour that leaves something of every kind: episodes open, taken, silenced and closed; pages owed and
    delivered; a merge; strangers; dead letters; the journal; what the EHR took, refused and is still to be sent."""
    redis, clock = ward.store.redis, ward.clock
    # The canary's subject and the site's own are patients of their own kind.
    for patient in ("P1", UNSENT, "P4", "P5", "P6", "P8", "P9"):
        ward.comes(registration(patient))
    ward.comes(*crs2("P1"), *crs2("P4"), *crs2("P9"))
    ward.comes(acknowledgement(ward.episode("P1"), at=clock.now()))
    ward.comes(*_severe(UNSENT, clock), _treated(UNSENT, clock))
    ward.comes(reading("temperature", "39.5", "P3"), reading("systolic_bp", 70, "P3"))
    silence = _said("silence", "P4", clock, until=(NOW + timedelta(hours=3)).isoformat(), why="theatre", urgency="high")
    ward.comes(silence | {"condition": "crs"})
    ward.comes(reading("temperature", "37.9", "P5"), _said("merge", "P5", clock, source="ehr", into="P6"))
    ward.comes(_ice("P8", 3, clock), reading("crp", 120, "P8", id="c1"))
    ward.comes(_said("statement", "P8", clock, statement="hypotension", value=False))
    accept(redis, KEYS, [b"{", raw(reading("crp", "many", "P8"))], clock.now(), "lab")
    for shard in KEYS.all():
        export(ward.store, shard, clock, Settings(), Ehr())
    ward.later(minutes=12)
    ward.comes(reading("temperature", "39.4", "P1", clock.now()), _discharge("P9", clock))
    ward.comes(reading("crp", 95, "P8", clock.now(), id="c2", supersedes="c1", status="corrected"))
    # What arrives last waits in the inbox.
    waits = [reading("systolic_bp", 76, "P1", clock.now()), reading("temperature", "38.7", "P6", clock.now())]
    accept(redis, KEYS, map(raw, waits), clock.now(), "monitor-7")


def second_part(ward: RecordedWard) -> list[Said]:
    """What comes afterwards; the pages that are sent from then on."""
    ward.said.clear()
    clock = ward.clock
    clock.at = MESSAGES
    ward.settle()
    ward.comes(*_severe("P1", clock), acknowledgement(ward.episode(UNSENT), UNSENT, clock.now()))
    ward.comes(registration("P3", clock.now()), _ice("P8", 1, clock))
    ward.comes(_said("merge", "P5", clock, source="ehr", into="P6", status="entered_in_error"))
    for _ in range(4):
        ward.later(minutes=15)
    ward.comes(*_severe("P4", clock), *crs2("P10", clock.now()), *_severe("P6", clock))
    ward.comes(_said("closure", "P1", clock, episode=ward.episode("P1"), why="transferred"))
    for _ in range(4):
        ward.later(hours=1)
    return list(ward.said)


def _severe(patient: str, clock: Clock) -> list[Body]:
    at = clock.now()
    return [reading("temperature", "40.1", patient, at), reading("systolic_bp", 68, patient, at)]


def _treated(patient: str, clock: Clock) -> Body:
    return _said("treatment", patient, clock, source="emar", drug="norepinephrine", action="started")


def _ice(patient: str, score: int, clock: Clock) -> Body:
    return reading("ice", score, patient, clock.now())


def _discharge(patient: str, clock: Clock) -> Body:
    return _said("discharge", patient, clock, source="ehr")


def _said(type_: str, patient: str, clock: Clock, source: str = "ward", **more: Any) -> Body:
    at = clock.now().isoformat()
    body: Body = {"type": type_, "id": f"{type_} {patient}", "source": source, "patient": patient, "effective": at}
    by = {} if type_ == "treatment" else {"by": "haematologist-1"}
    extra = {"by": "person"} if type_ == "statement" else by
    return body | extra | more


# -- to a file and back ----------------------------------------------------------------------------


def dump(redis: Redis) -> bytes:
    """Every key of a store with its type, value and the rest of its life (ms)."""
    found = [(key.decode(), *_value(redis, key), redis.pttl(key)) for key in sorted(redis.scan_iter("*"))]
    return zlib.compress(msgspec.msgpack.encode(found), 9)


def _value(redis: Redis, key: bytes) -> tuple[str, Any]:
    kind = redis.type(key).decode()
    match kind:
        case "string":
            return kind, redis.get(key)
        case "hash":
            return kind, sorted(redis.hgetall(key).items())
        case "zset":
            return kind, redis.zrange(key, 0, -1, withscores=True)
        case "stream":
            return kind, [(id_, list(fields.items())) for id_, fields in redis.xrange(key)]
    raise ValueError(f"{key!r} is a {kind}")


def load(redis: Redis, recorded: bytes) -> None:
    """Put a recorded store into an empty one."""
    pipe = redis.pipeline(transaction=True)
    for key, kind, value, rest in msgspec.msgpack.decode(zlib.decompress(recorded)):
        match kind:
            case "string":
                pipe.set(key, value)
            case "hash":
                pipe.hset(key, mapping=dict(value))
            case "zset":
                pipe.zadd(key, dict(value))
            case "stream":
                for id_, fields in value:
                    pipe.xadd(key, dict(fields), id=id_)
        if rest > 0:
            pipe.pexpire(key, rest)
    pipe.execute()


def recorded_files() -> dict[int, Path]:
    """The recorded stores, each by its schema version."""
    return {int(path.stem.removeprefix("v")): path for path in sorted(FOLDER.glob("v*.store"))}


def fresh() -> Redis:
    return cast("Redis", FakeRedis(server=FakeServer(version=(7,))))


def record() -> bytes:
    """Today's store."""
    redis = fresh()
    first_part(RecordedWard(redis, Clock()))
    return dump(redis)


def packed_values(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Every packed value of a store, by the name of its key without shard and namespace."""
    for key in redis.scan_iter("*"):
        name = key.decode().rpartition(":")[2]
        kind, value = _value(redis, key)
        match kind:
            case "string":
                values = [value]
            case "hash":
                values = [packed for _, packed in value]
            case "stream":
                values = [packed for _, fields in value for _, packed in fields]
            case _:
                values = []
        yield from ((name, packed) for packed in values if packed[:1] == bytes((schema.MARK,)))


def main() -> None:
    from tests.support.stored_shapes import shapes

    name = f"v{schema.VERSION}"
    if (FOLDER / f"{name}.store").exists() and "--again" not in sys.argv:
        sys.exit(f"{name} is recorded already: what is stored under it must not change; raise schema.VERSION")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.store").write_bytes(record())
    (FOLDER / f"{name}.shapes").write_text(shapes(), encoding="utf-8")


if __name__ == "__main__":
    main()
