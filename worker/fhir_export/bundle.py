"""Resources as one FHIR transaction. It is idempotent, because the base finds each resource by its identifier. Pure."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

Resource = dict[str, Any]


def name_of(resource: Resource) -> tuple[str, str, str]:
    """The name of a resource, common to all its versions: the type, and the system and value of the identifier."""
    [identifier] = resource["identifier"]
    return resource["resourceType"], identifier["system"], identifier["value"]


def latest(resources: Iterable[Resource]) -> list[Resource]:
    """The last version of each resource, in order. No transaction may contain a resource twice."""
    found: dict[tuple[str, str, str], Resource] = {}
    for resource in resources:
        name = name_of(resource)
        found.pop(name, None)
        found[name] = resource
    return list(found.values())


def transaction(resources: Iterable[Resource]) -> Resource:
    """A Bundle that creates each resource or replaces its earlier version."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(resource) for resource in resources]}


def _entry(resource: Resource) -> Resource:
    kind, system, value = name_of(resource)
    url = f"{kind}?identifier={quote(f'{system}|{value}', safe=':')}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}}
