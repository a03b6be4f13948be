"""After a correction: which open episodes have lost their ground, wholly or in part."""

from datetime import datetime

from alerts.assessment import assess
from alerts.episodes import Episode
from alerts.finding import Finding
from alerts.unregistered import findings_of
from alerts.watch import Watch
from config.site import Site


def lost_ground(watch: Watch, site: Site) -> list[tuple[Episode, Finding | None]]:
    """Open episodes that stand higher than anything still charted gives, each with the most that is left."""
    known: dict[datetime, dict[str, Finding]] = {}
    lost = []
    for episode in watch.episodes.values():
        left: Finding | None = None
        for moment in _moments(watch, episode):
            if moment not in known:
                known[moment] = _found(watch, moment, site)
            found = known[moment].get(episode.condition)
            if found is not None and found.level > (left.level if left else 0):
                left = found
            if left is not None and left.level >= episode.level:
                break
        else:
            lost.append((episode, left))
    return lost


def _moments(watch: Watch, episode: Episode) -> list[datetime]:
    """Everything charted while the episode was open; first the moments at which it was told."""
    until = watch.chart.newest or episode.raised_at
    charted = [at for at in watch.chart.times(watch.chart.entries, until) if at >= episode.opened_at]
    return list(dict.fromkeys([episode.raised_at, episode.opened_at, *reversed(charted)]))


def _found(watch: Watch, at: datetime, site: Site) -> dict[str, Finding]:
    assessment = assess(watch.chart, at, site)
    return {found.condition: found for found in findings_of(watch, assessment, site)}
