"""What Prometheus reads of the watchdog, of what waits, of the workers, and of what came in by MLLP."""

import json
import re
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.desk import Desk
from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE, raw, reading
from worker.clock import milliseconds
from worker.delivery.agreement import owing
from worker.intake.mllp.counters import COUNTED, Counters, write
from worker.monitoring import floods, incidents
from worker.store import dead_letters, measurements
from worker.store.channel_queues import enqueue
from worker.store.inbox import accept
from worker.store.keys import Shard

SHARD = KEYS.shard(2)
ROOT = Path(__file__).parents[4]


def counts(desk: Desk) -> dict[str, float]:
    """The metrics by name and labels."""
    lines = [line for line in desk.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def ago(**wait: float) -> int:
    return milliseconds(NOW - timedelta(**wait))


def test_the_watchdog_s_last_run(desk: Desk) -> None:
    last, back = NOW - timedelta(seconds=40), NOW - timedelta(minutes=4)
    change = incidents.compare({}, {"store memory": "full"}, milliseconds(NOW))
    state: dict[str, str | int | bytes] = {"last_run": last.isoformat(), "canary_arrived": back.isoformat()}
    state |= {"canary_latency": 1500, "overdue_pages": 3, "overdue_leases": 1, "runs": 100, "runs_overdue": 7}
    desk.redis.hset(KEYS.watchdog, mapping={**state, "incidents": incidents.pack(change.incidents)})
    found = counts(desk)
    assert found["cartwatch_watchdog_last_run_timestamp_seconds"] == last.timestamp()
    assert {name: value for name, value in found.items() if "watchdog_overdue" in name} == {
        'cartwatch_watchdog_overdue{kind="messages"}': 0,
        'cartwatch_watchdog_overdue{kind="ladders"}': 0,
        'cartwatch_watchdog_overdue{kind="pages"}': 3,
        'cartwatch_watchdog_overdue{kind="leases"}': 1,
    }
    assert found["cartwatch_watchdog_incidents_open"] == sum(one.notified for one in change.incidents.values()) == 1
    assert (found["cartwatch_watchdog_runs_total"], found["cartwatch_watchdog_runs_overdue_total"]) == (100, 7)
    assert found["cartwatch_canary_latency_seconds"] == 1.5
    assert found["cartwatch_canary_last_success_timestamp_seconds"] == back.timestamp()


def test_what_never_happened_is_at_0_so_that_a_rule_on_its_age_fires(desk: Desk) -> None:
    found = counts(desk)
    assert found["cartwatch_watchdog_last_run_timestamp_seconds"] == 0
    assert found["cartwatch_canary_last_success_timestamp_seconds"] == 0
    assert "cartwatch_canary_latency_seconds" not in found


def test_what_waits_in_every_shard_and_since_when(desk: Desk) -> None:
    seconds, _ = desk.redis.time()
    for number, shard in enumerate((KEYS.canary, *KEYS.all())):
        desk.redis.xadd(shard.inbox, {"m": b"{}"}, id=f"{(seconds - 10 * number) * 1000}-0")
    found = counts(desk)
    assert found["cartwatch_inbox_messages"] == 1 + KEYS.shards
    assert found["cartwatch_inbox_oldest_message_timestamp_seconds"] == seconds - 10 * KEYS.shards


def owe(desk: Desk, shard: Shard, channel: str, name: str, at: datetime, urgency: str = "high") -> None:
    """A page that waits for its channel."""
    pipe = desk.redis.pipeline()
    enqueue(pipe, KEYS, shard, owing(page(id=name, channel=channel, urgency=urgency), SITE), at)
    pipe.execute()


def test_the_pages_that_are_due_by_channel_and_since_when(desk: Desk) -> None:
    owe(desk, SHARD, "phone-1", "a", NOW - timedelta(seconds=12))
    owe(desk, SHARD, "phone-2", "b", NOW - timedelta(seconds=2))
    owe(desk, SHARD, "phone-1", "later", NOW - timedelta(seconds=-60))
    owe(desk, KEYS.shard(1), "phone-1", "c", NOW - timedelta(seconds=20))
    owe(desk, SHARD, "phone-1", "later too", NOW - timedelta(seconds=-60), "critical")
    found = {name: value for name, value in counts(desk).items() if "delivery_queue" in name}
    assert found == {
        'cartwatch_delivery_queue_pages{channel="phone-1",priority="ordinary"}': 2,
        'cartwatch_delivery_queue_pages{channel="phone-2",priority="ordinary"}': 1,
        'cartwatch_delivery_queue_oldest_page_timestamp_seconds{priority="ordinary"}': ago(seconds=20) / 1000,
    }


def test_in_a_storm_every_page_is_counted(desk: Desk) -> None:
    for number in range(250):
        owe(desk, SHARD, "phone-1", f"p{number}", NOW, "critical")
    found = counts(desk)
    assert found['cartwatch_delivery_queue_pages{channel="phone-1",priority="urgent"}'] == 250


def test_where_nothing_waits_nothing_is_old(desk: Desk) -> None:
    assert not [name for name in counts(desk) if "oldest" in name]


def test_how_much_is_dead_lettered_of_how_much(desk: Desk) -> None:
    accept(desk.redis, KEYS, [b"{", b"{"], NOW)
    found = counts(desk)
    assert found["cartwatch_dead_letters"] == 1
    assert found["cartwatch_dead_letters_limit_bytes"] == dead_letters.IN_UNKNOWN_STORE
    assert found["cartwatch_dead_letters_bytes"] > 0
    assert found["cartwatch_dead_letters_dropped_total"] == 0


def measure(desk: Desk, channel: str, outcome: str, seconds: float) -> None:
    for field, number in measurements.of_notification(channel, outcome, seconds).items():
        desk.redis.hincrby(KEYS.measurements, field, number)


def test_what_workers_measured_is_shown_by_whoever_is_asked(desk: Desk) -> None:
    for seconds in (0.05, 0.3, 99):
        measure(desk, "phone|1", "sent", seconds)
    measure(desk, "phone-2", "temporary", 1)
    found = counts(desk)
    assert found['cartwatch_notifications_total{channel="phone|1",outcome="sent"}'] == 3
    assert found['cartwatch_notifications_total{channel="phone-2",outcome="temporary"}'] == 1
    name = "cartwatch_notification_duration_seconds"
    buckets = {bound: found[f'{name}_bucket{{channel="phone|1",le="{bound}"}}'] for bound in ("0.05", "0.25", "0.5")}
    assert buckets == {"0.05": 1, "0.25": 1, "0.5": 2}
    assert found[f'{name}_bucket{{channel="phone|1",le="+Inf"}}'] == found[f'{name}_count{{channel="phone|1"}}'] == 3
    assert found[f'{name}_sum{{channel="phone|1"}}'] == 99.35


def test_a_batch_and_the_page_it_leads_to_are_timed(desk: Desk) -> None:
    desk.fall_ill()
    found = counts(desk)
    assert found["cartwatch_batch_duration_seconds_count"] > 0
    assert found["cartwatch_reading_to_page_seconds_count"] == 1
    assert found["cartwatch_batch_duration_seconds_sum"] > 0


def test_what_each_source_sent_and_what_of_it_waits(desk: Desk) -> None:
    desk.fall_ill()
    floods.take_counts(desk.redis, KEYS)
    accept(desk.redis, KEYS, [raw(reading("crp", 85))], NOW, "monitor-9")
    found = counts(desk)
    assert found['cartwatch_messages_total{source="monitor-7"}'] > 0
    assert found['cartwatch_waiting_bytes{source="monitor-9"}'] == len(raw(reading("crp", 85)))


def test_the_version_that_answers(desk: Desk) -> None:
    assert counts(desk)[f'cartwatch_build_info{{version="{version("cartwatch")}"}}'] == 1


def test_how_many_patients_nobody_has_registered(desk: Desk) -> None:
    desk.send(reading("temperature", 37, "P2"), reading("temperature", 37, "P3"))
    found = counts(desk)
    assert (found["cartwatch_unregistered_patients"], found["cartwatch_patients"]) == (2, 0)


def test_what_each_peer_sent_by_mllp(desk: Desk) -> None:
    counters = Counters()
    counters.add("10.0.0.1", {"received": 3, "stored": 2, "refused": 1}, at_ms=1_718_352_000_500)
    counters.add("10.0.0.2", {"connections_rejected": 4})
    write(desk.redis, KEYS, "lab", counters.take())
    found = {name: value for name, value in counts(desk).items() if "mllp" in name}
    assert found == {
        'cartwatch_mllp_received_total{listener="lab",peer="10.0.0.1"}': 3,
        'cartwatch_mllp_stored_total{listener="lab",peer="10.0.0.1"}': 2,
        'cartwatch_mllp_refused_total{listener="lab",peer="10.0.0.1"}': 1,
        'cartwatch_mllp_connections_rejected_total{listener="lab",peer="10.0.0.2"}': 4,
        'cartwatch_mllp_last_seen_timestamp_seconds{listener="lab",peer="10.0.0.1"}': 1_718_352_000.5,
    }


def test_the_name_of_a_listener_cannot_spoil_the_text(desk: Desk) -> None:
    counters = Counters()
    counters.add("10.0.0.1", dict.fromkeys(COUNTED, 1))
    write(desk.redis, KEYS, 'a "\\\n', counters.take())
    assert 'listener="a \\"\\\\\\n"' in desk.get("/metrics").text


def families(desk: Desk) -> set[str]:
    """The metrics of an installation in which everything has happened, by name."""
    desk.store.exports = True
    desk.fall_ill()
    owe(desk, SHARD, "phone-1", "a", NOW - timedelta(seconds=12))
    desk.redis.hset(KEYS.watchdog, mapping={"canary_latency": 1500})
    desk.redis.xadd(SHARD.exports, {"at": ago(seconds=1), "e": b""})
    accept(desk.redis, KEYS, [raw(reading("crp", 85))], NOW, "monitor-9")
    floods.take_counts(desk.redis, KEYS)
    counters = Counters()
    counters.add("10.0.0.1", dict.fromkeys(COUNTED, 1), at_ms=1)
    write(desk.redis, KEYS, "lab", counters.take())
    measure(desk, "phone-1", "sent", 1)
    parsed = text_string_to_metric_families(desk.get("/metrics").text)
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in parsed if one.samples}


