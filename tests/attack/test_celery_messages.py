"""Malformed Celery messages: none ends a worker, each becomes a dead letter, other patients' pages arrive."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from tests.support.hospital import Hospital, crs2, eventually, registration
from worker.runtime.queues import FOREIGN_QUEUE
from worker.standalone.supervisor import Supervised
from worker.store.dead_letters import everything

pytestmark = pytest.mark.server

QUEUES = ("ingest", FOREIGN_QUEUE, "advance", "deliver")

JSON = {"content_type": "application/json", "content_encoding": "utf-8"}


def headers(**more: Any) -> dict[str, Any]:
    """What protocol 2 says in its headers."""
    return {"lang": "py", "task": "ingest", "id": str(uuid.uuid4()), "root_id": None, "parent_id": None} | more


def protocol_1(**more: Any) -> str:
    """A body of protocol 1."""
    return json.dumps({"task": "ingest", "id": str(uuid.uuid4()), "args": [], "kwargs": {}} | more)


REFUSED: dict[str, tuple[Any, dict[str, Any]]] = {
    "an object": ('{"not": "list"}', {"headers": headers()}),
    "null": ("null", {"headers": headers()}),
    "a number": ("7", {"headers": headers()}),
    "a text": ('"text"', {"headers": headers()}),
    "two parts": ("[[], {}]", {"headers": headers()}),
    "four parts": ("[[], {}, {}, {}]", {"headers": headers()}),
    "no parts": ("[]", {"headers": headers()}),
    "embed is a number": ("[[], {}, 7]", {"headers": headers()}),
    "args are a number": ("[7, {}, {}]", {"headers": headers()}),
    "kwargs are a list": ("[[], [1], {}]", {"headers": headers()}),
    "no JSON": ("{", {"headers": headers()}),
    "deep": ("[" * 100_000, {"headers": headers()}),
    "no id": ("[[], {}, {}]", {"headers": {"task": "ingest"}}),
    "task is a list": ("[[], {}, {}]", {"headers": headers(task=["ingest"])}),
    "task is an object": ("[[], {}, {}]", {"headers": headers(task={"a": 1})}),
    "another task": ("[[], {}, {}]", {"headers": headers(task="os.system")}),
    "another task without id": ("[[], {}, {}]", {"headers": {"task": "os.system"}}),
    "no task": ("[[], {}, {}]", {"headers": {}}),
    "pickle": (b"cos\nsystem\n(S'true'\ntR.", {"headers": headers(), "content_type": "application/x-python-serialize"}),
    "unknown type": ("x", {"headers": {}, "content_type": "application/x-nothing"}),
    "1: an array": ("[1, 2]", {"headers": {}}),
    "1: no id": ('{"task": "ingest"}', {"headers": {}}),
    "1: args are a number": (protocol_1(args=7), {"headers": {}}),
    "1: kwargs are a list": (protocol_1(kwargs=[1]), {"headers": {}}),
    "1: kwargs are a text": (protocol_1(kwargs="x"), {"headers": {}}),
    "1: task is a list": (protocol_1(task=[1]), {"headers": {}}),
    "1: another task": (protocol_1(task="os.system"), {"headers": {}}),
    "unknown compression": ("[[], {}, {}]", {"headers": headers(compression="application/x-nothing")}),
}
"""No task messages, by what is wrong with them: the body, and what else is published with it."""

ACCEPTED: dict[str, dict[str, Any]] = {
    "eta": {"eta": "tomorrow"},
    "eta is an object": {"eta": {"a": 1}},
    "eta next year": {"eta": "2999-01-01T00:00:00+00:00"},
    "expires": {"expires": "never"},
    "expires is a list": {"expires": [1]},
    "expired": {"expires": "2000-01-01T00:00:00+00:00"},
    "timelimit": {"timelimit": 7},
    "callbacks": {"callbacks": 7, "errbacks": {"a": 1}, "chord": [3]},
}
"""What a message may say beside its task and is not read: the task is executed."""


def accepted(queue: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Task messages of both protocols that each register a patient of their own, and the patient."""
    for name, more in ACCEPTED.items():
        for protocol in ("1", "2"):
            patient = f"{queue} {protocol} {name}"
            arguments = [registration(patient, datetime.now(UTC))]
            if protocol == "1":
                yield patient, protocol_1(args=arguments, **more), {"headers": {}}
            else:
                yield patient, json.dumps([arguments, {}, {}]), {"headers": headers(**more)}
    patient = f"{queue} unknown encoding"
    body = json.dumps([[registration(patient, datetime.now(UTC))], {}, {}]).encode()
    yield patient, body, {"headers": headers(), "content_encoding": "nothing"}


@pytest.fixture(scope="module")
def worker(hospital: Hospital) -> Iterator[Supervised]:
    """One worker for every queue: what one message does to it stops everything."""
    with hospital.workers(1) as running:
        yield running


def publish(hospital: Hospital, queue: str) -> None:
    """Every message into a queue, as a stranger does who can reach the broker."""
    app = Celery("stranger", broker=hospital.settings.broker, set_as_current=False)
    with app.connection() as connection, connection.Producer() as producer:
        for body, more in (*REFUSED.values(), *((body, more) for _, body, more in accepted(queue))):
            producer.publish(body, exchange="", routing_key=queue, **(JSON | more))
    app.close()


def waiting(hospital: Hospital, queue: str) -> int:
    """The messages in a queue of the broker."""
    with Redis.from_url(hospital.settings.broker) as broker:
        return int(broker.llen(queue))


def reasons(hospital: Hospital) -> Counter[str]:
    """Why messages became dead letters, and how many; a text that came again is kept once and counted."""
    found: Counter[str] = Counter()
    for one in everything(hospital.redis, hospital.store.keys):
        [reason] = one.letter.reasons
        found[reason.why] += one.times
    return found


def test_no_message_ends_a_worker_and_the_pages_of_others_arrive(hospital: Hospital, worker: Supervised) -> None:
    pid = worker.pid
    for queue in QUEUES:
        publish(hospital, queue)
        hospital.client.send_raw([json.dumps(body).encode() for body in crs2(f"bed {queue}")])
        eventually(lambda bed=f"bed {queue}": hospital.paged("CRS", bed), "the other patient is paged")
        eventually(lambda name=queue: waiting(hospital, name) == 0, "the queue is read")
    patients = {patient for queue in QUEUES for patient, _, _ in accepted(queue)}
    eventually(lambda: patients <= {state.patient for state in hospital.store.states()}, "the tasks are executed")
    wrong = len(REFUSED) * len(QUEUES)
    eventually(lambda: reasons(hospital).total() >= wrong, "each became a dead letter")
    assert (worker.starts, worker.pid) == (1, pid)
    whys = reasons(hospital)
    assert whys.total() == wrong, whys
    assert whys["task os.system: names a task that does not exist"] == 3 * len(QUEUES)
