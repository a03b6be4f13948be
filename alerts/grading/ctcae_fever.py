"""CTCAE: fever and febrile neutropenia (National Cancer Institute; the same in versions 5.0 and 6.0).

    term                   1            2              3                      4
    fever, °C              38.0 - 39.0  >39.0 - 40.0   >40.0 for <= 24 h      >40.0 for > 24 h
    febrile neutropenia    -            -              ANC < 1.0 and (one     life-threatening (clinical)
                                                       temperature > 38.3, or
                                                       >= 38.0 for > 1 h)

CTCAE's fever is not the fever of ASTCT: its height counts here, and no cause or treatment excuses it.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut
from alerts.grading.ctcae_rows import LIFE_THREATENING, LIFE_THREATENING_CELL, read, stated
from alerts.grading.ctcae_rows import latest as latest_result
from alerts.grading.inputs import (
    INSTANT,
    PROVISIONAL,
    latest_number,
    name_missing,
    only_a_bound,
    passed_over,
    with_time,
)
from alerts.message_fields import Status
from alerts.wording.phrase import Length, Phrase, joined, phrase
from config.site import Site

HOLDS = ("chart.temperature_holds",)

# -- fever -----------------------------------------------------------------------------------------


VERY_HIGH = Cut(3, ">", Decimal("40.0"), ">40.0 for <= 24 h")
FEVER = (
    Cut(1, ">=", Decimal("38.0"), "38.0 - 39.0"),
    Cut(2, ">", Decimal("39.0"), ">39.0 - 40.0"),
    VERY_HIGH,
)
LASTING_FOR = timedelta(hours=24)
LASTING = Cut(4, VERY_HIGH.sign, VERY_HIGH.bound, ">40.0 for > 24 h")


def fever(chart: Chart, at: datetime, site: Site) -> Axis:
    """The grade of the latest temperature. Above 40.0 °C it depends on how long the readings have been so high.

    The readings > 40.0 °C must be consecutive, without a gap in which no temperature is valid.
    """
    holds = site.conventions.chart.temperature_holds.value
    latest = latest_number(chart, "temperature", at, holds)
    if latest is None:
        missing = name_missing(chart, "temperature", at, holds)
        because = phrase("no temperature holds: {what}", what=missing)
        return Axis(None, (because,), missing=(missing,), conventions=HOLDS)
    if not VERY_HIGH.reached(latest):
        return read("temperature", latest, FEVER, chart, at, HOLDS)
    run = _run(chart, latest, VERY_HIGH, holds)
    lasted = latest.effective - run[0].effective
    cuts = (*FEVER, LASTING) if lasted > LASTING_FOR else FEVER
    row = read("temperature", latest, cuts, chart, at, HOLDS)
    shown = dict.fromkeys((run[0], latest))
    return row._replace(
        because=(phrase("{what}, so far for {span}", what=row.because[0], span=Length(lasted)),),
        evidence=evidence(*(("temperature", entry) for entry in shown)),
    )


def _run(chart: Chart, latest: Entry, cut: Cut, holds: timedelta) -> list[Entry]:
    """The consecutive readings past a cut that end at the latest, oldest first, without a gap longer than `holds`."""
    run = [latest]
    for entry in reversed(chart.until("temperature", latest.effective)):
        if entry.value is None:
            continue
        if not cut.reached(entry) or run[-1].effective - entry.effective > holds:
            break
        run.append(entry)
    return run[::-1]


# -- febrile neutropenia ---------------------------------------------------------------------------


FEBRILE_NEUTROPENIA = 3
"""The grade of febrile neutropenia by numbers."""
NEUTROPENIC = Decimal("1.0")
"""ANC in 10^9/L: below it."""
FEVER_ONCE = Decimal("38.3")
"""Degrees Celsius: one temperature above it is enough."""
FEVER_SUSTAINED = Cut(1, ">=", Decimal("38.0"), ">= 38.0 for > 1 h")
"""Degrees Celsius: at least this for longer than `SUSTAINED_FOR`."""
SUSTAINED_FOR = timedelta(hours=1)

FEBRILE_NEUTROPENIA_ROW = (
    (
        FEBRILE_NEUTROPENIA,
        "ANC < 1.0 and (one temperature > 38.3, or >= 38.0 for > 1 h)",
    ),
    (LIFE_THREATENING, LIFE_THREATENING_CELL),
)
"""The row of febrile neutropenia, as printed."""

NO, NOT_YET, YES = 0, 1, 2
"""How far one part of the definition is met. NOT_YET: a fever may not be high or long enough yet."""


def febrile_neutropenia(chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade 3 if both parts of the definition are met, 0 if one certainly is not."""
    said = stated("febrile_neutropenia_life_threatening", chart, at)
    if said is not None:
        return said
    febrile, neutropenic = _febrile(chart, at, site), _neutropenic(chart, at, site)
    halves = (febrile, neutropenic)
    unknown = [half for half in halves if half.level is None]
    flags = [flag for half in halves for flag in half.flags]
    level: int | None = 0
    if febrile.level != NO and neutropenic.level != NO:
        met = febrile.level == YES and neutropenic.level == YES
        level = None if unknown else FEBRILE_NEUTROPENIA if met else 0
        if not unknown and not met:
            flags.append(Phrase("febrile and neutropenic, the fever not yet by definition: measure again"))
    because = joined([reason for half in halves for reason in half.because])
    shown = Phrase("undetermined") if level is None else phrase("grade {n}", n=level)
    return Axis(
        level,
        (phrase("{what}: {verdict}", what=because, verdict=shown),),
        tuple(item for half in halves for item in half.evidence),
        provisional=level is not None and neutropenic.provisional,
        missing=tuple(name for half in unknown for name in half.missing) if level is None else (),
        flags=tuple(flags),
        conventions=("chart.temperature_holds", "chart.laboratory_holds"),
    )


