"""Who measures what, and when: nurses in sets, assessments of ICE, the laboratory, monitors and wearables."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from worker.quality.assumptions import assumed, number
from worker.quality.course import DAY, HOUR, INFUSED_AT, Generator, happens, lognormal, uniform
from worker.quality.truth import CONSCIOUSNESS, FEVER, HYPOTENSION_SYSTOLIC, HYPOXIA, LABORATORY, Series, Truth

Charting = Literal["ward", "monitor", "wearable"]
CHARTINGS: tuple[Charting, ...] = ("ward", "monitor", "wearable")

WARD, MONITOR, WEARABLE, LAB, PHARMACY = "ward", "monitor", "wearable", "lab", "emar"

ADMITTED_AT = 8 * HOUR


class Measurement(NamedTuple):
    """A value as somebody or something found it, at a minute. `sound`: it is the truth, but for small errors."""

    at: float
    kind: str
    value: float | str
    by: str
    source: str
    sound: bool = True


def observe(truth: Truth, charting: Charting, chance: Generator) -> list[Measurement]:
    """Everything that is found about a patient, in order of time."""
    found = [*_sets(truth, chance), *_assessments(truth, chance), *_laboratory(truth, chance)]
    if charting == "monitor":
        found += _stream(truth, MONITOR, number("charting.monitor_every_minutes"), chance)
        found += _cuffs(truth, chance)
    elif charting == "wearable":
        found += _stream(truth, WEARABLE, number("charting.wearable_every_minutes"), chance)
    return sorted(found, key=lambda one: one.at)


# -- nurses ----------------------------------------------------------------------------------------


def _sets(truth: Truth, chance: Generator) -> Iterator[Measurement]:
    every, when_ill = number("charting.set_every") * HOUR, number("charting.set_every_when_ill") * HOUR
    first, jitter = number("charting.rounds_from") * HOUR, number("charting.round_jitter_minutes")
    last = len(truth.temperature) - HOUR
    planned = ADMITTED_AT + HOUR
    device = "none"
    while planned < last:
        at = min(max(planned + float(chance.normal(0, jitter)), ADMITTED_AT), last)
        night = planned % DAY < 6 * HOUR
        ill = False
        if not happens(chance, number("charting.set_skipped_at_night" if night else "charting.set_skipped")):
            given = list(_set(truth, at, chance))
            yield from given
            device_now = _device(truth, at)
            if device_now != device:
                yield from _oxygen(truth, at)
            device = device_now
            ill = any(_is_abnormal(one) for one in given)
            low = any(one.kind in ("systolic_bp", "spo2") and _is_abnormal(one) for one in given)
            if low and happens(chance, number("charting.recheck_share")):
                later = at + uniform(chance, "charting.recheck_after_minutes")
                yield from _pressure(truth, later, chance)
                yield Measurement(later, "spo2", _at(truth.spo2, later), "person", WARD)
        step = when_ill if ill else every
        planned = first + (np.floor((planned - first) / step) + 1) * step
    yield from _support_changes(truth)


def _set(truth: Truth, at: float, chance: Generator) -> Iterator[Measurement]:
    thermometer = float(chance.normal(0, number("artefacts.thermometer_sd")))
    yield Measurement(at, "temperature", _at(truth.temperature, at) + thermometer, "person", WARD)
    yield from _pressure(truth, at, chance)
    yield Measurement(at, "heart_rate", _at(truth.heart_rate, at), "person", WARD)
    yield Measurement(at, "respiratory_rate", _at(truth.respiratory_rate, at), "person", WARD)
    yield Measurement(at, "spo2", _at(truth.spo2, at), "person", WARD)


def _pressure(
    truth: Truth, at: float, chance: Generator, source: str = WARD, by: str = "cuff"
) -> Iterator[Measurement]:
    error = float(chance.normal(0, number("artefacts.cuff_sd")))
    systolic = _at(truth.systolic, at) + error
    diastolic = _at(truth.diastolic, at) + 0.6 * error
    yield Measurement(at, "systolic_bp", systolic, by, source)
    yield Measurement(at, "diastolic_bp", diastolic, by, source)
    if happens(chance, number("charting.mean_charted_share")):
        yield Measurement(at, "mean_bp", diastolic + (systolic - diastolic) / 3, by, source)


def _at(series: Series, at: float) -> float:
    return float(series[min(int(at), len(series) - 1)])


def _is_abnormal(one: Measurement) -> bool:
    bounds = {"temperature": FEVER, "systolic_bp": HYPOTENSION_SYSTOLIC, "spo2": HYPOXIA}
    bound = bounds.get(one.kind)
    if bound is None or isinstance(one.value, str):
        return False
    return one.value >= bound if one.kind == "temperature" else one.value < bound


def _device(truth: Truth, at: float) -> str:
    return next((one.device for one in reversed(truth.course.oxygen) if one.span.start <= at < one.span.end), "none")


def _oxygen(truth: Truth, at: float) -> Iterator[Measurement]:
    device = _device(truth, at)
    yield Measurement(at, "oxygen_device", device, "person", WARD)
    flow = next((one.flow for one in truth.course.oxygen if one.device == device), 0.0)
    if flow:
        yield Measurement(at, "oxygen_flow", flow, "person", WARD)


def _support_changes(truth: Truth) -> Iterator[Measurement]:
    """A device of oxygen is charted as it is put on or taken off."""
    for one in truth.course.oxygen:
        for at in (one.span.start + 1, one.span.end + 1):
            if at < len(truth.temperature) - HOUR:
                yield from _oxygen(truth, at)


def _assessments(truth: Truth, chance: Generator) -> Iterator[Measurement]:
    """ICE at fixed hours, more often while ICANS lasts, and out of turn where somebody notices confusion."""
    last = len(truth.ice) - HOUR
    for at in sorted(time for time in _assessed_at(truth, chance) if ADMITTED_AT < time < last):
        grade = int(truth.icans[int(at)])
        if grade < 4:
            yield Measurement(at, "ice", float(truth.ice[int(at)]), "person", WARD)
        if grade >= 2:
            yield Measurement(at, "consciousness", CONSCIOUSNESS[grade], "person", WARD)
        elif grade == 0 and truth.icans[max(int(at) - DAY, 0) : int(at)].any():
            yield Measurement(at, "consciousness", "spontaneous", "person", WARD)
    for at in truth.course.seizures:
        if at < last:
            yield Measurement(at + 4, "seizure", "brief", "person", WARD)


def _assessed_at(truth: Truth, chance: Generator) -> Iterator[float]:
    jitter = number("charting.ice_jitter_minutes")
    for day in range(len(truth.ice) // DAY):
        for hour in assumed("charting.ice_hours"):
            if not happens(chance, number("charting.ice_skipped")):
                yield day * DAY + hour * HOUR + float(chance.normal(0, jitter))
    every = number("charting.ice_every_when_ill") * HOUR
    for one in truth.onsets:
        if one.condition == "icans" and one.grade == 1:
            yield from np.arange(one.start + every, one.end, every).tolist()
        if one.condition == "icans" and one.grade >= 2:
            yield one.start + lognormal(chance, "charting.confusion_noticed_after", HOUR)


# -- laboratory ------------------------------------------------------------------------------------


def _laboratory(truth: Truth, chance: Generator) -> Iterator[Measurement]:
    for day in range(len(truth.ice) // DAY):
        at = day * DAY + uniform(chance, "laboratory.hour", HOUR)
        if at < ADMITTED_AT:
            at = ADMITTED_AT + HOUR
        yield from _draw(truth, at, LABORATORY, chance)
    for one in truth.onsets:
        if (one.condition, one.grade) == ("crs", 1) and happens(chance, number("laboratory.stat_share")):
            yield from _draw(truth, one.start + 2 * HOUR, ("crp", "white_cells", "neutrophils", "platelets"), chance)


def _draw(truth: Truth, at: float, kinds: tuple[str, ...], chance: Generator) -> Iterator[Measurement]:
    values = {kind: truth.laboratory(kind, at, chance) for kind in kinds}
    if "white_cells" in values and "neutrophils" in values:
        values["neutrophils"] = min(values["neutrophils"], 0.9 * values["white_cells"])
    for kind, value in values.items():
        yield Measurement(at, kind, value, "laboratory", LAB)


# -- devices ---------------------------------------------------------------------------------------


def _stream(truth: Truth, source: str, every: float, chance: Generator) -> Iterator[Measurement]:
    """Rates, saturation and temperature at a fixed interval, while the device is worn."""
    by = "monitor" if source == MONITOR else "patch"
    complete = assumed("charting.wearable_complete") if source == WEARABLE else {}
    worn = list(_worn(truth, source, chance))
    series = {
        "heart_rate": truth.heart_rate,
        "respiratory_rate": truth.respiratory_rate,
        "spo2": truth.spo2,
        "temperature": truth.temperature,
    }
    for start, end in worn:
        for at in np.arange(start, end, every):
            for kind, values in series.items():
                if happens(chance, complete.get(kind, 1.0)):
                    yield Measurement(float(at), kind, float(values[int(at)]), by, source)


def _worn(truth: Truth, source: str, chance: Generator) -> Iterator[tuple[float, float]]:
    last = len(truth.ice) - HOUR
    at = INFUSED_AT - 2 * HOUR
    while at < last:
        end = last if source == MONITOR else at + lognormal(chance, "charting.wearable_worn_days", DAY)
        yield at, min(end, last)
        at = int(end + DAY)


def _cuffs(truth: Truth, chance: Generator) -> Iterator[Measurement]:
    every = number("charting.monitor_cuff_every_minutes")
    for at in np.arange(INFUSED_AT, len(truth.ice) - HOUR, every):
        yield from _pressure(truth, float(at), chance, MONITOR, "monitor")
