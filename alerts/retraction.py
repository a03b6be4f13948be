"""After a correction: which open episodes have lost their ground, wholly or in part."""

from datetime import datetime

from alerts.assessment import assess
from alerts.episodes import Episode
from alerts.findings import findings
from alerts.watch import Watch
from config.site import Site


def lost_ground(watch: Watch, site: Site) -> list[tuple[Episode, int]]:
    """Open episodes that stand higher than anything still charted gives, each with the level that is left."""
    found = []
    levels: dict[datetime, dict[str, int]] = {}
    for episode in watch.episodes.values():
        moments = {episode.opened_at, episode.raised_at, watch.at or episode.raised_at}
        for moment in moments - levels.keys():
            levels[moment] = _levels(watch, moment, site)
        left = max(levels[moment].get(episode.condition, 0) for moment in moments)
        if left < episode.level:
            found.append((episode, left))
    return found


def _levels(watch: Watch, at: datetime, site: Site) -> dict[str, int]:
    assessment = assess(watch.chart, at, site)
    return {found.condition: found.level for found in findings(watch.seen, assessment, watch.chart, site)}
