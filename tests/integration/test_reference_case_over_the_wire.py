"""The reference case as hospital systems send it gives the pages of the native replay, byte for byte.

What HL7 and FHIR have no form for comes natively beside it: the tests name it and count it.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from alerts.state import PatientState
from config.site import DEFAULTS
from config.vocabulary import READINGS
from tests.support.wire.ways import OverCreates, OverHttp, OverMllp, OverNotifications, OverTheWire
from worker.intake.store import IntakeStore
from worker.standalone.demo import read_case
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.replay import Event, Replay, acknowledge_after
from worker.store.dead_letters import everything

pytestmark = pytest.mark.server

CASE = read_case(DEFAULTS / "reference_case.ndjson")


class Came(NamedTuple):
    """What a run came to: every event as a line of JSON, what reached a phone, and the patient's chart at the end."""

    events: list[str]
    received: list[tuple[str, str, str]]
    chart: dict[str, list[tuple[Any, ...]]]
    admission: Any


def came_of(replay: Replay) -> Came:
    """Run the case; everybody answers after four minutes."""
    events = [json.dumps(unnamed(event)) for event in replay.run(CASE, acknowledge_after(timedelta(minutes=4)))]
    received = sorted((page.path, page.title, page.body) for page in replay.phone.received)
    state = replay.store.state("REF-1")
    assert state is not None
    # PV1-2 says the setting that the native case leaves to the default.
    admission = state.chart.admission and replace(state.chart.admission, setting="")
    return Came(events, received, charted(state), admission)


def unnamed(event: Event) -> Event:
    """A journal line, but for the names of the messages a grade rests on."""
    if "evidence" not in event:
        return event
    return event | {"evidence": sorted(f"{item['kind']} {item['at']}" for item in event["evidence"])}


def charted(state: PatientState) -> dict[str, list[tuple[Any, ...]]]:
    """What is charted, but for the names of messages, and who gave a drug."""
    kept = ("effective", "source", "value", "comparator", "code", "unit", "low", "high", "sent", "note", "status")
    return {
        kind: sorted((*(getattr(entry, name) for name in kept), kind in READINGS and entry.by) for entry in entries)
        for kind, entries in state.chart.entries.items()
    }


@pytest.fixture(scope="module")
def native(redis_server: EmbeddedRedis) -> Came:
    """The native replay."""
    assert redis_server.running
    with Replay() as replay:
        return came_of(replay)


def refused(replay: OverTheWire) -> int:
    """How much of what was sent could not be used, or is not known."""
    store = IntakeStore(replay.store.redis, replay.store.keys)
    return len(everything(store.redis, store.keys)) + len(store.unmapped.all())


def same(found: Came, native: Came) -> None:
    """Page by page first, so that what differs is seen."""
    for kind in ("page", "grade"):
        mark = f'"kind": "{kind}"'
        assert [event for event in found.events if mark in event] == [event for event in native.events if mark in event]
    assert found == native
    assert sum('"kind": "page"' in event for event in native.events) >= 10


@pytest.mark.timeout(300)
def test_as_hl7_over_mllp(native: Came, tmp_path: Path) -> None:
    with OverMllp(tmp_path) as replay:
        same(came_of(replay), native)
        assert refused(replay) == 0
        assert replay.sent == {
            "HL7 reading": 1069,
            "HL7 treatment": 36,
            "HL7 registration": 1,
            "HL7 discharge": 1,
            # The infusion, the product and the team, which ADT does not say.
            "native registration": 1,
            # An ICE with its items.
            "native reading": 1,
            # That levetiracetam was started: over the wire only infusions of vasopressors start.
            "native treatment": 1,
            "native statement": 6,
            "native note": 13,
            "native acknowledgement": 6,
        }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", [OverHttp, OverCreates, OverNotifications])
def test_as_fhir_over_http(native: Came, tmp_path: Path, way: type[OverHttp]) -> None:
    """In batches, by a create for each resource, and by notifications of Subscriptions."""
    with way(tmp_path) as replay:
        same(came_of(replay), native)
        assert refused(replay) == 0
        assert not isinstance(replay, OverNotifications) or replay.missed() == 0
        assert replay.sent == {
            "FHIR reading": 1069,
            "FHIR treatment": 36,
            "FHIR registration": 1,
            # All but the date of birth.
            "native registration": 1,
            "native reading": 1,
            "native treatment": 1,
            "native statement": 6,
            "native note": 13,
            "native discharge": 1,
            "native acknowledgement": 6,
        }
