"""Connections without a key, half-sent requests, live boards and a store that hangs: pages are opened and answered."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.test_gateway import Served, certificate, gateway
from tests.support.hospital import Body, Hospital, crs2, eventually
from worker.gateway.connections import HANDSHAKE_SECONDS, Caps
from worker.gateway.rate_limit import BodyBudget, LiveBoards
from worker.intake.endpoint import LARGEST
from worker.intake.source_keys import SourceKeys
from worker.links import links_of

pytestmark = pytest.mark.server

CONNECTIONS = 500
WITHIN_SECONDS = 15.0
ERROR_WITHIN_SECONDS = 6.0
"""The gateway's own bound is 3 s; the rest is for a machine on which everything runs at once."""

HEAD = "POST {path} HTTP/1.1\r\nHost: ward\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"


class Ward(NamedTuple):
    """A service with its gateway, as a phone and a hospital system reach it."""

    hospital: Hospital
    served: Served
    http: httpx.Client
    key: str

    def send(self, bodies: list[Body]) -> int:
        return self.http.post("/messages", json=bodies, headers={"authorization": f"Bearer {self.key}"}).status_code

    def link(self, bed: str) -> str:
        """The path of the link in the page about a patient."""
        body = next(page.body for page in self.hospital.phone.received if bed in page.title and "CRS" in page.title)
        found = re.search(r"http://\S+/p/\S+", body)
        assert found is not None, body
        return urlsplit(found[0]).path

    def is_paged_and_answers(self, bed: str) -> None:
        """A patient falls ill, the critical page arrives, and is opened and acknowledged over its link."""
        assert self.send([body | {"source": "ehr"} for body in crs2(bed)]) == 202
        eventually(lambda: self.hospital.paged("CRS", bed), "the page arrives", WITHIN_SECONDS)
        path = self.link(bed)
        shown = self.http.get(path)
        assert shown.status_code == 200
        mark = re.search(r'name="mark" value="([0-9a-f]+)"', shown.text)
        assert mark is not None
        assert self.http.post(f"{path}/have-it", data={"mark": mark[1]}).status_code == 303
        eventually(lambda: self.is_acknowledged(bed), "it is acknowledged", WITHIN_SECONDS)

    def is_acknowledged(self, bed: str) -> bool:
        return any(event["patient"] == bed for event in self.hospital.events("acknowledged"))


@pytest.fixture(scope="module")
def ward(hospital: Hospital) -> Iterator[Ward]:
    # A connection for each request: one that is kept may be closed at the moment it is used again.
    limits = httpx.Limits(max_keepalive_connections=0)
    with gateway(hospital) as served, hospital.workers(1):
        key = SourceKeys(hospital.redis, hospital.store.keys).add("ehr", datetime.now(UTC))
        with httpx.Client(base_url=served.address, timeout=30, limits=limits) as http:
            yield Ward(hospital, served, http, key)


def connect(ward: Ward) -> socket.socket:
    address = urlsplit(ward.served.address)
    return socket.create_connection((str(address.hostname), address.port or 0), timeout=10)


@contextmanager
def connections(ward: Ward, sent: bytes, trickle: bytes = b"") -> Iterator[None]:
    """So many connections of the phone's own address, begun again as they are closed, until the test has ended."""
    over = threading.Event()

    def open_one() -> socket.socket:
        made = connect(ward)
        made.sendall(sent)
        made.setblocking(False)
        return made

    def attack() -> None:
        with ExitStack() as stack:
            held = [stack.enter_context(open_one()) for _ in range(CONNECTIONS)]
            begun.set()
            while not over.wait(0.2):
                for place in range(0, CONNECTIONS, 10):
                    try:
                        held[place].send(trickle)
                    except OSError:
                        held[place].close()
                        held[place] = stack.enter_context(open_one())

    begun = threading.Event()
    thread = threading.Thread(target=attack)
    thread.start()
    try:
        assert begun.wait(30)
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("name", "sent", "trickle"),
    [
        ("idle", b"", b""),
        ("half a head", b"POST /messages HTTP/1.1\r\nHost: ward\r\nX-A: ", b"a"),
        ("half a body", HEAD.format(path="/messages", length=4_000_000, more="").encode() + b"[", b" "),
        ("half an answer", HEAD.format(path="/p/guess/have-it", length=1000, more="").encode() + b"a", b"a"),
    ],
    ids=["idle", "head", "body", "answer"],
)
def test_connections_without_a_key_keep_nobody_out(ward: Ward, name: str, sent: bytes, trickle: bytes) -> None:
    with connections(ward, sent, trickle):
        ward.is_paged_and_answers(f"bed {name}")


