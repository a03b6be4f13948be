"""The heartbeat: a request to an external dead-man's switch, which raises the alarm if the requests stop.

A delivery process sends it, on the way a page takes: if the broker or the delivery is stuck, the heartbeat stops too.
"""

import logging
import urllib.error
import urllib.request
from datetime import datetime, timedelta

from worker.runtime.runtime import Runtime

log = logging.getLogger(__name__)

WAITS_SECONDS = 5

TOO_OLD = timedelta(seconds=20)
"""An older heartbeat proves nothing about the present."""


def beat(run: Runtime, found_well_at: datetime) -> bool:
    """Report that the watchdog just found nothing wrong; return whether the request succeeded."""
    url = run.settings.heartbeat_url
    now = run.clock.now()
    if not url or now - found_well_at > TOO_OLD:
        return False
    sent = _ask(url)
    run.store.redis.hset(run.store.keys.watchdog, "heartbeat_sent" if sent else "heartbeat_failed", now.isoformat())
    return sent


def _ask(url: str) -> bool:
    if not url.startswith(("http://", "https://")):
        log.error("heartbeat: CARTWATCH_HEARTBEAT_URL must begin with http:// or https://")
        return False
    try:
        with urllib.request.urlopen(url, timeout=WAITS_SECONDS) as answer:  # noqa: S310
            answer.read(1)
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        # The address may contain a secret, and so may the error's text.
        log.warning("heartbeat: could not be sent (%s)", type(error).__name__)
        return False
    return True
