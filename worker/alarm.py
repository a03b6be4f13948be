"""A page about the paging itself, for when the usual way may be what is broken.

`pages` writes it for the outbox without the judgement. `ring` sends it without the store, from a process of its own:
a Celery worker's main process must not send through Apprise, or the sends of its pool would hang.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from alerts.messages import SITE_SUBJECT
from alerts.page import Page
from alerts.rota import holders
from config.settings import Settings
from config.site import Site, load_site

AGAIN_AFTER_SECONDS = 900
"""A machine rings about the same thing once in this time: each of its workers sees it."""


def pages(site: Site, what: str, now: datetime) -> Iterator[Page]:
    """One page for everybody whom the first step of the technical ladder tells, on their first channel."""
    on_call = site.on_call
    roles = on_call.ladders["technical"].steps[0].tell
    people = dict.fromkeys(person for role in roles for person in holders(on_call, role, now) or on_call.last_resort)
    for number, person in enumerate(people, 1):
        known = on_call.people[person]
        yield Page(
            id=f"alarm{now:%Y%m%d%H%M%S}.{number}",
            patient=SITE_SUBJECT,
            at=now,
            day=None,
            episode="alarm",
            episodes=(),
            condition="alarm",
            urgency="technical",
            reason="new",
            to=person,
            channel=known.channels[0],
            title=f"[TECHNICAL] {on_call.name}: cartwatch cannot page",
            text=f"{what}\nUntil it is mended nobody is told of any patient. See `cartwatch health`.",
            language=known.language,
        )


def ring(what: str, settings: Settings) -> bool:
    """Send it in a process of its own, unless this machine has just done so; whether it was started."""
    if not _my_turn(settings.namespace):
        return False
    # Its end is not waited for: Popen reaps the one before when the next is started.
    subprocess.Popen([sys.executable, "-m", "worker.alarm", what], stdin=subprocess.DEVNULL)  # noqa: S603
    return True


def _my_turn(namespace: str) -> bool:
    """Whether nobody on this machine has rung lately; a file says so, because the store may be gone."""
    mark = Path(tempfile.gettempdir()) / f"cartwatch-alarm-{os.getuid()}-{namespace}"
    with contextlib.suppress(OSError):
        if time.time() - mark.stat().st_mtime < AGAIN_AFTER_SECONDS:
            return False
        mark.unlink()
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError:
        return True  # the disk is full: said twice is better than not said
    return True


def main() -> None:
    """Send the page named on the command line to whoever is to be told of technical trouble."""
    from worker.delivery.channel import Office, send

    settings = Settings()
    site = load_site(settings.config_dir)
    for page in pages(site, sys.argv[1], datetime.now(UTC)):
        send(site.on_call.channels[page.channel], [page], Office(settings.receiver_url))


if __name__ == "__main__":
    main()
