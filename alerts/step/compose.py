"""Composing pages: one per person and channel, however many episodes it reports."""

from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from alerts.assessment.assessment import Assessment
from alerts.chart.admission import Admission
from alerts.episodes.delivery_log import Delivery, with_delivery
from alerts.episodes.episode import with_delivery_state
from alerts.episodes.escalation import Notifications
from alerts.messages import SITE_SUBJECT
from alerts.pages import page as pages
from alerts.pages.concern import PageConcern, worst_first
from alerts.pages.page import Alert, Page
from alerts.pages.title import title
from alerts.rules.finding import Finding
from alerts.state import PatientState
from alerts.step.journal_events import page_event
from alerts.wording.catalogue import say
from config.site import Site, higher


class StepNews:
    """The contents of a step's pages: the latest finding of each episode, and episodes that ended."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.ended: list[tuple[PageConcern, tuple[str, ...]]] = []
        self.along: list[tuple[PageConcern, tuple[str, ...]]] = []
        self.to_managers: list[tuple[PageConcern, tuple[str, ...]]] = []

    def add(self, episode: str, finding: Finding) -> None:
        """Keep the latest finding of an episode. An event of an earlier finding stays among its reasons."""
        earlier = self.findings.get(episode)
        if earlier is not None:
            events = (event for event in earlier.events if event not in finding.because)
            finding = replace(finding, because=(*finding.because, *events))
        self.findings[episode] = finding

    def add_ended(self, concern: PageConcern, *, alone: bool = True) -> None:
        """Notify everybody who was paged of an episode, or acknowledged it, that it ended: with low urgency.

        That it resolved by measurements goes to whoever acknowledged it alone. Without `alone` only on a page that they
        get of another reason.
        """
        episode = concern.episode
        holder = episode.acknowledged_by
        if concern.reason == "resolved" and holder in episode.notified:
            people = [holder]
        else:
            people = [person for person in dict.fromkeys((*episode.notified, holder)) if person]
        (self.ended if alone else self.along).append(
            (replace(concern, episode=replace(episode, urgency="low")), tuple(people))
        )


class ComposedPages(NamedTuple):
    """The pages, their journal lines, the ids of pages that newer ones replace, and the next state."""

    state: PatientState
    pages: list[Page]
    events: list[dict[str, Any]]
    cancelled: list[str]


def compose_pages(
    state: PatientState,
    due: list[Notifications],
    news: StepNews,
    assessment: Assessment | None,
    now: datetime,
    site: Site,
) -> ComposedPages:
    """One page per person and channel for all notifications and all episodes that ended.

    An alert manager gets one page per episode: its messages are about one alert each.
    """
    composed = ComposedPages(state, [], [], [])
    for (person, channel, episode), concerns in _by_recipient(due, news, site).items():
        along = [] if episode else _unanswered(state, person, concerns, news, now)
        ordered = [*worst_first(concerns), *along]
        page = _page(composed, person, channel, ordered, assessment, now, site)
        state, cancelled = _remember(composed.state, page)
        composed.pages.append(page)
        composed.events.append(page_event(page, site, ordered, assessment))
        composed.cancelled.extend(cancelled)
        composed = composed._replace(state=state)
    return composed


Recipient = tuple[str, str, str]
"""A person, a channel, and at an alert manager the episode."""

Recipients = dict[Recipient, list[PageConcern]]


def _by_recipient(due: list[Notifications], news: StepNews, site: Site) -> Recipients:
    found: Recipients = {}
    for one in due:
        for notification in one.notifications:
            concern = PageConcern(one.episode, notification.reason, news.findings.get(one.episode.id))
            for recipient in notification.recipients:
                if key := _key(recipient.person, recipient.channel, concern, site):
                    found.setdefault(key, []).append(concern)
    for ended, is_enough in ((news.ended, _always), (news.along, _if_paged), (news.to_managers, _unless_paged)):
        for concern, people in ended:
            for person in people:
                key = _key(person, "", concern, site)
                if key is not None and is_enough(key, found):
                    found.setdefault(key, []).append(concern)
    return found


def _key(person: str, channel: str, concern: PageConcern, site: Site) -> Recipient | None:
    """The recipient of a concern; None if the person is no longer configured."""
    known = site.on_call.people.get(person)
    if known is None:
        return None
    channel = channel or known.channels[0]
    return person, channel, concern.episode.id if site.on_call.channels[channel].is_alert_manager else ""


def _always(_: Recipient, __: Recipients) -> bool:
    return True


def _if_paged(key: Recipient, found: Recipients) -> bool:
    return key in found


def _unless_paged(key: Recipient, found: Recipients) -> bool:
    return key not in found


def _unanswered(
    state: PatientState, person: str, concerns: list[PageConcern], news: StepNews, now: datetime
) -> list[PageConcern]:
    """What else a person was paged of and nobody has acknowledged, if it is no more urgent than their page.

    One answer then acknowledges everything that belongs to one event. A page of what ended alone names nothing more.
    """
    open_ones = [concern for concern in concerns if not concern.has_ended]
    on_page = {concern.episode.id for concern in concerns}
    return worst_first(
        [
            PageConcern(episode, "repeat", news.findings.get(episode.id))
            for episode in state.episodes.values()
            if episode.id not in on_page
            and person in episode.notified
            and episode.awaits_answer(now)
            and any(not higher(episode.urgency, concern.urgency) for concern in open_ones)
        ]
    )


def _page(
    composed: ComposedPages,
    person: str,
    channel: str,
    concerns: list[PageConcern],
    assessment: Assessment | None,
    now: datetime,
    site: Site,
) -> Page:
    chart = composed.state.chart
    first = concerns[0]
    language = site.on_call.people[person].language
    number = first.episode.pages + 1 + sum(page.episode == first.episode.id for page in composed.pages)
    page_id = f"{first.episode.id}.{number}"
    day = chart.day(now, site.zone)
    if site.on_call.channels[channel].detail == "minimal":
        heading, text = pages.minimal_text(concerns, page_id, language)
    else:
        patient = "" if composed.state.patient == SITE_SUBJECT else composed.state.patient
        heading = title(concerns, patient, chart.admission, day, site, language)
        text = pages.text(concerns, chart, assessment, site, at=now, page=page_id, language=language)
    if site.drill:
        heading = replace(heading, who=f"{say('DRILL', language)} {heading.who}")
    return Page(
        id=page_id,
        patient=composed.state.patient,
        at=now,
        day=day,
        episode=first.episode.id,
        episodes=tuple(dict.fromkeys(concern.episode.id for concern in concerns)),
        condition=first.episode.condition,
        levels=tuple({c.episode.condition: c.episode.level_now for c in concerns if not c.has_ended}.items()),
        urgency=first.urgency,
        reason=next((concern.reason for concern in concerns if concern.reason != "repeat"), first.reason),
        to=person,
        channel=channel,
        heading=heading,
        text=text,
        language=language,
        assessed_at=assessment.at if assessment is not None else None,
        alert=_alert(first, chart.admission) if site.on_call.channels[channel].is_alert_manager else None,
    )


def _alert(concern: PageConcern, admission: Admission | None) -> Alert:
    """What an alert manager routes by: the place, the level, and whether somebody has the episode."""
    episode = concern.episode
    place = (admission.ward or "", admission.bed or "") if admission is not None else ("", "")
    now = episode.level_now
    if concern.has_ended or now is None:
        return Alert(*place, episode.level, episode.opened_at, episode.acknowledged_by)
    return Alert(*place, now, episode.level_now_since, episode.acknowledged_by)


def _remember(state: PatientState, page: Page) -> tuple[PatientState, list[str]]:
    """Record the page on every open episode it reports. It replaces pending pages to the same person and channel."""
    replaced: list[str] = []
    for episode in list(state.episodes.values()):
        if episode.id not in page.episodes:
            continue
        older = [
            delivery.page
            for delivery in episode.deliveries
            if delivery.is_owed and (delivery.to, delivery.channel) == (page.to, page.channel)
        ]
        for earlier in older:
            episode = with_delivery_state(episode, earlier, "cancelled", page.at)
        delivery = Delivery(page.id, page.to, page.channel, page.reason, page.at, episode.rounds)
        kept = with_delivery(episode.deliveries, delivery)
        state = state.with_episode(replace(episode, pages=episode.pages + 1, deliveries=kept))
        replaced += older
    return state, state.cancellable(replaced)
