"""Pages for the tests of delivery."""

from datetime import timedelta
from typing import Any

from redis import Redis

from alerts.pages.page import Page
from alerts.pages.title import Title
from tests.support.stored_ward import KEYS, NOW
from worker.store.channel_queues import enqueue
from worker.store.codec import Owed


def page(id: str = "e7.1", **more: Any) -> Page:
    """A page of high urgency to the haematologist's phone, with what is given changed."""
    fields: dict[str, Any] = {
        "id": id,
        "patient": "P1",
        "at": NOW,
        "day": 2,
        "episode": id.partition(".")[0],
        "episodes": (id.partition(".")[0],),
        "condition": "crs",
        "urgency": "high",
        "reason": "new",
        "to": "haematologist-1",
        "channel": "phone-1",
        "heading": Title("[HIGH] HAEM-2/12 P1 D+2", ("CRS 2",), ("T 38.9", "SBP 84")),
        "text": "T 38.9\n\nbecause fever 38.9 °C (>= 38.0)",
    }
    if "title" in more:
        more["heading"] = Title(more.pop("title"))
    return Page(**{**fields, **more})


def owe(redis: Redis, *pages: Page) -> None:
    """Pages that are due now, each in the shard its patient belongs to."""
    pipe = redis.pipeline()
    for number, item in enumerate(pages):
        enqueue(pipe, KEYS, KEYS.of(item.patient), Owed(page=item), NOW - timedelta(milliseconds=len(pages) - number))
    pipe.execute()
