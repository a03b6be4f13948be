"""Ten providers of which three hang, answer with an error, redirect or break the connection: the other seven are paged
on time, and the three as soon as they are well. The evaluation hears at once which pages did not get through.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from alerts.message_json import read_message
from alerts.messages import Receipt
from alerts.pages.page import Page
from alerts.pages.title import Title
from config.site import DEFAULTS
from tests.support.hospital import Hospital, eventually
from worker.store.channel_queues import enqueue
from worker.store.codec import Owed, unpack_journal

pytestmark = pytest.mark.server

TEN = [f"provider-{number}" for number in range(10)]
BAD, GOOD = TEN[:3], TEN[3:]

HANGS: dict[str, Any] = {"delay": 120}
BEHAVIOURS: dict[str, list[dict[str, Any]]] = {
    "hang": [HANGS, HANGS, HANGS],
    "500, 302, reset": [{"status": 500}, {"status": 302}, {"drop": True}],
    "hang, 500, reset": [HANGS, {"status": 500}, {"drop": True}],
}


@pytest.fixture(scope="module")
def ten(hospital: Hospital) -> Iterator[Hospital]:
    """An installation with ten providers, each at a path of its own, and its workers."""
    folder = hospital.settings.config_dir
    assert folder is not None
    site = yaml.safe_load((DEFAULTS / "site.yaml").read_text(encoding="utf-8"))
    for name in TEN:
        site["channels"][name] = {"url": f"{{receiver}}/{name}?+X-Page-Id={{page_id}}", "limit": {"pages": 1000}}
    site["delivery"] |= {"retry_backoff": ["2 s"]}
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    with hospital.service():
        yield hospital


def page_all(hospital: Hospital, name: str, urgency: Any) -> set[str]:
    """Owe a page to each of the ten, of patients in many shards, at one moment; their ids."""
    now = datetime.now(UTC)
    pipe = hospital.redis.pipeline()
    ids = set()
    for number, channel in enumerate(TEN):
        patient = f"{name} {number}"
        page = Page(
            id=f"{name}-{number}.1",
            patient=patient,
            at=now,
            day=2,
            episode=f"{name}-{number}",
            episodes=(f"{name}-{number}",),
            condition="crs",
            urgency=urgency,
            reason="new",
            to="haematologist-1",
            channel=channel,
            heading=Title("[HIGH] HAEM-2/12 P1 D+2", ("CRS 2",)),
            text="because fever",
        )
        enqueue(pipe, hospital.store.keys, hospital.store.keys.of(patient), Owed(page=page), now)
        ids.add(page.id)
    pipe.execute()
    return ids


def arrived(hospital: Hospital, channels: list[str], name: str) -> set[tuple[str, str]]:
    """Which pages of a round have arrived where."""
    paths = {f"/{channel}" for channel in channels}
    received = hospital.phone.received
    return {(page.path, page.page_id) for page in received if page.path in paths and page.page_id.startswith(name)}


def receipts(hospital: Hospital, name: str) -> set[tuple[str, str]]:
    """Channel and outcome of each receipt of a round, those waiting included."""
    raws = [fields[b"m"] for shard in hospital.store.keys.all() for _, fields in hospital.store.stream(shard.inbox)]
    for shard in hospital.store.keys.all():
        for _, fields in hospital.store.stream(shard.key("journal")):
            raws += [item["message"].encode() for item in unpack_journal(fields[b"j"])["in"]]
    found = [read_message(raw) for raw in raws]
    return {(item.channel, item.outcome) for item in found if isinstance(item, Receipt) and item.page.startswith(name)}


@pytest.mark.parametrize("urgency", ["high", "critical"])
@pytest.mark.parametrize("kind", list(BEHAVIOURS))
def test_three_that_fail_delay_none_of_the_seven_others(ten: Hospital, kind: str, urgency: str) -> None:
    phone = ten.phone
    for name in TEN:
        phone.behave(f"/{name}")
    for name, behaviour in zip(BAD, BEHAVIOURS[kind], strict=True):
        phone.behave(f"/{name}", **behaviour)
    hanging = {f"/{name}" for name, behaviour in zip(BAD, BEHAVIOURS[kind], strict=True) if "delay" in behaviour}
    before = len(phone.attempts)
    rounds = [f"{kind}-{urgency}-{number}".replace(" ", "").replace(",", "-") for number in (1, 2)]
    for name in rounds:
        page_all(ten, name, urgency)
        eventually(lambda name=name: len(arrived(ten, GOOD, name)) == len(GOOD), "the seven have their pages")
    tried = [attempt for attempt in phone.attempts[before:] if attempt.path in hanging]
    assert len(tried) == len({attempt.path for attempt in tried}), "no hanging request was given up before that"
    for name in BAD:
        phone.behave(f"/{name}")
    everyone = {(channel, "sent") for channel in TEN}
    for name in rounds:
        eventually(lambda name=name: len(arrived(ten, TEN, name)) == len(TEN), "every page has arrived")
        eventually(lambda name=name: everyone <= receipts(ten, name), "every one was receipted")
    notified = {channel for channel, outcome in receipts(ten, rounds[0]) if outcome in ("failed", "unknown")}
    assert notified == set(BAD)
    ids = [page.page_id for page in phone.received if page.path in {f"/{name}" for name in GOOD}]
    assert len(ids) == len(set(ids)), "none of the seven was paged twice"
