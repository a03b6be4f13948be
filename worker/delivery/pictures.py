"""What a sender needs of its installation: the links, and the trend picture that follows a page."""

import logging
from datetime import UTC, datetime
from typing import NamedTuple

from alerts.episodes.episode import Episode
from alerts.pages.page import Page
from alerts.state import PatientState
from alerts.wording.catalogue import in_english
from config.site import URGENCIES, Language, Site, Urgency
from worker.delivery.agreement import mark
from worker.delivery.answers import StoredAnswers
from worker.delivery.channel import MessageContext, send_picture, takes_picture
from worker.delivery.rendering import Rendered
from worker.links import links_of
from worker.runtime.runtime import Runtime
from worker.store.reports import StoredReports

log = logging.getLogger(__name__)


def message_context(run: Runtime) -> MessageContext:
    """The message context of an installation. Without a public address pages carry a command instead of a link.

    A page about no episode, such as a test page, has no link.
    """
    settings = run.settings
    reports = StoredReports(run.store.redis, run.store.keys, run.clock)
    if settings.public_url is None:
        return MessageContext(settings.receiver_url, reports=reports)
    links = links_of(run.store.redis, run.store.keys, settings, settings.public_url)

    def link(page: Page) -> str:
        return links.page(page.id, page.to, page.at) if page.episodes else ""

    answers = StoredAnswers(run.store.redis, run.store.keys, links)
    return MessageContext(settings.receiver_url, link, reports, answers)


def wants_picture(run: Runtime, page: Page) -> bool:
    """Whether a trend picture follows a page that was sent."""
    channel = run.site.on_call.channels.get(page.channel)
    return channel is not None and takes_picture(channel, page.urgency, run.settings.receiver_url)


def send_trend(run: Runtime, page_id: str, channel_name: str, address: str, assessed_at: datetime) -> None:
    """Draw the trend of a page's patient, as assessed for the page, and send it once, to where the page went.

    A failure is only logged: the page was sent before. Nothing is sent if the channel no longer has the address
    (by its fingerprint) that the page went to.
    """
    from worker.report.subject import subjects
    from worker.report.trend import title
    from worker.report.trend_picture import describe, png

    run.configuration.refresh(at_once=True)
    site = run.site
    channel = site.on_call.channels.get(channel_name)
    patient = run.store.patient_of(page_id.rpartition(".")[0])
    state = run.store.state(patient) if patient is not None else None
    if channel is None or state is None or mark(channel) != address:
        return
    sent = _sent(state, page_id, channel_name)
    if sent is None or not takes_picture(channel, sent.urgency, run.settings.receiver_url):
        log.warning("no picture for page %s on %s: the page did not go there", page_id, channel_name)
        return
    chart, language = state.chart, sent.language(site)
    about = subjects(sent.episodes)
    caption = Rendered(title(chart, assessed_at, site, language), describe(chart, assessed_at, site, language, about))
    drawn = png(chart, assessed_at, site, language, about)
    attempt = send_picture(channel, page_id, drawn, caption, run.settings.receiver_url)
    log.info(
        "picture for page %s on %s: %s %s", page_id, channel_name, attempt.outcome, in_english(attempt.detail, UTC)
    )


class _Sent(NamedTuple):
    """A page that went to a channel: the open episodes it delivery of, and to whom it was sent."""

    episodes: tuple[Episode, ...]
    to: str

    @property
    def urgency(self) -> Urgency:
        """The most urgent of the episodes."""
        return max((episode.urgency for episode in self.episodes), key=URGENCIES.index)

    def language(self, site: Site) -> Language:
        """The language of the recipient."""
        person = site.on_call.people.get(self.to)
        return person.language if person is not None else "en"


def _sent(state: PatientState, page_id: str, channel_name: str) -> _Sent | None:
    """What is known of a page on a channel; None where it did not go there, or all it delivery of is over."""
    found = [
        (episode, delivery.to)
        for episode in state.episodes.values()
        for delivery in episode.deliveries
        if (delivery.page, delivery.channel) == (page_id, channel_name)
    ]
    return _Sent(tuple(episode for episode, _ in found), found[0][1]) if found else None
