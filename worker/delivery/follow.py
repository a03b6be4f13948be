"""Pushover's emergency pages after they were sent: a tap in its app is an acknowledgement, and one here ends its ring.

Pushover gives a receipt for such a page, which may be asked for every five seconds. The receipts stand in the store, so
that any worker that delivers goes on with them.
"""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import requests

from alerts.message_json import read_message
from alerts.pages.page import Page
from config.site import Channel
from worker.delivery import providers
from worker.delivery.channel import plugin_of
from worker.delivery.http import REQUESTS
from worker.delivery.outcome import Attempt
from worker.runtime.runtime import Runtime
from worker.store.durable import accepting
from worker.store.inbox import append, encoded
from worker.store.keys import Shard

log = logging.getLogger(__name__)

FOLLOWED_FOR = timedelta(seconds=providers.EMERGENCY_FOR_SECONDS + 60)

WAITS_SECONDS = (4, 8)

SOURCE = "pushover"


class Followed(NamedTuple):
    """A page whose ring is followed: its recipient and channel, the receipt, and until when."""

    page: str
    to: str
    channel: str
    receipt: str
    until: datetime


def is_followed(channel: Channel | None, attempt: Attempt) -> bool:
    """Whether a page that was sent rings until somebody taps, so that its provider gave a receipt."""
    return channel is not None and providers.schema(channel.url) == "pover" and bool(attempt.provider_id)


def begin(run: Runtime, page: Page, attempt: Attempt) -> None:
    """Follow a page from now on."""
    until = run.clock.now() + FOLLOWED_FOR
    record = json.dumps([page.to, page.channel, attempt.provider_id, until.isoformat()])
    run.store.redis.hset(run.store.keys.followed, page.id, record)


def follow(run: Runtime) -> list[Shard]:
    """Ask once about every page that is followed; return the shards in which an acknowledgement waits now."""
    now = run.clock.now()
    wake: list[Shard] = []
    for page, record in cast("dict[bytes, bytes]", run.store.redis.hgetall(run.store.keys.followed)).items():
        followed = _read(page.decode(), record)
        try:
            over = followed is None or now >= followed.until or _ask(run, followed, now, wake)
        except (requests.RequestException, ValueError) as error:
            log.warning("page %s: Pushover does not say whether it was answered (%s)", page, type(error).__name__)
            continue
        if over:
            run.store.redis.hdel(run.store.keys.followed, page)
    return wake


def _ask(run: Runtime, followed: Followed, now: datetime, wake: list[Shard]) -> bool:
    """Look at both sides of a page; return whether it need not be followed any longer."""
    channel = run.site.on_call.channels.get(followed.channel)
    plugin = plugin_of(channel, run.settings.receiver_url) if channel is not None else None
    patient = run.store.patient_of(followed.page.rpartition(".")[0])
    if plugin is None or patient is None:
        return True
    base = f"{plugin.notify_url.rpartition('/')[0]}/receipts/{followed.receipt}"
    if not _still_rings(run, patient, followed.page):
        REQUESTS.post(f"{base}/cancel.json", data={"token": plugin.token}, timeout=WAITS_SECONDS).raise_for_status()
        return True
    answer = REQUESTS.get(f"{base}.json", params={"token": plugin.token}, timeout=WAITS_SECONDS)
    if answer.status_code == requests.codes.not_found:
        return True
    answer.raise_for_status()
    status = answer.json()
    if status.get("acknowledged") == 1:
        wake += _acknowledge(run, followed, patient, status, now)
        return True
    return bool(status.get("expired") == 1)


def _still_rings(run: Runtime, patient: str, page: str) -> bool:
    """Whether nobody here has answered the page, and what it reports is not over."""
    state = run.store.state(patient)
    episodes = state.episodes.values() if state is not None else ()
    deliveries = ((one, delivery) for one in episodes for delivery in one.deliveries if delivery.page == page)
    return any(not one.acknowledged_by and delivery.state != "cancelled" for one, delivery in deliveries)


def _acknowledge(run: Runtime, followed: Followed, patient: str, status: dict[str, Any], now: datetime) -> list[Shard]:
    tapped = status.get("acknowledged_at")
    at = datetime.fromtimestamp(tapped, UTC) if isinstance(tapped, int) and tapped > 0 else now
    body = {
        "type": "acknowledgement",
        "id": f"{followed.page} {followed.receipt}",
        "source": SOURCE,
        "patient": patient,
        "effective": min(at, now).isoformat(),
        "episode": followed.page.rpartition(".")[0],
        "page": followed.page,
        "by": followed.to,
    }
    store = run.store
    message = encoded(read_message(json.dumps(body)))
    return append(store.redis, store.keys, [message], now, accepting(store.redis)).wake


def _read(page: str, record: bytes) -> Followed | None:
    try:
        to, channel, receipt, until = json.loads(record)
        return Followed(page, to, channel, receipt, datetime.fromisoformat(until))
    except (ValueError, TypeError):
        return None
