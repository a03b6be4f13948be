"""The meaning of codes. The pair (system, code) decides, never the code alone and never the name alone."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from config.codes import DRUG, IGNORED, PRODUCT, SYSTEMS, TEXT, Code, Codes
from config.vocabulary import DRUGS, PRODUCTS, TRADE_NAMES
from worker.intake.parsed import Unmapped


class SentCode(NamedTuple):
    """One code as it was sent."""

    system: str
    code: str
    name: str


class Found(NamedTuple):
    """The meaning of some codes. If `code` is None, nothing is charted. `why`: the reason. `trouble`: a problem."""

    code: Code | None
    why: str = ""
    trouble: bool = False
    unmapped: Unmapped | None = None


ALSO_CALLED = {
    "paracetamol": ("acetaminophen",),
    "norepinephrine": ("noradrenaline",),
    "epinephrine": ("adrenaline",),
    "dobutamine": ("dobutamin",),
    "dopamine": ("dopamin",),
    "vasopressin": ("argipressin",),
    "tocilizumab": ("tocilizumabum",),
    **{product: (name,) for product, name in TRADE_NAMES.items()},
}


_CALLED = {drug: frozenset((drug, *ALSO_CALLED.get(drug, ()))) for drug in (*DRUGS, *PRODUCTS)}
_LONGEST_NAME = 400


def lookup(codes: Codes, system: str, code: str) -> Code | None:
    """A code under the sender's name of its system (as a site's own map has it), else under the standard one."""
    found = codes.get((system, code))
    if found is None and system in SYSTEMS:
        found = codes.get((SYSTEMS[system], code))
    return found


def find(codes: Codes, codings: Iterable[SentCode]) -> Found:
    """The one meaning of several codes of one thing.

    A code that is refused by name outweighs an accepted one. Two accepted codes must have the same meaning.
    """
    accepted: Code | None = None
    refused = panel = None
    unknown: SentCode | None = None
    for coding in codings:
        code = lookup(codes, coding.system, coding.code)
        if code is None:
            unknown = unknown or coding
        elif code.use == "accept":
            if accepted is not None and (accepted.reading, accepted.value) != (code.reading, code.value):
                return Found(None, f"its codes disagree: {accepted.reading} and {code.reading}", trouble=True)
            if accepted is None or (code.by and not accepted.by):
                accepted = code
        elif code.use == "panel":
            panel = code
        else:
            refused = (coding, code)
    if refused is not None and (accepted is None or not accepted.local):
        coding, code = refused
        if code.use == IGNORED:
            return Found(None, f"{coding.code} is not wanted by this site")
        fix = "" if code.use == "exclude" else "; to chart it, map it under `codes`"
        return Found(None, f"{coding.code} is not charted: {code.note}{fix}")
    if accepted is not None or panel is not None:
        return Found(accepted or panel)
    if unknown is None:
        return Found(None, "no code")
    shown = f"{unknown.code[:60]} of {unknown.system[:80] or 'no code system'}"
    unmapped = Unmapped("code", unknown.system[:100], unknown.code[:100], unknown.name[:100])
    return Found(None, f"{shown} is not mapped", unmapped=unmapped)


def find_drug(codes: Codes, codings: list[SentCode]) -> Found:
    """The drug or CAR-T product of some codes. Code and name must agree.

    If a watched drug is named under an unknown code, that is trouble. It is never guessed.
    """
    found = find(codes, codings)
    names = [coding.name for coding in codings if coding.name]
    words = {word for name in names for word in _words(name)}
    named = {drug for drug, known in _CALLED.items() if not words.isdisjoint(known)}
    if found.code is None or not found.code.reading.startswith((DRUG, PRODUCT)):
        if named and found.unmapped is not None:
            return found._replace(why=f"{found.why}, but is named like {_list(named)}; map its code", trouble=True)
        return found
    drug = found.code.reading.removeprefix(DRUG).removeprefix(PRODUCT)
    if found.code.local or drug in named:
        return found
    if not names:
        return Found(
            None, f"the code says {drug} and no name stands beside it; send both, or map the code", trouble=True
        )
    return Found(None, f"the code says {drug}, the name {names[0][:60]!r}", trouble=True)


def called(name: str, drug: str) -> bool:
    """Whether the name of a product contains the name of a drug as a separate word."""
    return not _CALLED[drug].isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name[:_LONGEST_NAME].casefold())


def value_of(codes: Codes, reading: str, codings: Iterable[SentCode], text: str) -> str:
    """The value of a coded reading: by its code, else by its words; empty if both are unknown."""
    words = [text]
    for coding in codings:
        code = lookup(codes, coding.system, coding.code)
        if code is not None and code.reading == reading and code.value and code.use == "accept":
            return code.value
        words += [coding.name, coding.code]
    for word in words:
        known = codes.get((f"{TEXT} {reading}", word.strip().casefold()))
        if known is not None:
            return known.value
    return ""


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
