"""What a coded thing is: the pair (system, code) decides, never the code alone, never the name alone."""

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
    """The meaning of codings. `code` is None if nothing is charted; `why` says why, `trouble` marks a problem."""

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
    """The code of a pair; a site's own map is asked under the name the sender uses, the tables under any."""
    found = codes.get((system, code))
    if found is None and system in SYSTEMS:
        found = codes.get((SYSTEMS[system], code))
    return found


def find(codes: Codes, codings: Iterable[SentCode]) -> Found:
    """The one meaning of several codings of one thing.

    A coding that is refused by name outweighs one that is accepted; two that are accepted must say the same.
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
    """The drug, or the CAR-T product, of its codings: code and name must agree.

    A name that is a watched drug's under a code that is not known is trouble, never a guess.
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
    """Whether a product's name holds a drug's as a word of its own."""
    return not _CALLED[drug].isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name[:_LONGEST_NAME].casefold())


def value_of(codes: Codes, reading: str, codings: Iterable[SentCode], text: str) -> str:
    """The value of a coded reading: by its code, else by the words it is sent in; empty where neither is known."""
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
