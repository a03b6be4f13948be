"""A page as a FHIR R4 Communication, and how it goes on as it is delivered, taken, or no longer owed. Pure."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from alerts.wording.headings import DISCLAIMER
from config.settings import Settings
from worker.fhir_export.names import GRADE, PAGE, PERSON, logical, subject
from worker.fhir_export.records import Item
from worker.store.codec import Codec

Resource = dict[str, Any]

CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"

PRIORITY = {"critical": "stat", "high": "asap", "medium": "urgent", "low": "routine"}


class ExportedPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page and what became of it so far; times in ISO 8601. `page` is the journal's line, and what it is about.

    `why_not` says why it was not delivered, where that is so.
    """

    page: Item
    sent: str = ""
    taken: str = ""
    taken_by: str = ""
    why_not: str = ""


def updated(told: ExportedPage, item: Item) -> ExportedPage:
    """A page after one more of what became of it."""
    match item["kind"]:
        case "receipt" if item["outcome"] == "sent":
            return replace(told, sent=told.sent or item["at"], why_not="")
        case "receipt" if item["outcome"] == "undeliverable" and not told.sent:
            return replace(told, why_not="it could not be delivered")
        case "cancelled" if not told.sent:
            return replace(told, why_not="no longer owed: answered, over, or replaced by a newer page")
        case "acknowledged" if not told.taken:
            return replace(told, taken=item["at"], taken_by=item["by"])
    return told


def communication(told: ExportedPage, settings: Settings) -> Resource:
    """The Communication of a page as it stands."""
    page = told.page
    resource: Resource = {
        "resourceType": "Communication",
        "identifier": [{"system": PAGE, "value": page["page"]}],
        "status": _status(told),
        "category": [{"coding": [{"system": CATEGORY, "code": "alert"}]}],
        "priority": PRIORITY[page["urgency"]],
        "medium": [{"text": page["channel"]}],
        "subject": subject(page["patient"], settings),
        "recipient": [logical("Practitioner", PERSON, page["to"], display=page["to"])],
        "sender": {"display": "cartwatch"},
        "payload": [{"contentString": text} for text in _words(page, settings)],
        "note": [*_taken(told), {"text": f"written at {page['at']}"}, {"text": DISCLAIMER}],
    }
    if settings.fhir_detail == "full":
        resource["topic"] = {"text": page["condition"]}
    if told.why_not:
        resource["statusReason"] = {"text": told.why_not}
    if page["about"]:
        resource["about"] = [logical("Observation", GRADE, id) for id in page["about"]]
    if told.sent:
        resource["sent"] = told.sent
    if told.taken and told.taken_by == page["to"]:
        resource["received"] = told.taken
    return resource


def _status(told: ExportedPage) -> str:
    if told.sent:
        return "completed"
    return "not-done" if told.why_not else "in-progress"


def _words(page: Item, settings: Settings) -> tuple[str, ...]:
    """What the page said; in `minimal` words only which page it was."""
    if settings.fhir_detail == "full":
        return page["title"], page["text"]
    return (f"cartwatch page {page['page']}",)


def _taken(told: ExportedPage) -> list[Resource]:
    if not told.taken:
        return []
    return [{"authorString": told.taken_by, "time": told.taken, "text": "acknowledged"}]


_pages = Codec("exported page", ExportedPage, as_json=True)
pack, unpack = _pages.pack, _pages.unpack
