"""The delivery log of an episode: the plan of its ladder, every page, and its outcome."""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from config.site import Urgency

Reason = Literal[
    "new",
    "worse",
    "repeat",
    "recurrent",
    "better",
    "resolved",
    "retracted",
    "ended",
    "handed_over",
    "taken_over",
    "still_on_it",
    "acknowledged",
]

DeliveryState = Literal["due", "sent", "failed", "unknown", "undeliverable", "cancelled", "acknowledged"]
"""`failed`: for now. `unknown`: the page may have arrived. `undeliverable`: for good. All three are retried."""

SETTLED: tuple[DeliveryState, ...] = ("sent", "cancelled", "acknowledged")

DELIVERIES_KEPT = 40


class Delivery(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One page of an episode, and its outcome. Pages of one `round` were composed together."""

    page: str
    to: str
    channel: str
    reason: Reason
    at: datetime
    round: int
    state: DeliveryState = "due"
    state_at: datetime | None = None

    @property
    def is_owed(self) -> bool:
        """Whether the page may still be delivered."""
        return self.state not in SETTLED


def with_delivery(deliveries: tuple[Delivery, ...], delivery: Delivery) -> tuple[Delivery, ...]:
    """The deliveries with a new one: the last `DELIVERIES_KEPT`, and every older one that may still be delivered."""
    kept = (*deliveries, delivery)
    owed = tuple(older for older in kept[:-DELIVERIES_KEPT] if older.is_owed)
    return (*owed, *kept[-DELIVERIES_KEPT:])


class PlannedStep(Struct, frozen=True, array_like=True):
    """One step of a ladder at the first page: its roles, and their holders in that minute."""

    after: timedelta
    roles: tuple[str, ...]
    people: tuple[str, ...]


class Plan(Struct, frozen=True, array_like=True):
    """The ladder and the rota in force at the first page of an episode. A later edit cannot strand it."""

    urgency: Urgency
    steps: tuple[PlannedStep, ...]
    repeat_every: timedelta | None
    ack_timeout: timedelta | None
    ack_timeout_max: timedelta
    confirm_within: timedelta


class HandedOver(Struct, frozen=True, array_like=True):
    """A person who handed an episode over, and the time."""

    by: str
    at: datetime


class DirectNotification(Struct, frozen=True, array_like=True):
    """A person to notify besides the steps of the ladder: on their next channel, or by name."""

    person: str
    channel: str
    reason: Reason
