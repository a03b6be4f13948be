"""The gateway as a process: what it serves, what it logs, and that it stops."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from alerts.messages import SITE_SUBJECT
from tests.support.hospital import Hospital, crs2, eventually
from worker.clock import StoreClock
from worker.intake.source_keys import SourceKeys
from worker.links import links_of
from worker.processing.advance import advance
from worker.runtime.runtime import make

pytestmark = pytest.mark.server


class Served(NamedTuple):
    """A gateway that runs, and where."""

    process: subprocess.Popen[bytes]
    address: str


@contextmanager
def gateway(hospital: Hospital, *options: str, scheme: str = "http") -> Iterator[Served]:
    """A gateway of the hospital on a free port, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"{scheme}://127.0.0.1:{port}"
    hospital.settings = hospital.settings.model_copy(update={"public_url": address})
    command = [sys.executable, "-m", "worker.cli", "gateway", "--port", str(port), *options]
    with hospital.log.open("ab") as log:
        process = subprocess.Popen(command, env=hospital.environment(), stdout=log, stderr=log)  # noqa: S603
    try:
        eventually(lambda: answers(address), "the gateway answers")
        yield Served(process, address)
    finally:
        process.kill()
        process.wait(10)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=2, verify=False).status_code in (200, 503)  # noqa: S501 - our own
    except httpx.TransportError:
        return False


def work(hospital: Hospital) -> None:
    """What a worker would do."""
    site = make(hospital.settings, hospital.redis).site
    for shard in hospital.store.keys.all():
        advance(hospital.store, shard, StoreClock(hospital.redis), site)


def test_it_stops_soon_though_a_board_is_open_and_has_logged_no_address(hospital: Hospital) -> None:
    hospital.client.send(crs2("bed 4711"))
    work(hospital)
    with gateway(hospital) as served, httpx.Client(base_url=served.address) as http:
        links = links_of(hospital.redis, hospital.store.keys, hospital.settings, served.address)
        path = links.sign_in("haematologist-1", datetime.now(UTC)).removeprefix(served.address)
        assert http.post(path, data={"": ""}).status_code == 303
        assert http.get("/p/nothing").status_code == 403
        with http.stream("GET", "/board/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "event: board"
            began = time.monotonic()
            served.process.send_signal(signal.SIGTERM)
            list(lines)
        assert served.process.wait(20) in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 10
    log = hospital.log.read_text(encoding="utf-8")
    assert path not in log
    assert "4711" not in log
    assert "Traceback" not in log


def test_hospital_systems_send_to_it_with_their_key(hospital: Hospital) -> None:
    registration = crs2("bed 8")[0]
    with gateway(hospital) as served, httpx.Client(base_url=served.address) as http:
        assert http.post("/messages", json=registration).status_code == 401
        key = SourceKeys(hospital.redis, hospital.store.keys).add("ehr", datetime.now(UTC))
        sent = http.post("/messages", json=registration, headers={"authorization": f"Bearer {key}"})
        assert sent.headers["x-content-type-options"] == "nosniff"
    assert sent.status_code == 202
    assert hospital.redis.xlen(hospital.store.keys.of("bed 8").inbox) == 1


def test_what_strangers_send_fills_no_log(hospital: Hospital) -> None:
    with gateway(hospital) as served:
        address = urlsplit(served.address)
        before = hospital.log.stat().st_size
        for _ in range(50):
            with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as made:
                made.sendall(b"no such thing\r\n\r\n")
                assert made.recv(100).startswith(b"HTTP/1.1 400")
        assert hospital.log.stat().st_size == before


def test_behind_a_proxy_wrong_keys_are_counted_for_the_address_that_it_added(hospital: Hospital) -> None:
    wrong = {"authorization": f"Bearer cw_000000000000_{'A' * 43}"}

    def status(http: httpx.Client, forwarded: str) -> int:
        return http.post("/messages", json={}, headers=wrong | {"x-forwarded-for": forwarded}).status_code

    with gateway(hospital, "--behind-proxy") as served, httpx.Client(base_url=served.address) as http:
        statuses = [status(http, f"10.0.0.{number}, 192.0.2.7") for number in range(25)]
        assert statuses == [401] * 20 + [429] * 5
        assert status(http, "192.0.2.7, 192.0.2.8") == 401


def test_an_intake_that_can_no_longer_be_used_is_reported_though_nothing_is_sent(hospital: Hospital) -> None:
    path = Path(str(hospital.settings.config_dir)) / "intake.yaml"
    inbox = hospital.store.keys.of(SITE_SUBJECT).inbox

    def paged() -> bool:
        entries = [fields[b"m"] for _, fields in hospital.store.stream(inbox)]
        return any(b"the one before stays in force" in entry and b"intake.yaml" in entry for entry in entries)

    with gateway(hospital):
        path.write_text("codes: {LAB: {C1: crpp}}\n", encoding="utf-8")
        try:
            eventually(paged, "the technician is paged")
        finally:
            path.unlink()


def certificate(folder: Path) -> tuple[str, ...]:
    """The options of a gateway that speaks TLS, with a certificate of this test only."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on PATH")
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed arguments
    return "--certificate", str(made), "--key", str(key)


def test_with_a_certificate_it_speaks_tls_and_nothing_else(hospital: Hospital, folder: Path) -> None:
    with gateway(hospital, *certificate(folder), scheme="https") as served:
        answered = httpx.get(f"{served.address}/healthz", verify=False)  # noqa: S501 - its own certificate
        assert answered.headers["strict-transport-security"].startswith("max-age=")
        with pytest.raises(httpx.TransportError):
            httpx.get(served.address.replace("https", "http"))
