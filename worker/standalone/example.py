"""An example to send to a service: the reference case with its own dates, or shifted to the present."""

import json
from datetime import datetime, timedelta

from config.site import DEFAULTS

REFERENCE_CASE = DEFAULTS / "reference_case.ndjson"

HYPOTENSION = datetime.fromisoformat("2024-06-14T08:00:00+02:00")
"""The moment at which hypotension joins the fever of the reference case: day +2, CRS grade 2."""

_TIMES = ("effective", "received", "infused")


def as_it_was() -> str:
    """The reference case from referral to discharge, in June 2024: for `replay` and `grade`."""
    return REFERENCE_CASE.read_text(encoding="utf-8")


def up_to(now: datetime, patient: str) -> str:
    """The reference case until fever and hypotension, shifted so that they are measured at `now`.

    Later messages would lie in the future of a running service. The message ids are new each time.
    """
    lines = map(json.loads, as_it_was().splitlines())
    known = (line for line in lines if _known_at(line) <= HYPOTENSION)
    return "".join(json.dumps(_moved(line, now, patient), ensure_ascii=False) + "\n" for line in known)


def _known_at(line: dict[str, str]) -> datetime:
    return datetime.fromisoformat(line.get("received", line["effective"]))


def _moved(line: dict[str, str], now: datetime, patient: str) -> dict[str, str]:
    by: timedelta = now - HYPOTENSION
    times = {name: (datetime.fromisoformat(line[name]) + by).isoformat() for name in _TIMES if name in line}
    return line | times | {"patient": patient, "id": f"{patient} {line['id']}"}
