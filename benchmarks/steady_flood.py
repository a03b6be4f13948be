"""How long pages take while one monitor sends a thousand readings a second, beside the same pages without it.

Ours as `cartwatch up` runs it: one process evaluates, one stores Celery's tasks, four deliver; a gateway and a
listener.
The monitor sends its readings, of patients all over the shards, by each way in: appended by the client library, as a
Celery task each, as an HTTP request each, as an HL7 message each over MLLP. Meanwhile other patients become feverish,
one a second, by the same way from another source.
Run: .venv/bin/python benchmarks/steady_flood.py [append|celery|http|mllp]... [--rate 1000] [--seconds 15]
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from harness import FULL, HERE, Ground, eventually, machine, say
from neighbours import Phone, wait_for
from plain import app
from ward import Body, Ward, fever, reading, registrations

from config.settings import Settings
from worker.client import Client
from worker.intake.mllp.frames import wrap
from worker.intake.source_keys import SourceKeys
from worker.standalone.child_process import die_with_parent

WAYS = ("append", "celery", "http", "mllp")
MONITOR, OTHER = "monitor-7", "ward"
FLOODED = 40
"""Patients whose readings the monitor sends."""
SLICE = 0.05
"""Seconds between two parcels of the flood."""
CONNECTIONS = 8
WITHIN = 60.0

Send = Callable[[Sequence[Body]], None]


def hl7(body: Body) -> bytes:
    """A reading as an HL7 message."""
    at = datetime.fromisoformat(body["effective"]).strftime("%Y%m%d%H%M%S+0000")
    code = {"heart_rate": "8867-4^Heart rate^LN", "temperature": "8310-5^Body temperature^LN"}[body["reading"]]
    lines = (
        f"MSH|^~\\&|{body['source']}|HOSP|CARTWATCH|HOSP|{at}||ORU^R01^ORU_R01|{body['id']}|P|2.5.1",
        f"PID|1||{body['patient']}^^^HOSP^MR",
        f"OBR|1||{body['id']}|VITALS^V^L|||{at}",
        f"OBX|1|NM|{code}||{body['value']}|{body['unit']}|||||F|||{at}",
    )
    return "".join(f"{line}\r" for line in lines).encode()


def sender(way: str, source: str, settings: Settings, ports: dict[str, Any]) -> Send:
    """What sends messages of a source by a way in, and returns when they are accepted."""
    if way == "append":
        client = Client(settings)
        return lambda bodies: client.send(list(bodies)) and None
    if way == "celery":
        producer = app.amqp.Producer(app.connection_for_write(settings.broker))
        return lambda bodies: [app.send_task("ingest", (body,), producer=producer) for body in bodies] and None
    address = ("127.0.0.2" if source == MONITOR else "127.0.0.1", 0)
    if way == "http":
        return _http(ports["http"], ports["keys"][source], address)
    return _mllp(ports["mllp"], address)


def _http(port: int, key: str, address: tuple[str, int]) -> Send:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    local = threading.local()

    def post(body: Body) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, 30, source_address=address)
        local.connection.request("POST", "/messages", json.dumps(body), headers)
        local.connection.getresponse().read()

    return lambda bodies: [post(body) for body in bodies] and None


def _mllp(port: int, address: tuple[str, int]) -> Send:
    connection = socket.create_connection(("127.0.0.1", port), 30, source_address=address)
    lock = threading.Lock()

    def send(bodies: Sequence[Body]) -> None:
        with lock:
            connection.sendall(b"".join(wrap(hl7(body)) for body in bodies))
            left = len(bodies)
            while left:
                left -= connection.recv(65536).count(b"\x1c")

    return send


def flood(way: str, rate: int, seconds: float, settings: Settings, ports: dict[str, Any]) -> None:
    """Send at a rate, as far as the way lets it; say how many it accepted each second."""
    send = sender(way, MONITOR, settings, ports)
    numbers, taken, lock = count(), 0, threading.Lock()
    end = time.monotonic() + seconds
    threads = CONNECTIONS if way == "http" else 1
    each = rate * SLICE / threads

    def run() -> None:
        nonlocal taken
        began, sent = time.monotonic(), 0
        while time.monotonic() < end:
            due = int((time.monotonic() - began) / SLICE + 1) * each
            now = datetime.now(UTC)
            bodies = [_junk(next(numbers), now) for _ in range(int(due) - sent)]
            sent += len(bodies)
            if bodies:
                send(bodies)
                with lock:
                    taken += len(bodies)
            time.sleep(max(0.0, began + (sent / each) * SLICE - time.monotonic()))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    say(str(round(taken / seconds)))


def _junk(number: int, at: datetime) -> Body:
    value = str(60 + number * 7 % 90)
    body = reading("heart_rate", value, "/min", f"F{number % FLOODED}", at, MONITOR, "monitor")
    return body | {"id": f"f{number}"}


def pages(send: Send, names: Sequence[str], phone: Phone) -> list[float]:
    """Seconds from each fever to its page; one fever a second."""
    handed: dict[str, float] = {}
    for name in names:
        handed[name] = time.monotonic()
        send([fever(name, datetime.now(UTC)) | {"id": f"t{name}"}])
        time.sleep(max(0.0, handed[name] + 1 - time.monotonic()))
    arrived = wait_for(phone, names, WITHIN)
    return sorted(arrived.get(name, float("inf")) - at for name, at in handed.items())


def configure(folder: Path) -> None:
    """The sources, and one listener."""
    sources = {
        name: {"type": "monitor", "by": by, "senders": [{"application": name}]}
        for name, by in ((MONITOR, "monitor"), (OTHER, "person"))
    }
    body = {"sources": sources, "listeners": {"hl7": {"port": 0}}}
    (folder / "intake.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")


def started(ground: Ground, ward: Ward, way: str) -> dict[str, Any]:
    """The gateway or the listener, if the way goes through it: where it listens, and the keys of the sources."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **ward.settings.as_environment(), "PYTHONUNBUFFERED": "1"}
    keys = SourceKeys(ward.redis, ward.store.keys)
    found: dict[str, Any] = {"keys": {name: keys.add(name, datetime.now(UTC)) for name in (MONITOR, OTHER)}}
    if way == "http":
        ground.run("gateway", [sys.executable, "-m", "worker.cli", "gateway", "--port", str(port)], environment)
        eventually(lambda: _answers(port), "the gateway answers")
        found["http"] = port
    elif way == "mllp":
        process = subprocess.Popen(
            [sys.executable, "-m", "worker.cli", "mllp"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )
        ground.keep(process.kill)
        assert process.stdout is not None
        found["mllp"] = int(process.stdout.readline().split("port ")[1].split()[0])
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def measure(way: str, rate: int, seconds: int) -> None:
    """One way in."""
    with Ground(FULL.fsync) as ground:
        phone = Phone(ground)
        ward = Ward(ground, f"flood-{way}", f"json://127.0.0.1:{phone.port}")
        assert ward.settings.config_dir is not None
        configure(Path(ward.settings.config_dir))
        ward.work(["advance"], 1)
        ward.work(["ingest"], 1)
        ward.work(["deliver"], 1)
        ports = started(ground, ward, way)
        quiet, loud = ([f"B{part}{number:05d}" for number in range(seconds - 3)] for part in (1, 2))
        flooded = [f"F{number}" for number in range(FLOODED)]
        ward.settle(registrations([*quiet, *loud, *flooded], datetime.now(UTC) - timedelta(days=1)))
        send = sender(way, OTHER, ward.settings, ports)
        without = pages(send, quiet, phone)
        arguments = [way, str(rate), str(seconds), json.dumps(ports)]
        flooder = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, str(HERE / "steady_flood.py"), "--flood", *arguments],
            env={**os.environ, **ward.settings.as_environment()},
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(2)
        during = pages(send, loud, phone)
        sent = flooder.communicate()[0].strip()
        say(f"{way}: {_seen(without)} without; {_seen(during)} while {sent} readings/s came")


def _seen(waits: Sequence[float]) -> str:
    return f"median {median(waits):.2f} s, longest {waits[-1]:.2f} s"


def main() -> None:
    """One way in after the other, or the flood itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", default=WAYS)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--flood", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.flood:
        way, rate, seconds, ports = given.flood
        flood(way, int(rate), float(seconds), Settings(), json.loads(ports))
        return
    say(machine())
    for way in given.ways:
        measure(way, given.rate, given.seconds)


if __name__ == "__main__":
    main()
