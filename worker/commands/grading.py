"""`cartwatch grade`: JSON lines in, JSON lines out; the worker's own folding and grading, without a store."""

import json
import re
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from alerts.assessment.assessment import Assessment, assess
from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message
from alerts.chart.entry import Entry
from alerts.grading import ctcae
from alerts.grading.iec_hs import Screen
from alerts.grading.news2 import News2
from alerts.grading.result import Grade, Points, Result, Score
from alerts.message_json import BadMessage, errors_in_words
from alerts.messages import MESSAGE, AnyMessage
from alerts.step.journal_events import plain
from alerts.wording.catalogue import in_code, in_english
from config.site import Site


class Case(BaseModel):
    """One line: the messages of one patient, and the time to grade at."""

    model_config = ConfigDict(extra="forbid")

    id: str | int
    at: AwareDatetime
    messages: list[Any]

    @field_validator("at")
    @classmethod
    def _within_the_calendar(cls, at: datetime) -> datetime:
        try:
            return at.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("this time lies outside the calendar") from error


_CASE = TypeAdapter(Case)

_FIELD = re.compile(r"[\w.]+: ")
_ANOTHER_FIELD = re.compile(rf"; (?={_FIELD.pattern})")


class Unread(NamedTuple):
    """A message of a case that cannot be read: its name, if it has one, and every invalid field."""

    id: str | None
    source: str | None
    why: str


class Asked(NamedTuple):
    """A case with its readable messages, and the others."""

    case: Case
    messages: tuple[AnyMessage, ...]
    unread: tuple[Unread, ...]


def read_case(line: str | bytes) -> Asked:
    """Parse one case. A message that cannot be read is listed with every invalid field; its neighbours are used.

    Raises:
        BadMessage: this is no case, or its messages are of several patients.
    """
    try:
        case = _CASE.validate_json(line)
    except ValidationError as error:
        raise BadMessage(errors_in_words(error)) from error
    messages: list[AnyMessage] = []
    unread: list[Unread] = []
    for place, item in enumerate(case.messages):
        try:
            messages.append(MESSAGE.validate_json(json.dumps(item)))
        except ValidationError as error:
            unread.append(_unread(place, item, errors_in_words(error)))
    patients = sorted({message.patient for message in messages})
    if len(patients) > 1:
        raise BadMessage(f"messages: of one patient only, these name {', '.join(patients)}")
    return Asked(case, tuple(messages), tuple(unread))


def _unread(place: int, item: Any, why: str) -> Unread:
    named = item if isinstance(item, dict) else {}
    id_, source = (value if isinstance(value := named.get(name), str) else None for name in ("id", "source"))
    parts = (f"messages[{place}]{'.' if _FIELD.match(part) else ': '}{part}" for part in _ANOTHER_FIELD.split(why))
    return Unread(id_, source, "; ".join(parts))


def grade_case(asked: Asked, site: Site) -> dict[str, Any]:
    """Fold the messages as the worker does, and give every result for the requested time."""
    case, at = asked.case, asked.case.at
    chart = Chart()
    unused = [{"id": unread.id, "source": unread.source, "why": unread.why} for unread in asked.unread]
    for message in sorted(asked.messages, key=lambda item: item.effective):
        # `at` is no time of receipt. A message without one was received at its effective time.
        known = message.model_copy(update={"received": message.received or message.effective})
        charted = chart_message(chart, known, at, site)
        chart = charted.chart
        if charted.unusable is not None:
            unused.append({"id": message.id, "source": message.source, "why": in_code(charted.unusable, UTC)})
    assessment = assess(chart, at, site)
    answered = results(assessment, site.zone)
    for term in ctcae.TERMS:
        answered["ctcae"][term]["worst"] = ctcae.worst(term, chart, at, site)
    return {"id": case.id, "results": answered, "unused": unused}


def results(now: Assessment, zone: tzinfo) -> dict[str, Any]:
    """Every result of an assessment as JSON values; null if undetermined, or if a grade is not applicable."""
    return {
        "day": now.day,
        "crs": answer(now.crs, zone),
        "icans": answer(now.icans, zone),
        "ice": answer(now.ice, zone),
        "ctcae": {
            "version": next(iter(now.ctcae.values())).version.removeprefix("CTCAE "),
            **{term: answer(grade, zone) for term, grade in now.ctcae.items()},
        },
        "easix": answer(now.easix, zone),
        "s_easix": answer(now.s_easix, zone),
        "m_easix": answer(now.m_easix, zone),
        "hematotox": answer(now.hematotox, zone),
        "icaht": {
            "early": now.icaht_early.grade,
            "late": now.icaht_late.grade,
            "detail": {"early": answer(now.icaht_early, zone), "late": answer(now.icaht_late, zone)},
        },
        "iec_hs": answer(now.iec_hs, zone),
        "news2": answer(now.news2, zone),
    }


def answer(result: Result, zone: tzinfo) -> dict[str, Any]:
    """One result as JSON values."""
    said: dict[str, Any] = {}
    if isinstance(result, Grade):
        said = {"grade": result.grade, "applicable": result.applicable, "provisional": result.provisional}
    elif isinstance(result, News2):
        said = {"score": result.score, "parts": dict(result.parts)}
    elif isinstance(result, Screen):
        said = {"suspected": result.suspected}
    elif isinstance(result, Points):
        said = {"score": result.score, "risk": result.risk}
    elif isinstance(result, Score):
        said = {"value": plain(result.value), "log2": plain(result.log2)}
        if result.bound:
            said |= {"bound": result.bound, "bound_value": plain(result.bound_value)}
        if result.previous_at is not None:
            said["previous"] = {"value": plain(result.previous), "at": _iso(result.previous_at)}
    return said | {
        "version": result.version,
        "because": [in_english(reason, zone) for reason in result.because],
        "missing": [in_code(name, zone) for name in result.missing],
        "flags": [in_english(flag, zone) for flag in result.flags],
        "conventions": list(result.conventions),
        "evidence": [_evidence(item.kind, item.entry) for item in result.evidence],
    }


def _evidence(kind: str, entry: Entry) -> dict[str, Any]:
    value = f"{entry.comparator}{entry.value:f}" if entry.value is not None else entry.code
    return {
        "reading": kind,
        "value": value,
        "effective": _iso(entry.effective),
        "source": entry.source,
        "id": entry.id,
        **({"charted_for": _iso(entry.charted_for)} if entry.charted_for else {}),
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
