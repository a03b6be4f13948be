"""What goes wrong between a patient and a value: cuffs, probes, wrong fields and units, flat lines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from worker.quality.assumptions import number
from worker.quality.course import DAY, Generator, happens, uniform
from worker.quality.sampling import MONITOR, Measurement


def distort(found: Sequence[Measurement], chance: Generator) -> list[Measurement]:
    """The observations with their artefacts. What is no longer true is marked as not sound."""
    found = [_value(one, chance) for one in _wrong_field(found, chance)]
    return _flat(_probe_off(found, chance), chance)


def _value(one: Measurement, chance: Generator) -> Measurement:
    if isinstance(one.value, str) or one.by == "laboratory":
        return one
    if one.by != "patch" and one.kind != "ice" and happens(chance, number("artefacts.zero_for_none_share")):
        return one._replace(value=0.0, sound=False)
    if one.kind in ("systolic_bp", "mean_bp") and happens(chance, number("artefacts.cuff_gross_share")):
        return one._replace(value=one.value + uniform(chance, "artefacts.cuff_gross"), sound=False)
    if one.kind == "spo2" and one.by == "person" and happens(chance, number("artefacts.spo2_low_share")):
        return one._replace(value=one.value - uniform(chance, "artefacts.spo2_low_by"), sound=False)
    if one.kind == "temperature" and one.by == "person":
        if happens(chance, number("artefacts.wrong_unit_share")):
            return one._replace(value=one.value * 1.8 + 32, sound=False)
        if happens(chance, number("artefacts.axillary_share")):
            return one._replace(value=one.value + number("artefacts.axillary_by"))
    return one


def _wrong_field(found: Sequence[Measurement], chance: Generator) -> Iterator[Measurement]:
    rates = {(one.at, one.source): one.value for one in found if one.kind == "heart_rate"}
    for one in found:
        rate = rates.get((one.at, one.source))
        if one.kind == "systolic_bp" and rate is not None and happens(chance, number("artefacts.wrong_field_share")):
            yield one._replace(value=rate, sound=False)
        else:
            yield one


def _probe_off(found: list[Measurement], chance: Generator) -> list[Measurement]:
    """A monitor without a finger: minutes of low or no saturation."""
    spans = list(_events(found, "artefacts.probe_off_per_day", (1, 6), chance))
    low = float(chance.uniform(60, 85))
    changed = []
    for one in found:
        off = one.source == MONITOR and one.kind == "spo2" and any(start <= one.at < end for start, end in spans)
        changed.append(one._replace(value=0.0 if happens(chance, 0.3) else low, sound=False) if off else one)
    return changed


def _flat(found: list[Measurement], chance: Generator) -> list[Measurement]:
    """A monitor that repeats its last value."""
    spans = list(_events(found, "artefacts.flat_per_day", (20, 120), chance))
    last: dict[str, float | str] = defaultdict(float)
    changed = []
    for one in found:
        if one.source == MONITOR and one.by == "monitor":
            if one.kind in last and any(start <= one.at < end for start, end in spans):
                one = one._replace(value=last[one.kind], sound=False)
            last[one.kind] = one.value
        changed.append(one)
    return changed


def _events(
    found: Sequence[Measurement], per_day: str, minutes: tuple[float, float], chance: Generator
) -> Iterator[tuple[float, float]]:
    if not any(one.source == MONITOR for one in found):
        return
    begins, ends = found[0].at, found[-1].at
    for _ in range(int(chance.poisson(number(per_day) * (ends - begins) / DAY))):
        start = float(chance.uniform(begins, ends))
        yield start, start + float(chance.uniform(*minutes))
