"""What is kept of a delivery, and deliveries over the quota (`worker.store.capacity`), which are refused whole."""

from worker.intake.parsed import ElementOutcome, ElementResult, Parsed, ParsedResource

MESSAGE_SIZE = 400
"""The approximate bytes of a native message."""


def is_kept(item: ParsedResource, element: ElementResult) -> bool:
    """Whether the intake stores an element as a dead letter. The chart itself rejects what it can show."""
    if element.outcome is ElementOutcome.DEAD_LETTER:
        return not element.messages
    return element.outcome is ElementOutcome.REFUSED and item.form.startswith("hl7")


def size(parsed: Parsed) -> int:
    """The approximate bytes of a delivery: its messages, and the texts of its dead letters."""
    letters = (item for item in parsed.items if parsed.test or any(is_kept(item, element) for element in item.elements))
    return sum(len(item.raw) for item in letters) + MESSAGE_SIZE * len(parsed.messages)


def refuse_delivery(parsed: Parsed, why: str) -> Parsed:
    """Refuse a delivery whole: nothing of it is stored."""
    items = (
        item._replace(
            elements=(
                ElementResult(ElementOutcome.OVER_QUOTA, item.elements[0].where if item.elements else "", why=why),
            )
        )
        for item in parsed.items
    )
    return parsed._replace(items=tuple(items))


def is_refused(parsed: Parsed) -> bool:
    """Whether the delivery was refused as over the quota."""
    return bool(parsed.items) and all(item.outcome is ElementOutcome.OVER_QUOTA for item in parsed.items)


def why_refused(parsed: Parsed) -> str:
    """The reason, for the answer."""
    return parsed.items[0].elements[0].why


def all_kept(parsed: Parsed) -> Parsed:
    """A delivery whose sender reads no answer to its parts: what would be refused becomes a dead letter."""
    items = (item._replace(elements=tuple(map(_kept, item.elements))) for item in parsed.items)
    return parsed._replace(items=tuple(items))


def _kept(element: ElementResult) -> ElementResult:
    refused = element.outcome is ElementOutcome.REFUSED
    return element._replace(outcome=ElementOutcome.DEAD_LETTER) if refused else element
