"""Who is told what, put together: one page per person and channel, however many episodes it speaks of."""

from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from alerts import page as pages
from alerts.assessment import Assessment
from alerts.episodes import Episode, Reason
from alerts.escalation import Telling
from alerts.events import page_event
from alerts.finding import Finding
from alerts.page import Concern, Page
from alerts.watch import Watch
from config.site import Site


class Tidings:
    """What a step has learnt that pages speak of: findings by episode, and episodes that ended."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.ended: list[tuple[Concern, tuple[str, ...]]] = []

    def know(self, episode: str, finding: Finding) -> None:
        """Keep the latest finding of an episode; what happened on the way stays in its reasons."""
        earlier = self.findings.get(episode)
        if earlier is not None and earlier.event and earlier.event not in finding.because:
            finding = replace(finding, because=(*finding.because, earlier.event))
        self.findings[episode] = finding

    def end(self, episode: Episode, reason: Reason, finding: Finding | None, left: str = "") -> None:
        """An episode that ended or was taken back, to be told to whoever was paged; `left` is what stands of it."""
        what = episode.condition.upper().replace("_", " ")
        if reason == "retracted":
            words = f"retracted: its ground was corrected away{f'; {left} stands' if left else ''}"
        else:
            words = reason
        named = replace(episode, title=f"{what} {words}", urgency="low")
        self.ended.append((Concern(named, reason, finding), episode.told))


class Written(NamedTuple):
    """The pages, their journal lines, and the watch that remembers them."""

    watch: Watch
    pages: list[Page]
    events: list[dict[str, Any]]


def write(
    watch: Watch, dues: list[Telling], tidings: Tidings, assessment: Assessment | None, now: datetime, site: Site
) -> Written:
    """One page per person and channel for everything that is due or has ended."""
    by_person: dict[str, list[Concern]] = {}
    for due in dues:
        for person in due.people:
            concern = Concern(due.episode, due.reason, tidings.findings.get(due.episode.id))
            by_person.setdefault(person, []).append(concern)
    for concern, people in tidings.ended:
        for person in people:
            by_person.setdefault(person, []).append(concern)
    written = Written(watch, [], [])
    for person, unordered in by_person.items():
        concerns = pages.most_urgent_first(unordered)
        channel = site.on_call.people[person].channels[0]
        page = _page(written, person, channel, concerns, assessment, now, site)
        written = Written(
            _remember(written.watch, page), [*written.pages, page], [*written.events, page_event(page, site)]
        )
    return written


def _page(
    written: Written,
    person: str,
    channel: str,
    concerns: list[Concern],
    assessment: Assessment | None,
    now: datetime,
    site: Site,
) -> Page:
    chart = written.watch.chart
    first = concerns[0]
    number = first.episode.pages + 1 + sum(page.episode == first.episode.id for page in written.pages)
    page_id = f"{first.episode.id}.{number}"
    if site.on_call.channels[channel].detail == "minimal":
        title, text = pages.minimal_text(concerns, page_id)
    else:
        title = pages.title(concerns, chart, assessment)
        text = pages.text(concerns, chart, assessment, site, at=now, page=page_id)
    return Page(
        id=page_id,
        patient=written.watch.patient,
        at=now,
        day=chart.day(now, site.zone),
        episode=first.episode.id,
        episodes=tuple(concern.episode.id for concern in concerns),
        condition=first.episode.condition,
        urgency=first.episode.urgency,
        reason=next((concern.reason for concern in concerns if concern.reason != "repeat"), first.reason),
        to=person,
        channel=channel,
        title=title,
        text=text,
    )


def _remember(watch: Watch, page: Page) -> Watch:
    """Note the page on every open episode it speaks of: counted, and not yet known to be sent."""
    held = dict(watch.episodes)
    bundle = page.id if len(page.episodes) > 1 else ""
    for condition, episode in watch.episodes.items():
        if episode.id in page.episodes:
            held[condition] = replace(
                episode, pages=episode.pages + 1, pending=(*episode.pending, page.id), bundle=bundle or episode.bundle
            )
    return replace(watch, episodes=held)
