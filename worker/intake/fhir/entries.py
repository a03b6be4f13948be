"""The resources of a delivery, each with what is asked to be done with it: one alone, or the entries of a Bundle."""

import re
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from worker.intake.fhir.interaction import CREATE, BadRequest, Interaction, of_entry
from worker.intake.fhir.logical_id import ID, identifier_text, logical_id
from worker.intake.fhir.notifications import notification_of
from worker.intake.fhir.references import BundleEntry
from worker.intake.fhir.resources import Around
from worker.intake.fhir.withdrawals import SentMessage
from worker.intake.parsed import ParsedResource, ignored, refused

MOST_ENTRIES = 10_000
INDEXED = 5
"""The most identifiers by which a resource is found again."""

_KIND = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class UnreadableResource(ValueError):
    """The body is no FHIR resource. The text gives the reason."""


class SentResource(NamedTuple):
    """One resource and its interaction. `settled`: what became of it, if it is not to be parsed.

    `corrects`: it updates a resource that was sent before, whose messages were those `before`.
    """

    where: str
    interaction: Interaction
    sent: BundleEntry | None = None
    settled: ParsedResource | None = None
    corrects: bool = False
    before: tuple[SentMessage, ...] = ()

    def refuse(self, why: str, status: str = "") -> "SentResource":
        """The same, refused."""
        return self._replace(settled=ParsedResource("fhir", "", "", (refused(self.where, why),), status))

    def renamed(self, id: str) -> "SentResource":
        """The same, with the id of the resource that it updates."""
        assert self.sent is not None, "only what has a resource is renamed"
        return self._replace(sent=self.sent._replace(resource=self.sent.resource | {"id": id}))


def decode(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object, with exact numbers.

    Raises:
        UnreadableResource: it is not JSON, or not a resource.
    """
    try:
        found = _decoder.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise UnreadableResource(f"not JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise UnreadableResource("resourceType: missing; send one FHIR resource or a Bundle")
    return found


def entries_of(resource: dict[str, Any], interaction: Interaction = CREATE) -> list[SentResource]:
    """The entries of a Bundle in order, or the one resource that is sent alone with an interaction.

    Raises:
        UnreadableResource: the Bundle has no list of entries, or too many.
    """
    if resource["resourceType"] != "Bundle":
        return [_checked(SentResource(resource["resourceType"], interaction, BundleEntry(0, "", "", resource)))]
    if kind_of(resource).endswith("-response"):
        element = ignored("Bundle", f"a {kind_of(resource)} is an answer, no input")
        return [SentResource("Bundle", interaction, settled=ParsedResource("fhir", "", "", (element,)))]
    notification = notification_of(resource)
    listed = resource.get("entry", [])
    if not isinstance(listed, list) or len(listed) > MOST_ENTRIES:
        raise UnreadableResource(f"entry: write a list of at most {MOST_ENTRIES} entries")
    if notification is not None:
        return [_status(), *(_notified(index, entry) for index, entry in enumerate(listed[1:], start=1))]
    return [_checked(_entry(index, entry)) for index, entry in enumerate(listed)]


def kind_of(bundle: dict[str, Any]) -> str:
    """The type of a Bundle; empty if missing. A text is shortened, any other value replaced by its kind."""
    value = bundle.get("type", "")
    return value[:40] if isinstance(value, str) else f"a {type(value).__name__}"


def name_of(resource: dict[str, Any]) -> str:
    """Type and logical id of a resource; empty if it cannot be named."""
    id, kind = resource.get("id"), resource["resourceType"]
    if not _KIND.fullmatch(kind):
        return ""
    if isinstance(id, str) and ID.fullmatch(id):
        return f"{kind}/{id}"
    try:
        known = Around.model_validate(resource)
        return f"{kind}/{logical_id(known.id, known.identifier, resource)}"
    except (ValidationError, RecursionError):
        return ""


def identifiers_of(resource: dict[str, Any]) -> tuple[str, ...]:
    """The first business identifiers of a resource, as SYSTEM|VALUE."""
    if "identifier" not in resource:
        return ()
    try:
        found = Around.model_validate({"identifier": resource["identifier"]}).identifier
    except ValidationError:
        return ()
    return tuple(identifier_text(item) for item in found[:INDEXED] if item.value)


def _status() -> SentResource:
    """The first entry of a notification."""
    element = ignored("entry[0]", "the status of a Subscription", understood=True)
    return SentResource("entry[0]", CREATE, settled=ParsedResource("fhir", "", "", (element,)))


def _notified(index: int, entry: Any) -> SentResource:
    """An entry of a notification. Its request says what was done at the server, not what is to be done here."""
    request = entry.get("request") if isinstance(entry, dict) else None
    method = request.get("method") if isinstance(request, dict) else None
    bare = {name: value for name, value in entry.items() if name != "request"} if isinstance(entry, dict) else entry
    made = _entry(index, bare)
    if method == "DELETE" and made.sent is None:
        return made.refuse("deleted at the server, which is no correction; withdraw it with entered-in-error")
    return made._replace(interaction=Interaction("PUT" if method == "PUT" else "POST"))


def _entry(index: int, entry: Any) -> SentResource:
    where = f"entry[{index}]"
    if not isinstance(entry, dict):
        return SentResource(where, CREATE).refuse("write an object with a resource")
    try:
        interaction = of_entry(entry.get("request"))
    except BadRequest as error:
        return SentResource(where, CREATE).refuse(str(error), error.status)
    resource = entry.get("resource")
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return SentResource(where, interaction).refuse("resource: missing")
    address = entry.get("fullUrl")
    address = address if isinstance(address, str) else ""
    base = address.rsplit("/", 2)[0] if address.startswith("http") and address.count("/") > 3 else ""
    return SentResource(where, interaction, BundleEntry(index, address, base, resource))


def _checked(entry: SentResource) -> SentResource:
    """An entry whose resource is the one that its address names."""
    if entry.sent is None:
        return entry
    interaction, resource = entry.interaction, entry.sent.resource
    kind = resource["resourceType"][:60]
    if interaction.type and kind != interaction.type:
        return entry.refuse(f"resourceType: {kind} was sent to {interaction.type}", "400 Bad Request")
    if interaction.id and resource.get("id") != interaction.id:
        return entry.refuse(f"id: write {interaction.id!r}, as in the address", "400 Bad Request")
    if interaction.is_update and not (interaction.id or interaction.identifier or resource.get("id")):
        return entry.refuse("id: missing; an update names its resource", "400 Bad Request")
    return entry
