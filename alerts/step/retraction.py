"""The causes by which an open episode lost its evidence, wholly or in part: a correction, or a statement."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from alerts.assessment.assessment import assess, assess_each
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.episodes.episode import Episode
from alerts.grading.result import Evidence
from alerts.messages import Entered
from alerts.pages.concern import ChartCorrection, Ending
from alerts.rules.finding import Finding
from alerts.state import PatientState
from alerts.step.unregistered import findings_of
from config.site import Site
from config.vocabulary import STATEMENTS


def without_evidence(state: PatientState, site: Site) -> list[tuple[Episode, Finding | None]]:
    """Open episodes with a higher level than the chart still supports, each with the highest finding left.

    The function first assesses the moments at which an episode was opened or raised. Only if their findings do not
    suffice does it assess every moment charted while the episode was open.
    """
    first = {at for episode in state.episodes.values() for at in (episode.raised_at, episode.opened_at)}
    lost = _lost(state.episodes.values(), _levels(state, first, site))
    if not lost:
        return []
    opened = min(episode.opened_at for episode, _ in lost)
    return _lost([episode for episode, _ in lost], _levels(state, first | _charted(state, opened), site))


Found = dict[datetime, dict[str, Finding]]


def _levels(state: PatientState, moments: set[datetime], site: Site) -> Found:
    """The findings of every rule at some moments."""
    return {
        now.at: {found.condition: found for found in findings_of(state, now, site)}
        for now, _ in assess_each(state.chart, moments, site, state.result_cache)
    }


def _lost(episodes: Iterable[Episode], known: Found) -> list[tuple[Episode, Finding | None]]:
    lost = []
    for episode in episodes:
        paged = (episode.raised_at, episode.opened_at)
        order = dict.fromkeys((*paged, *sorted((at for at in known if at >= episode.opened_at), reverse=True)))
        supported = [
            found for at in order if (found := known[at].get(episode.condition)) is not None and found.level > 0
        ]
        left = max(supported, key=lambda one: one.level, default=None)
        if left is None or left.level < episode.level:
            lost.append((episode, left))
    return lost


def _charted(state: PatientState, since: datetime) -> set[datetime]:
    """Every charted moment from a time on. Of a minute with many moments, as a stream has them, only the last."""
    of_minute: dict[datetime, list[datetime]] = defaultdict(list)
    for at in state.chart.times(state.chart.entries, state.chart.newest or since):
        if at >= since:
            of_minute[at.replace(second=0, microsecond=0)].append(at)
    return {at for times in of_minute.values() for at in (times if len(times) <= MOMENTS_A_MINUTE else times[-1:])}


def _found(state: PatientState, at: datetime, site: Site) -> dict[str, Finding]:
    assessment = assess(state.chart, at, site, state.result_cache)
    return {found.condition: found for found in findings_of(state, assessment, site)}


MOMENTS_A_MINUTE = 4
"""The most moments of a minute that are assessed for the remaining evidence of an episode; of more only the last."""

CHANGES_SHOWN = 3
"""Corrections that a page names if none of them can be shown to have removed the evidence."""


def changes(before: Chart, after: Chart, message: Entered, now: datetime) -> list[ChartCorrection]:
    """The changes that a correcting message made to the entries it corrects."""
    names = {message.id, message.supersedes}
    at = (message.received or now).astimezone(UTC)
    found = []
    for kind, series in before.entries.items():
        if after.entries.get(kind) is series:
            continue
        now_charted = next((item for item in after.entries.get(kind, ()) if _is(item, message.source, names)), None)
        old = (item for item in series if _is(item, message.source, names) and item != now_charted)
        found += [ChartCorrection(kind, entry, now_charted, at, message.source) for entry in old]
    return found


def _is(entry: Entry, source: str, names: set[str | None]) -> bool:
    return entry.source == source and entry.id in names


def evidence_removed_by(
    known: Sequence[ChartCorrection], state: PatientState, before: PatientState, episode: Episode, site: Site
) -> tuple[ChartCorrection, ...]:
    """The corrections of entries on which an episode rested, by the chart of the state before them."""
    uncorrected = replace(state, chart=before.chart, result_cache=before.result_cache)
    finding = _found(uncorrected, episode.raised_at, site).get(episode.condition)
    used = {(item.kind, item.entry.place) for item in finding.evidence} if finding is not None else set()
    found = tuple(change for change in known if (change.kind, change.before.place) in used)
    return found or tuple(known[:CHANGES_SHOWN])


def statement_behind(state: PatientState, finding: Finding, since: datetime, at: datetime, site: Site) -> Ending | None:
    """The newest statement between two times without which a finding would be higher."""
    chart = state.chart
    statements = [(kind, entry) for kind in STATEMENTS for entry in chart.between(kind, since, at)]
    for kind, entry in sorted(statements, key=lambda item: item[1].place, reverse=True):
        others = tuple(item for item in chart.entries[kind] if item is not entry)
        shorter = replace(chart, entries={**chart.entries, kind: others})
        without = replace(state, chart=shorter, result_cache=state.result_cache.after(chart, shorter))
        found = _found(without, at, site).get(finding.condition)
        if found is not None and found.level > finding.level:
            return Ending(Evidence(kind, entry), entry.effective, entry.source, entry.by)
    return None
