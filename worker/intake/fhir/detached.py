"""A detached resource: the text of a dead letter, with everything that it inherits from its Bundle.

A retry needs no Bundle then. All copies of a delivery together are bounded: if 300 administrations refer to a product
of 2 MiB, their copies would take 600 MiB.
"""

from typing import Any, NamedTuple

import msgspec

from worker.intake.fhir.references import Bundle, BundleEntry
from worker.intake.identity import Identity
from worker.intake.times import When

COPIED = 1024 * 1024
"""The most characters that one delivery may copy."""

_EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveInstant")
_encoder = msgspec.json.Encoder(decimal_format="number")


class TooMuchInherited(Exception):
    """The text would copy more of its Bundle than the limit allows."""


class _Product(NamedTuple):
    resource: dict[str, Any]
    size: int


class Detached:
    """The texts of one delivery."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._left = COPIED
        self._products: dict[int, _Product] = {}

    def text(self, entry: BundleEntry, identity: Identity, when: When | None, owners: dict[int, Identity]) -> str:
        """The text of a resource that includes its patient, time and product.

        `owners`: the patients of the contained Observations, by their place. `when`: the inherited time.

        Raises:
            TooMuchInherited: it is too long.
            RecursionError: it is nested too deeply.
        """
        contained = entry.resource["contained"] if owners else ()
        inherited = {spot: owner for spot, owner in owners.items() if owner != identity or "subject" in contained[spot]}
        product = self._product(entry)
        self._spend(sum(len(part) for owner in inherited.values() for part in owner) + (product.size if product else 0))
        resource = _of(entry.resource, identity)
        if inherited:
            resource["contained"] = [
                _of(one, inherited[at]) if at in inherited else one for at, one in enumerate(contained)
            ]
        if when is not None and not any(name in resource for name in _EFFECTIVE):
            resource["effectiveDateTime"] = when.shown
        if product is not None:
            resource["contained"] = [*resource.get("contained", ()), product.resource]
            resource["medicationReference"] = {"reference": "#product"}
        return encode(resource)

    def _spend(self, size: int) -> None:
        if size > self._left:
            raise TooMuchInherited
        self._left -= size

    def _product(self, entry: BundleEntry) -> _Product | None:
        """The used parts of the Medication in the Bundle to which an administration refers."""
        reference = entry.resource.get("medicationReference")
        name = reference.get("reference") if isinstance(reference, dict) else None
        found = self._bundle.find(name, entry.base) if isinstance(name, str) and not name.startswith("#") else None
        if found is None:
            return None
        if found.number not in self._products:
            read = {
                part: found.resource[part] for part in ("resourceType", "code", "ingredient") if part in found.resource
            }
            product = read | {"id": "product"}
            self._products[found.number] = _Product(product, len(encode(product)))
        return self._products[found.number]


def encode(resource: dict[str, Any]) -> str:
    """The text of a resource, with exact numbers."""
    return _encoder.encode(resource).decode(errors="replace")


def _of(resource: dict[str, Any], identity: Identity) -> dict[str, Any]:
    """A copy of a resource with its patient in it."""
    if not identity.id:
        return {**resource}
    if identity.type == "reference":
        return resource | {"subject": {"reference": identity.id}}
    kind = {"type": {"coding": [{"code": identity.type}]}} if identity.type else {}
    return resource | {"subject": {"identifier": {"system": identity.authority, "value": identity.id, **kind}}}
