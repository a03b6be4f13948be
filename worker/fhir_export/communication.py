"""A page as a FHIR R4 Communication, updated when it is delivered, acknowledged or no longer owed. Pure."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from alerts.wording.catalogue import DISCLAIMER
from config.settings import Settings
from worker.fhir_export.names import GRADE, PAGE, PERSON, logical, subject
from worker.fhir_export.records import Item
from worker.store.codec import Codec

Resource = dict[str, Any]

CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"

PRIORITY = {"critical": "stat", "high": "asap", "medium": "urgent", "low": "routine"}


class ExportedPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page and its outcome so far, with times in ISO 8601. `page`: the journal's line, with the subjects of the page.

    `why_not`: why it was not delivered, if it was not.
    """

    page: Item
    sent: str = ""
    acknowledged_at: str = ""
    acknowledged_by: str = ""
    why_not: str = ""


def updated(exported: ExportedPage, item: Item) -> ExportedPage:
    """A page after one more item about it."""
    match item["kind"]:
        case "receipt" if item["outcome"] == "sent":
            return replace(exported, sent=exported.sent or item["at"], why_not="")
        case "receipt" if item["outcome"] == "undeliverable" and not exported.sent:
            return replace(exported, why_not="it could not be delivered")
        case "cancelled" if not exported.sent:
            return replace(exported, why_not="no longer owed: answered, over, or replaced by a newer page")
        case "acknowledged" if not exported.acknowledged_at:
            return replace(exported, acknowledged_at=item["at"], acknowledged_by=item["by"])
    return exported


def communication(exported: ExportedPage, settings: Settings) -> Resource:
    """The Communication of a page with its present outcome."""
    page = exported.page
    resource: Resource = {
        "resourceType": "Communication",
        "identifier": [{"system": PAGE, "value": page["page"]}],
        "status": _status(exported),
        "category": [{"coding": [{"system": CATEGORY, "code": "alert"}]}],
        "priority": PRIORITY[page["urgency"]],
        "medium": [{"text": page["channel"]}],
        "subject": subject(page["patient"], settings),
        "recipient": [logical("Practitioner", PERSON, page["to"], display=page["to"])],
        "sender": {"display": "cartwatch"},
        "payload": [{"contentString": text} for text in _words(page, settings)],
        "note": [*_acknowledgement(exported), {"text": f"written at {page['at']}"}, {"text": DISCLAIMER}],
    }
    if settings.fhir_detail == "full":
        resource["topic"] = {"text": page["condition"]}
    if exported.why_not:
        resource["statusReason"] = {"text": exported.why_not}
    if page["about"]:
        resource["about"] = [logical("Observation", GRADE, id) for id in page["about"]]
    if exported.sent:
        resource["sent"] = exported.sent
    if exported.acknowledged_at and exported.acknowledged_by == page["to"]:
        resource["received"] = exported.acknowledged_at
    return resource


def _status(exported: ExportedPage) -> str:
    if exported.sent:
        return "completed"
    return "not-done" if exported.why_not else "in-progress"


def _words(page: Item, settings: Settings) -> tuple[str, ...]:
    """The text of the page; with the detail `minimal` its id alone."""
    if settings.fhir_detail == "full":
        return page["title"], page["text"]
    return (f"cartwatch page {page['page']}",)


def _acknowledgement(exported: ExportedPage) -> list[Resource]:
    if not exported.acknowledged_at:
        return []
    return [{"authorString": exported.acknowledged_by, "time": exported.acknowledged_at, "text": "acknowledged"}]


_pages = Codec("exported page", ExportedPage, as_json=True)
pack, unpack = _pages.pack, _pages.unpack
