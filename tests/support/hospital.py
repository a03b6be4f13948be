"""A hospital for tests with real servers: settings, a store, a phone, workers, and messages as a ward sends them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from config.site import DEFAULTS
from worker.client import Client
from worker.clock import milliseconds
from worker.monitoring import beats
from worker.runtime.runtime import connect, make
from worker.standalone.fake_phone import FakePhone, ReceivedPage
from worker.standalone.service import DELIVERS
from worker.standalone.supervisor import Supervised, worker_command

CARTWATCH = [sys.executable, "-c", "from worker.cli import main; main()"]
"""The command `cartwatch`, also where it is not on PATH."""

Body = dict[str, Any]

EMERGENCY = "alarm."
"""How the ids of emergency pages begin."""


def eventually(
    condition: Callable[[], object], what: str, within: float = 40.0, instead: Callable[[], object] = lambda: ""
) -> None:
    """Wait until something is so; what it was, and what is so `instead`, comes out when it is not in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"within {within:.0f} s it did not come true that {what} {instead()}")
        time.sleep(0.02)


def impatient(folder: Path) -> Path:
    """The shipped configuration, in which failed deliveries are tried again soon: what dies here is looked for soon.

    Its channels take whatever comes: an installation shared by several tests would soon be over a limit.
    """
    site = yaml.safe_load((DEFAULTS / "site.yaml").read_text(encoding="utf-8"))
    site["delivery"] |= {"retry_backoff": ["0.5 s"], "lease": "3 s"}
    for channel in site["channels"].values():
        channel["limit"] = {"pages": 1000}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    (folder / "intake.yaml").write_text("sources: {ehr: {type: record}}\n", encoding="utf-8")
    return folder


