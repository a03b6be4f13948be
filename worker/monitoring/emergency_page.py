"""The emergency page: a page about the paging itself, for times when the usual way may be broken.

`pages` writes it without an evaluation. `send_directly` sends it without the store, from a process of its own. A Celery
worker's main process must not send through Apprise, or the sends of its pool would hang.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import msgspec

from alerts.episodes.rota import holders
from alerts.pages.page import Page, site_page
from alerts.pages.title import Title, tag
from alerts.wording.catalogue import render
from alerts.wording.phrase import Phrase
from config.settings import Settings
from config.site import Site, Urgency, load_site

CANNOT_PAGE = Phrase("cartwatch cannot page")
PAGES_AGAIN = Phrase("cartwatch pages again")

ADVICE = Phrase(
    "until this is fixed nobody is paged about any patient: watch the patients; see `cartwatch health` on the server"
)

RETRY_SECONDS = (2, 5, 15, 30, 60, 60, 60)
"""The backoff before the channels of a person are tried again, if none accepted the page."""


def pages(site: Site, title: Phrase, lines: Sequence[Phrase], now: datetime, urgency: Urgency) -> Iterator[Page]:
    """One page for each channel of each person whom the first step of the critical or the technical ladder pages.

    Each person reads their own language. Nobody can answer it, because there is no episode.
    """
    on_call = site.on_call
    for person in _people(site, now):
        known = on_call.people[person]
        words = partial(render, language=known.language, zone=site.zone)
        for number, channel in enumerate(known.channels, 1):
            yield site_page(
                "alarm",
                id=f"alarm.{person}.{now:%Y%m%d%H%M%S%f}.{number}",
                at=now,
                urgency=urgency,
                reason="resolved" if title == PAGES_AGAIN else "new",
                to=person,
                channel=channel,
                heading=Title(
                    f"{tag(urgency, known.language)} {on_call.name}", (render(title, known.language, site.zone),)
                ),
                text="\n".join(map(words, lines)),
                language=known.language,
            )


def _people(site: Site, now: datetime) -> Iterable[str]:
    on_call = site.on_call
    roles = [role for ladder in ("critical", "technical") for role in on_call.ladders[ladder].steps[0].notify]
    return dict.fromkeys(person for role in roles for person in holders(on_call, role, now) or on_call.last_resort)


def send_directly(settings: Settings, title: Phrase, *lines: Phrase, at: datetime) -> "subprocess.Popen[bytes]":
    """Send such pages to everybody on duty at a time, from a process of its own, which outlives this one."""
    words = (msgspec.json.encode(line).decode() for line in (title, *lines))
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "worker.monitoring.emergency_page", at.isoformat(), *words],
        env={**os.environ, **settings.as_environment()},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def main() -> None:
    """Send the page of the command line to each person on the first channel that accepts it; retry until one does.

    People are paged in parallel, so that a hanging channel delays nobody else.
    """
    at, *words = sys.argv[1:]
    title, *lines = (msgspec.json.decode(line, type=Phrase) for line in words)
    settings = Settings()
    site = load_site(settings.config_dir)
    urgency: Urgency = "critical" if title == CANNOT_PAGE else "technical"
    for_people: dict[str, list[Page]] = {}
    for page in pages(site, title, lines, datetime.fromisoformat(at), urgency):
        for_people.setdefault(page.to, []).append(page)
    with ThreadPoolExecutor(len(for_people) or 1) as threads:
        list(threads.map(lambda theirs: _reach(site, settings, theirs), for_people.values()))


def _reach(site: Site, settings: Settings, theirs: list[Page]) -> None:
    for wait in (*RETRY_SECONDS, None):
        if any(_sent(site, settings, page) for page in theirs) or wait is None:
            return
        time.sleep(wait)


def _sent(site: Site, settings: Settings, page: Page) -> bool:
    from worker.delivery.channel import MessageContext, send
    from worker.delivery.outcome import Outcome

    return (
        send(site.on_call.channels[page.channel], [page], MessageContext(settings.receiver_url)).outcome is Outcome.SENT
    )


if __name__ == "__main__":
    main()
