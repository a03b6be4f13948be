"""Findings that page before the infusion, while CRS and ICANS are not applicable.

A patient can be as ill before the infusion as after it, and its date can be mistyped. So what would be CRS or ICANS of
grade 2 or more had the infusion been given, an ICE that falls, and a NEWS2 of 7 or more page all the same.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from alerts.grading import news2
from alerts.rules.crs import crs
from alerts.rules.finding import Finding, RuleInput
from alerts.rules.icans import icans
from alerts.wording.phrase import Listed, Phrase, joined, phrase

CONDITION = "before_infusion"

WOULD_BE = 2
"""The least grade that pages before the infusion, or without a registration."""

NOTHING = phrase("before infusion: nothing that would be grade {n} or more", n=WOULD_BE)
GIVEN = Phrase("infusion given: CRS and ICANS are graded")


def before_infusion(inputs: RuleInput) -> Finding | None:
    """CRS or ICANS that would be grade 2 or more, an ICE that falls, or NEWS2 of 7 or more, before the infusion: high.

    From the infusion on, the first temperature ends it: by that CRS takes over.
    """
    if inputs.now.would_be is None:
        return _ended(inputs)
    found = list(_would_be(inputs))
    ill = [one for one in found if one.level >= WOULD_BE or one.events]
    total = news2.at_least(inputs.now.news2)
    is_emergency = total >= news2.EMERGENCY
    if not ill and not is_emergency:
        return _finding(0, NOTHING, found, inputs) if any(one.condition == "crs" for one in found) else None
    names = tuple(f"{one.condition.upper()} {one.level}" for one in ill)
    would_be = phrase("before infusion: would be {list}", list=Listed(names))
    points = phrase("NEWS2 {n}", n=f"{'>=' if inputs.now.news2.score is None else ''}{total}")
    title = joined([would_be, points]) if is_emergency else would_be
    if not ill:
        title = phrase("before infusion: {what}", what=points)
    members = (*(one.condition for one in ill), *(("news2",) if is_emergency else ()))
    level = max([WOULD_BE, *(one.level for one in ill)])
    return _finding(level, title, ill, inputs, members, with_news2=is_emergency)


def _would_be(inputs: RuleInput) -> Iterator[Finding]:
    """The findings of the rules of CRS and ICANS as if the infusion had been given."""
    would_be = inputs.now.would_be
    assert would_be is not None, "asked before the infusion"
    given = replace(inputs, now=replace(inputs.now, crs=would_be.crs, icans=would_be.icans))
    yield from (one for rule in (crs, icans) if (one := rule(given)) is not None)


def _finding(
    level: int,
    title: Phrase,
    found: Iterable[Finding],
    inputs: RuleInput,
    members: tuple[str, ...] = (),
    *,
    with_news2: bool = True,
) -> Finding:
    results = (*found, *((inputs.now.news2,) if with_news2 else ()))
    return Finding(
        condition=CONDITION,
        level=level,
        urgency="high",
        title=title,
        because=tuple(reason for one in results for reason in one.because),
        evidence=tuple(dict.fromkeys(item for one in results for item in one.evidence)),
        missing=tuple(dict.fromkeys(name for one in results for name in one.missing)),
        flags=tuple(dict.fromkeys(flag for one in results for flag in one.flags)),
        conventions=tuple(dict.fromkeys(name for one in results for name in one.conventions)),
        provisional=any(one.provisional for one in found),
        members=members,
        events=tuple(event for one in found for event in one.events),
    )


def _ended(inputs: RuleInput) -> Finding | None:
    """The end of the finding, once a temperature of after the infusion is charted and CRS is graded; else None."""
    infused = inputs.chart.infused
    temperature = inputs.chart.latest("temperature", inputs.now.at)
    if infused is None or temperature is None or temperature.effective < infused:
        return None
    return Finding(condition=CONDITION, level=0, urgency="high", title=GIVEN, over=True)
