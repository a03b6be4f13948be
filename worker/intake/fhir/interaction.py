"""What a client asks to be done with a resource: create it or update it, and the conditions that it sets."""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from worker.intake.fhir.logical_id import ID
from worker.intake.fhir.resources import LONGEST

TYPES = ("Observation", "DiagnosticReport", "MedicationAdministration", "Procedure", "Patient")
"""The types that have an address of their own. At the base any type is accepted, for the Observations in it."""

PRESENTATION = ("_format", "_pretty", "_summary", "_elements")
"""Parameters of the answer, which are no search. The answer is JSON, whole."""

_TAG = re.compile(r'(?:W/)?"([^"]{1,20})"|(\*)')


class BadRequest(ValueError):
    """A request that cannot be done. `status` is its HTTP status."""

    def __init__(self, why: str, status: str = "400 Bad Request") -> None:
        super().__init__(why)
        self.status = status


class Interaction(NamedTuple):
    """A create or an update.

    `type` and `id`: those of the address, empty if it names none. `identifier`: the search of a conditional create or
    update, as SYSTEM|VALUE. `version`: the version that an update must meet, `*` for any, empty without If-Match.
    """

    method: str = "POST"
    type: str = ""
    id: str = ""
    identifier: str = ""
    version: str = ""

    @property
    def is_update(self) -> bool:
        """Whether it is sent by PUT."""
        return self.method == "PUT"

    @property
    def is_conditional(self) -> bool:
        """Whether its outcome depends on what is known of the resource."""
        return bool(self.identifier or self.version)


CREATE = Interaction()
"""A create at the base: whatever the resource is."""


def of_entry(request: Any) -> Interaction:
    """The interaction of a Bundle entry. An entry without a request creates.

    Raises:
        BadRequest: the entry asks for something else, or in a way that cannot be read.
    """
    if not isinstance(request, dict):
        return CREATE
    method = request.get("method", "POST")
    if method not in ("POST", "PUT"):
        shown = method[:40] if isinstance(method, str) else f"a {type(method).__name__}"
        raise BadRequest(
            f"request.method: {shown} is not supported; send results by POST or PUT", "422 Unprocessable Entity"
        )
    url, none, match = (_text(request, name) for name in ("url", "ifNoneExist", "ifMatch"))
    address = urlsplit(url)
    return of_request(method, *_address(address.path), address.query, none, match)


def of_request(method: str, kind: str, id: str, query: str, if_none_exist: str, if_match: str) -> Interaction:
    """The interaction of an address with its search and its headers.

    Raises:
        BadRequest: they cannot be read, or do not fit together.
    """
    if method == "POST":
        # Some clients write the condition of a create into its address.
        condition = if_none_exist or query
        return Interaction("POST", kind, "", _identifier("If-None-Exist", condition) if condition else "")
    version = _version(if_match) if if_match else ""
    if id:
        if not ID.fullmatch(id):
            raise BadRequest(f"id: {id[:80]!r} is no FHIR id; write 1 to 64 of A-Z, a-z, 0-9, - and .")
        return Interaction("PUT", kind, id, "", version)
    identifier = _identifier("the search", query)
    if kind and not identifier:
        raise BadRequest(f"write PUT {kind}/ID, or PUT {kind}?identifier=SYSTEM|VALUE")
    return Interaction("PUT", kind, "", identifier, version)


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    return value[:2000] if isinstance(value, str) else ""


def _address(path: str) -> tuple[str, str]:
    """Type and id of a relative or absolute address; empty where it names none."""
    parts = [part for part in path.split("/") if part]
    for spot in (-2, -1):
        if len(parts) >= -spot and parts[spot][:1].isupper() and parts[spot].isalpha():
            return parts[spot], parts[-1] if spot == -2 else ""
    return "", ""


def _identifier(where: str, query: str) -> str:
    """The one identifier of a search; empty if there is no search."""
    found = parse_qsl(query.partition("?")[2] or query, keep_blank_values=True)
    found = [(name, value) for name, value in found if name not in PRESENTATION]
    if not found:
        return ""
    [name, value] = found[0] if len(found) == 1 else ("", "")
    if name != "identifier" or not value.partition("|")[2]:
        raise BadRequest(f"{where}: only identifier=SYSTEM|VALUE is understood")
    if len(value) > 2 * LONGEST:
        raise BadRequest(f"{where}: an identifier has at most {LONGEST} characters")
    return value


def _version(tag: str) -> str:
    match = _TAG.fullmatch(tag.strip())
    if match is None:
        raise BadRequest('If-Match: write one version, as in W/"1"')
    return match[1] or match[2]
