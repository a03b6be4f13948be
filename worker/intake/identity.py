"""The patient of a result: by the identifiers that the source is configured with, never by name, account or visit."""

from collections.abc import Iterable
from typing import NamedTuple

from config.intake import ACCOUNTS, IdentifierKind

LONGEST = 200


class Identity(NamedTuple):
    """One identifier as it was sent."""

    id: str
    authority: str
    type: str


class Unidentified(ValueError):
    """No identifier names a patient. The text gives the reason and the fix."""


def choose(found: Iterable[Identity], rules: Iterable[IdentifierKind]) -> Identity:
    """The identifier that the first matching rule selects.

    Raises:
        Unidentified: no rule fits, or two different identifiers fit the same one.
    """
    candidates = [identity for identity in found if identity.id and identity.type.upper() not in ACCOUNTS]
    for rule in rules:
        fitting = {identity.id: identity for identity in candidates if _fits(identity, rule)}
        if len(fitting) > 1:
            raise Unidentified("patient: two identifiers fit; name the assigning authority under `identifiers`")
        for identity in fitting.values():
            return checked(identity)
    if candidates:
        kinds = ", ".join(sorted({f"{item.type or 'no type'} of {item.authority or 'nobody'}" for item in candidates}))
        raise Unidentified(f"patient: no identifier is of a configured kind (sent: {kinds[:200]}); see `identifiers`")
    raise Unidentified("patient: no identifier")


def checked(identity: Identity) -> Identity:
    """Return an identifier that may name a patient.

    Raises:
        Unidentified: it is reserved or too long.
    """
    if identity.id.startswith("~"):
        raise Unidentified("patient: names that begin with ~ are reserved")
    if len(identity.id) > LONGEST:
        raise Unidentified(f"patient: an identifier has at most {LONGEST} characters")
    return identity


def _fits(identity: Identity, rule: IdentifierKind) -> bool:
    return rule.authority in (None, identity.authority) and rule.type in (None, identity.type)
