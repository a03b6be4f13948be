"""Values by the thousand of one patient or one source: the chart stays small, and pages of others arrive meanwhile."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
from celery import Celery

from tests.support.hospital import Body, Hospital, crs2, eventually, reading, registration
from tests.support.senders import Sender, listening
from tests.support.servers import free_port
from tests.support.with_gateway import answers
from worker.intake.source_keys import SourceKeys
from worker.monitoring import floods
from worker.standalone.supervisor import Supervised
from worker.store.inbox import Accepted

pytestmark = pytest.mark.server

PATIENT = "flooded"
WITHIN = 15.0
"""Seconds until another patient's page; one to two on a machine that has nothing else to do."""
ONE_TIME = 8000
SECONDS = 3600


@pytest.fixture(scope="module", autouse=True)
def workers(hospital: Hospital) -> Iterator[None]:
    with hospital.workers(2):
        yield


def stream(kind: str, each: timedelta, number: int, **fields: object) -> list[Body]:
    """So many values of a monitor until now."""
    end = datetime.now(UTC)
    return [
        reading(kind, 80 + n % 41, PATIENT, end - n * each, id=f"{kind} {each} {n}", by="monitor", source="monitor-7")
        | fields
        for n in range(number)
    ]


def send(hospital: Hospital, bodies: list[Body]) -> Accepted:
    return hospital.client.send_raw([json.dumps(body).encode() for body in bodies])


def kept(hospital: Hospital, kind: str) -> int:
    """How many entries of a kind the flooded patient's chart keeps."""
    state = hospital.store.state(PATIENT)
    return 0 if state is None else len(state.chart.entries.get(kind, ()))


def test_a_flood_is_charted_in_few_entries_and_others_are_paged_meanwhile(hospital: Hospital) -> None:
    shard = hospital.store.keys.of(PATIENT)
    mate = next(name for n in count() if hospital.store.keys.of(name := f"mate {n}") == shard)
    send(hospital, [registration(PATIENT, datetime.now(UTC) - timedelta(days=1))])
    send(hospital, stream("systolic_bp", timedelta(0), ONE_TIME))
    send(hospital, stream("heart_rate", timedelta(seconds=1), SECONDS))
    send(hospital, crs2(mate))
    eventually(lambda: hospital.paged("CRS", mate), "the other patient is paged", WITHIN)
    hospital.is_idle_soon()
    assert 0 < kept(hospital, "systolic_bp") <= 10
    assert 0 < kept(hospital, "heart_rate") <= SECONDS // 5


def test_a_waveform_is_refused_and_others_are_paged_meanwhile(hospital: Hospital) -> None:
    accepted = send(hospital, stream("heart_rate", timedelta(milliseconds=4), 5000))
    send(hospital, crs2("bystander"))
    eventually(lambda: hospital.paged("CRS", "bystander"), "the other patient is paged", WITHIN)
    [refused] = accepted.refused
    assert "a waveform is not charted" in refused.why
    assert accepted.stored <= 10 * 21
    assert [record.why for _, record in hospital.store.dead_letters()] == [refused.why]


# -- one source, many patients ---------------------------------------------------------------------

MONITOR = "monitor-9"
AT_ONCE = 50
FLOODED = 40

Put = Callable[[list[Body]], object]


def configure_sources(hospital: Hospital, **more: object) -> None:
    monitor = {"type": "monitor", "senders": [{"application": MONITOR}]}
    body = {"sources": {"ehr": {"type": "record"}, MONITOR: monitor}, **more}
    assert hospital.settings.config_dir is not None
    hospital.settings.config_dir.joinpath("intake.yaml").write_text(json.dumps(body), encoding="utf-8")


def by_append(hospital: Hospital) -> Iterator[Put]:
    yield lambda bodies: send(hospital, bodies)


def by_celery(hospital: Hospital) -> Iterator[Put]:
    with Celery("producer", broker=hospital.settings.broker, set_as_current=False) as app:
        yield lambda bodies: [app.send_task("ingest", [body]) for body in bodies]


def by_http(hospital: Hospital) -> Iterator[Put]:
    configure_sources(hospital)
    port = free_port()
    key = SourceKeys(hospital.redis, hospital.store.keys).add(MONITOR, datetime.now(UTC))
    headers = {"Authorization": f"Bearer {key}"}
    command = [sys.executable, "-m", "worker.cli", "gateway", "--port", str(port)]
    environment = hospital.settings.as_environment()
    with Supervised(command, environment, str(hospital.log.with_name("gateway.log"))):
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(address), "the gateway answers")
        with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
            yield lambda bodies: [client.post("/messages", json=body).raise_for_status() for body in bodies]


def by_mllp(hospital: Hospital) -> Iterator[Put]:
    """Each reading as an HL7 message, all of them under way on one connection."""
    configure_sources(hospital, listeners={"hl7": {"port": 0}})
    with listening(hospital) as running, Sender(running.port) as sender:

        def put(bodies: list[Body]) -> None:
            sender.send(*(as_hl7(body) for body in bodies))
            assert all(answer.startswith("AA ") for answer in sender.answers(len(bodies)))

        yield put


def as_hl7(body: Body) -> bytes:
    at = datetime.fromisoformat(body["effective"]).strftime("%Y%m%d%H%M%S+0000")
    lines = (
        f"MSH|^~\\&|{MONITOR}|HOSP|CARTWATCH|HOSP|{at}||ORU^R01^ORU_R01|{body['id']}|P|2.5.1",
        f"PID|1||{body['patient']}^^^HOSP^MR",
        f"OBR|1||{body['id']}|VITALS^V^L|||{at}",
        f"OBX|1|NM|8867-4^Heart rate^LN||{body['value']}|/min|||||F|||{at}",
    )
    return "".join(f"{line}\r" for line in lines).encode()


def pour(put: Put, enough: threading.Event, failed: list[Exception]) -> None:
    """Send readings of many patients as fast as they are accepted."""
    for number in count():
        now = datetime.now(UTC)
        bodies = [
            reading("heart_rate", 60 + n % 90, f"flooded {n % FLOODED}", now, id=f"{number} {n}", source=MONITOR)
            for n in range(AT_ONCE)
        ]
        try:
            put([body | {"by": "monitor"} for body in bodies])
        except Exception as error:
            failed.append(error)
            return
        if enough.is_set():
            return


@pytest.mark.parametrize("way", [by_append, by_celery, by_http, by_mllp])
def test_while_a_source_floods_others_are_paged_and_its_messages_are_counted(
    hospital: Hospital, way: Callable[[Hospital], Iterator[Put]]
) -> None:
    now = datetime.now(UTC)
    send(hospital, [registration(f"flooded {number}", now - timedelta(days=1)) for number in range(FLOODED)])
    floods.take_counts(hospital.redis, hospital.store.keys)
    enough, failed = threading.Event(), list[Exception]()
    ways = way(hospital)
    thread = threading.Thread(target=pour, args=(next(ways), enough, failed))
    thread.start()
    try:
        eventually(
            lambda: floods.take_counts(hospital.redis, hospital.store.keys)[MONITOR] > 0, "the flood is evaluated"
        )
        for number in range(3):
            name = f"{way.__name__} {number}"
            send(hospital, crs2(name))
            eventually(lambda bed=name: hospital.paged("CRS", bed), "the other patient is paged", WITHIN)
        assert thread.is_alive(), failed
    finally:
        enough.set()
        thread.join()
        next(ways, None)
    hospital.is_idle_soon(within=120)
    assert not failed
    assert floods.totals(hospital.redis, hospital.store.keys)[MONITOR] > 0
