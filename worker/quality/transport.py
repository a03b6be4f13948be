"""From observations to native messages as a hospital sends them: late, ahead, corrected, twice, by a wrong clock."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from config.vocabulary import PRODUCTS, READINGS
from worker.quality.assumptions import PRODUCT_CODES, assumed, number
from worker.quality.course import DAY, HOUR, INFUSED_AT, Generator, happens, lognormal, uniform
from worker.quality.sampling import ADMITTED_AT, LAB, MONITOR, PHARMACY, WARD, WEARABLE, Measurement
from worker.quality.truth import Truth

ZONE = ZoneInfo("Europe/Rome")
MIDNIGHT = datetime(2024, 6, 11, tzinfo=ZONE)
"""Of the day before infusion, for every patient."""

DECIMALS = {
    "temperature": 1,
    "systolic_bp": 0,
    "diastolic_bp": 0,
    "mean_bp": 0,
    "heart_rate": 0,
    "respiratory_rate": 0,
    "spo2": 0,
    "oxygen_flow": 0,
    "ice": 0,
    "crp": 1,
    "ferritin": 0,
    "ldh": 0,
    "alt": 0,
    "ast": 0,
    "fibrinogen": 0,
    "platelets": 0,
    "hemoglobin": 1,
}
TWO_DECIMALS = 2

LONGEST_WAIT = 240
"""Minutes until a value is stored, at most."""

Body = dict[str, Any]


class Sent(NamedTuple):
    """A message, the minute in which it comes in, and the observation behind it."""

    arrives: float
    body: Body
    observation: Measurement | None = None


def messages(truth: Truth, found: list[Measurement], patient: str, chance: Generator) -> list[Sent]:
    """The messages of a stay, in order of arrival, each with an id of its own."""
    skew = {source: _skew(chance) for source in (MONITOR, WEARABLE)}
    waits: dict[tuple[str, float], float] = {}
    sent = [_registration(truth, patient, chance)]
    for observed in found:
        sent += _of_observation(observed, patient, skew, waits, chance)
    sent += [_of_treatment(given, patient) for given in truth.course.given if given.at > ADMITTED_AT]
    if _is_well(truth):
        end = float(truth.course.minutes - 1)
        sent.append(Sent(end, _body("discharge", "ehr", patient, end)))
    sent.sort(key=lambda one: one.arrives)
    for index, one in enumerate(sent):
        one.body["id"] = f"{patient}-{index}"
        one.body["received"] = at(one.arrives)
    _link(sent)
    return sorted([*sent, *_duplicates(sent, chance)], key=lambda one: one.arrives)


def _is_well(truth: Truth) -> bool:
    """Whether a patient can be discharged at the end: the others stay, and the simulation leaves them there."""
    lately = slice(-int(number("transport.discharged_if_well_for") * HOUR), None)
    return not (truth.crs[lately].any() or truth.icans[lately].any())


def at(minute: float) -> str:
    """A minute as ISO 8601, to the second."""
    return (MIDNIGHT + timedelta(seconds=round(minute * 60))).isoformat()


def _body(type_: str, source: str, patient: str, minute: float, **more: Any) -> Body:
    return {"type": type_, "id": "", "source": source, "patient": patient, "effective": at(minute), **more}


def _registration(truth: Truth, patient: str, chance: Generator) -> Sent:
    product = PRODUCTS[PRODUCT_CODES[truth.course.product]]
    born = f"{int(chance.randint(1940, 2000))}-0{int(chance.randint(1, 10))}-15"
    admitted = ADMITTED_AT - 30.0
    place = {"ward": f"HAEM-{truth.course.number // 10 + 1}", "bed": str(truth.course.number % 10 + 1)}
    body = _body("registration", "ehr", patient, admitted, infused=at(INFUSED_AT), product=product, born=born, **place)
    return Sent(admitted, body)


def _of_treatment(given: Any, patient: str) -> Sent:
    more = {"drug": given.drug, "action": given.action}
    if given.dose:
        more |= {"dose": given.dose, "unit": given.unit}
    return Sent(given.at + 3, _body("treatment", PHARMACY, patient, given.at, **more))


def _skew(chance: Generator) -> float:
    """Minutes by which a device's clock is wrong; slow, because of a fast one every value would be refused."""
    if happens(chance, number("transport.clock_wrong_share")):
        return -float(chance.uniform(6, 20))
    return float(chance.normal(0, number("transport.clock_skew_seconds"))) / 60


