"""EASIX, the endothelial activation and stress index, and its simplified and modified forms.

    EASIX    LDH x creatinine / platelets      U/L x mg/dL / (10^9/L)
    s-EASIX  LDH / platelets                   U/L / (10^9/L)
    m-EASIX  LDH x CRP in mg/dL / platelets    U/L x mg/dL / (10^9/L)

EASIX: Luft T et al., Lancet Haematol 2017;4:e414. s-EASIX and m-EASIX for severe CRS and ICANS: Pennisi M et
al., Blood Adv 2021;5:3397. No cut-off of m-EASIX is accepted: thresholds are the site's own
(`m_easix_thresholds`), and none is built in.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import evidence
from alerts.grading.dependencies import Dependencies
from alerts.grading.inputs import (
    INSTANT,
    PROVISIONAL,
    amount,
    latest_number,
    name_missing,
    only_a_bound,
    passed_over,
    with_time,
)
from alerts.grading.result import Score
from alerts.message_fields import Status
from alerts.wording.figures import number
from alerts.wording.phrase import At, Length, Listed, Name, Number, Phrase, phrase
from config.conventions import EasixThreshold
from config.site import Site
from config.vocabulary import shown_unit

CRP_DIVISOR = Decimal(10)
"""mg/L to mg/dL: CRP is charted in mg/L, and Pennisi 2021 computes with mg/dL."""

DIVISOR = "platelets"

CONFOUNDERS = {
    "tocilizumab": Phrase("after tocilizumab"),
    "platelet_transfusion": Phrase("after platelet transfusion"),
    "filgrastim": Phrase("after growth factor"),
}
"""Treatments that change m-EASIX but not the patient: CRP falls under IL-6 blockade, platelets are transfused."""

CONFOUNDED = Phrase("confounded")

_LOG2_PLACES = Decimal("0.000001")
_OPPOSITE = {"<": ">", ">": "<", "": ""}


class Formula(NamedTuple):
    """A member of the family: its factors before the division by the platelets."""

    name: str
    version: str
    factors: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every reading the formula takes."""
        return (*self.factors, DIVISOR)


EASIX = Formula("EASIX", "Luft 2017", ("ldh", "creatinine"))
S_EASIX = Formula("s-EASIX", "Pennisi 2021", ("ldh",))
M_EASIX = Formula("m-EASIX", "Pennisi 2021", ("ldh", "crp"))


KINDS = frozenset((*EASIX.inputs, *M_EASIX.inputs, *CONFOUNDERS))
"""Everything that can change a score of the family."""


def dependencies(site: Site) -> Dependencies:
    """The dependencies of the family."""
    return Dependencies(KINDS, (site.conventions.chart.laboratory_holds.value,))


def easix(chart: Chart, at: datetime, site: Site) -> Score:
    """LDH (U/L) x creatinine (mg/dL) / platelets (10^9/L), with its binary logarithm."""
    return aged(_score(EASIX, chart, at, site), at)


def s_easix(chart: Chart, at: datetime, site: Site) -> Score:
    """LDH (U/L) / platelets (10^9/L), with its binary logarithm."""
    return aged(_score(S_EASIX, chart, at, site), at)


def m_easix(chart: Chart, at: datetime, site: Site) -> Score:
    """LDH (U/L) x CRP (mg/dL) / platelets (10^9/L), with its binary logarithm.

    Flagged "confounded" for a while after a drug that moves its inputs.
    """
    return aged(_confounded(_score(M_EASIX, chart, at, site), chart, site), at)


MEMBERS = (easix, s_easix, m_easix)


class Family(NamedTuple):
    """The three scores of one time, without the age of their inputs."""

    easix: Score
    s_easix: Score
    m_easix: Score


def family(chart: Chart, at: datetime, site: Site) -> Family:
    """The three scores without the age of their inputs, which changes every few minutes (`aged`)."""
    confounded = _confounded(_score(M_EASIX, chart, at, site), chart, site)
    return Family(_score(EASIX, chart, at, site), _score(S_EASIX, chart, at, site), confounded)


def aged(score: Score, at: datetime) -> Score:
    """A score of `family` with the age of each input at a time."""
    after = 1 if score.previous is None else 2
    inputs, computed = score.because[:-after], score.because[-after:]
    ages = (_aged(line, at, item.entry) for line, item in zip(inputs, score.evidence, strict=False))
    return replace(score, at=at, because=(*ages, *computed))


