"""What an episode remembers of paging: who is told when, who else is to be told, and what became of each page."""

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
]

DeliveryState = Literal["due", "sent", "failed", "unknown", "undeliverable", "cancelled", "acknowledged"]
"""`failed`: for now; `unknown`: it may have arrived; `undeliverable`: for good. All three are tried again."""

SETTLED: tuple[DeliveryState, ...] = ("sent", "cancelled", "acknowledged")

DELIVERIES_KEPT = 40


class Delivery(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One page that told of an episode, and what became of it. Pages of one `round` were written together."""

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
        """Whether it may still be delivered."""
        return self.state not in SETTLED


def with_delivery(deliveries: tuple[Delivery, ...], delivery: Delivery) -> tuple[Delivery, ...]:
    """The deliveries and a new one: the last `DELIVERIES_KEPT`, and every older one that may still be delivered."""
    kept = (*deliveries, delivery)
    owed = tuple(older for older in kept[:-DELIVERIES_KEPT] if older.is_owed)
    return (*owed, *kept[-DELIVERIES_KEPT:])


class PlannedStep(Struct, frozen=True, array_like=True):
    """One step of a ladder as it was when the episode was told: roles, and who held them for that minute."""

    after: timedelta
    roles: tuple[str, ...]
    people: tuple[str, ...]


class Plan(Struct, frozen=True, array_like=True):
    """The ladder and the rota in force when an episode was told: a later edit cannot strand it."""

    urgency: Urgency
    steps: tuple[PlannedStep, ...]
    repeat_every: timedelta | None
    ack_timeout: timedelta | None
    ack_timeout_max: timedelta
    confirm_within: timedelta


class HandedOver(Struct, frozen=True, array_like=True):
    """Who handed an episode over, and when."""

    by: str
    at: datetime


class DirectNotification(Struct, frozen=True, array_like=True):
    """Somebody to be told outside the steps: on their next channel, by name, or whether they are still on it."""

    person: str
    channel: str
    reason: Reason
