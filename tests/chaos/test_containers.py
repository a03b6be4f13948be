"""The campaign against containers: every container is hit by every blow, and its table says so."""

import socketserver
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.intake import load_intake
from config.site import DEFAULTS
from config.tables import load_tables
from tests.chaos import report
from tests.chaos.against_containers import BLOWS, FULL, SENDER, SENDING, Order, Struck
from tests.chaos.checker import Accepted, State, judge
from tests.chaos.compose import NETWORKS
from tests.chaos.containers import command, table
from tests.chaos.monitor import PATIENTS, Monitor, by_value, listen, message
from tests.chaos.stand import site
from worker.intake.mllp.frames import FrameReader, wrap
from worker.intake.read import hl7

SERVICES = ["redis", "gateway", SENDER]


def struck(order: Order) -> list[tuple[str, str]]:
    return [(service, blow.name) for service, blow in order.carried_out_on(SERVICES)]


def test_every_container_is_hit_by_every_blow_and_the_disk_of_redis_fills() -> None:
    found = struck(Order())
    assert set(found) == {(name, blow.name) for name in SERVICES for blow in BLOWS} | {
        ("redis", FULL.name),
        (SENDER, SENDING.name),
    }
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(services=("gateway",), blows=("paused",)), [("gateway", "paused for 45 s")]),
        (Order(services=("gateway",), blows=("stopped",)), [("gateway", "stopped, started")]),
        (Order(blows=("disk",)), [("redis", FULL.name)]),
        (Order(services=("gateway",), blows=("disk",)), []),
        (Order(blows=("disk",), engine="true"), [("redis", FULL.name), ("redis", "engine restarted")]),
    ],
    ids=[
        "named",
        "by its first word",
        "the disk",
        "the disk of none that has one",
        "the engine, where it is asked for",
    ],
)
def test_only_what_is_named_is_hit(order: Order, expected: list[tuple[str, str]]) -> None:
    assert struck(order) == expected


def test_an_engine_that_was_restarted_needs_no_fix() -> None:
    """Whatever the command prints, nothing is left to be called."""
    [(_, blow)] = Order(blows=("engine",), engine="true").carried_out_on(SERVICES)
    assert blow.deal(None, "redis", "") is None  # type: ignore[arg-type, func-returns-value]


def test_a_blow_is_a_row_of_seconds() -> None:
    one = Struck("gateway", "paused for 45 s", 2.04, 0.31, 45.2, {"HTTP": 45.6, "Redis": 0.2})
    *_, row = table([one]).splitlines()
    assert row == "| gateway | paused for 45 s | 0.3 | 2.0 | 45.2 | 45.6 | 0.2 |"


def test_the_command_is_the_one_that_was_given() -> None:
    given = {"CHAOS_COPIES": "1", "CHAOS_WRITE": "somewhere", "HOME": "/root"}
    assert command(given, "make chaos-containers") == "CHAOS_COPIES=1 make chaos-containers"


def test_a_part_of_the_document_is_written_anew_and_the_rest_stays(tmp_path: Path) -> None:
    document = tmp_path / "containers.md"
    document.write_text("# Head\n<!-- a -->\nold\n<!-- end of a -->\nbetween\n<!-- b -->\n<!-- end of b -->\nend\n")
    report.rewrite(document, "a", "new\n")
    report.rewrite(document, "b", "other\n")
    assert document.read_text() == (
        "# Head\n<!-- a -->\nnew\n<!-- end of a -->\nbetween\n<!-- b -->\nother\n<!-- end of b -->\nend\n"
    )


def test_a_document_without_the_part_is_not_touched(tmp_path: Path) -> None:
    document = tmp_path / "containers.md"
    document.write_text("# Head\n")
    with pytest.raises(ValueError, match="no part a"):
        report.rewrite(document, "a", "new\n")
    assert document.read_text() == "# Head\n"


def test_the_monitor_sends_a_value_again_until_it_is_acknowledged() -> None:
    """To a listener that ends the first connection without an answer, and refuses what comes by the second."""
    came: list[bytes] = []
    ended = threading.Event()

    class Listener(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            frames = FrameReader()
            while data := self.request.recv(65536):
                for frame in frames.feed(data):
                    came.append(frame.body)
                    if len(came) == 1:
                        return
                    control = frame.body.split(b"|")[9]
                    code = b"AE" if len(came) == 2 else b"AA"
                    self.request.sendall(wrap(b"MSH|^~\\&|\rMSA|" + code + b"|" + control + b"\r"))
                    if len(came) == 5:
                        ended.set()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monitor = Monitor(server.server_address[1], lambda: datetime.now(UTC))
        monitor.send_until(ended)
        server.shutdown()
    assert came[0] == came[1] == came[2]
    assert len(set(came)) == 3
    assert [(one.body["patient"], one.body["value"]) for one in monitor.accepted] == [
        (name, "60.00") for name in PATIENTS[:3]
    ]
    assert monitor.sent_again == 2


def test_the_judge_finds_each_value_of_the_monitor_once() -> None:
    """Under whatever id the listener stored it."""
    first, second, third, _ = PATIENTS[:4]
    accepted = [
        Accepted(1.0, {"type": "reading", "patient": name, "id": "60.10", "value": "60.10"})
        for name in (first, second, third)
    ]
    charted = {
        first: Counter({("FILLER1/8867-4", "60.1"): 1}),
        second: Counter({("FILLER2/8867-4", "60.1"): 1, ("FILLER3/8867-4", "60.10"): 1}),
    }
    verdict = judge([], accepted, {}, [], State(by_value(charted), {}, {}, {}))
    found = {fault: items for fault, items in verdict.faults.items() if items}
    assert found == {"messages lost": [f"{third}: 60.10 = 60.10"], "charted twice": [f"{second}: 60.10"]}


def test_the_site_of_a_campaign_reads_the_monitor_by_a_listener_that_containers_reach(tmp_path: Path) -> None:
    listen(site(tmp_path), 2575, "0.0.0.0", NETWORKS)  # noqa: S104
    intake = load_intake(tmp_path)
    assert [(one.host, one.port) for one in intake.listeners.values()] == [("0.0.0.0", 2575)]  # noqa: S104
    sent = message(1, PATIENTS[0], "60.01", datetime(2024, 6, 14, tzinfo=UTC))
    [reading] = hl7(sent, intake, load_tables(DEFAULTS)).messages
    assert (reading["patient"], reading["value"], reading["by"]) == (PATIENTS[0], "60.01", "person")
