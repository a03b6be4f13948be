"""What a delivery process needs of its installation: how links are made, and the trend picture that follows a page."""

import logging

from alerts.page import Page
from alerts.watch import Watch
from config.site import Language, Site
from worker.delivery.agreement import mark
from worker.delivery.channel import Office, send_picture, takes_picture
from worker.gateway.links import links_of
from worker.runtime import Runtime

log = logging.getLogger(__name__)


def office(run: Runtime) -> Office:
    """The office of an installation; without a public address pages carry a command in place of a link.

    A page about no episode, such as a test, has nothing to be shown.
    """
    settings = run.settings
    if settings.public_url is None:
        return Office(settings.receiver_url)
    links = links_of(run.store.redis, run.store.keys, settings, settings.public_url)

    def link(page: Page) -> str:
        return links.page(page.id, page.to, page.at) if page.episodes else ""

    return Office(settings.receiver_url, link)


def wants_picture(run: Runtime, page: Page) -> bool:
    """Whether a trend picture is to follow a page that was sent."""
    channel = run.site.on_call.channels.get(page.channel)
    return channel is not None and takes_picture(channel, page, run.settings.receiver_url)


def send_trend(run: Runtime, page_id: str, channel_name: str, address: str) -> None:
    """Draw the trend of a page's patient and send it, once. Whatever becomes of it, the page was sent before.

    Nothing is sent where the channel is not, or no longer, at the address (its mark) that the page went to.
    """
    from worker.report.trend import describe, png

    run.configuration.refresh(at_once=True)
    site = run.site
    channel = site.on_call.channels.get(channel_name)
    patient = run.store.patient_of(page_id.rpartition(".")[0])
    watch = run.store.watch(patient) if patient is not None else None
    if channel is None or watch is None or mark(channel) != address:
        return
    now = run.clock.now()
    language = _language(watch, page_id, channel_name, site)
    drawn, told = png(watch.chart, now, site, language), describe(watch.chart, now, site, language)
    attempt = send_picture(channel, page_id, drawn, told, run.settings.receiver_url)
    log.info("picture for page %s on %s: %s %s", page_id, channel_name, attempt.outcome, attempt.detail)


def _language(watch: Watch, page_id: str, channel_name: str, site: Site) -> Language:
    """The language of whoever the page went to; of one that is no longer known, that of the channel's person."""
    told = (told.to for episode in watch.episodes.values() for told in episode.deliveries if told.page == page_id)
    theirs = (name for name, person in site.on_call.people.items() if channel_name in person.channels)
    known = (site.on_call.people[name] for name in (*told, *theirs) if name in site.on_call.people)
    return next((person.language for person in known), "en")
