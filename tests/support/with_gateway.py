"""A gateway for tests with real browsers, and the links that were paged."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx

from alerts.episodes.episode import Episode
from tests.support.hospital import Hospital, eventually
from tests.support.servers import free_port
from worker.links import Links, links_of
from worker.standalone.supervisor import Supervised


@contextmanager
def with_gateway(hospital: Hospital) -> Iterator[None]:
    """Workers that page with links, and the gateway that these open."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    hospital.settings = hospital.settings.model_copy(update={"public_url": address})
    command = [sys.executable, "-m", "worker.cli", "gateway", "--port", str(port)]
    log = str(hospital.log.with_name("gateway.log"))
    with Supervised(command, hospital.settings.as_environment(), log), hospital.workers():
        eventually(lambda: answers(address), "the gateway answers")
        yield


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=2).status_code in (200, 503)
    except httpx.TransportError:
        return False


def link_of(ward: Hospital, patient: str) -> str:
    """The link in the last page about a patient that reached whoever is on call first."""
    pages = [page for page in ward.phone.received if page.path == "/phone-1" and f"/{patient}" in page.title]
    found = [link[0] for page in pages if (link := re.search(r"http://127\.0\.0\.1:\d+/p/[\w.~-]+", page.body))]
    return found[-1] if found else ""


def links(ward: Hospital) -> Links:
    """The links as the gateway makes them."""
    return links_of(ward.redis, ward.store.keys, ward.settings, str(ward.settings.public_url))


def episode_of(ward: Hospital, patient: str, link: str) -> Episode:
    """The episode a link is about, as it stands in the store."""
    claims = links(ward).read(link.rpartition("/")[2], datetime.now(UTC))
    state = ward.store.state(patient)
    assert state is not None
    return next(episode for episode in state.episodes.values() if episode.id == claims.episode)