def documented() -> set[str]:
    """The metrics that the operators' page lists; `...` stands for the rest of a name."""
    text = (ROOT / "docs/operators/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| (`.*?) \|", text)
    return {f"cartwatch_{name}" for row in rows for name in re.findall(r"`([\w.]+)", row)}


def test_the_documents_list_the_metrics_there_are(desk: Desk) -> None:
    shown = {re.sub(r"mllp_\w+_total", "mllp_..._total", name) for name in families(desk)}
    assert shown == documented()


def test_the_dashboard_reads_metrics_that_there_are(desk: Desk) -> None:
    panels = json.loads((ROOT / "config/containers/dashboard.json").read_text(encoding="utf-8"))["panels"]
    read = {
        name for panel in panels for part in panel["targets"] for name in re.findall(r"cartwatch_\w+", part["expr"])
    }
    assert {re.sub(r"_seconds_bucket$", "_seconds", name) for name in read} <= families(desk)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) > 10


def test_every_alert_rule_reads_a_metric_that_there_is(desk: Desk) -> None:
    path = ROOT / "config/containers/rules.yml"
    rules = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"][0]["rules"]
    read = {name for rule in rules for name in re.findall(r"cartwatch_\w+", rule["expr"])}
    assert read
    assert read <= families(desk)
