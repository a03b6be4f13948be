"""Deliveries for which the store has no room (`worker.store.capacity`): none is kept, and the sender hears why."""

from worker.intake.parsed import ElementResult, Outcome, Parsed, ParsedResource

MESSAGE_SIZE = 400
"""Bytes of a native message, about."""


def is_kept(item: ParsedResource, element: ElementResult) -> bool:
    """Whether the text becomes a dead letter here: the chart itself sets aside what it can show."""
    if element.outcome is Outcome.DEAD_LETTER:
        return not element.messages
    return element.outcome is Outcome.REFUSED and item.form.startswith("hl7")


def size(taken: Parsed) -> int:
    """Bytes, about, that a delivery takes: of its messages, and of the texts that become dead letters."""
    letters = (item for item in taken.items if taken.test or any(is_kept(item, element) for element in item.elements))
    return sum(len(item.raw) for item in letters) + MESSAGE_SIZE * len(taken.messages)


def refuse_delivery(taken: Parsed, why: str) -> Parsed:
    """A delivery of which nothing is kept."""
    items = (
        item._replace(
            elements=(ElementResult(Outcome.OVER_QUOTA, item.elements[0].where if item.elements else "", why=why),)
        )
        for item in taken.items
    )
    return taken._replace(items=tuple(items))


def is_refused(taken: Parsed) -> bool:
    """Whether there was no room for it."""
    return bool(taken.items) and all(item.outcome is Outcome.OVER_QUOTA for item in taken.items)


def why_refused(taken: Parsed) -> str:
    """The reason, for the sender."""
    return taken.items[0].elements[0].why
