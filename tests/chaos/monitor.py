"""A monitor that sends heart rates by MLLP, to patients who live no story: each again until it is acknowledged."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from tests.chaos.checker import Accepted, Charted
from tests.chaos.mail import AGAIN_SECONDS
from tests.chaos.scenario import STORIES, Body, Patient
from tests.support.senders import Sender

NAME = "monitor"
EVERY_SECONDS = 0.2
ANSWER_WITHIN = 5.0
GIVES_UP_AFTER = 120.0
"""After the end, with the last message."""

PATIENTS = [f"P{number}" for number in range(8000, 8030)]
"""Each has ten values a minute: as many as a chart keeps of what a person enters."""


def listen(site: Path, port: int, host: str = "127.0.0.1", allow_from: Sequence[str] = ()) -> None:
    """Add the listener and the source to the `intake.yaml` of a site's folder."""
    file = site / "intake.yaml"
    intake: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    # As a person: of what a monitor measures itself a chart keeps only some.
    intake["sources"][NAME] = {"type": "monitor", "by": "person", "senders": [{"application": NAME}]}
    intake["listeners"] = {NAME: {"host": host, "port": port, "allow_from": list(allow_from)}}
    file.write_text(yaml.safe_dump(intake), encoding="utf-8")


def message(number: int, patient: str, value: str, at: datetime) -> bytes:
    """An HL7 v2 result."""
    moment = at.strftime("%Y%m%d%H%M%S.%f+0000")
    lines = (
        f"MSH|^~\\&|{NAME}|WARD|CARTWATCH|HOSP|{moment}||ORU^R01^ORU_R01|{number}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR",
        f"OBR|1||F{number}|VITALS^V^L|||{moment}",
        f"OBX|1|NM|8867-4^Heart rate^LN||{value}|/min|||||F|||{moment}",
    )
    return "".join(f"{line}\r" for line in lines).encode()


def by_value(charted: Charted) -> Charted:
    """The charts, those of the monitor's patients by value: the listener chooses the ids of what it stores."""
    found = dict(charted)
    for name in charted.keys() & set(PATIENTS):
        counted: Counter[tuple[str, str]] = Counter()
        for (_, value), often in charted[name].items():
            counted[f"{float(value):.2f}", f"{float(value):.2f}"] += often
        found[name] = counted
    return found


class Monitor:
    """Sends until the end. `accepted` is what was acknowledged; `moments` is when."""

    def __init__(self, port: int, now: Callable[[], datetime]) -> None:
        self._port, self._now = port, now
        self._sender: Sender | None = None
        self.accepted: list[Accepted] = []
        self.moments: list[float] = []
        self.sent_again = 0

    @staticmethod
    def registrations(at: datetime) -> list[Body]:
        """The messages that register its patients, for another way in."""
        well = next(story for story in STORIES if story.name == "well")
        return [body for name in PATIENTS for body in Patient(name, well, random.Random(name)).opening(at)]

    def send_until(self, ended: threading.Event) -> None:
        """One value after the other; each value is unlike all others of its patient."""
        for number in count():
            if ended.wait(EVERY_SECONDS):
                break
            self._send(number, PATIENTS[number % len(PATIENTS)], f"{60 + number // len(PATIENTS) / 100:.2f}", ended)
        self._leave()

    def _send(self, number: int, patient: str, value: str, ended: threading.Event) -> None:
        frame = message(number, patient, value, self._now())
        gives_up = math.inf
        while time.monotonic() < gives_up:
            if self._is_acknowledged(frame, number):
                body = {"type": "reading", "patient": patient, "id": value, "value": value}
                self.accepted.append(Accepted(time.time(), body))
                self.moments.append(time.monotonic())
                return
            self.sent_again += 1
            if ended.is_set():
                gives_up = min(gives_up, time.monotonic() + GIVES_UP_AFTER)
            time.sleep(AGAIN_SECONDS)

    def _is_acknowledged(self, frame: bytes, number: int) -> bool:
        with suppress(OSError):
            if self._sender is None:
                self._sender = Sender(self._port, ANSWER_WITHIN)
            self._sender.send(frame)
            if self._sender.answers(1) == [f"AA {number}"]:
                return True
        # A late answer to this frame must not be read as that to the next.
        self._leave()
        return False

    def _leave(self) -> None:
        if self._sender is not None:
            self._sender.socket.close()
            self._sender = None
