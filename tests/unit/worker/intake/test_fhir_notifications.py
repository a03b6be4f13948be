"""Notifications of Subscriptions: the handshake, the heartbeat, events with their resources, and their counter."""

from typing import Any

import pytest
from redis import Redis

from tests.support.feeds import NOW, observation
from tests.support.stored_ward import KEYS
from tests.support.subscriptions import BASE, SUBSCRIPTION, notification
from tests.unit.worker.intake.test_fhir_service import Client, responses, said
from worker.clock import milliseconds
from worker.store.dead_letters import everything
from worker.store.subscriptions import Gap, SubscriptionName, Subscriptions, SubscriptionState

NAME = SubscriptionName("monitor-7", SUBSCRIPTION)
AT = milliseconds(NOW)


@pytest.fixture
def client(redis: Redis) -> Client:
    return Client(redis)


def state(client: Client) -> SubscriptionState:
    return Subscriptions(client.ward.redis, KEYS).all()[NAME]


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [observation(id=f"o{number}", value=number) for number in numbers]


@pytest.mark.parametrize("version", ["R4", "R4B", "R5"])
def test_handshake_heartbeat_and_event_are_taken(client: Client, version: str) -> None:
    handshake = notification(kind="handshake", status="requested", count=0, version=version)
    assert responses(client.send("POST", "", handshake))[0]["status"] == "200 OK"
    assert state(client) == SubscriptionState(0, AT, "requested")
    event = notification(numbered(1, 2), version=version)
    assert [one["status"] for one in responses(client.send("POST", "", event))] == [
        "200 OK",
        "201 Created",
        "201 Created",
    ]
    assert [message["id"] for message in client.messages] == ["Observation/o1", "Observation/o2"]
    assert responses(client.send("POST", "", notification(kind="heartbeat", count=2, version=version)))
    assert state(client) == SubscriptionState(2, AT, "active")


@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_a_sign_of_life_counts_for_its_source(client: Client, kind: str) -> None:
    client.send("POST", "", notification(kind=kind))
    assert client.ward.redis.hget(KEYS.of("~site").key("last_seen"), "monitor-7") == str(AT).encode()
    assert client.messages == []


@pytest.mark.parametrize("version", ["R4", "R4B", "R5"])
@pytest.mark.parametrize("content", ["id-only", "empty"])
def test_what_names_its_resources_only_is_refused_with_the_reason(client: Client, version: str, content: str) -> None:
    sent = notification(numbered(1), version=version, content=content)
    answer = client.send("POST", "", sent)
    assert (answer.status_code, client.messages) == (422, [])
    assert "full-resource" in said(answer)
    assert Subscriptions(client.ward.redis, KEYS).all() == {}, "its event was not received"


@pytest.mark.parametrize(("method", "status"), [("PUT", "corrected"), ("POST", None), ("GET", None)])
def test_an_update_at_the_server_corrects(client: Client, method: str, status: str | None) -> None:
    client.send("POST", "", notification([observation()], first=1))
    client.send("POST", "", notification([observation(value=99)], first=2, method=method))
    assert client.messages[1].get("status") == status
    assert client.messages[1]["id"] == client.messages[0]["id"]


def test_a_gap_is_remembered_until_its_events_come(client: Client) -> None:
    for first in (1, 5, 9):
        client.send("POST", "", notification(numbered(first), first=first))
    assert state(client).gaps == (Gap(2, 4, AT), Gap(6, 8, AT))
    client.send("POST", "", notification(numbered(3), first=3))
    assert set(state(client).gaps) == {Gap(6, 8, AT), Gap(2, 2, AT), Gap(4, 4, AT)}
    again = notification(numbered(2, 3, 4, 5, 6, 7, 8), first=2, kind="query-event", count=9)
    client.send("POST", "", again)
    assert state(client) == SubscriptionState(9, AT, "active")


def test_a_heartbeat_says_what_was_missed(client: Client) -> None:
    client.send("POST", "", notification(numbered(1), first=1))
    client.send("POST", "", notification(kind="heartbeat", count=4))
    assert state(client).gaps == (Gap(2, 4, AT),)