def _of_observation(
    one: Measurement, patient: str, skew: dict[str, float], waits: dict[tuple[str, float], float], chance: Generator
) -> list[Sent]:
    body = _body("reading", one.source, patient, one.at, reading=one.kind, value=_text(one), by=one.by)
    if unit := READINGS[one.kind].unit:
        body["unit"] = unit
    if one.source == LAB:
        return _laboratory(one, body, waits, chance)
    if one.source != WARD:
        body["effective"] = at(one.at + min(skew[one.source], 0.5))
        return [Sent(one.at + uniform(chance, "transport.device_after_seconds") / 60, body, one)]
    arrives = _stored(one, body, waits, chance)
    sent = [Sent(arrives, body, one)]
    if not one.sound and happens(chance, number("artefacts.retracted_share")):
        sent.append(Sent(arrives + float(chance.uniform(10, 240)), body | {"status": "entered_in_error"}, None))
    return sent


def _text(one: Measurement) -> str:
    if isinstance(one.value, str):
        return one.value
    return f"{max(one.value, 0.0):.{DECIMALS.get(one.kind, TWO_DECIMALS)}f}"


def _stored(one: Measurement, body: Body, waits: dict[tuple[str, float], float], chance: Generator) -> float:
    """When a nurse's entry is stored, a set at once. One in eight is charted ahead, for the next full hour."""
    known = waits.get((one.source, one.at))
    if known is None:
        ahead = happens(chance, number("transport.charted_ahead_share"))
        known = -1.0 if ahead else min(lognormal(chance, "transport.stored_after_minutes"), LONGEST_WAIT)
        waits[one.source, one.at] = known
    if known < 0:
        body["effective"] = at((one.at // 60 + 1) * 60)
        return one.at + 1
    return one.at + known


def _laboratory(one: Measurement, body: Body, waits: dict[tuple[str, float], float], chance: Generator) -> list[Sent]:
    table = assumed(f"laboratory.{one.kind}")
    body |= {limit: str(table[limit]) for limit in ("low", "high") if limit in table}
    urgent = one.at % DAY > 7 * 60 + 1 and one.at > ADMITTED_AT + 61
    wait = waits.setdefault(
        (one.source, one.at), 45.0 if urgent else uniform(chance, "laboratory.result_after_minutes")
    )
    if not happens(chance, number("laboratory.corrected_share")) or isinstance(one.value, str):
        return [Sent(one.at + wait, body, one)]
    first = body | {"value": _text(one._replace(value=one.value * float(chance.uniform(0.7, 1.4))))}
    first["status"] = "preliminary"
    later = one.at + wait + float(chance.uniform(20, 180))
    return [Sent(one.at + wait, first, None), Sent(later, body | {"status": "corrected"}, one)]


def _link(sent: list[Sent]) -> None:
    """A correction has the id of the message that it corrects."""
    first: dict[tuple[str, str, str], str] = {}
    for one in sent:
        key = (one.body["source"], one.body.get("reading", ""), one.body["effective"])
        if one.body.get("status") in ("corrected", "entered_in_error") and key in first:
            one.body["id"] = first[key]
        else:
            first.setdefault(key, one.body["id"])


def _duplicates(sent: list[Sent], chance: Generator) -> list[Sent]:
    share = number("transport.duplicate_share")
    found = []
    for one in sent:
        if happens(chance, share):
            arrives = one.arrives + float(chance.uniform(0.1, 90))
            found.append(Sent(arrives, one.body | {"received": at(arrives)}, one.observation))
    return found
