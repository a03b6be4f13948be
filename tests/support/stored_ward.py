"""A ward for the worker's tests: messages as its machines send them, and a store without a server."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from alerts.pages.page import Page
from config.site import Site, load_site
from worker.store.codec import Owed, unpack_owed
from worker.store.inbox import accept
from worker.store.keys import Keys
from worker.store.shard import Store

SITE: Site = load_site()
"""The shipped defaults."""

KEYS = Keys("ward", 4)
"""Four shards: P1 and P2 stand in different ones."""

NOW = datetime(2024, 6, 14, 8, 0, tzinfo=UTC)
"""Two days after the infusion."""

Body = dict[str, Any]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **wait: float) -> datetime:
        self.at += timedelta(**wait)
        return self.at


def registration(patient: str = "P1", at: datetime = NOW, **more: Any) -> Body:
    infused = (at - timedelta(days=2)).isoformat()
    body = {"type": "registration", "id": f"r {patient}", "source": "ehr", "patient": patient}
    return body | {"effective": at.isoformat(), "infused": infused, "ward": "HAEM-2", "bed": "12"} | more


def reading(kind: str, value: object, patient: str = "P1", at: datetime = NOW, **more: Any) -> Body:
    units = {"temperature": "Cel", "systolic_bp": "mm[Hg]", "crp": "mg/L"}
    body = {"type": "reading", "id": f"{kind} {value} {at.isoformat()}", "source": "monitor-7", "patient": patient}
    body |= {"effective": at.isoformat(), "reading": kind, "value": value, "by": "person"}
    return body | ({"unit": units[kind]} if kind in units else {}) | more


def crs2(patient: str = "P1", at: datetime = NOW) -> list[Body]:
    """A patient who is registered, feverish and hypotensive: CRS grade 2, of which one page of high urgency."""
    return [
        registration(patient, at),
        reading("temperature", "38.9", patient, at),
        reading("systolic_bp", 84, patient, at),
    ]


def acknowledgement(episode: str, patient: str = "P1", at: datetime = NOW, by: str = "haematologist-1") -> Body:
    body = {"type": "acknowledgement", "id": f"{episode} {by}", "source": "gateway", "patient": patient}
    return body | {"effective": at.isoformat(), "episode": episode, "by": by}


def raw(body: Body) -> bytes:
    return json.dumps(body).encode()


def message(body: Body) -> AnyMessage:
    return read_message(raw(body))


def send(store: Store, bodies: Sequence[Body], now: datetime = NOW) -> None:
    """Accept messages that are expected to be good."""
    assert accept(store.redis, store.keys, map(raw, bodies), now).refused == []


def waiting(store: Store, patient: str = "P1") -> int:
    """How many messages wait in a patient's shard."""
    return int(store.redis.xlen(store.keys.of(patient).inbox))


def of_interest(page: Page) -> bool:
    """Whether a page is one of those the tests follow: on CRS or technical. Others may be owed beside them."""
    return page.condition == "crs" or page.urgency == "technical"


def owed(store: Store, patient: str = "P1") -> list[Owed]:
    """The pages of interest that a patient's shard owes, in order of their ids."""
    packed = store.redis.hgetall(store.keys.of(patient).key("outbox")).values()
    pages = [item for item in map(unpack_owed, packed) if of_interest(item.page)]
    return sorted(pages, key=lambda item: item.page.id)


def everything(redis: Redis) -> dict[bytes, bytes]:
    """The whole store, to see whether anything changed."""
    return {key: redis.dump(key) for key in redis.scan_iter("*")}
