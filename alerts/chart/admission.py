"""The admission of a patient, as registrations give it."""

from collections.abc import Iterable
from datetime import date, datetime

from msgspec import Struct
from msgspec.structs import replace

REGISTRATIONS_KEPT = 20


class Admission(Struct, frozen=True):
    """One registration, or several merged. `received`: the time of receipt, if later than `effective`."""

    effective: datetime
    infused: datetime | None = None
    product: str = ""
    born: date | None = None
    ward: str = ""
    bed: str = ""
    team: str = ""
    setting: str = ""
    allergies: str = ""
    received: datetime | None = None

    @property
    def known_from(self) -> datetime:
        """The time at which the patient became known. Nothing was expected before it."""
        return max(self.effective, self.received or self.effective)

    @property
    def place(self) -> str:
        """Ward and bed, as far as they are charted."""
        return "/".join(part for part in (self.ward, self.bed) if part)

    def age(self, at: datetime) -> int | None:
        """Completed years at a time; None if the date of birth is unknown."""
        if self.born is None:
            return None
        return at.year - self.born.year - ((at.month, at.day) < (self.born.month, self.born.day))


def merged(registrations: Iterable[Admission]) -> Admission:
    """The valid admission: for each field the latest registration with a value for it."""
    held: dict[str, object] = {}
    for registration in registrations:
        said = {name: getattr(registration, name) for name in registration.__struct_fields__}
        held |= {name: value for name, value in said.items() if value not in (None, "")}
    return Admission(**held)  # type: ignore[arg-type]


def with_registration(held: tuple[Admission, ...], registration: Admission) -> tuple[Admission, ...]:
    """The registrations in order of time, whatever the order they came in."""
    same = [item for item in held if replace(item, received=None) == replace(registration, received=None)]
    first = min((registration, *same), key=lambda item: item.known_from)
    others = (item for item in held if item not in same)
    ordered = sorted((*others, first), key=lambda item: (item.effective, repr(item)))
    return tuple(ordered[-REGISTRATIONS_KEPT:])
