"""The patients of a campaign, and what must and may be paged of each: written down from the consensus tables, not from
what the software does.

Every patient lives one story, from the first message to the last, so that what is owed does not depend on the order
or the number of times messages arrive in. A chart keeps all of it (`alerts/chart/thinning.py`): nothing is older
than two hours, and a person charts every value, few of a kind in a minute.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

Body = dict[str, Any]

SOURCE = "ward"
TRUNCATED_ID = "P-truncated"
"""The patient of messages that were never accepted."""


class Expected(NamedTuple):
    """What a page says in its title: the urgency, and the grade."""

    urgency: str
    grade: str


class Story(NamedTuple):
    """One course: what must be paged, what may be paged on the way to it, and whether somebody answers the page."""

    name: str
    owed: tuple[Expected, ...] = ()
    allowed: tuple[str, ...] = ()
    answered: bool = False
    over: bool = False
    """A page without ground, whose episode is retracted."""


CRS1 = Expected("MEDIUM", "CRS grade 1")
CRS2 = Expected("HIGH", "CRS grade 2")
CRS3 = Expected("CRITICAL", "CRS grade 3")
ICANS3 = Expected("CRITICAL", "ICANS grade 3")
ICANS4 = Expected("CRITICAL", "ICANS grade 4")

STORIES = (
    Story("well"),
    Story("well"),
    Story("fever", (CRS1,)),
    Story("fever", (CRS1,), answered=True),
    Story("hypotension", (CRS2,), ("CRS grade 1",)),
    Story("pressor", (CRS3,), ("CRS grade 1", "CRS grade 2")),
    Story("confused", (ICANS3,)),
    Story("confused", (ICANS3,), answered=True),
    Story("seizing", (ICANS4,), answered=True),
    Story("mistaken", (), ("CRS grade 1",), over=True),
    Story("corrected", (CRS2,), ("CRS grade 1",)),
)

UNITS = {
    "temperature": "Cel",
    "systolic_bp": "mm[Hg]",
    "spo2": "%",
    "heart_rate": "/min",
    "respiratory_rate": "/min",
    "crp": "mg/L",
    "platelets": "10*9/L",
}

BODY_OF: dict[str, Callable[[random.Random], Body]] = {
    "temperature": lambda dice: {"value": f"{dice.uniform(36.2, 37.2):.1f}"},
    "systolic_bp": lambda dice: {"value": dice.randint(108, 134)},
    "spo2": lambda dice: {"value": dice.randint(95, 99)},
    "heart_rate": lambda dice: {"value": dice.randint(62, 88)},
    "respiratory_rate": lambda dice: {"value": dice.randint(12, 18)},
    "crp": lambda dice: {"value": dice.randint(2, 30)},
    "platelets": lambda dice: {"value": dice.randint(150, 250)},
}


class Patient:
    """One patient: the story, and the messages sent one after the other."""

    def __init__(self, name: str, story: Story, dice: random.Random) -> None:
        self.name = name
        self.story = story
        self.ground: frozenset[str] = frozenset()
        """Ids of the messages without which nothing can be paged."""
        self._dice = dice
        self._numbers = count()

    def opening(self, at: datetime) -> list[Body]:
        """The messages the story rests on."""
        infused = (at - timedelta(hours=1)).isoformat()
        place = {"infused": infused, "ward": "HAEM-2", "bed": self.name}
        found = [
            self._message("registration", at, **place),
            *(self._message(kind, later(at, step), **body) for step, (kind, body) in enumerate(self._ground(), 1)),
            *self._corrections(later(at, 20)),
        ]
        self.ground = frozenset(body["id"] for body in found)
        return found

    def _ground(self) -> list[tuple[str, Body]]:
        fever = ("reading", self._reading("temperature", "38.9"))
        low = ("reading", self._reading("systolic_bp", 84))
        match self.story.name:
            case "fever":
                return [fever]
            case "hypotension":
                return [fever, low]
            case "pressor":
                return [fever, low, ("treatment", {"drug": "norepinephrine", "action": "started"})]
            case "confused":
                return [("reading", self._reading("ice", 1))]
            case "seizing":
                return [("reading", self._reading("seizure", "prolonged"))]
            case "mistaken":
                return [("reading", {**self._reading("temperature", "38.9"), "id": f"{self.name} slip"})]
            case "corrected":
                return [fever, ("reading", {**self._reading("systolic_bp", 124), "id": f"{self.name} slip"})]
        return []

    def _corrections(self, at: datetime) -> Iterator[Body]:
        right = {"mistaken": ("temperature", "36.9"), "corrected": ("systolic_bp", 84)}.get(self.story.name)
        if right is None:
            return
        slip = {"id": f"{self.name} slip", "status": "corrected", "received": later(at, 1).isoformat()}
        step = 1 if self.story.name == "mistaken" else 2
        yield self._message("reading", later(at, step - 20), **{**self._reading(*right), **slip})

    def onward(self, at: datetime) -> Body:
        """One more message, which changes nothing of what is paged."""
        if self._dice.random() < 0.08:
            return self._message("treatment", at, drug="levetiracetam", action="given", dose="500", unit="mg")
        kind = self._dice.choice(list(BODY_OF))
        ill = {
            "temperature": ("fever", "hypotension", "pressor", "corrected"),
            "systolic_bp": ("hypotension", "pressor", "corrected"),
        }
        if self.story.name in ill.get(kind, ()):
            value = f"{self._dice.uniform(38.4, 39.4):.1f}" if kind == "temperature" else self._dice.randint(82, 87)
            return self._message("reading", at, **self._reading(kind, value))
        return self._message("reading", at, **self._reading(kind, BODY_OF[kind](self._dice)["value"]))

    def _reading(self, kind: str, value: object) -> Body:
        unit = {"unit": UNITS[kind]} if kind in UNITS else {}
        return {"reading": kind, "value": value, "by": "person", **unit}

    def _message(self, kind: str, at: datetime, **body: Any) -> Body:
        number = f"{self.name} {next(self._numbers)}"
        return {
            "type": kind,
            "id": number,
            "source": SOURCE,
            "patient": self.name,
            "effective": at.isoformat(),
            **body,
        }


def later(at: datetime, milliseconds: int) -> datetime:
    """Some thousandths of a second on: no two readings of a kind fall on the same moment."""
    return at + timedelta(milliseconds=milliseconds)


def patients(number: int, seed: int) -> list[Patient]:
    """So many patients, each story as often as the others."""
    return [
        Patient(f"P{index:04d}", STORIES[index % len(STORIES)], random.Random(f"{seed} {index}"))
        for index in range(number)
    ]


def truncated_message() -> Body:
    """What stood in a transaction that the power cut short: it must have no effect whatever."""
    ill = Patient(TRUNCATED_ID, Story("fever"), random.Random(0))
    return ill._message("reading", datetime.now(UTC), **ill._reading("temperature", "40.0"))