def fever_before(count: Entry, chart: Chart, site: Site, within: timedelta) -> Entry | None:
    """The last temperature by which a fever met the definition, and had gone before the first count drawn after it.

    `within`: how long before. The count at the fever is unknown: the one drawn before it was not low, or there is none.
    """
    before = next(chart.newest_first("neutrophils", count.effective - INSTANT), None)
    if before is not None and before.below(NEUTROPENIC) is not False:
        return None
    if _febrile(chart, count.effective, site).level == YES:
        return None
    since = count.effective - within
    if before is not None:
        since = max(since, before.effective + INSTANT)
    for entry in reversed(chart.between("temperature", since, count.effective)):
        if FEVER_SUSTAINED.reached(entry) and _febrile(chart, entry.effective, site).level == YES:
            return entry
    return None


def _febrile(chart: Chart, at: datetime, site: Site) -> Axis:
    """One temperature > 38.3 °C, or >= 38.0 °C for more than 1 h, in the febrile run that ends at the latest."""
    holds = site.conventions.chart.temperature_holds.value
    latest = latest_number(chart, "temperature", at, holds)
    febrile = FEVER_SUSTAINED.reached(latest) if latest else None
    if latest is None or febrile is None:
        missing = only_a_bound("temperature", latest) if latest else name_missing(chart, "temperature", at, holds)
        return Axis(None, (phrase("no temperature decides: {what}", what=missing),), missing=(missing,))
    bound = FEVER_SUSTAINED.bound
    if not febrile:
        text = phrase("{what} {sign} {n}", what=with_time("temperature", latest), sign="<", n=str(bound))
        return Axis(NO, (text,), evidence(("temperature", latest)))
    run = _run(chart, latest, FEVER_SUSTAINED, holds)
    high = [entry for entry in run if entry.above(FEVER_ONCE)]
    lasted = latest.effective - run[0].effective
    if high:
        text = phrase("{what} {sign} {n}", what=with_time("temperature", high[-1]), sign=">", n=str(FEVER_ONCE))
        shown = dict.fromkeys((high[-1], latest))
    else:
        value = with_time("temperature", latest)
        text = phrase("{what}, >= {n} for {span}", what=value, n=str(bound), span=Length(lasted))
        shown = dict.fromkeys((run[0], latest))
    level = YES if high or lasted > SUSTAINED_FOR else NOT_YET
    return Axis(level, (text,), evidence(*(("temperature", entry) for entry in shown)))


def _neutropenic(chart: Chart, at: datetime, site: Site) -> Axis:
    """ANC < 1.0 x 10^9/L."""
    entry = latest_result("neutrophils", chart, at, site)
    if entry is None:
        holds = site.conventions.chart.laboratory_holds.value
        missing = name_missing(chart, "neutrophils", at, holds)
        return Axis(None, (phrase("no neutrophil count holds: {what}", what=missing),), missing=(missing,))
    below = entry.below(NEUTROPENIC)
    flags = passed_over(chart, "neutrophils", entry, at)
    preliminary = entry.status == Status.PRELIMINARY
    if preliminary:
        flags = (*flags, PROVISIONAL)
    value = with_time("neutrophils", entry)
    row = Axis(None, (value,), evidence(("neutrophils", entry)), preliminary, flags=flags)
    if below is None:
        return row._replace(missing=(only_a_bound("neutrophils", entry),))
    text = phrase("{what} {sign} {n}", what=value, sign="<" if below else ">=", n=str(NEUTROPENIC))
    return row._replace(level=YES if below else NO, because=(text,))
