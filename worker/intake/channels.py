"""Several temperature channels of one moment in one message: one of them may lie beside the patient."""

from collections import defaultdict
from collections.abc import Sequence

from alerts.message_fields import parse_number
from worker.intake.parsed import ElementOutcome, ElementResult, ignored

TEMPERATURE = "temperature"
LOWER = "another channel of the same moment is higher, and the highest temperature is charted"


def highest_alone(elements: Sequence[ElementResult]) -> list[ElementResult]:
    """The elements of a message, of several temperatures of one moment only the highest.

    A skin probe that has come off shows the air of the room. As the latest temperature it would hide a fever.
    """
    if len(elements) < 2:
        return list(elements)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, element in enumerate(elements):
        for message in element.messages:
            is_final = message.get("status", "final") in ("final", "preliminary")
            if message.get("reading") == TEMPERATURE and is_final and element.outcome is ElementOutcome.STORED:
                groups[message["patient"], message["effective"]].append(place)
    lower = {place for places in groups.values() if len(places) > 1 for place in _but_the_highest(elements, places)}
    return [
        ignored(element.where, LOWER, element.patient, understood=True, shown=element.shown)
        if place in lower
        else element
        for place, element in enumerate(elements)
    ]


def _but_the_highest(elements: Sequence[ElementResult], places: list[int]) -> list[int]:
    """All places but that of the highest number. If the numbers cannot be compared, none."""
    found = []
    for place in places:
        message = elements[place].messages[0]
        bound = parse_number(message["value"]) if "value" in message else None
        if bound is None or bound.comparator:
            return []
        found.append((message.get("unit"), bound.number, place))
    if len({unit for unit, _, _ in found}) > 1:
        return []
    highest = max(number for _, number, _ in found)
    keep = next(place for _, number, place in found if number == highest)
    return [place for place in places if place != keep]
