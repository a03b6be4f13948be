"""The reference case by an alert manager that answers: the grades and acknowledgements of the native replay."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from alerts.messages import Acknowledgement, AnyMessage
from config.site import DEFAULTS
from tests.support.alert_manager import AlertManager, Report
from tests.support.senders import Sender
from tests.support.wire.ways import OverMllp
from worker.standalone.demo import read_case
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.replay import Event, Replay, Responder, acknowledge_after

pytestmark = pytest.mark.server

CASE = read_case(DEFAULTS / "reference_case.ndjson")
PERSON = "haematologist-1"
OPENS = ("new", "recurrent", "worse")
PHASES = ["start", "escalate", "deescalate", "update", "end"]


class ByAlertManager(OverMllp):
    """The on-call haematologist is a person at an alert manager: alerts go there, and answers come back by PCD-05."""

    def __init__(self, folder: Path, manager: AlertManager) -> None:
        super().__init__(folder)
        self._manager = manager
        self._answers = 0
        site = yaml.safe_load((folder / "site.yaml").read_text(encoding="utf-8"))
        site["channels"]["phone-1"] |= {"url": manager.url, "escalates": "cartwatch", "limit": {"pages": 1000}}
        (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
        intake = yaml.safe_load((folder / "intake.yaml").read_text(encoding="utf-8"))
        intake["sources"]["manager"] = {
            "alert_manager": "phone-1",
            "people": {"h1": PERSON},
            "senders": [{"application": "AM", "facility": "HOSPITAL"}],
        }
        (folder / "intake.yaml").write_text(yaml.safe_dump(intake), encoding="utf-8")

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def send(self, messages: list[AnyMessage], at: Any) -> None:
        """What people answer goes through the manager."""
        answers = [message for message in messages if isinstance(message, Acknowledgement)]
        others = [message for message in messages if message not in answers]
        if others:
            super().send(others, at)
        sender: Sender = self._sender
        for answer in answers:
            stamp = f"{answer.effective:%Y%m%d%H%M%S%z}"
            self._answers += 1
            sender.send(self._manager.answer(answer.episode, "READ", "h1", stamp, 1000 + self._answers))
            sender.send(self._manager.answer(answer.episode, "ACCEPTED", "h1", stamp, self._answers))
            assert [one[:2] for one in sender.answers(2)] == ["CA", "CA"]


def first_pages_answered() -> Responder:
    """The same person as in the native replay: every alert that is new or worse is accepted after four minutes."""
    accept = acknowledge_after(timedelta(minutes=4))

    def respond(event: Event) -> Iterable[AnyMessage]:
        return accept(event) if event.get("reason") in (*OPENS, "still_on_it") and event["to"] == PERSON else ()

    return respond


def fields_of(events: list[Event], kind: str, *names: str) -> list[tuple[Any, ...]]:
    """Some fields of every event of a kind, in order."""
    return sorted(tuple(str(event[name]) for name in names) for event in events if event["kind"] == kind)


@pytest.mark.timeout(300)
def test_the_same_grades_and_acknowledgements(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    assert redis_server.running
    with Replay() as native:
        expected = list(native.run(CASE, first_pages_answered()))
    with AlertManager() as manager, ByAlertManager(tmp_path, manager) as replay:
        found = list(replay.run(CASE, first_pages_answered()))
        assert "inactive" not in manager.kept_alive
    assert manager.kept_alive[-1:] == ["inactive"], "the last worker that stops reports it"
    for names in (("at", "system", "status", "because"),):
        assert fields_of(found, "grade", *names) == fields_of(expected, "grade", *names)
    acknowledged = fields_of(expected, "acknowledged", "at", "episode", "condition", "by")
    assert fields_of(found, "acknowledged", "at", "episode", "condition", "by") == acknowledged
    assert len(acknowledged) >= 5
    assert fields_of(found, "closed", "at", "episode", "reason") == fields_of(
        expected, "closed", "at", "episode", "reason"
    )
    assert opened(found) == opened(expected)
    assert_whole(manager.reports, {event["episode"] for event in found if event["kind"] == "acknowledged"})


def opened(events: list[Event]) -> set[tuple[str, str]]:
    """Every episode that was new or worse to the person, and when. Natively one page may be about several."""
    return {
        (event["at"], episode)
        for event in events
        if event["kind"] == "page" and event["to"] == PERSON and event["reason"] in OPENS
        for episode in event["episodes"]
    }


def assert_whole(reports: list[Report], acknowledged: set[str]) -> None:
    """Every alert begins with its start and names it from then on, says that it was acknowledged, and ends."""
    by_alert: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        if report.phase != "tpoint":  # the last alarm, which is about no episode: the store ends with the replay
            by_alert[report.alert].append(report)
    assert by_alert.keys() >= acknowledged
    for alert, theirs in by_alert.items():
        assert theirs[0].phase == "start"
        assert theirs[0].id == alert
        assert all(report.parent == alert for report in theirs[1:])
        assert {report.phase for report in theirs[1:]} <= {*PHASES[1:], "continue"}
        if alert in acknowledged:
            assert "alert-acknowledged" in {report.inactivation for report in theirs}
    assert {report.phase for theirs in by_alert.values() for report in theirs} == set(PHASES)
    ended = [theirs for theirs in by_alert.values() if theirs[-1].phase == "end"]
    assert len(ended) >= 4
