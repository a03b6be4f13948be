"""What took the ground of an open episode, wholly or in part: a correction, or a statement."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from alerts.assessment import assess
from alerts.chart import Chart
from alerts.concern import Change, Ending
from alerts.entry import Entry
from alerts.episodes import Episode
from alerts.finding import Finding
from alerts.grading.result import Evidence
from alerts.messages import Reading, Statement, Treatment
from alerts.unregistered import findings_of
from alerts.vocabulary import STATEMENTS
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


CHANGES_SHOWN = 3
"""Corrections that a page names where it cannot be said which of them took the ground of an episode."""


def changes(before: Chart, after: Chart, message: Reading | Statement | Treatment, now: datetime) -> list[Change]:
    """What a correcting message made of the entries it corrects."""
    names = {message.id, message.supersedes}
    at = (message.received or now).astimezone(UTC)
    found = []
    for kind, series in before.entries.items():
        if after.entries.get(kind) is series:
            continue
        now_charted = next((item for item in after.entries.get(kind, ()) if _is(item, message.source, names)), None)
        old = (item for item in series if _is(item, message.source, names) and item != now_charted)
        found += [Change(kind, entry, now_charted, at, message.source) for entry in old]
    return found


def _is(entry: Entry, source: str, names: set[str | None]) -> bool:
    return entry.source == source and entry.id in names


def took_ground(
    known: Sequence[Change], watch: Watch, before: Chart, episode: Episode, site: Site
) -> tuple[Change, ...]:
    """Those of some corrections that an episode rested on, by the chart as it was before them."""
    finding = _found(replace(watch, chart=before, course=None), episode.raised_at, site).get(episode.condition)
    used = {(item.kind, item.entry.place) for item in finding.evidence} if finding is not None else set()
    found = tuple(change for change in known if (change.kind, change.before.place) in used)
    return found or tuple(known[:CHANGES_SHOWN])


def statement_behind(watch: Watch, finding: Finding, since: datetime, at: datetime, site: Site) -> Ending | None:
    """The newest statement of some time, up to `at`, without which a finding would be higher than it is."""
    chart = watch.chart
    statements = [(kind, entry) for kind in STATEMENTS for entry in chart.between(kind, since, at)]
    for kind, entry in sorted(statements, key=lambda item: item[1].place, reverse=True):
        others = tuple(item for item in chart.entries[kind] if item is not entry)
        without = replace(watch, chart=replace(chart, entries={**chart.entries, kind: others}), course=None)
        found = _found(without, at, site).get(finding.condition)
        if found is not None and found.level > finding.level:
            return Ending(Evidence(kind, entry), entry.effective, entry.source, entry.by)
    return None
