"""Whether there is room to set aside what cannot be used (`worker.bounds`), item by item."""

from worker import bounds
from worker.intake.taken import Element, Item, Outcome, Taken


def is_kept(item: Item, element: Element) -> bool:
    """Whether the text is kept here: the chart itself sets aside what it can show."""
    if element.outcome is Outcome.SET_ASIDE:
        return not element.messages
    return element.outcome is Outcome.REFUSED and item.form.startswith("hl7")


def needed(item: Item) -> int:
    """For how many records an item needs room, here or where the chart sets it aside."""
    return sum(element.outcome is Outcome.SET_ASIDE or is_kept(item, element) for element in item.elements)


def within_bounds(taken: Taken, held: int) -> tuple[Taken, int]:
    """A delivery without the items for which there is no room beside the `held` records, and how many are held then.

    What holds something usable is turned away last. A notice of our own has no text of its sender, and always room.
    """
    if taken.test:
        return taken, held
    items = []
    for item in taken.items:
        more = needed(item)
        usable = any(element.outcome is Outcome.STORED for element in item.elements)
        if more and item.raw and held + more > bounds.MOST + bounds.RESERVE * usable:
            element = Element(Outcome.NO_ROOM, item.elements[0].where, why=bounds.FULL)
            items.append(item._replace(elements=(element,)))
        else:
            held += more
            items.append(item)
    return taken._replace(items=tuple(items)), held


def is_turned_away(taken: Taken) -> bool:
    """Whether there is no room for anything of it."""
    return bool(taken.items) and all(item.outcome is Outcome.NO_ROOM for item in taken.items)
