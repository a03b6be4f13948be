"""When risk scores page: never urgently, and only on final laboratory values."""

from alerts.grading import easix
from alerts.rules.finding import Finding, RuleInput, of_result, once_final
from alerts.wording.phrase import Number, Phrase, phrase
from config.conventions import EasixThreshold


def m_easix(inputs: RuleInput) -> Finding | None:
    """m-EASIX over the site's own threshold for the day: low, never more."""
    value = inputs.now.family.m_easix.value
    if value is None:
        return None
    threshold = _threshold(inputs)
    over = m_easix_over(inputs)
    title = phrase("m-EASIX {n}", n=Number(value, 1))
    because = inputs.now.m_easix.because
    if over and threshold is not None:
        title = phrase(
            "m-EASIX {n} over the site's threshold {n2} for {own}",
            n=Number(value, 1),
            n2=str(threshold.threshold.value),
            own=Phrase(threshold.window),
        )
        because = (*because, phrase("threshold basis: {own}", own=Phrase(threshold.threshold.shown_basis)))
    return once_final(of_result(inputs.now.m_easix, "m_easix", int(over), "low", title, because=because))


def m_easix_over(inputs: RuleInput) -> bool:
    """Whether m-EASIX is over the site's threshold for the day on which its inputs were drawn."""
    value = inputs.now.family.m_easix.value
    threshold = _threshold(inputs) if value is not None else None
    return threshold is not None and value is not None and value > threshold.threshold.value


def _threshold(inputs: RuleInput) -> EasixThreshold | None:
    drawn = [item.entry.effective for item in inputs.now.family.m_easix.evidence if item.kind in easix.M_EASIX.inputs]
    return easix.threshold_for(inputs.chart.day(max(drawn), inputs.site.zone), inputs.site) if drawn else None


def hematotox(inputs: RuleInput) -> Finding | None:
    """A high CAR-HEMATOTOX before lymphodepletion: low. After day 0 it pages no more."""
    if inputs.now.hematotox.risk is None or (inputs.now.day or 0) > 0:
        return None
    high = inputs.now.hematotox.risk == "high"
    points = inputs.now.hematotox.score
    text = "CAR-HEMATOTOX {n}, high risk" if high else "CAR-HEMATOTOX {n}, low risk"
    title = phrase("CAR-HEMATOTOX at least {n}, high risk", n=2) if points is None else phrase(text, n=points)
    return once_final(of_result(inputs.now.hematotox, "hematotox", int(high), "low", title))
