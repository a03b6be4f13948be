"""A store that fills up: one key's flood costs others nothing, and a full store still pages what is owed."""

import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from redis import Redis

from alerts.messages import SITE_SUBJECT
from tests.integration.test_gateway import gateway
from tests.support.hospital import Hospital, crs2, eventually, iso, reading
from worker.intake.source_keys import SourceKeys
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone
from worker.store import dead_letters
from worker.store.capacity import STOP_AT, IntakeStoppedError, memory_of

pytestmark = pytest.mark.server

MEMORY = 40_000_000
"""Bytes of the whole store."""

PAGED_WITHIN = 15.0
"""Seconds: long beside the tenths that a page takes, and short beside for ever."""


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    """An installation with a small store of its own, and ladders that climb soon."""
    with EmbeddedRedis(tmp_path / "data", memory=MEMORY) as server, FakePhone() as receiver:
        made = Hospital(server.url, server.broker_url, receiver, tmp_path, "full")
        folder = Path(str(made.settings.config_dir))
        site = yaml.safe_load((folder / "site.yaml").read_text(encoding="utf-8"))
        site["ladders"]["high"]["steps"] = [
            {"after": f"{seconds} s", "notify": [role]}
            for seconds, role in ((0, "on_call"), (4, "second_on_call"), (60, "consultant"))
        ]
        (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
        intake = {"sources": {"ehr": {"type": "record"}, "monitor-7": {"type": "monitor"}}}
        (folder / "intake.yaml").write_text(yaml.safe_dump(intake), encoding="utf-8")
        yield made
        made.close()


class Sender(AbstractContextManager["Sender"]):
    """A source that posts with its key; it counts how it was answered."""

    def __init__(self, hospital: Hospital, address: str, source: str) -> None:
        self.source = source
        self.answers: Counter[int] = Counter()
        key = SourceKeys(hospital.redis, hospital.store.keys).add(source, datetime.now(UTC))
        self._http = httpx.Client(base_url=address, timeout=30, headers={"authorization": f"Bearer {key}"})

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def messages(self, *bodies: dict[str, Any]) -> httpx.Response:
        return self._post("/messages", [body | {"source": self.source} for body in bodies], "application/json")

    def junk(self) -> httpx.Response:
        """A resource of 200 kB of which 20 parts cannot be used."""
        return self._post("/fhir", panel(20, "x".join(uuid.uuid4().hex for _ in range(6_000))), "application/fhir+json")

    def flood(self, stop: threading.Event) -> None:
        """Readings of patients whom nobody knows, and what cannot be used, as fast as it is answered."""
        while not stop.is_set():
            at = datetime.now(UTC)
            beds = [f"unknown {number % 40}" for number in range(500)]
            self.messages(*(reading("crp", 85, bed, at, by="monitor", id=uuid.uuid4().hex) for bed in beds))
            self.junk()

    def _post(self, path: str, body: Any, kind: str) -> httpx.Response:
        answer = self._http.post(path, json=body, headers={"content-type": kind})
        self.answers[answer.status_code] += 1
        return answer


def panel(parts: int, note: str) -> dict[str, Any]:
    """An observation of which no part can be used."""
    words = [
        {"code": {"coding": [{"system": "http://loinc.org", "code": "67775-7"}]}, "valueString": f"word {number}"}
        for number in range(parts)
    ]
    return {
        "resourceType": "Observation",
        "id": uuid.uuid4().hex,
        "status": "final",
        "subject": {"reference": "Patient/unknown"},
        "effectiveDateTime": iso(datetime.now(UTC)),
        "code": {"coding": [{"system": "http://loinc.org", "code": "85353-1"}]},
        "note": [{"text": note}],
        "component": words,
    }


@contextmanager
def flooding(sender: Sender) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=sender.flood, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def filled(redis: Redis, part: float) -> Iterator[None]:
    """The store as full as that, by whatever it is."""
    while (memory := memory_of(redis.info("memory"))).part < part:
        redis.rpush("stranger", b"x" * max(1_000, min(500_000, int(part * memory.limit) - memory.used)))
    yield
    redis.delete("stranger")


def pages(hospital: Hospital, bed: str) -> list[tuple[str, str]]:
    """On which channel pages about a bed arrived, and what they said."""
    return [(page.path, page.body) for page in hospital.phone.received if bed in page.title]


def dropped(hospital: Hospital) -> dict[str, int]:
    return dead_letters.usage(hospital.redis, hospital.store.keys, datetime.now(UTC)).dropped


def used(hospital: Hospital) -> float:
    return memory_of(hospital.redis.info("memory")).part


def test_the_flood_of_one_key_neither_fills_the_store_nor_keeps_the_page_of_another_patient(
    hospital: Hospital,
) -> None:
    with (
        gateway(hospital) as served,
        hospital.workers(2),
        Sender(hospital, served.address, "monitor-7") as monitor,
        flooding(monitor),
    ):
        eventually(lambda: sum(monitor.answers.values()) > 10, "the flood is on")
        hospital.client.send(crs2("bed other"))
        eventually(lambda: pages(hospital, "bed other"), "the other patient is paged", PAGED_WITHIN)
        eventually(lambda: dropped(hospital), "its oldest dead letters are dropped")
        assert used(hospital) < STOP_AT
    found = dead_letters.usage(hospital.redis, hospital.store.keys, datetime.now(UTC))
    assert 0 < found.used <= found.limit * dead_letters.PART_OF_SOURCE
    assert set(found.dropped) == {"monitor-7"}


def test_a_full_store_climbs_ladders_and_takes_answers_and_goes_on_once_there_is_room(hospital: Hospital) -> None:
    with (
        gateway(hospital) as served,
        hospital.workers(2),
        Sender(hospital, served.address, "ehr") as ehr,
        Sender(hospital, served.address, "monitor-7") as monitor,
    ):
        assert ehr.messages(*crs2("bed full")).status_code == 202
        with filled(hospital.redis, STOP_AT + 0.05):
            eventually(lambda: monitor.junk().status_code == 503, "intake stops")
            refused = ehr.messages(*crs2("bed late"))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert "the store is nearly full" in refused.text
            with pytest.raises(IntakeStoppedError):
                hospital.client.send(crs2("bed late"))
            eventually(lambda: len({path for path, _ in pages(hospital, "bed full")}) > 1, "the ladder climbs", 30)
            link = re.search(rf"{served.address}(/p/\S+)", pages(hospital, "bed full")[0][1])
            assert link is not None
            answered = httpx.post(f"{served.address}{link[1]}/have-it", data={"mark": "1"})
            assert answered.status_code in (200, 303)
            eventually(lambda: acknowledged(hospital, "bed full"), "the answer by link is taken")
            eventually(lambda: technical(hospital), "the technician is paged", 30)
        eventually(lambda: ehr.messages(*crs2("bed late")).status_code == 202, "intake goes on")
        eventually(lambda: pages(hospital, "bed late"), "who was refused before is paged", PAGED_WITHIN)


def acknowledged(hospital: Hospital, bed: str) -> bool:
    state = hospital.store.state(bed)
    return state is not None and any(episode.acknowledged_by for episode in state.episodes.values())


def technical(hospital: Hospital) -> bool:
    site = hospital.store.state(SITE_SUBJECT)
    notified = any("[TECHNICAL]" in page.title for page in hospital.phone.received)
    return notified and site is not None and {"store memory", "intake"} <= site.episodes.keys()
