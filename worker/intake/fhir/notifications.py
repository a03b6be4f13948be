"""Notifications of FHIR Subscriptions: the R5 backport on R4 and R4B, and R5.

The first entry of the Bundle says which subscription it is of, of which type, and which events it carries. The
resources must be in it (payload `full-resource`): what only names them is refused, and its sender learns the reason.
"""

from typing import Any, NamedTuple

from pydantic import ValidationError

from worker.intake.fhir.resources import FhirModel, Listed, Reference, Short

BUNDLES = ("history", "subscription-notification")
WITH_EVENTS = ("event-notification", "query-event")
STATUSES = ("requested", "active", "error", "off", "entered-in-error")
LONGEST_NAME = 200
HIGHEST = 10**15
"""No counter is higher."""

ID_ONLY = (
    "the notification names its resources and holds none of them;"
    " set the payload content of the Subscription to full-resource"
)


class SubscriptionNotification(NamedTuple):
    """A notification: its subscription, type and status, how many events its server counts, and its own."""

    subscription: str
    type: str
    status: str
    since_start: int | None
    events: tuple["NotifiedEvent", ...]

    @property
    def carries_events(self) -> bool:
        """Whether its resources must be in it."""
        return self.type in WITH_EVENTS

    @property
    def begins(self) -> bool:
        """Whether its subscription begins, and counts anew."""
        return self.type == "handshake"

    @property
    def highest(self) -> int | None:
        """The number of the last event that its server knows of; None if it does not say."""
        known = [*(one.number for one in self.events), *([] if self.since_start is None else [self.since_start])]
        return max(known, default=None)

    def received(self, names: set[str]) -> tuple[int, ...]:
        """The events whose focus is among the resources that came, by address or by type and id."""
        return tuple(one.number for one in self.events if not one.focus or names & _names_of(one.focus))


class NotifiedEvent(NamedTuple):
    """An event: its number, and the address of the resource that it is about."""

    number: int
    focus: str


Count = int | str | None


class _Event(FhirModel):
    eventNumber: Count = None  # noqa: N815
    focus: Reference | None = None


class _Status(FhirModel):
    """The SubscriptionStatus of R4B and R5."""

    status: Short = ""
    type: Short
    subscription: Reference
    eventsSinceSubscriptionStart: Count = None  # noqa: N815
    notificationEvent: Listed[_Event] = ()  # noqa: N815


class _ParameterPart(FhirModel):
    name: Short = ""
    valueString: Short = ""  # noqa: N815
    valueCode: Short = ""  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueUnsignedInt: int | None = None  # noqa: N815
    valueReference: Reference | None = None  # noqa: N815

    @property
    def count(self) -> Count:
        return self.valueString or (self.valueInteger if self.valueInteger is not None else self.valueUnsignedInt)


class _Parameter(_ParameterPart):
    part: Listed[_ParameterPart] = ()


class _Parameters(FhirModel):
    """The same as Parameters, which R4 has in its place."""

    parameter: Listed[_Parameter] = ()


def notification_of(bundle: dict[str, Any]) -> SubscriptionNotification | None:
    """The notification that a Bundle is; None if it is none."""
    entries = bundle.get("entry")
    if bundle.get("type") not in BUNDLES or not isinstance(entries, list) or not entries:
        return None
    first = entries[0].get("resource") if isinstance(entries[0], dict) else None
    kind = first.get("resourceType") if isinstance(first, dict) else None
    try:
        if kind == "SubscriptionStatus":
            return _of_status(_Status.model_validate(first))
        return _of_parameters(_Parameters.model_validate(first)) if kind == "Parameters" else None
    except ValidationError:
        return None


def names_in(bundle: dict[str, Any]) -> set[str]:
    """By what the resources of a notification can be named: their addresses, and their types and ids."""
    found: set[str] = set()
    for entry in bundle["entry"][1:]:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            address = entry.get("fullUrl")
            found |= _names_of(address) if isinstance(address, str) else set()
            found.add(f"{resource.get('resourceType')}/{resource.get('id')}")
    return found


def _of_status(status: _Status) -> SubscriptionNotification:
    events = [
        (event.eventNumber, event.focus.reference if event.focus is not None else "")
        for event in status.notificationEvent
    ]
    return _notification(
        status.subscription.reference, status.type, status.status, status.eventsSinceSubscriptionStart, events
    )


def _of_parameters(parameters: _Parameters) -> SubscriptionNotification | None:
    by_name = {one.name: one for one in parameters.parameter}
    subscription, kind = by_name.get("subscription"), by_name.get("type")
    if subscription is None or subscription.valueReference is None or kind is None:
        return None
    status, count = by_name.get("status", _Parameter()), by_name.get("events-since-subscription-start", _Parameter())
    events = [_event(one) for one in parameters.parameter if one.name == "notification-event"]
    return _notification(subscription.valueReference.reference, kind.valueCode, status.valueCode, count.count, events)


def _event(parameter: _Parameter) -> tuple[Count, str]:
    parts = {part.name: part for part in parameter.part}
    focus = parts.get("focus", _ParameterPart()).valueReference
    return parts.get("event-number", _ParameterPart()).count, focus.reference if focus is not None else ""


def _notification(
    subscription: str, kind: str, status: str, count: Count, events: list[tuple[Count, str]]
) -> SubscriptionNotification:
    numbered = ((_number(number), focus) for number, focus in events)
    return SubscriptionNotification(
        subscription[:LONGEST_NAME] or "a subscription without a name",
        kind,
        status if status in STATUSES else "",
        _number(count),
        tuple(NotifiedEvent(number, focus) for number, focus in numbered if number is not None),
    )


def _number(count: Count) -> int | None:
    """A counter, which R4B and R5 write as text."""
    text = str(count)
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(HIGHEST)) else None


def _names_of(address: str) -> set[str]:
    plain = address.partition("/_history/")[0]
    return {plain, "/".join(plain.rsplit("/", 2)[-2:])}
