"""The CapabilityStatement: what `GET /fhir/metadata` answers."""

from typing import Any

from worker.intake.fhir.interaction import TYPES

CREATE, UPDATE = "create", "update"

INTERACTIONS = dict.fromkeys(TYPES, (CREATE, UPDATE))
"""What can be done with a resource of each type, and nothing else."""

SYSTEM_INTERACTIONS = ("transaction", "batch")

SECURITY = "A bearer key of the source (`cartwatch source-key add SOURCE`); metadata needs none."
DOCUMENTATION = (
    "Takes the results, administrations and reports of registered patients; reads nothing back. A transaction is stored"
    " whole or not at all. A Bundle with the notification of a Subscription (R5 backport, payload full-resource) is"
    " taken at the base as well. A result is withdrawn by an update with the status entered-in-error."
)


def statement() -> dict[str, Any]:
    """The CapabilityStatement, FHIR R4."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-30",
        "kind": "instance",
        "software": {"name": "cartwatch"},
        "implementation": {"description": "The intake of cartwatch"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": DOCUMENTATION,
                "security": {"description": SECURITY},
                "resource": [_resource(kind, codes) for kind, codes in INTERACTIONS.items()],
                "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
            }
        ],
    }


def _resource(kind: str, codes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": kind,
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned-update",
        "readHistory": False,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalUpdate": True,
        "conditionalDelete": "not-supported",
    }
