"""When risk scores are told: never urgently, and of laboratory values that are final."""

from alerts.grading import easix
from alerts.rules.finding import Finding, Scene, of_result, once_final
from config.conventions import EasixThreshold


def m_easix(scene: Scene) -> Finding | None:
    """m-EASIX over the site's own threshold for the day: low, never more."""
    value = scene.now.m_easix.value
    if value is None:
        return None
    threshold = _threshold(scene)
    over = m_easix_over(scene)
    title = f"m-EASIX {value:.1f}"
    because = scene.now.m_easix.because
    if over and threshold is not None:
        title += f" over the site's threshold {threshold.threshold.value} for {threshold.window}"
        because = (*because, f"threshold basis: {threshold.threshold.shown_basis}")
    return once_final(of_result(scene.now.m_easix, "m_easix", int(over), "low", title, because=because))


def m_easix_over(scene: Scene) -> bool:
    """Whether m-EASIX lies over the site's threshold for the day its inputs were drawn."""
    threshold = _threshold(scene)
    value = scene.now.m_easix.value
    return threshold is not None and value is not None and value > threshold.threshold.value


def _threshold(scene: Scene) -> EasixThreshold | None:
    drawn = [item.entry.effective for item in scene.now.m_easix.evidence if item.kind in easix.M_EASIX.inputs]
    return easix.threshold_for(scene.chart.day(max(drawn), scene.site.zone), scene.site) if drawn else None


def hematotox(scene: Scene) -> Finding | None:
    """CAR-HEMATOTOX high before lymphodepletion: low. Once day 0 has passed it says nothing that is news."""
    if scene.now.hematotox.risk is None or (scene.now.day or 0) > 0:
        return None
    high = scene.now.hematotox.risk == "high"
    points = "at least 2" if scene.now.hematotox.score is None else scene.now.hematotox.score
    title = f"CAR-HEMATOTOX {points}, {scene.now.hematotox.risk} risk"
    return once_final(of_result(scene.now.hematotox, "hematotox", int(high), "low", title))