class Hospital:
    """An installation of its own: namespace, databases, configuration and receiver are shared with no other test."""

    def __init__(self, redis_url: str, broker_url: str, receiver: FakePhone, folder: Path, namespace: str) -> None:
        self.settings = Settings(
            redis_url=redis_url,
            broker_url=broker_url,
            receiver_url=receiver.url,
            namespace=namespace,
            config_dir=impatient(folder / "site"),
            lease=2,
        )
        self.phone = receiver
        self.log = folder / "worker.log"
        self.redis: Redis = connect(redis_url)
        self.store = make(self.settings, self.redis).store
        self.client = Client(self.settings, self.redis)

    def close(self) -> None:
        """Let go of the connections."""
        self.client._celery.close()
        self.redis.close()

    # -- workers -------------------------------------------------------------------------------

    @contextmanager
    def workers(self, processes: int = 2) -> Iterator[Supervised]:
        """One supervised prefork worker for all queues, once it ticks."""
        command = worker_command(["advance", "ingest", *DELIVERS], processes)
        with Supervised(command, self.settings.as_environment(), str(self.log)) as worker:
            self.wait_until_ticking()
            yield worker

    @contextmanager
    def service(self) -> Iterator[None]:
        """The workers of `cartwatch up`, those that deliver apart from each other, once all of them tick."""
        with ExitStack() as stack:
            for queues, processes in (
                (["advance"], 1),
                (["ingest"], 1),
                *(([queue], 1) for queue in DELIVERS),
            ):
                command = worker_command(queues, processes)
                stack.enter_context(Supervised(command, self.settings.as_environment(), str(self.log)))
            eventually(lambda: len(self.beats()) == 2 + len(DELIVERS), "every worker ticks")
            yield

    def beats(self) -> set[str]:
        """The workers that tick."""
        return set(beats.read(self.redis, self.store.keys, datetime.now(UTC)))

    def wait_until_ticking(self) -> None:
        """Until some worker says that it lives, which one that died before this cannot."""
        eventually(lambda: self.redis.delete(self.store.keys.workers) is not None, "the store answers")
        eventually(self.beats, "a worker ticks")

    def left(self) -> Body:
        """What is left to be judged or sent now, shard by shard, and who is about it."""
        found = {}
        for shard in self.store.keys.all():
            pipe = self.redis.pipeline(transaction=True)
            pipe.xlen(shard.inbox)
            pipe.zcount(shard.key("timers"), "-inf", milliseconds(datetime.now(UTC)))
            pipe.hkeys(shard.key("outbox"))
            pipe.get(shard.lease)
            if any(waits := pipe.execute()):
                found[str(shard.number)] = waits
        for partition in self.store.keys.partitions():
            if found and (agenda := self.redis.zrange(partition.agenda, 0, -1, withscores=True)):
                begun, owner = self.redis.hgetall(partition.begun), self.redis.get(partition.lease)
                found[f"channels {partition.number}"] = [agenda, begun, owner]
        return found

    def idle(self) -> bool:
        """Whether nothing is left to be judged or sent now."""
        return not self.left()

    def is_idle_soon(self, within: float = 40.0) -> None:
        """Wait until everything has been judged and sent."""
        eventually(self.idle, "everything has been judged and sent", within, instead=self.left)

    # -- what came out -------------------------------------------------------------------------

    def events(self, kind: str) -> list[Body]:
        """The journal's events of a kind."""
        records = [record for shard in self.store.keys.all() for _, record in self.store.journal(shard)]
        return [event for record in records for event in record["events"] if event["kind"] == kind]

    def paged(self, title: str, place: str) -> bool:
        """Whether a page about a patient at a place has arrived."""
        return any(title in page.title and place in page.title for page in self.phone.received)

    def every_page_owed_has_arrived(self) -> None:
        """Each page of the journal was received, with the words and by the person it was written for.

        Only a page whose episodes were all over before it could be sent may stay away, and one that the evaluation
        replaced by a newer one, if that has arrived. The watchdog's emergency pages stand in no journal: a machine that
        is busy enough may be late, and says so.
        """
        arrived: dict[str, ReceivedPage] = {}
        for page in self.phone.received:
            if page.page_id.startswith(EMERGENCY):
                continue
            same = arrived.setdefault(page.page_id, page)
            assert (page.path, page.title, page.body) == (same.path, same.title, same.body)
        written = {event["page"]: event for event in self.events("page")}
        assert set(arrived) <= set(written)
        over = {event["episode"] for kind in ("closed", "acknowledged") for event in self.events(kind)}
        for page_id, event in written.items():
            if page_id not in arrived:
                assert set(event["episodes"]) <= over | self._replaced(event, arrived, written), (
                    f"lost: {event['title']}"
                )
                continue
            assert arrived[page_id].path == f"/{event['channel']}"
            if event["channel"] != "phone-4":
                assert arrived[page_id].title == event["title"]
                # How to answer stands between the readings and the rest.
                lead, _, rest = event["text"].partition("\n\n")
                assert arrived[page_id].body.startswith(lead)
                assert arrived[page_id].body.endswith(rest)

    def _replaced(self, event: Body, arrived: dict[str, ReceivedPage], written: dict[str, Body]) -> set[str]:
        """The episodes of a cancelled page of which a newer one to the same person on the same channel has arrived."""
        deliveries = [
            item for state in self.store.states() for episode in state.episodes.values() for item in episode.deliveries
        ]
        if not any(item.page == event["page"] and item.state == "cancelled" for item in deliveries):
            return set()
        recipient = (event["to"], event["channel"])
        newer = [
            other
            for other in written.values()
            if other["page"] in arrived and _later(other, event) and (other["to"], other["channel"]) == recipient
        ]
        return {episode for other in newer for episode in other["episodes"]}

    def environment(self) -> dict[str, str]:
        """The environment of a command that is to find this installation, on a wide terminal."""
        return {**os.environ, **self.settings.as_environment(), "COLUMNS": "250"}

    def command(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a `cartwatch` command against this installation."""
        return cartwatch(*arguments, environment=self.environment(), given=given)


def _later(one: Body, other: Body) -> bool:
    """Whether a page was written after another; the journal gives the time to the second, so in one its number does."""
    return (one["at"], int(one["page"].rpartition(".")[2])) > (other["at"], int(other["page"].rpartition(".")[2]))


def cartwatch(
    *arguments: str, environment: dict[str, str] | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a `cartwatch` command to its end."""
    return subprocess.run(  # noqa: S603 - our own command
        [*CARTWATCH, *arguments], env=environment, input=given, capture_output=True, text=True, timeout=120, check=False
    )


# -- messages --------------------------------------------------------------------------------------


def registration(patient: str, at: datetime, **more: Any) -> Body:
    """A patient two days after infusion, in a bed of the patient's own name; known then, whenever it is accepted."""
    body = {"type": "registration", "id": f"r {patient}", "source": "ehr", "patient": patient, "ward": "HAEM-2"}
    body["received"] = iso(at)
    return body | {"bed": patient, "effective": iso(at), "infused": iso(at - timedelta(days=2))} | more


def reading(kind: str, value: object, patient: str, at: datetime, **more: Any) -> Body:
    """What a person read."""
    units = {"temperature": "Cel", "systolic_bp": "mm[Hg]", "spo2": "%", "crp": "mg/L", "heart_rate": "/min"}
    body = {"type": "reading", "id": f"{kind} {at.isoformat()}", "source": "ward", "patient": patient}
    body |= {"effective": iso(at), "reading": kind, "value": value, "by": "person"}
    return body | ({"unit": units[kind]} if kind in units else {}) | more


def crs2(patient: str, at: datetime | None = None) -> list[Body]:
    """Registration, fever and low pressure."""
    at = at or datetime.now(UTC)
    return [
        registration(patient, at),
        reading("temperature", "38.9", patient, at),
        reading("systolic_bp", 84, patient, at),
    ]


def course(patients: list[str], end: datetime, rounds: int = 10) -> list[Body]:
    """Several patients who get worse side by side, ward round by ward round until now: CRS to 2 and ICANS to 3."""
    begin = end - rounds * timedelta(minutes=10)
    messages = [registration(patient, begin) for patient in patients]
    for number in range(rounds):
        at = begin + number * timedelta(minutes=10)
        for place, patient in enumerate(patients):
            worse = number - place
            messages.append(reading("temperature", "38.9" if worse > 0 else "37.0", patient, at))
            messages.append(reading("systolic_bp", 84 if worse > 2 else 112, patient, at))
            messages.append(reading("spo2", 97, patient, at))
            messages.append(reading("ice", max(1, 10 - 2 * max(0, worse - 3)), patient, at))
    return messages


def iso(at: datetime) -> str:
    """As a ward writes it."""
    return at.isoformat(timespec="milliseconds")


# -- processes -------------------------------------------------------------------------------------


def descendants(pid: int) -> list[int]:
    """Every process below one, nearest first; none where it has ended."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(*pids: int) -> None:
    """SIGKILL, whoever of them is still there."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def reachable(redis: Redis) -> bool:
    """Whether the store answers."""
    try:
        return bool(redis.ping())
    except RedisError:
        return False
