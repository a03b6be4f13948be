"""What Prometheus reads of the watchdog, of what waits, and of what came in by MLLP."""

import re
from datetime import timedelta
from pathlib import Path

import yaml

from tests.support.desk import Desk
from tests.support.stored_ward import KEYS, NOW, reading
from worker.clock import milliseconds
from worker.intake.mllp.counters import COUNTED, Counters, write
from worker.monitoring import incidents
from worker.store import dead_letters
from worker.store.inbox import accept

SHARD = KEYS.shard(2)


def counts(desk: Desk) -> dict[str, float]:
    """The metrics by name and labels."""
    lines = [line for line in desk.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def ago(**wait: float) -> int:
    return milliseconds(NOW - timedelta(**wait))


def test_the_auditor_s_last_look(desk: Desk) -> None:
    looked = (NOW - timedelta(seconds=40)).isoformat()
    back = (NOW - timedelta(minutes=4)).isoformat()
    change = incidents.compare({}, {"store memory": "full"}, milliseconds(NOW))
    state: dict[str, str | int | bytes] = {"last_run": looked, "canary_arrived": back, "canary_latency": 1500}
    state |= {"overdue_pages": 3, "overdue_leases": 1, "runs": 100, "runs_overdue": 7}
    desk.redis.hset(KEYS.watchdog, mapping={**state, "incidents": incidents.pack(change.incidents)})
    found = counts(desk)
    assert found["cartwatch_audit_age_seconds"] == 40
    assert {name: value for name, value in found.items() if "audit_overdue" in name} == {
        'cartwatch_audit_overdue{kind="messages"}': 0,
        'cartwatch_audit_overdue{kind="ladders"}': 0,
        'cartwatch_audit_overdue{kind="pages"}': 3,
        'cartwatch_audit_overdue{kind="leases"}': 1,
    }
    assert found["cartwatch_audit_troubles"] == sum(one.notified for one in change.incidents.values()) == 1
    assert (found["cartwatch_audit_looks_total"], found["cartwatch_audit_looks_overdue_total"]) == (100, 7)
    assert (found["cartwatch_round_trip_seconds"], found["cartwatch_round_trip_age_seconds"]) == (1.5, 240)


def test_an_auditor_that_never_looked_is_infinitely_late(desk: Desk) -> None:
    found = counts(desk)
    assert found["cartwatch_audit_age_seconds"] == float("inf")
    assert found["cartwatch_round_trip_age_seconds"] == float("inf")
    assert "cartwatch_audit_age_seconds +Inf\n" in desk.get("/metrics").text


def test_what_waits_in_every_shard_and_for_how_long(desk: Desk) -> None:
    seconds, _ = desk.redis.time()
    for number, shard in enumerate((KEYS.canary, *KEYS.all())):
        desk.redis.xadd(shard.inbox, {"m": b"{}"}, id=f"{(seconds - 10 * number) * 1000}-0")
    found = counts(desk)
    assert found["cartwatch_inbox_messages"] == 1 + KEYS.shards
    assert 10 * KEYS.shards <= found["cartwatch_inbox_oldest_message_age_seconds"] < 10 * KEYS.shards + 5


def test_the_page_that_is_due_longest(desk: Desk) -> None:
    desk.redis.zadd(SHARD.key("due"), {"a": ago(seconds=12), "b": ago(seconds=2), "later": ago(seconds=-60)})
    desk.redis.zadd(KEYS.shard(1).key("due"), {"c": ago(seconds=20)})
    desk.redis.zadd(SHARD.key("urgent"), {"later": ago(seconds=-60)})
    found = counts(desk)
    assert found['cartwatch_due_pages{queue="deliver"}'] == 3
    assert found['cartwatch_due_oldest_page_age_seconds{queue="deliver"}'] == 20
    assert found['cartwatch_due_pages{queue="deliver_urgent"}'] == 0
    assert found['cartwatch_due_oldest_page_age_seconds{queue="deliver_urgent"}'] == 0


def test_where_nothing_waits_nothing_is_old(desk: Desk) -> None:
    found = counts(desk)
    assert found["cartwatch_inbox_oldest_message_age_seconds"] == 0
    assert found['cartwatch_due_oldest_page_age_seconds{queue="deliver"}'] == 0


def test_how_much_is_set_aside_of_how_much(desk: Desk) -> None:
    accept(desk.redis, KEYS, [b"{", b"{"], NOW)
    found = counts(desk)
    assert found["cartwatch_set_aside_messages"] == 1
    assert found["cartwatch_set_aside_limit_bytes"] == dead_letters.IN_UNKNOWN_STORE
    assert found["cartwatch_set_aside_bytes"] > 0
    assert found["cartwatch_set_aside_dropped"] == 0


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


def test_every_line_is_one_that_prometheus_reads(desk: Desk) -> None:
    form = re.compile(r"# HELP \w+ [^\n]+\.|# TYPE \w+ (gauge|counter)|cartwatch_\w+(\{[^}]+\})? \S+")
    lines = desk.get("/metrics").text.splitlines()
    assert [line for line in lines if not form.fullmatch(line)] == []
    counters = [line.split()[2] for line in lines if line.endswith(" counter")]
    assert counters
    assert all(name.endswith("_total") for name in counters)


def test_every_alert_rule_reads_a_metric_that_there_is(desk: Desk) -> None:
    path = Path(__file__).parents[4] / "config" / "containers" / "rules.yml"
    rules = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"][0]["rules"]
    read = {name for rule in rules for name in re.findall(r"cartwatch_\w+", rule["expr"])}
    assert read <= set(re.findall(r"(?m)^# TYPE (\w+)", desk.get("/metrics").text))
