"""Pages after they were sent, where a provider rings on until somebody answers.

Pushover gives a receipt of an emergency, which may be asked for every five seconds: a tap in its app is an
acknowledgement here. An acknowledgement here, and the end of the episode, end the ring at Pushover, and acknowledge or
close the alert at PagerDuty and Opsgenie, whose own answers come by webhook (`worker/gateway/provider_hooks.py`). What
is followed stands in the store, so that any worker that delivers goes on with it.
"""

import json
import logging
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, cast

import requests
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP
from apprise.plugins.pagerduty import PAGERDUTY_API_LOOKUP

from alerts.episodes.episode import Episode, delivery_for
from alerts.message_json import read_message
from alerts.pages.page import Page
from config.site import Channel
from worker.delivery import providers
from worker.delivery.channel import plugin_of
from worker.delivery.http import REQUESTS
from worker.delivery.outcome import Attempt
from worker.delivery.rendering import wants_reply
from worker.runtime.runtime import Runtime
from worker.store.durable import accepting
from worker.store.inbox import append, encoded
from worker.store.keys import Shard

log = logging.getLogger(__name__)

FOLLOWED_FOR = {
    "pover": timedelta(seconds=providers.EMERGENCY_FOR_SECONDS + 60),
    "pagerduty": timedelta(hours=4),
    "opsgenie": timedelta(hours=4),
}
"""How long a page is followed, by its service. Pushover's ring has ended by then."""

WAITS_SECONDS = (4, 8)

SOURCE = "pushover"


class Followed(NamedTuple):
    """A page whose ring is followed: its recipient and channel, the receipt, and until when."""

    page: str
    to: str
    channel: str
    receipt: str
    until: datetime


def is_followed(channel: Channel | None, page: Page, attempt: Attempt) -> bool:
    """Whether a page that was sent rings until somebody answers. Pushover gives a receipt of such a page alone."""
    service = providers.schema(channel.url) if channel is not None else ""
    return service in FOLLOWED_FOR and wants_reply(page) and (service != "pover" or bool(attempt.provider_id))


def begin(run: Runtime, page: Page, attempt: Attempt) -> None:
    """Follow a page from now on."""
    until = run.clock.now() + FOLLOWED_FOR[providers.schema(run.site.on_call.channels[page.channel].url)]
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
            log.warning("page %s: its provider does not answer (%s)", page, type(error).__name__)
            continue
        if over:
            run.store.redis.hdel(run.store.keys.followed, page)
    return wake


def _ask(run: Runtime, followed: Followed, now: datetime, wake: list[Shard]) -> bool:
    """Look at both sides of a page; return whether it need not be followed any longer."""
    channel = run.site.on_call.channels.get(followed.channel)
    plugin = plugin_of(channel, run.settings.receiver_url) if channel is not None else None
    patient = run.store.patient_of(followed.page.rpartition(".")[0])
    if channel is None or plugin is None or patient is None:
        return True
    service = providers.schema(channel.url)
    state = run.store.state(patient)
    about = [one for one in state.episodes.values() if delivery_for(one, followed.page)] if state is not None else []
    open_now = [one for one in about if not one.acknowledged_by and not _is_cancelled(one, followed.page)]
    if not open_now:
        _report(service, plugin, followed, is_over=not about)
        return True
    return service == "pover" and _is_over_at_pushover(run, plugin, followed, patient, open_now[0].id, now, wake)


def _is_cancelled(episode: Episode, page: str) -> bool:
    delivery = delivery_for(episode, page)
    return delivery is not None and delivery.state == "cancelled"


def _report(service: str, plugin: Any, followed: Followed, *, is_over: bool) -> None:
    """Report to a provider that a page is answered here, or over."""
    match service:
        case "pover":
            url, body = f"{_receipt(plugin, followed)}/cancel.json", {"token": plugin.token}
            answer = REQUESTS.post(url, data=body, timeout=WAITS_SECONDS)
        case "pagerduty":
            event = {"event_action": "resolve" if is_over else "acknowledge", "dedup_key": followed.page}
            url = PAGERDUTY_API_LOOKUP[plugin.region_name]
            answer = REQUESTS.post(url, json={"routing_key": plugin.integration_key, **event}, timeout=WAITS_SECONDS)
        case _:
            action = "close" if is_over else "acknowledge"
            url = f"{OPSGENIE_API_LOOKUP[plugin.region_name]}/{followed.page}/{action}?identifierType=alias"
            headers = {"Authorization": f"GenieKey {plugin.apikey}"}
            answer = REQUESTS.post(url, json={"source": "cartwatch"}, headers=headers, timeout=WAITS_SECONDS)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        answer.raise_for_status()


def _receipt(plugin: Any, followed: Followed) -> str:
    return f"{plugin.notify_url.rpartition('/')[0]}/receipts/{followed.receipt}"


def _is_over_at_pushover(
    run: Runtime, plugin: Any, followed: Followed, patient: str, episode: str, now: datetime, wake: list[Shard]
) -> bool:
    """Whether somebody has tapped, which acknowledges the page here, or the ring has ended."""
    url = f"{_receipt(plugin, followed)}.json"
    answer = REQUESTS.get(url, params={"token": plugin.token}, timeout=WAITS_SECONDS)
    if answer.status_code == requests.codes.not_found:
        return True
    answer.raise_for_status()
    status = answer.json()
    if status.get("acknowledged") == 1:
        wake += _acknowledge(run, followed, patient, episode, status, now)
        return True
    return bool(status.get("expired") == 1)


def _acknowledge(
    run: Runtime, followed: Followed, patient: str, episode: str, status: dict[str, Any], now: datetime
) -> list[Shard]:
    tapped = status.get("acknowledged_at")
    at = datetime.fromtimestamp(tapped, UTC) if isinstance(tapped, int) and tapped > 0 else now
    body = {
        "type": "acknowledgement",
        "id": f"{followed.page} {followed.receipt}",
        "source": SOURCE,
        "patient": patient,
        "effective": min(at, now).isoformat(),
        "episode": episode,
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
