"""A drill on real parts: a night at speed, a page on the phone of the test rota, and its answer."""

import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from config.site import DEFAULTS
from tests.support.stored_ward import NOW, acknowledgement, crs2, message, reading
from worker.standalone.drill import Drill, answers
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import ReceivedPage

pytestmark = pytest.mark.server


@pytest.mark.timeout(200)
def test_a_night_is_played_and_the_team_answers_within_it(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    assert redis_server.running
    later = NOW + timedelta(hours=2)
    night = [message(body) for body in (*crs2(), reading("temperature", "36.9", at=later))]
    night.append(message(acknowledgement("recorded", at=NOW)))  # of that night: the team that is trained answers
    received: list[ReceivedPage] = []
    events, over = [], threading.Event()
    threading.Timer(150, over.set).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Drill(DEFAULTS, port, tmp_path / "log", received.append) as drill:
        for event in drill.play(night, 240, over):
            events.append(event)
            if event["kind"] == "page" and event["condition"] == "crs" and event["reason"] == "new":
                body = acknowledgement(event["episode"]) | {"effective": event["at"]}
                drill._client.send([body])
    [answered, *_] = answers(events)
    assert answered.by == "haematologist-1"
    assert answered.after is not None
    assert answered.after < timedelta(hours=1)
    assert received
    assert all(page.title.startswith("DRILL ") for page in received)
    assert not over.is_set(), "it ends an hour after the last message"
