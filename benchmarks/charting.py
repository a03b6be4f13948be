"""Real intensive-care charting: as it came in, or as if each value had come in at its own time."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from alerts.message_json import BadMessage, read_message

STREAM = Path(__file__).parents[2] / "shared" / "streams" / "icu.ndjson.gz"
"""It is kept beside the repository and is no part of it."""

LONGEST_STAYS = 6


class Batch(NamedTuple):
    """Messages of one patient that are evaluated at once, and when."""

    patient: str
    raw: Sequence[bytes]
    now: datetime


def batches(*, late: bool, stays: int = LONGEST_STAYS) -> list[Batch]:
    """The longest stays, one after another. What comes in at one time comes in together.

    A few values are words where a number belongs ("UNABLE TO REPORT"). They are left out.
    """
    with gzip.open(STREAM, "rt", encoding="utf-8") as lines:
        bodies = [json.loads(line) for line in lines]
    longest = {patient for patient, _ in Counter(body["patient"] for body in bodies).most_common(stays)}
    theirs = [body for body in bodies if body["patient"] in longest and _can_be_read(body)]
    coming = [(body["patient"], _comes_in(body, late), body) for body in theirs]
    return [
        Batch(patient, [json.dumps(body | {"received": now.isoformat()}).encode() for *_, body in together], now)
        for (patient, now), together in groupby(sorted(coming, key=lambda one: one[:2]), key=lambda one: one[:2])
    ]


def _can_be_read(body: dict[str, Any]) -> bool:
    try:
        read_message(json.dumps(body))
    except BadMessage:
        return False
    return True


def _comes_in(body: dict[str, Any], late: bool) -> datetime:
    """What was charted ahead of its time comes in at its time."""
    true_at = datetime.fromisoformat(body["effective"])
    return max(true_at, datetime.fromisoformat(body["received"])) if late else true_at
