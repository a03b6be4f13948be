"""The heartbeat: a request to an external dead-man's switch, which raises the alarm if the requests stop, and the
keep-alive of each alert manager (IHE ACM), which does the same.

A delivery process sends it, on the way a page takes: if the broker or the delivery is stuck, the heartbeat stops too.
"""

import logging
import os
import socket
import urllib.error
import urllib.request
from datetime import datetime, timedelta

from config.site import Site
from worker.delivery.alert_manager import send_keep_alive
from worker.monitoring import beats
from worker.runtime.runtime import Runtime

log = logging.getLogger(__name__)

WAITS_SECONDS = 5

TOO_OLD = timedelta(seconds=20)
"""An older heartbeat proves nothing about the present."""


def beat(run: Runtime, found_well_at: datetime) -> bool:
    """Report that the watchdog just found nothing wrong; return whether the request succeeded."""
    url = run.settings.heartbeat_url
    now = run.clock.now()
    if now - found_well_at > TOO_OLD:
        return False
    keep_alive(run.site, now)
    if not url:
        return False
    sent = _ask(url)
    run.store.redis.hset(run.store.keys.watchdog, "heartbeat_sent" if sent else "heartbeat_failed", now.isoformat())
    return sent


def keep_alive(site: Site, now: datetime, *, active: bool = True) -> None:
    """Report to every alert manager that cartwatch runs, or (not `active`) that it stops."""
    for channel in site.on_call.channels.values():
        if channel.is_alert_manager:
            send_keep_alive(channel, now, active=active)


def report_stop(run: Runtime) -> None:
    """If no other worker delivers, report to every alert manager that cartwatch stops.

    Raises:
        redis.exceptions.RedisError: it is not known whether another one delivers.
    """
    if not any(channel.is_alert_manager for channel in run.site.on_call.channels.values()):
        return
    now = run.clock.now()
    others = {name: one for name, one in beats.read(run.store.redis, run.store.keys, now).items() if not _is_own(name)}
    if not beats.consumers_by_queue(others)["deliver"]:
        keep_alive(run.site, now, active=False)


def _is_own(name: str) -> bool:
    """Whether a beat is that of this process, or of the worker that started it."""
    return name in (beats.worker_name(), f"{socket.gethostname()}:{os.getppid()}")


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