def memory(pid: int) -> int:
    """Bytes a process has in memory."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_unfinished_bodies_are_bounded_in_bytes(ward: Ward) -> None:
    head = HEAD.format(path="/messages", length=LARGEST, more=f"Authorization: Bearer {ward.key}\r\n").encode()
    before = memory(ward.served.process.pid)

    def half_sent() -> socket.socket:
        made = connect(ward)
        with suppress(OSError):  # It is refused while it is being sent.
            made.sendall(head + b" " * (LARGEST - 1))
        return made

    with ThreadPoolExecutor(20) as pool, ExitStack() as stack:
        for made in pool.map(lambda _: half_sent(), range(100)):
            stack.enter_context(made)
        assert memory(ward.served.process.pid) - before < 3 * BodyBudget()._of_one
        ward.is_paged_and_answers("bed bodies")


def test_a_session_s_live_boards_are_bounded(ward: Ward) -> None:
    links = links_of(ward.hospital.redis, ward.hospital.store.keys, ward.hospital.settings, ward.served.address)
    path = links.sign_in("haematologist-1", datetime.now(UTC)).removeprefix(ward.served.address)
    with httpx.Client(base_url=ward.served.address, timeout=30) as browser, ExitStack() as stack:
        assert browser.post(path, data={"": ""}).status_code == 303
        statuses, open_boards = [], []
        for _ in range(LiveBoards.OF_ONE + 4):
            response = stack.enter_context(browser.stream("GET", "/board/events"))
            statuses.append(response.status_code)
            if response.status_code == 200:
                open_boards.append(response.iter_lines())
                next(open_boards[-1])
        assert statuses == [200] * LiveBoards.OF_ONE + [429] * 4
        ward.is_paged_and_answers("bed boards")


@contextmanager
def store_hangs(ward: Ward) -> Iterator[None]:
    """Connections are accepted by the kernel, nothing is answered."""
    pid = int(ward.hospital.redis.info()["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_store_that_hangs_is_an_error_soon_for_everybody(ward: Ward) -> None:
    ward.is_paged_and_answers("bed before")
    path = ward.link("bed before")
    wrong = {"authorization": f"Bearer cw_000000000000_{'A' * 43}"}
    asks: dict[str, Callable[[], httpx.Response]] = {
        "link": lambda: ward.http.get(path),
        "intake": lambda: ward.http.post("/messages", json={}, headers={"authorization": f"Bearer {ward.key}"}),
        "health": lambda: ward.http.get("/healthz"),
    }
    asks |= {f"wrong {number}": lambda: ward.http.post("/messages", json={}, headers=wrong) for number in range(60)}
    asks |= {f"health {number}": lambda: ward.http.get("/healthz") for number in range(60)}

    def timed(ask: Callable[[], httpx.Response]) -> tuple[int, float]:
        began = time.monotonic()
        return ask().status_code, time.monotonic() - began

    with ThreadPoolExecutor(len(asks)) as pool, store_hangs(ward):
        time.sleep(2.5)  # Older than what the gateway remembers of keys and ward.
        found = dict(zip(asks, pool.map(timed, asks.values()), strict=True))
    slow = {name: seconds for name, (_, seconds) in found.items() if seconds > ERROR_WITHIN_SECONDS}
    assert slow == {}
    assert [found[name][0] for name in ("link", "intake", "health")] == [503] * 3
    ward.is_paged_and_answers("bed after")


def test_handshakes_that_never_end_keep_nobody_out(hospital: Hospital, folder: Path) -> None:
    """Asyncio alone gives each 60 s, and uvicorn counts them only afterwards."""
    with gateway(hospital, *certificate(folder), scheme="https") as served, ExitStack() as stack:
        address = urlsplit(served.address)
        for _ in range(CONNECTIONS):
            made = socket.create_connection((str(address.hostname), address.port or 0), timeout=10)
            stack.enter_context(made)
        # Sooner than the first of them is given up for its time.
        few = Caps().of_one + 100
        eventually(lambda: descriptors(served.process.pid) < few, "most of them are closed", HANDSHAKE_SECONDS / 2)
        answered = httpx.get(f"{served.address}/healthz", verify=False, timeout=WITHIN_SECONDS)  # noqa: S501 - our own
        assert answered.status_code in (200, 503), "answered, whether well or ill"


def descriptors(pid: int) -> int:
    """The files and connections a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
