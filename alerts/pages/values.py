"""Values, doses and times as people read them: one form, in their language."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby

from alerts.chart.entry import Entry
from alerts.grading.result import Evidence
from alerts.pages.concern import ChartCorrection
from alerts.wording import catalogue
from alerts.wording.catalogue import render, say
from alerts.wording.codes import coded
from alerts.wording.figures import charted
from config.site import Language, Site
from config.vocabulary import READINGS, Sort, label, shown_unit, unit_label

SHORT = {
    "temperature": "T",
    "systolic_bp": "SBP",
    "diastolic_bp": "DBP",
    "mean_bp": "MAP",
    "heart_rate": "HR",
    "respiratory_rate": "RR",
    "oxygen_flow": "O2",
    "platelets": "PLT",
    "neutrophils": "ANC",
    "hemoglobin": "Hb",
    "white_cells": "WBC",
    "lymphocytes": "ALC",
}
"""The name of a reading in a title, if it is not its label."""

DOSED = ("given", "started", "stopped")
USUAL = ("none", "spontaneous", "false", "absent", "stopped")
"""Codes that a title leaves out: they are normal."""


def clock(at: datetime, site: Site, language: Language) -> str:
    """Day and time of day in the hospital's time zone."""
    return catalogue.clock(at, language, site.zone)


def shown(item: Evidence, site: Site, language: Language) -> str:
    """One reading with value, unit, time and source, as in `ICE 1 (17 Jun 10:00, ward)`."""
    return readings((item,), site, language)


def readings(found: Iterable[Evidence], site: Site, language: Language) -> str:
    """Several readings. Readings of one time and source share their brackets."""
    groups = groupby(found, key=lambda item: (item.entry.effective, item.entry.source, item.entry.charted_for))
    return "; ".join(
        f"{', '.join(named_value(item, language) for item in group)} "
        f"({clock(at, site, language)}, {source}{_charted_for(planned, site, language)})"
        for (at, source, planned), group in groups
    )


def _charted_for(planned: datetime | None, site: Site, language: Language) -> str:
    if planned is None:
        return ""
    return f", {say('charted for {time}', language, time=f'{planned.astimezone(site.zone):%H:%M}')}"


def named_value(item: Evidence, language: Language) -> str:
    """A reading, statement or dose by its name, with its value and unit."""
    kind, entry = item.kind, item.entry
    if entry.code in DOSED:
        return f"{_dose(kind, entry, language)}, {say(entry.code, language)}"
    if entry.value is None:
        return _state(kind, entry.code, language)
    return f"{say(label(kind), language)} {value(kind, entry, language)}"


def _state(kind: str, code: str, language: Language) -> str:
    """The text of a code as charted. It contains no time."""
    return render(coded(kind, code), language, UTC)


def value(kind: str, entry: Entry, language: Language) -> str:
    """A number with its comparator and unit, and the sent value if it was converted."""
    unit = unit_label(entry.unit) or shown_unit(kind)
    text = f"{entry.comparator}{charted(kind, entry.value) if entry.value is not None else ''} {unit}".strip()
    return f"{text} ({say('sent as {value}', language, value=unit_label(entry.sent))})" if entry.sent else text


def _dose(kind: str, entry: Entry, language: Language) -> str:
    return f"{say(label(kind), language)} {value(kind, entry, language)}".rstrip()


def short_value(item: Evidence, language: Language) -> str:
    """A reading in a title, as in `SBP 84`; empty if it shows nothing unusual by itself."""
    kind, entry = item.kind, item.entry
    if entry.code in USUAL:
        return ""
    if entry.code in DOSED:
        return _dose(kind, entry, language)
    if entry.value is not None:
        name = SHORT.get(kind) or label(kind)
        unit = f" {shown_unit(kind)}" if kind == "oxygen_flow" else ""
        return f"{say(name, language)} {entry.comparator}{charted(kind, entry.value)}{unit}"
    if kind == "oxygen_device":
        return say(label(entry.code), language)
    if kind in READINGS and READINGS[kind].sort is Sort.CODE:
        return _state(kind, entry.code, language)
    return say(label(kind), language)


def changed(change: ChartCorrection, language: Language) -> str:
    """The change of a value by a correction, as in `platelets 18 corrected to 180`."""
    reading = short_value(Evidence(change.kind, change.before), language) or say(label(change.kind), language)
    after = change.after
    if after is None:
        return say("{reading} entered in error", language, reading=reading)
    now = charted(change.kind, after.value) if after.value is not None else say(label(after.code), language)
    return say("{reading} corrected to {value}", language, reading=reading, value=f"{after.comparator}{now}")
