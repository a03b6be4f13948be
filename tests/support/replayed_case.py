"""A replay of the reference case written by hand, so that the report is tested without a replay."""

from typing import Any
from zoneinfo import ZoneInfo

ROME = ZoneInfo("Europe/Rome")

GRADES = (
    # system, day, clock, grade
    ("crs", 0, "08:00", 0),
    ("crs", 1, "08:00", 1),
    ("crs", 2, "08:00", 2),
    ("crs", 2, "14:05", 1),
    ("crs", 2, "20:00", 0),
    ("crs", 5, "06:00", 2),
    ("crs", 7, "20:05", 0),
    ("icans", 0, "08:00", 0),
    ("icans", 5, "07:30", 3),
    ("icans", 5, "22:00", 2),
    ("icans", 6, "22:00", 1),
    ("icans", 8, "08:00", 0),
    ("ctcae.anemia", 0, "06:00", 2),
    ("ctcae.anemia", 3, "06:00", 3),
    ("ctcae.anemia", 9, "06:30", 4),
    ("ctcae.anemia", 10, "08:00", 3),
    ("ctcae.anemia", 13, "06:00", 2),
    ("ctcae.platelets", 0, "06:00", 1),
    ("ctcae.platelets", 3, "06:00", 2),
    ("ctcae.platelets", 4, "06:00", 3),
    ("ctcae.platelets", 7, "06:00", 4),
    ("ctcae.platelets", 10, "06:00", 3),
    ("ctcae.neutrophils", 0, "06:00", 1),
    ("ctcae.neutrophils", 3, "06:00", 2),
    ("ctcae.neutrophils", 4, "06:00", 4),
    ("ctcae.neutrophils", 12, "06:00", 3),
    ("ctcae.neutrophils", 13, "06:00", 0),
)

M_EASIX = (
    # day, value, confounded
    (0, 2.58, False),
    (1, 12.3, False),
    (2, 45.4, False),
    (3, 61.2, True),
    (4, 41.75, True),
    (5, 30.15, True),
    (6, 25.18, True),
    (7, 24.54, True),
    (8, 11.11, True),
    (15, 4.89, True),
)

PAGES = (
    # day, clock, episode, condition, urgency, reason, to, title, text, acknowledged by and when
    (1, "08:00", "e1", "crs", "medium", "new", "CRS grade 1", "Fever 38.3 °C.", "haematologist-1", "08:06"),
    (
        2,
        "08:00",
        "e1",
        "crs",
        "high",
        "worse",
        "CRS grade 2",
        "Fever plus hypotension: 84 mmHg.",
        "haematologist-1",
        "08:09",
    ),
    (3, "06:00", "e2", "m_easix", "low", "new", "m-EASIX 61.2", "Over the site's 30; state closely.", "", ""),
    (
        5,
        "06:00",
        "e3",
        "crs",
        "high",
        "new",
        "CRS grade 2, again",
        "SpO2 89 %, after tocilizumab.",
        "haematologist-1",
        "06:04",
    ),
    (
        5,
        "07:30",
        "e4",
        "icans",
        "critical",
        "new",
        "ICANS grade 3",
        "ICE 1, was 10.",
        "haematologist-1",
        "07:37",
    ),
    (
        5,
        "07:35",
        "e4",
        "icans",
        "critical",
        "repeat",
        "ICANS grade 3",
        "ICE 1, was 10.",
        "haematologist-1",
        "07:37",
    ),
    (9, "06:30", "e5", "ctcae.anemia", "medium", "new", "Anaemia grade 4", "Hb 6.1 g/dL.", "", ""),
)


def moment(day: int, clock: str) -> str:
    """A time of the reference case, as a replay prints it."""
    return f"2024-06-{12 + day:02}T{clock}:00+02:00"


def page(day: int, clock: str, urgency: str = "high", **fields: Any) -> dict[str, Any]:
    """A page line of a replay; `fields` replace what is shown here."""
    line = {
        "at": moment(day, clock),
        "kind": "page",
        "patient": "REF-1",
        "day": day,
        "episode": "e1",
        "page": f"p-{day}-{clock}",
        "condition": "crs",
        "urgency": urgency,
        "reason": "new",
        "to": "haematologist-1",
        "channel": "phone-1",
        "title": "CRS grade 2",
        "text": "",
    }
    return {**line, **fields}


def grade(system: str, day: int, clock: str, to: int | None, **fields: Any) -> dict[str, Any]:
    """A grade line of a replay."""
    line = {
        "at": moment(day, clock),
        "kind": "grade",
        "patient": "REF-1",
        "day": day,
        "system": system,
        "grade": to,
        "was": None,
        "value": None,
        "log2": None,
        "provisional": False,
        "flags": [],
        "because": [],
    }
    return {**line, **fields}


def acknowledged(day: int, clock: str, episode: str, by: str) -> dict[str, Any]:
    """An acknowledgement line of a replay."""
    return {
        "at": moment(day, clock),
        "kind": "acknowledged",
        "patient": "REF-1",
        "episode": episode,
        "by": by,
    }


def replayed() -> list[dict[str, Any]]:
    """What a replay of the reference case should print, in its order."""
    lines = [grade(*row) for row in GRADES]
    for day, value, confounded in M_EASIX:
        flags = ["confounded: tocilizumab"] if confounded else []
        lines.append(grade("m_easix", day, "06:00", None, value=value, flags=flags))
    for day, clock, episode, condition, urgency, reason, title, text, by, when in PAGES:
        lines.append(
            page(
                day,
                clock,
                urgency,
                episode=episode,
                condition=condition,
                reason=reason,
                title=title,
                text=text,
            )
        )
        if by:
            lines.append(acknowledged(day, when, episode, by))
    return sorted(lines, key=lambda line: str(line["at"]))
