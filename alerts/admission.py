"""Who a patient is to this software: what the registrations say."""

from collections.abc import Iterable
from datetime import date, datetime

from msgspec import Struct

REGISTRATIONS_KEPT = 20


class Admission(Struct, frozen=True):
    """One registration, or several merged."""

    effective: datetime
    infused: datetime | None = None
    product: str = ""
    born: date | None = None
    ward: str = ""
    bed: str = ""
    team: str = ""

    def age(self, at: datetime) -> int | None:
        """Completed years at a time; None where the date of birth is not known."""
        if self.born is None:
            return None
        return at.year - self.born.year - ((at.month, at.day) < (self.born.month, self.born.day))


def merged(registrations: Iterable[Admission]) -> Admission:
    """What holds: of each field what the latest registration says that says anything of it."""
    held: dict[str, object] = {}
    for registration in registrations:
        said = {name: getattr(registration, name) for name in registration.__struct_fields__}
        held |= {name: value for name, value in said.items() if value not in (None, "")}
    return Admission(**held)  # type: ignore[arg-type]


def with_registration(held: tuple[Admission, ...], registration: Admission) -> tuple[Admission, ...]:
    """The registrations in order of time, whatever the order they came in."""
    if registration in held:
        return held
    ordered = sorted((*held, registration), key=lambda item: (item.effective, repr(item)))
    return tuple(ordered[-REGISTRATIONS_KEPT:])
