"""A ward for the measures: an installation of its own, and messages as its monitors and its laboratory send them."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from harness import HERE, Ground, eventually
from msgspec.structs import replace
from stay import of_days

from config.settings import Settings
from config.site import DEFAULTS
from worker.client import Client
from worker.monitoring import beats
from worker.runtime.runtime import make
from worker.standalone.supervisor import Supervised, worker_command
from worker.store.codec import pack
from worker.store.keys import Shard

Body = dict[str, Any]

VITALS = {
    "temperature": (36.9, 0.3, 1, "Cel"),
    "systolic_bp": (118.0, 6.0, 0, "mm[Hg]"),
    "mean_bp": (84.0, 5.0, 0, "mm[Hg]"),
    "spo2": (97.0, 0.8, 0, "%"),
    "heart_rate": (84.0, 8.0, 0, "/min"),
    "respiratory_rate": (16.0, 2.0, 0, "/min"),
}
LABORATORY = (
    ("crp", "85", "mg/L"),
    ("platelets", "95", "10*9/L"),
    ("creatinine", "1.1", "mg/dL"),
    ("ldh", "240", "U/L"),
)
FEBRILE_ONE_IN = 20
FEVER = 1.9
LABORATORY_ONE_IN = 4


class Ward:
    """An installation with a namespace, a store and a broker that it shares with nothing else."""

    def __init__(
        self, ground: Ground, name: str, receiver: str = "json://127.0.0.1:9", people: int = 1, on_call: int = 0
    ) -> None:
        """So many people, each with a channel; the first `on_call` of them are on call, by default all."""
        self._ground = ground
        self.name = name
        self.settings = Settings(
            redis_url=ground.database(),
            broker_url=ground.database(),
            namespace=name,
            receiver_url=receiver,
            config_dir=_site(ground.folder / name, people, on_call or people),
            volatile=ground.fsync != "always",
        )
        self.redis = ground.client(self.settings.redis_url)
        self.store = make(self.settings, self.redis).store
        self.client = Client(self.settings, self.redis)
        ground.keep(self.client._celery.close)

    def work(self, queues: Sequence[str], processes: int, pool: str = "", script: str = "") -> Supervised:
        """A worker, once it ticks; `script` of this folder stands for the command `celery`."""
        before = self._beats()
        command = worker_command(queues, processes, pool)
        if script:
            command[1:3] = [str(HERE / script)]
        worker = self._ground.run(f"{self.name}-{queues[0]}", command, self.settings.as_environment())
        eventually(lambda: self._beats() > before, f"the worker of {self.name} ticks")
        return worker

    def admit(self, patients: Sequence[str], start: datetime, days: int) -> None:
        """Patients with some days of a stay behind them, each in a bed of the same name."""
        state = of_days(days, start)
        pipe = self.redis.pipeline(transaction=False)
        for patient in patients:
            pipe.hset(self.store.keys.of(patient).key("states"), patient, pack(replace(state, patient=patient)))
        pipe.execute()

    def _beats(self) -> int:
        return len(beats.read(self.redis, self.store.keys, datetime.now(UTC)))

    def hold(self) -> None:
        """Let nobody advance anything: what is put into the inboxes now is a backlog."""
        for shard in self.store.keys.all():
            eventually(lambda shard=shard: self.redis.set(shard.lease, "benchmark", nx=True, px=120_000), "it is free")

    def let_go(self) -> None:
        """Begin with the backlog, everywhere at once."""
        shards = self.store.keys.all()
        self.redis.delete(*[key for shard in shards for key in (shard.lease, shard.wakeup_pending)])
        self.client.wake(shards)

    def fill(self, bodies: Iterator[Body]) -> int:
        """Put messages into the inboxes and wake nobody."""
        received, count = datetime.now(UTC).isoformat(), 0
        pipe = self.redis.pipeline(transaction=False)
        for body in bodies:
            pipe.xadd(self.store.keys.of(body["patient"]).inbox, {"m": json.dumps(body), "r": received})
            count += 1
            if count % 1000 == 0:
                pipe.execute()
        pipe.execute()
        return count

    def put(self, shard: Shard, raws: Sequence[bytes], received: datetime) -> None:
        """Put messages of one patient into an inbox as if they had been received at a time."""
        pipe = self.redis.pipeline(transaction=False)
        for raw in raws:
            pipe.xadd(shard.inbox, {"m": raw, "r": received.isoformat()})
        pipe.execute()

    def idle(self) -> bool:
        """Whether everything is evaluated and committed."""
        pipe = self.redis.pipeline(transaction=False)
        for shard in self.store.keys.all():
            pipe.xlen(shard.inbox)
            pipe.exists(shard.lease)
        return not any(pipe.execute())

    def pages_owed(self) -> int:
        """Pages that wait to be delivered."""
        pipe = self.redis.pipeline(transaction=False)
        for shard in self.store.keys.all():
            pipe.hlen(shard.key("outbox"))
        return sum(pipe.execute())

    def settle(self, bodies: Iterator[Body]) -> None:
        """Have messages evaluated before anything is measured."""
        self.fill(bodies)
        self.client.wake(self.store.keys.all())
        eventually(self.idle, "the ward is at rest", within=120)


def _site(folder: Path, people: int, on_call: int) -> Path:
    """The shipped configuration; its channels take whatever comes, and so many people are on call."""
    site = yaml.safe_load((DEFAULTS / "site.yaml").read_text(encoding="utf-8"))
    for number in range(people):
        site["people"][f"on-call-{number}"] = {"name": f"On call {number}", "channels": [f"on-call-{number}"]}
        site["channels"][f"on-call-{number}"] = {"url": f"{{receiver}}/on-call-{number}?+X-Page-Id={{page_id}}"}
    site["roles"]["on_call"] = [f"on-call-{number}" for number in range(on_call)]
    for channel in site["channels"].values():
        channel["limit"] = {"pages": 1_000_000}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    return folder


def registrations(patients: Sequence[str], at: datetime) -> Iterator[Body]:
    """Patients just after infusion, so that nothing is overdue, each in a bed of the same name."""
    for patient in patients:
        body = {"type": "registration", "id": f"r {patient}", "source": "ehr", "patient": patient, "ward": "HAEM-2"}
        yield body | {"bed": patient, "effective": _iso(at), "infused": _iso(at - timedelta(minutes=30))}


def minutes(patients: int, start: datetime, count: int, turn: int = 0) -> Iterator[Body]:
    """So many minutes of six vital signs a minute each: some laboratories, and in each turn other fevers, that page."""
    chance = random.Random(turn)
    for minute in range(count):
        for number in range(patients):
            at = start + timedelta(minutes=minute, seconds=number % 60)
            febrile = (number + turn) % FEBRILE_ONE_IN == 0
            yield from _signs(f"P{number}", at, chance, FEVER if febrile else 0.0)
            if minute == 0 and (number + turn) % LABORATORY_ONE_IN == 0:
                for kind, value, unit in LABORATORY:
                    yield reading(kind, value, unit, f"P{number}", at, "lab", "laboratory")


def _signs(patient: str, at: datetime, chance: random.Random, fever: float) -> Iterator[Body]:
    for kind, (mean, spread, places, unit) in VITALS.items():
        value = chance.gauss(mean, spread) + (fever if kind == "temperature" else 0.0)
        value = min(value, 100.0) if kind == "spo2" else value
        yield reading(kind, f"{value:.{places}f}", unit, patient, at, f"monitor {patient}", "monitor")


def reading(kind: str, value: str, unit: str, patient: str, at: datetime, source: str, by: str) -> Body:
    """One reading."""
    body = {"type": "reading", "id": f"{kind} {at:%d%H%M%S}", "source": source, "patient": patient}
    return body | {"effective": _iso(at), "reading": kind, "value": value, "unit": unit, "by": by}


def fever(patient: str, at: datetime) -> Body:
    """What pages at once: a person found it."""
    return reading("temperature", "38.9", "Cel", patient, at, "ward", "person")


def unhurried() -> float:
    """A stopwatch that stands still: a run then takes all that waits, however long it lasts."""
    return 0.0


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
