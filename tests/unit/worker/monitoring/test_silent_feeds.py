"""Silent feeds: reported once, reported when they are back, never for a feed nobody configured."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import fakeredis
import pytest

from alerts.chart.admission import Admission
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.message_json import read_message
from alerts.messages import Fault
from alerts.state import PatientState
from alerts.wording.catalogue import render
from alerts.wording.phrase import Phrase
from config.site import Feed, Site, load_site
from tests.support.wording import ROME, english
from worker.clock import milliseconds
from worker.monitoring.silent_feeds import EVERY, PATIENTS_SHOWN, LastSeen, silence, watch_feeds
from worker.store.keys import Keys
from worker.store.shard import Store

NOW = datetime(2024, 6, 14, 8, tzinfo=UTC)


@pytest.fixture
def site() -> Site:
    shipped = load_site()
    feeds = {"monitor-7": Feed.model_validate({"silent_after": "10 min"})}
    return shipped._replace(on_call=shipped.on_call.model_copy(update={"feeds": feeds}))


@pytest.fixture
def store() -> Store:
    keys = Keys("test", 4)
    return Store(fakeredis.FakeRedis(), keys, batch=10, lease_seconds=5, journal_length=10)


def hear(store: Store, source: str, at: datetime) -> None:
    store.redis.hset(store.keys.of("P1").key("last_seen"), source, milliseconds(at))


def look(store: Store, site: Site, at: datetime) -> list[tuple[str, bool]]:
    """Check after the interval; the faults that were raised, as condition and whether over."""
    store.redis.delete("test:feeds:looked")
    before = {entry for shard in store.keys.all() for entry, _ in store.stream(shard.inbox)}
    watch_feeds(store, site, at)
    entries = [(entry, fields) for shard in store.keys.all() for entry, fields in store.stream(shard.inbox)]
    faults = [read_message(fields[b"m"]) for entry, fields in entries if entry not in before]
    return [(message.condition, message.over) for message in faults if message.type == "fault"]


def test_a_feed_that_falls_silent_is_reported_once(store: Store, site: Site) -> None:
    hear(store, "monitor-7", NOW)
    assert look(store, site, NOW + timedelta(minutes=10)) == []
    assert look(store, site, NOW + timedelta(minutes=11)) == [("feed monitor-7", False)]
    assert look(store, site, NOW + timedelta(minutes=30)) == []


def test_a_feed_that_is_back_closes_its_episode(store: Store, site: Site) -> None:
    hear(store, "monitor-7", NOW)
    look(store, site, NOW + timedelta(minutes=11))
    hear(store, "monitor-7", NOW + timedelta(minutes=12))
    assert look(store, site, NOW + timedelta(minutes=13)) == [("feed monitor-7", True)]
    assert look(store, site, NOW + timedelta(minutes=14)) == []


def test_a_feed_that_never_sent_anything_is_timed_from_the_first_look(store: Store, site: Site) -> None:
    assert look(store, site, NOW) == []
    assert look(store, site, NOW + timedelta(minutes=11)) == [("feed monitor-7", False)]


def test_a_source_that_nobody_configured_may_be_silent(store: Store, site: Site) -> None:
    hear(store, "lab", NOW)
    hear(store, "monitor-7", NOW + timedelta(days=2))
    assert look(store, site, NOW + timedelta(days=2)) == []


def test_the_latest_of_all_shards_counts(store: Store, site: Site) -> None:
    for number, shard in enumerate(store.keys.all()):
        store.redis.hset(shard.key("last_seen"), "monitor-7", milliseconds(NOW + timedelta(minutes=number)))
    assert look(store, site, NOW + timedelta(minutes=12)) == []
    assert look(store, site, NOW + timedelta(minutes=14)) == [("feed monitor-7", False)]


def test_only_one_worker_looks_at_a_time(store: Store, site: Site) -> None:
    hear(store, "monitor-7", NOW)
    watch_feeds(store, site, NOW)
    watch_feeds(store, site, NOW + timedelta(hours=1))
    assert all(store.redis.xlen(shard.inbox) == 0 for shard in store.keys.all())
    assert 0 < store.redis.pttl("test:feeds:looked") <= EVERY / timedelta(milliseconds=1)


def what(store: Store, site: Site, at: datetime) -> Phrase:
    """What the one fault raised by a look says."""
    before = {entry for shard in store.keys.all() for entry, _ in store.stream(shard.inbox)}
    store.redis.delete("test:feeds:looked")
    watch_feeds(store, site, at)
    entries = [(entry, fields) for shard in store.keys.all() for entry, fields in store.stream(shard.inbox)]
    (raised,) = [read_message(fields[b"m"]) for entry, fields in entries if entry not in before]
    assert isinstance(raised, Fault)
    return raised.what


def test_a_silent_feed_names_the_patients_it_sent_readings_of_and_when_it_was_last_seen(
    store: Store, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Admission(effective=NOW, ward="HAEM-2", bed="12")
    sent = {"spo2": (Entry(NOW, "monitor-7", "m", value=Decimal(97)),)}
    of_lab = {"crp": (Entry(NOW, "lab", "l", value=Decimal(5)),)}
    states = [
        PatientState(patient="P1", chart=Chart(entries=sent, admission=here), registered=True),
        PatientState(patient="P2", chart=Chart(entries=sent), registered=True, discharged_at=NOW),
        PatientState(patient="P3", chart=Chart(entries=of_lab), registered=True),
    ]
    monkeypatch.setattr(store, "states", lambda: states)
    hear(store, "monitor-7", NOW)
    said = what(store, site, NOW + timedelta(minutes=11))
    assert english(said) == (
        "nothing from monitor-7 since 14 Jun 10:00; patients it sent readings of: HAEM-2/12 P1; "
        "silence here does not mean that its patients are well"
    )
    assert render(said, "it", ROME).startswith(
        "nessun dato da monitor-7 dal 14 giu 10:00; pazienti di cui inviava i dati: HAEM-2/12 P1; "
    )


def test_a_feed_that_was_never_seen_is_said_to_be_so(store: Store, site: Site) -> None:
    look(store, site, NOW)
    said = what(store, site, NOW + timedelta(minutes=11))
    assert english(said).startswith("monitor-7 never sent anything, watched since 14 Jun 10:00; ")
    assert render(said, "it", ROME).startswith("monitor-7 non ha mai trasmesso, sorvegliato dal 14 giu 10:00; ")


def test_the_list_of_patients_is_bounded() -> None:
    said = silence("monitor-7", LastSeen(NOW), [f"P{number:02}" for number in range(40)])
    assert f"P{PATIENTS_SHOWN - 1:02} and {40 - PATIENTS_SHOWN} more; " in english(said)
    assert len(english(said)) < 400
    assert "e altri 30; " in render(said, "it", ROME)