def threshold_for(day: int | None, site: Site) -> EasixThreshold | None:
    """The site's m-EASIX threshold for a day since infusion: that of the first window that contains the day."""
    if day is None:
        return None
    for window in site.conventions.m_easix_thresholds:
        if window.from_day <= day <= window.to_day:
            return window
    return None


# -- the inputs ------------------------------------------------------------------------------------


def _together(formula: Formula, chart: Chart, at: datetime, site: Site) -> dict[str, Entry]:
    """The most recent set of inputs within one window; empty if there is none."""
    holds = site.conventions.chart.laboratory_holds.value
    within = site.conventions.easix.inputs_within.value
    ends = {entry.effective for kind in formula.inputs for entry in chart.between(kind, at - holds, at)}
    for end in sorted(ends, reverse=True):
        found = _set_ending(formula, chart, end, min(within, holds - (at - end)))
        if len(found) == len(formula.inputs):
            return found
    return {}


def _set_ending(formula: Formula, chart: Chart, end: datetime, within: timedelta) -> dict[str, Entry]:
    entries = ((kind, latest_number(chart, kind, end, within)) for kind in formula.inputs)
    return {kind: entry for kind, entry in entries if entry is not None}


def _missing(formula: Formula, chart: Chart, at: datetime, site: Site) -> tuple[Phrase, ...]:
    """The inputs without a valid result; if there are none, those too old for the newest."""
    holds = site.conventions.chart.laboratory_holds.value
    latest = {kind: latest_number(chart, kind, at, holds) for kind in formula.inputs}
    absent = [name_missing(chart, kind, at, holds) for kind, entry in latest.items() if not entry]
    if absent:
        return tuple(absent)
    within = site.conventions.easix.inputs_within.value
    entries = {kind: entry for kind, entry in latest.items() if entry}
    newest = max(entries.values(), key=lambda entry: entry.effective).effective
    text = "{what} (too old: {span} before the newest input, at most {span2})"
    return tuple(
        phrase(text, what=Name(kind), span=Length(newest - entry.effective), span2=Length(within))
        for kind, entry in entries.items()
        if newest - entry.effective > within
    )


# -- the score -------------------------------------------------------------------------------------


def _score(formula: Formula, chart: Chart, at: datetime, site: Site) -> Score:
    found = _together(formula, chart, at, site)
    before: Before | None = None
    if found:
        computed = _computed(formula, found)
        before = _before(formula, chart, found, computed, site)
    else:
        missing = _missing(formula, chart, at, site)
        computed = _Computed(None, phrase("no set of inputs: {list}", list=Listed(missing)), missing=missing)
    return Score(
        system=formula.name,
        version=formula.version,
        at=at,
        value=computed.value,
        log2=computed.log2,
        bound=computed.bound,
        bound_value=computed.bound_value,
        previous=before.value if before else None,
        previous_at=before.at if before else None,
        because=(
            *(with_time(kind, entry) for kind, entry in found.items()),
            computed.because,
            *([before.because] if before else []),
        ),
        evidence=evidence(*found.items()),
        missing=computed.missing,
        flags=_flags(found, chart, at),
        conventions=("easix.inputs_within", "chart.laboratory_holds"),
    )


class _Computed(NamedTuple):
    value: Decimal | None
    because: Phrase
    log2: Decimal | None = None
    bound: str = ""
    bound_value: Decimal | None = None
    missing: tuple[Phrase, ...] = ()


def _computed(formula: Formula, found: Mapping[str, Entry]) -> _Computed:
    values = {kind: _in_formula(kind, entry) for kind, entry in found.items()}
    if values[DIVISOR] == 0:
        because = Phrase("platelets are 0: no score")
        return _Computed(None, because, missing=(Phrase("platelets (they are 0)"),))
    product = Decimal(1)
    for kind in formula.factors:
        product *= values[kind]
    value = product / values[DIVISOR]
    censored = [(kind, entry) for kind, entry in found.items() if entry.comparator]
    if censored:
        return _bounded(formula, value, censored)
    log2 = _log2(value)
    factors = " x ".join(_written(kind, values[kind]) for kind in formula.factors)
    written = f"{factors} / {_written(DIVISOR, values[DIVISOR])}"
    if log2 is None:
        text = "{what} = {formula} = {n} (log2 undefined)"
        return _Computed(value, phrase(text, what=formula.name, formula=written, n=Number(value, 2)))
    text = "{what} = {formula} = {n} (log2 {n2})"
    shown = phrase(text, what=formula.name, formula=written, n=Number(value, 2), n2=Number(log2, 2))
    return _Computed(value, shown, log2)


