"""Toxicities that come after CRS and ICANS, or beside them: no consensus grades them, so each is a notice.

Sources: cranial nerve palsies in 8 to 10 % (median week 3) and parkinsonism in 1 to 4 % after a BCMA product; a peak
lymphocyte count above 3.0 x10^9/L with delayed neurotoxicity in 20 % against 2 % (ASH 2025, abstract 5953); fibrinogen
of 150 mg/dL or less in 25 % by day 30, median day 10.5; immune effector cell enterocolitis in 1.2 %, onset median day
79 to 92 (PMC11484697).
"""

from decimal import Decimal

from alerts.chart.entry import Entry
from alerts.grading.result import Evidence
from alerts.rules.finding import Finding, RuleInput, once_final
from alerts.wording.phrase import Amount, Listed, Name, Phrase, phrase
from config.vocabulary import BCMA_PRODUCTS, DELAYED_NEUROTOXICITY, product_code

NO_SIGN = Phrase("no sign of delayed neurotoxicity")
LYMPHOCYTES_NOT_HIGH = Phrase("lymphocytes never above the limit since the infusion")
NO_DIARRHOEA = Phrase("no diarrhoea")
FIBRINOGEN_NOT_LOW = Phrase("fibrinogen not low and falling")


def delayed_neurotoxicity(inputs: RuleInput) -> Finding | None:
    """A cranial nerve palsy, parkinsonism or a change of handwriting after the infusion: high. Each pages once."""
    since, now = inputs.chart.infused, inputs.now.at
    if since is None or now < since:
        return None
    latest = ((name, inputs.chart.latest(name, now)) for name in DELAYED_NEUROTOXICITY)
    said = [(name, entry) for name, entry in latest if entry is not None and entry.effective >= since]
    if not said:
        return None
    present = [Evidence(name, entry) for name, entry in said if entry.is_true]
    names = tuple(item.kind for item in present)
    listed = Listed(tuple(map(Name, names)))
    return Finding(
        condition="delayed_neurotoxicity",
        level=int(bool(present)),
        urgency="high",
        title=phrase("delayed neurotoxicity: {list}", list=listed) if present else NO_SIGN,
        evidence=tuple(present or (Evidence(name, entry) for name, entry in said)),
        members=names,
        over=not present,
    )


def lymphocyte_peak(inputs: RuleInput) -> Finding | None:
    """A lymphocyte count above the site's limit after a BCMA product: low, once."""
    admission, since = inputs.chart.admission, inputs.chart.infused
    if admission is None or since is None or product_code(admission.product) not in BCMA_PRODUCTS:
        return None
    counts = [entry for entry in inputs.chart.between("lymphocytes", since, inputs.now.at) if entry.value is not None]
    peak = max(counts, key=_value, default=None)
    if peak is None:
        return None
    limit = inputs.site.conventions.counts.bcma_lymphocyte_peak
    high = _value(peak) > limit.value
    amount = Amount("lymphocytes", peak.value)
    title = phrase("peak {amount} after a BCMA product", amount=amount) if high else LYMPHOCYTES_NOT_HIGH
    found = Finding(
        condition="lymphocyte_peak",
        level=int(high),
        urgency="low",
        title=title,
        because=(Phrase(limit.basis),),
        evidence=(Evidence("lymphocytes", peak),),
        conventions=("counts.bcma_lymphocyte_peak",),
    )
    return once_final(found)


def falling_fibrinogen(inputs: RuleInput) -> Finding | None:
    """Fibrinogen at or under the site's limit and falling, with few platelets, on days 5 to 20: medium."""
    counts, now = inputs.site.conventions.counts, inputs.now.at
    day = inputs.now.day
    if day is None or inputs.chart.infused is None or not counts.fibrinogen_from_day.value <= day:
        return None
    series = [entry for entry in inputs.chart.until("fibrinogen", now) if entry.value is not None]
    platelets = inputs.chart.latest("platelets", now, inputs.site.conventions.chart.laboratory_holds.value)
    if len(series) < 2 or platelets is None or platelets.value is None:
        return None
    before, last = series[-2:]
    low = (
        day <= counts.fibrinogen_to_day.value
        and _value(before) > _value(last) <= counts.fibrinogen_low.value
        and platelets.value < counts.fibrinogen_platelets.value
    )
    amounts = {"amount": Amount("fibrinogen", last.value), "amount2": Amount("platelets", platelets.value)}
    found = Finding(
        condition="falling_fibrinogen",
        level=int(low),
        urgency="medium",
        title=phrase("falling {amount}, {amount2}", **amounts) if low else FIBRINOGEN_NOT_LOW,
        because=(Phrase(counts.fibrinogen_low.basis),),
        evidence=(Evidence("fibrinogen", last), Evidence("platelets", platelets)),
        conventions=("counts.fibrinogen_low",),
    )
    return once_final(found)


def late_diarrhea(inputs: RuleInput) -> Finding | None:
    """Diarrhoea that a clinician states after the site's day: medium, once, until it is denied."""
    after, now = inputs.site.conventions.counts.diarrhea_after_day, inputs.now.at
    entry = inputs.chart.latest("diarrhea", now)
    day = inputs.chart.day(entry.effective, inputs.site.zone) if entry is not None else None
    if entry is None or day is None or day <= after.value:
        return None
    return Finding(
        condition="late_diarrhea",
        level=int(entry.is_true),
        urgency="medium",
        title=phrase("diarrhoea on day {n}", n=day) if entry.is_true else NO_DIARRHOEA,
        because=(Phrase(after.basis),),
        evidence=(Evidence("diarrhea", entry),),
        conventions=("counts.diarrhea_after_day",),
        over=not entry.is_true,
    )


def _value(entry: Entry) -> Decimal:
    assert entry.value is not None, "a count without a number was left out"
    return entry.value
