"""An open episode as a FHIR R4 Flag, and an assessment that is overdue as a Task, until they are over. Pure."""

from typing import Any

from alerts.wording.catalogue import DISCLAIMER
from config.settings import Settings
from worker.fhir_export.names import EPISODE, FLAG_CATEGORY, SYSTEM, subject
from worker.fhir_export.records import Item

Resource = dict[str, Any]

OVERDUE = "overdue_"
"""The beginning of the conditions that somebody owes an assessment. They are no property of the patient."""

FLAG_STATUS = {"open": "active", "over": "inactive", "retracted": "entered-in-error"}
TASK_STATUS = {"open": "requested", "over": "completed", "retracted": "entered-in-error"}
TASK_PRIORITY = {"critical": "stat", "high": "asap", "medium": "urgent"}


def episode_resource(item: Item, settings: Settings) -> Resource | None:
    """The resource of an episode, if the site wants its kind."""
    if item["condition"].startswith(OVERDUE):
        return _task(item, settings) if settings.fhir_tasks else None
    return _flag(item, settings) if settings.fhir_flags else None


def _flag(item: Item, settings: Settings) -> Resource:
    period = {"start": item["start"]} | ({"end": item["end"]} if item["end"] else {})
    return {
        "resourceType": "Flag",
        "identifier": [{"system": EPISODE, "value": item["episode"]}],
        "status": FLAG_STATUS[item["state"]],
        "category": [{"coding": [{"system": FLAG_CATEGORY, "code": "safety"}]}],
        "code": _code(item, settings),
        "subject": subject(item["patient"], settings),
        "period": period,
        "author": {"display": "cartwatch"},
    }


def _task(item: Item, settings: Settings) -> Resource:
    resource: Resource = {
        "resourceType": "Task",
        "identifier": [{"system": EPISODE, "value": item["episode"]}],
        "status": TASK_STATUS[item["state"]],
        "intent": "order",
        "priority": TASK_PRIORITY.get(item["urgency"], "routine"),
        "code": _code(item, settings),
        "for": subject(item["patient"], settings),
        "authoredOn": item["start"],
        "lastModified": item["at"],
        "requester": {"display": "cartwatch"},
        "note": [{"text": DISCLAIMER}],
    }
    return resource


def _code(item: Item, settings: Settings) -> Resource:
    """What is open; with the detail `minimal` only which episode it is."""
    if settings.fhir_detail == "minimal":
        return {"text": f"cartwatch episode {item['episode']}"}
    day = "" if item["day"] is None else f", D{item['day']:+d}"
    return {"coding": [{"system": SYSTEM, "code": item["condition"]}], "text": f"{item['title']}{day}"}
