"""`cartwatch grade`: JSON lines in, JSON lines out; the worker's own folding and grading, without a store."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from alerts.assessment import Assessment, assess
from alerts.chart import Chart
from alerts.charting import chart_message
from alerts.entry import Entry
from alerts.events import plain
from alerts.grading import ctcae
from alerts.grading.iec_hs import Screen
from alerts.grading.news2 import News2
from alerts.grading.result import Grade, Points, Result, Score
from alerts.messages import MESSAGE, AnyMessage, BadMessage, explain
from config.site import Site


class Case(BaseModel):
    """One line: the messages of one patient, and the time to grade at."""

    model_config = ConfigDict(extra="forbid")

    id: str | int
    at: AwareDatetime
    messages: list[dict[str, Any]]

    @field_validator("at")
    @classmethod
    def _within_the_calendar(cls, at: datetime) -> datetime:
        try:
            return at.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("this time lies outside the calendar") from error


_CASE = TypeAdapter(Case)

_ANOTHER_FIELD = re.compile(r"; (?=[\w.]+: )")


def read_case(line: str | bytes) -> tuple[Case, list[AnyMessage]]:
    """One case and its messages.

    Raises:
        BadMessage: names every field that is wrong, messages by their place in the list.
    """
    try:
        case = _CASE.validate_json(line)
    except ValidationError as error:
        raise BadMessage(explain(error)) from error
    messages: list[AnyMessage] = []
    wrong: list[str] = []
    for place, item in enumerate(case.messages):
        try:
            messages.append(MESSAGE.validate_json(json.dumps(item)))
        except ValidationError as error:
            wrong += [f"messages[{place}].{part}" for part in _ANOTHER_FIELD.split(explain(error))]
    if wrong:
        raise BadMessage("; ".join(wrong))
    patients = sorted({message.patient for message in messages})
    if len(patients) > 1:
        raise BadMessage(f"messages: of one patient only, these name {', '.join(patients)}")
    return case, messages


def grade_case(case: Case, messages: list[AnyMessage], site: Site) -> dict[str, Any]:
    """Fold the messages as the worker does, and say everything that can be said at the time asked for."""
    at = case.at
    chart = Chart()
    unused = []
    for message in sorted(messages, key=lambda item: item.effective):
        charted = chart_message(chart, message, at, site)
        chart = charted.chart
        if charted.unusable:
            unused.append({"id": message.id, "source": message.source, "why": charted.unusable})
    assessment = assess(chart, at, site)
    answered = results(assessment)
    for term in ctcae.TERMS:
        answered["ctcae"][term]["worst"] = ctcae.worst(term, chart, at, site)
    return {"id": case.id, "results": answered, "unused": unused}


def results(now: Assessment) -> dict[str, Any]:
    """Every result of an assessment as JSON values; null where undetermined."""
    return {
        "day": now.day,
        "crs": answer(now.crs),
        "icans": answer(now.icans),
        "ice": answer(now.ice),
        "ctcae": {
            "version": next(iter(now.ctcae.values())).version.removeprefix("CTCAE "),
            **{term: answer(grade) for term, grade in now.ctcae.items()},
        },
        "easix": answer(now.easix),
        "s_easix": answer(now.s_easix),
        "m_easix": answer(now.m_easix),
        "hematotox": answer(now.hematotox),
        "icaht": {
            "early": now.icaht_early.grade,
            "late": now.icaht_late.grade,
            "detail": {"early": answer(now.icaht_early), "late": answer(now.icaht_late)},
        },
        "iec_hs": answer(now.iec_hs),
        "news2": answer(now.news2),
    }


def answer(result: Result) -> dict[str, Any]:
    """One result as JSON values."""
    said: dict[str, Any] = {}
    if isinstance(result, Grade):
        said = {"grade": result.grade, "provisional": result.provisional}
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
    return said | {
        "version": result.version,
        "because": list(result.because),
        "missing": list(result.missing),
        "flags": list(result.flags),
        "proxies": list(result.proxies),
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
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
