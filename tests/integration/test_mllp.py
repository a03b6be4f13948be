"""HL7 v2 over MLLP into a real store: what a sender hears, and what is then in the chart."""

import itertools
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.hospital import Hospital, eventually, registration
from tests.support.senders import Listening, Sender, configure, listening, refused, result
from worker.intake.mllp.counters import read as read_counts
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone

pytestmark = pytest.mark.server

DIES_BEFORE_ITS_ANSWER = [
    sys.executable,
    "-c",
    """
import os, signal
from worker.cli import main
from worker.commands.mllp import mllp
from worker.intake.mllp.handler import StoringHandler

handle = StoringHandler.__call__

def die(self, messages):
    handle(self, messages)
    os.kill(os.getpid(), signal.SIGKILL)

StoringHandler.__call__ = die
mllp.main([])
""",
]
"""The listener, killed each time between the append and the acknowledgement."""


@pytest.fixture(scope="module")
def listener(hospital: Hospital) -> Iterator[Listening]:
    configure(hospital)
    with listening(hospital) as running:
        yield running


def values(hospital: Hospital, patient: str) -> list[str]:
    """Every CRP that waits for a patient, in the order in which it came."""
    entries = [fields[b"m"] for _, fields in hospital.store.stream(hospital.store.keys.of(patient).inbox)]
    wanted = f'"patient": "{patient}"'.encode()
    return [str(entry.split(b'"value": "')[1].split(b'"')[0].decode()) for entry in entries if wanted in entry]


def test_what_is_acknowledged_is_stored(hospital: Hospital, listener: Listening) -> None:
    with Sender(listener.port) as sender:
        sender.send(result("one", 1, 85))
        assert sender.answers(1) == ["AA 1"]
        assert values(hospital, "one") == ["85"]


def test_a_hundred_pipelined_messages_are_acknowledged_and_stored_in_order(
    hospital: Hospital, listener: Listening
) -> None:
    with Sender(listener.port) as sender:
        sender.send(*(result("hundred", number, number + 1) for number in range(100)))
        assert sender.answers(100) == [f"AA {number}" for number in range(100)]
    assert values(hospital, "hundred") == [str(number + 1) for number in range(100)]


def test_what_cannot_be_read_is_dead_lettered_and_acknowledged(hospital: Hospital, listener: Listening) -> None:
    unreadable = result("unreadable", 5, 85).replace(b"^~\\&", b"^~\\\\&")
    with Sender(listener.port) as sender:
        sender.send(unreadable, result("readable", 6, 85))
        assert sender.answers(2) == ["AA 5", "AA 6"]
    records = [record for _, record in hospital.store.dead_letters()]
    assert [record.raw for record in records if "MSH-2" in record.why] == [unreadable.decode()]


def test_a_message_sent_again_is_acknowledged_again_and_stored_once(hospital: Hospital, listener: Listening) -> None:
    for _ in range(2):
        with Sender(listener.port) as sender:
            sender.send(result("twice", 7, 85))
            assert sender.answers(1) == ["AA 7"]
    assert values(hospital, "twice") == ["85"]


def test_ending_it_answers_what_was_received_and_counts_it(hospital: Hospital) -> None:
    configure(hospital)
    with listening(hospital) as running, Sender(running.port) as sender:
        before = read_counts(hospital.redis, hospital.store.keys, "lab").get("127.0.0.1", {})
        sender.send(*(result("ending", number, number + 1) for number in range(200)))
        assert sender.answers(1) == ["AA 0"]
        assert running.stop() == 0
        answered = sender.answers(200)
    assert answered == [f"AA {number}" for number in range(1, len(answered) + 1)]
    assert len(values(hospital, "ending")) == len(answered) + 1 == 200
    counted = read_counts(hospital.redis, hospital.store.keys, "lab")["127.0.0.1"]
    assert counted["stored"] - before.get("stored", 0) >= 200