def test_the_first_notification_sets_the_counter_and_a_handshake_sets_it_anew(client: Client) -> None:
    client.send("POST", "", notification(numbered(70), first=70))
    assert state(client) == SubscriptionState(70, AT, "active")
    client.send("POST", "", notification(numbered(80), first=80))
    client.send("POST", "", notification(kind="handshake", status="requested"))
    assert state(client) == SubscriptionState(0, AT, "requested")


def test_an_event_whose_resource_is_not_there_is_missed(client: Client) -> None:
    client.send("POST", "", notification(numbered(1), first=1))
    sent = notification(numbered(2, 3), first=2)
    del sent["entry"][1]
    assert client.send("POST", "", sent).status_code == 200
    assert state(client) == SubscriptionState(3, AT, "active", (Gap(2, 2, AT),))
    assert [message["id"] for message in client.messages] == ["Observation/o1", "Observation/o3"]


def test_a_repeated_notification_changes_nothing_of_the_counter(client: Client) -> None:
    for _ in range(2):
        client.send("POST", "", notification(numbered(1), first=1))
    assert state(client) == SubscriptionState(1, AT, "active")


def test_what_cannot_be_used_is_kept_for_nobody_reads_the_answer(client: Client) -> None:
    bad = [observation(id="bad", value="many"), observation(id="good")]
    sent = notification(bad, first=1)
    sent["entry"].append({"request": {"method": "DELETE", "url": f"{BASE}/Observation/gone"}})
    found = responses(client.send("POST", "", sent))
    assert [one["status"][:3] for one in found] == ["200", "202", "201", "202"]
    reasons = [reason.why for one in everything(client.ward.redis, KEYS) for reason in one.letter.reasons]
    assert any("valueQuantity.value" in why for why in reasons)
    assert any("deleted at the server" in why for why in reasons)


def test_two_notifications_at_once_both_count(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is stored between our look and our transaction."""
    client.send("POST", "", notification(numbered(1), first=1))
    real, calls = Subscriptions.begin, []

    def begin(self: Any, pipe: Any, *given: Any, **named: Any) -> None:
        real(self, pipe, *given, **named)
        if not calls:
            calls.append(1)
            client.send("POST", "", notification(numbered(2), first=2))

    monkeypatch.setattr(Subscriptions, "begin", begin)
    client.send("POST", "", notification(numbered(3), first=3))
    assert state(client) == SubscriptionState(3, AT, "active")
    assert len(client.messages) == 3


@pytest.mark.parametrize(
    "first",
    [
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": 7},
        {"resourceType": "SubscriptionStatus", "type": "heartbeat"},
        {"resourceType": "SubscriptionStatus", "type": 7, "subscription": {"reference": "x"}},
        observation(),
        None,
    ],
)
def test_what_is_no_notification_is_read_as_any_bundle(client: Client, first: Any) -> None:
    entries = [{"resource": first}, {"resource": observation(id="o2")}]
    client.send("POST", "", {"resourceType": "Bundle", "type": "history", "entry": entries})
    assert "Observation/o2" in [message["id"] for message in client.messages]
    assert Subscriptions(client.ward.redis, KEYS).all() == {}


@pytest.mark.parametrize("count", ["-1", "many", "9" * 40, "", None])
def test_a_counter_that_is_none_is_passed_over(client: Client, count: Any) -> None:
    client.send("POST", "", notification(numbered(1), first=1))
    sent = notification(kind="heartbeat")
    sent["entry"][0]["resource"]["parameter"][-1]["valueString"] = count
    client.send("POST", "", sent)
    assert state(client).gaps == ()


def test_subscriptions_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.subscriptions.KEPT", 2)
    monkeypatch.setattr("worker.store.subscriptions.GAPS_KEPT", 2)
    for number in range(4):
        client.send("POST", "", notification(kind="heartbeat", subscription=f"s{number}"))
    assert len(Subscriptions(client.ward.redis, KEYS).all()) == 2
    for first in (1, 3, 5, 7, 9):
        client.send("POST", "", notification(numbered(first), first=first, subscription="s0"))
    gaps = Subscriptions(client.ward.redis, KEYS).all()[SubscriptionName("monitor-7", "s0")].gaps
    assert (len(gaps), gaps[-1]) == (2, Gap(8, 8, AT))
