"""Notifications of a FHIR Subscription, as servers of R4, R4B and R5 send them."""

from collections.abc import Iterable, Sequence
from typing import Any

Resource = dict[str, Any]

SUBSCRIPTION = "https://ehr.example/fhir/Subscription/results"
TOPIC = "https://ehr.example/SubscriptionTopic/new-result"
BASE = "https://ehr.example/fhir"
STATUS_R4 = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"


def notification(
    resources: Sequence[Resource] = (),
    *,
    kind: str = "event-notification",
    first: int | None = None,
    count: int | None = None,
    status: str = "active",
    version: str = "R4",
    method: str = "POST",
    subscription: str = SUBSCRIPTION,
    content: str = "full-resource",
) -> Resource:
    """A notification of one event for each resource, which are numbered from `first` on."""
    events = list(enumerate(resources, start=first or 1)) if kind != "heartbeat" else []
    said = count if count is not None else (events[-1][0] if events else 0)
    make = _parameters if version == "R4" else _status
    state = make(subscription, status, kind, said, [(number, _address(one)) for number, one in events], version)
    entries = [{"fullUrl": "urn:uuid:1", "resource": state, **_request("GET", f"{subscription}/$status")}]
    if content == "full-resource":
        entries += [{"fullUrl": _address(one), "resource": one, **_request(method, _address(one))} for _, one in events]
    return {
        "resourceType": "Bundle",
        "type": "subscription-notification" if version == "R5" else "history",
        "timestamp": "2024-06-14T06:00:00Z",
        "entry": entries,
    }


def _address(resource: Resource) -> str:
    return f"{BASE}/{resource['resourceType']}/{resource['id']}"


def _request(method: str, url: str) -> Resource:
    return {"request": {"method": method, "url": url}, "response": {"status": "200"}}


def _parameters(
    subscription: str, status: str, kind: str, count: int, events: Iterable[tuple[int, str]], _: str
) -> Resource:
    parameters: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": subscription}},
        {"name": "topic", "valueCanonical": TOPIC},
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(count)},
    ]
    for number, address in events:
        parts = [
            {"name": "event-number", "valueString": str(number)},
            {"name": "timestamp", "valueInstant": "2024-06-14T06:00:00Z"},
            {"name": "focus", "valueReference": {"reference": address}},
        ]
        parameters.append({"name": "notification-event", "part": parts})
    return {"resourceType": "Parameters", "meta": {"profile": [STATUS_R4]}, "parameter": parameters}


def _status(
    subscription: str, status: str, kind: str, count: int, events: Iterable[tuple[int, str]], version: str
) -> Resource:
    body: Resource = {"resourceType": "SubscriptionStatus", "status": status, "type": kind, "topic": TOPIC}
    body |= {"subscription": {"reference": subscription}, "eventsSinceSubscriptionStart": _count(count, version)}
    return body | {
        "notificationEvent": [
            {"eventNumber": _count(number, version), "focus": {"reference": address}} for number, address in events
        ]
    }


def _count(number: int, version: str) -> int | str:
    """R4B writes integers of 64 bits as text, as R5 does; some servers write them as numbers all the same."""
    return str(number) if version == "R4B" else number
