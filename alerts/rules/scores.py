"""When risk scores are told: never urgently, and of laboratory values that are final."""

from alerts.grading import easix
from alerts.rules.finding import Finding, RuleInput, of_result, once_final
from config.conventions import EasixThreshold


def m_easix(inputs: RuleInput) -> Finding | None:
    """m-EASIX over the site's own threshold for the day: low, never more."""
    value = inputs.now.m_easix.value
    if value is None:
        return None
    threshold = _threshold(inputs)
    over = m_easix_over(inputs)
    title = f"m-EASIX {value:.1f}"
    because = inputs.now.m_easix.because
    if over and threshold is not None:
        title += f" over the site's threshold {threshold.threshold.value} for {threshold.window}"
        because = (*because, f"threshold basis: {threshold.threshold.shown_basis}")
    return once_final(of_result(inputs.now.m_easix, "m_easix", int(over), "low", title, because=because))


def m_easix_over(inputs: RuleInput) -> bool:
    """Whether m-EASIX lies over the site's threshold for the day its inputs were drawn."""
    threshold = _threshold(inputs)
    value = inputs.now.m_easix.value
    return threshold is not None and value is not None and value > threshold.threshold.value


def _threshold(inputs: RuleInput) -> EasixThreshold | None:
    drawn = [item.entry.effective for item in inputs.now.m_easix.evidence if item.kind in easix.M_EASIX.inputs]
    return easix.threshold_for(inputs.chart.day(max(drawn), inputs.site.zone), inputs.site) if drawn else None


def hematotox(inputs: RuleInput) -> Finding | None:
    """CAR-HEMATOTOX high before lymphodepletion: low. Once day 0 has passed it says nothing that is news."""
    if inputs.now.hematotox.risk is None or (inputs.now.day or 0) > 0:
        return None
    high = inputs.now.hematotox.risk == "high"
    points = "at least 2" if inputs.now.hematotox.score is None else inputs.now.hematotox.score
    title = f"CAR-HEMATOTOX {points}, {inputs.now.hematotox.risk} risk"
    return once_final(of_result(inputs.now.hematotox, "hematotox", int(high), "low", title))
