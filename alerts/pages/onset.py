"""When CRS and ICANS typically begin after each product: a line on a first page, never a gate."""

from typing import NamedTuple

from alerts.wording.phrase import Phrase, phrase
from config.vocabulary import PRODUCTS, product_code


class OnsetDays(NamedTuple):
    """Days since infusion: the median, and the range or the quartiles."""

    median: int
    first: int
    last: int


class TypicalOnset(NamedTuple):
    """The typical onsets after a product. `source`: where they were published."""

    crs: OnsetDays
    icans: OnsetDays | None
    source: str


ONSETS = {
    "axicabtagene": TypicalOnset(OnsetDays(2, 1, 12), OnsetDays(4, 1, 43), "ZUMA-1, label"),
    "tisagenlecleucel": TypicalOnset(OnsetDays(3, 1, 51), OnsetDays(6, 1, 17), "JULIET, label"),
    "lisocabtagene": TypicalOnset(OnsetDays(4, 1, 7), OnsetDays(7, 4, 11), "TRANSCEND CLL, quartiles"),
    "brexucabtagene": TypicalOnset(OnsetDays(5, 1, 46), OnsetDays(7, 1, 31), "CIBMTR"),
    "idecabtagene": TypicalOnset(OnsetDays(1, 1, 23), OnsetDays(2, 1, 42), "KarMMa, label"),
    "ciltacabtagene": TypicalOnset(OnsetDays(7, 5, 8), None, "CARTITUDE-1, quartiles"),
}
"""By product code. A product without a published onset of both has none, or none of ICANS."""


def typical_onset(product: str) -> Phrase | None:
    """The typical onset after a product, as a page shows it; None if none is known."""
    code = product_code(product)
    known = ONSETS.get(code)
    if known is None:
        return None
    crs = {"n": known.crs.median, "n2": known.crs.first, "n3": known.crs.last}
    name, own = PRODUCTS[code], Phrase(known.source)
    if known.icans is None:
        return phrase("typical onset after {name} ({own}): CRS day {n} ({n2}-{n3})", name=name, own=own, **crs)
    icans = {"n4": known.icans.median, "n5": known.icans.first, "n6": known.icans.last}
    text = "typical onset after {name} ({own}): CRS day {n} ({n2}-{n3}), ICANS day {n4} ({n5}-{n6})"
    return phrase(text, name=name, own=own, **crs, **icans)