def test_killed_between_storing_and_answering_it_takes_effect_once(hospital: Hospital) -> None:
    """The sender hears nothing, sends again, and again: one reading in the chart."""
    message = result("killed", 8, 85)
    configure(hospital)
    hospital.client.send([registration("killed", datetime(2024, 6, 14, tzinfo=UTC))])
    for _ in range(2):
        with listening(hospital, DIES_BEFORE_ITS_ANSWER) as dying, Sender(dying.port) as sender:
            sender.send(message)
            assert sender.answers(1) == []
            assert dying.process.wait(timeout=60) == -9
    with listening(hospital) as running, Sender(running.port) as sender:
        sender.send(message)
        assert sender.answers(1) == ["AA 8"]
    with hospital.workers():
        hospital.is_idle_soon()
    state = hospital.store.state("killed")
    assert state is not None
    assert [str(entry.value) for entry in state.chart.entries["crp"]] == ["85"]


@pytest.fixture
def fragile(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[tuple[Hospital, EmbeddedRedis]]:
    """An installation with a store of its own, to be killed."""
    assert redis_server.running
    with EmbeddedRedis(tmp_path / "data") as server, FakePhone() as receiver:
        made = Hospital(server.url, server.broker_url, receiver, tmp_path, "fragile")
        yield made, server
        made.close()


def test_with_the_store_down_nothing_is_acknowledged_and_what_is_sent_again_is_stored(
    fragile: tuple[Hospital, EmbeddedRedis],
) -> None:
    hospital, server = fragile
    configure(hospital)
    with listening(hospital) as running:
        with Sender(running.port) as sender:
            sender.send(result("down", 1, 80))
            assert sender.answers(1) == ["AA 1"]
            server.kill()
            sender.send(result("down", 2, 85), result("down", 3, 90))
            assert sender.answers(1) == []
        server.start()
        with Sender(running.port) as sender:
            sender.send(result("down", 2, 85), result("down", 3, 90))
            assert sender.answers(2) == ["AA 2", "AA 3"]
    assert values(hospital, "down") == ["80", "85", "90"]


def test_a_fixed_map_holds_without_a_restart_and_new_listeners_are_said_to_need_one(hospital: Hospital) -> None:
    configure(hospital)
    with listening(hospital) as running, Sender(running.port) as sender:
        numbers = itertools.count()

        def is_stored() -> bool:
            number = next(numbers)
            sender.send(result("mapped", f"m{number}", 85, code="C1^CRP^LAB"))
            assert sender.answers(1) == [f"AA m{number}"]
            return bool(values(hospital, "mapped"))

        assert not is_stored()
        path = Path(str(hospital.settings.config_dir)) / "intake.yaml"
        path.write_text("codes: {LAB: {C1: crp}}\nlisteners: {lab: {port: 1}}\n", encoding="utf-8")
        eventually(is_stored, "the local code is taken")
        eventually(
            lambda: "listeners of intake.yaml have changed" in hospital.log.read_text(encoding="utf-8"),
            "it is said that the listeners are the old ones",
        )


def test_a_listener_that_is_configured_later_is_served_without_a_restart(hospital: Hospital) -> None:
    (Path(str(hospital.settings.config_dir)) / "intake.yaml").write_text("listeners: {}\n", encoding="utf-8")
    with listening(hospital, meanwhile=lambda: configure(hospital)) as running, Sender(running.port) as sender:
        sender.send(result("late", 1, 85))
        assert sender.answers(1) == ["AA 1"]


def test_a_port_in_use_a_missing_certificate_and_no_listener_are_said_in_words(hospital: Hospital) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        configure(hospital, port=port)
        assert f"lab: 127.0.0.1 port {port} is in use" in refused(hospital)
    configure(hospital, tls={"certificate": "gone.pem", "key": "gone.key"})
    assert "gone.pem: cannot be read: No such file" in refused(hospital)
    assert "monitors: not one of lab" in refused(hospital, "monitors")
    configure(hospital, host="0.0.0.0")  # noqa: S104
    assert "name those that may connect" in refused(hospital)
