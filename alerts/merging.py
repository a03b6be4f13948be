"""Two records that are one person: what was charted under the old name is charted again under the new one.

The old record is frozen: it keeps what it has, is not graded any more, and passes on whatever still comes in under it.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from alerts.chart import Chart
from alerts.entry import ABSENT, Entry
from alerts.fields import Status
from alerts.messages import MESSAGE, AnyMessage
from alerts.vocabulary import DRUGS, READINGS, STATEMENTS


def passed_on(message: AnyMessage, into: str, now: datetime) -> AnyMessage:
    """A message of a frozen record, for the record it was merged into."""
    return message.model_copy(update={"patient": into, "received": message.received or now})


def charted_again(chart: Chart, into: str, now: datetime) -> Iterator[AnyMessage]:
    """Everything charted, as messages for another record: in canonical units, under the sources and ids they had."""
    for registration in chart.registrations:
        body = {name: getattr(registration, name) for name in registration.__struct_fields__}
        said = {name: value for name, value in body.items() if value not in (None, "")}
        about = f"merged {registration.effective.isoformat()}"
        known = {"id": about, "source": "cartwatch", "received": registration.known_from}
        yield _message(said | {"type": "registration"} | known, into, now)
    for left in chart.discharges:
        if left.to:
            about = f"merged discharge {left.at.isoformat()}"
            body = {"type": "discharge", "id": about, "source": "cartwatch", "effective": left.at, "to": left.to}
            yield _message(body, into, now)
    for kind, series in chart.entries.items():
        for entry in series:
            yield _message(_body(kind, entry), into, now)


def _message(body: dict[str, Any], into: str, now: datetime) -> AnyMessage:
    return MESSAGE.validate_python({"received": now, **body, "patient": into})


def _body(kind: str, entry: Entry) -> dict[str, Any]:
    body: dict[str, Any] = {"id": entry.id, "source": entry.source, "effective": entry.effective}
    if entry.charted_for is not None:
        body |= {"effective": entry.charted_for, "received": entry.effective}
    body |= {"status": Status(entry.status), "by": entry.by or None}
    if kind in STATEMENTS:
        return body | {"type": "statement", "statement": kind, "value": entry.is_true}
    if kind in DRUGS:
        dose = {"dose": entry.value, "unit": entry.unit or None, "action": entry.code}
        return body | {"type": "treatment", "drug": kind} | dose
    return body | {"type": "reading", "reading": kind, "unit": READINGS[kind].unit or None} | _value(entry)


def _value(entry: Entry) -> dict[str, str | Decimal | None]:
    if entry.code == ABSENT:
        return {"absent": entry.note or "not said"}
    if entry.value is None:
        return {"value": entry.code}
    return {"value": f"{entry.comparator}{entry.value:f}", "low": entry.low, "high": entry.high}