def _bounded(formula: Formula, value: Decimal, censored: list[tuple[str, Entry]]) -> _Computed:
    """A bound of the score, if every censored input moves it in the same direction."""
    signs = {_OPPOSITE[entry.comparator[0]] if kind == DIVISOR else entry.comparator[0] for kind, entry in censored}
    bounds = (phrase("{what} {amount}", what=Name(kind), amount=amount(kind, entry)) for kind, entry in censored)
    names = Listed(tuple(bounds))
    missing = tuple(only_a_bound(kind, entry) for kind, entry in censored)
    if len(signs) > 1:
        return _Computed(None, phrase("bounds on both sides ({list}): no score", list=names), missing=missing)
    sign = signs.pop()
    most, least = "{what} is at most {n} ({list})", "{what} is at least {n} ({list})"
    text = phrase(most if sign == "<" else least, what=formula.name, n=Number(value, 2), list=names)
    return _Computed(None, text, bound=sign, bound_value=value, missing=missing)


class Before(NamedTuple):
    """The previous score: its value, the time of its last input, and the change since."""

    value: Decimal
    at: datetime
    because: Phrase


def _before(
    formula: Formula, chart: Chart, found: Mapping[str, Entry], computed: _Computed, site: Site
) -> Before | None:
    """The score of the last inputs that were all drawn before these; None if either has no value."""
    first = min(entry.effective for entry in found.values())
    earlier = _together(formula, chart, first - INSTANT, site)
    value = _computed(formula, earlier).value if earlier else None
    if computed.value is None or value is None:
        return None
    drawn = max(entry.effective for entry in earlier.values())
    rising, falling, unchanged = _CHANGES
    text = rising if computed.value > value else falling if computed.value < value else unchanged
    shown = phrase(text, what=formula.name, n=Number(computed.value, 2), n2=Number(value, 2), at=At(drawn))
    return Before(value, drawn, shown)


_CHANGES = (
    "{what} {n}, was {n2} on {at}: rising",
    "{what} {n}, was {n2} on {at}: falling",
    "{what} {n}, was {n2} on {at}: unchanged",
)


def _in_formula(kind: str, entry: Entry) -> Decimal:
    value = entry.value or Decimal(0)
    return value / CRP_DIVISOR if kind == "crp" else value


def _written(kind: str, value: Decimal) -> str:
    return f"{number(value)} {'mg/dL' if kind == 'crp' else shown_unit(kind)}"


def _log2(value: Decimal) -> Decimal | None:
    """Binary logarithm to six places, in decimals so that every machine computes the same; None for 0."""
    return (value.ln() / Decimal(2).ln()).quantize(_LOG2_PLACES) if value else None


def _aged(line: Phrase, at: datetime, entry: Entry) -> Phrase:
    hours = Decimal((at - entry.effective) // timedelta(minutes=1)) / 60
    return phrase("{what}, {n} h old", what=line, n=Number(hours, 1))


def _flags(found: Mapping[str, Entry], chart: Chart, at: datetime) -> tuple[Phrase, ...]:
    flags = [flag for kind, entry in found.items() for flag in passed_over(chart, kind, entry, at)]
    if any(entry.status == Status.PRELIMINARY for entry in found.values()):
        flags.append(PROVISIONAL)
    return tuple(flags)


def _confounded(score: Score, chart: Chart, site: Site) -> Score:
    """Flag a score whose inputs were drawn within a period after a drug that changes them."""
    if not score.evidence:
        return score
    drawn = max(item.entry.effective for item in score.evidence)
    doses = chart.given(CONFOUNDERS, drawn)
    if not doses:
        return score
    within = site.conventions.easix.confounded_after.value
    recent = {drug: dose for drug, dose in doses if drawn - dose.effective <= within}
    flags = [text for drug, text in CONFOUNDERS.items() if drug in recent]
    return replace(
        score,
        flags=(*score.flags, *flags, *((CONFOUNDED,) if flags else ())),
        evidence=(*score.evidence, *evidence(*recent.items())),
        conventions=(*score.conventions, "easix.confounded_after"),
    )
