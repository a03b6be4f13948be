"""The records of a step for the EHR: grades, pages, and the outcomes of pages. Pure.

An item is a plain JSON object. A grade is whole; the outcome of a page names the page, which the exporter knows.

grade, regrade   the journal's own line (`alerts/step/journal_events.py`)
page             the journal's line, with the ids of the grades it is `about`
receipt          of a `page`: its `outcome` and when
acknowledged     `by` whom and when, and the `pages` of the episode
cancelled        a `page` that is no longer owed
"""

from collections.abc import Iterable, Sequence
from typing import Any

from alerts.assessment.issued_grades import grade_id
from alerts.messages import AnyMessage, Receipt
from alerts.state import Effects, PatientState

Item = dict[str, Any]

ABOUT = {
    "before_infusion": ("crs", "icans", "news2"),
    "icans": ("icans", "ice"),
    "febrile_neutropenia": ("ctcae.febrile_neutropenia",),
    "cytopenia": ("ctcae.neutrophils", "ctcae.platelets", "ctcae.anemia"),
}
"""The grading systems of a condition. A condition that is not listed belongs to the system of its own name, if any."""

_EXPORTED = ("grade", "regrade")


def records_of(state: PatientState, messages: Sequence[AnyMessage], effects: Effects) -> list[Item]:
    """The records of one patient's step; `state` is the patient afterwards.

    Subjects that are no patient (`~`) have none.
    """
    if state.patient.startswith("~"):
        return []
    items = [event for event in effects.events if event["kind"] in _EXPORTED]
    items += [_receipt(message) for message in messages if isinstance(message, Receipt)]
    for event in effects.events:
        if event["kind"] == "page":
            items.append(event | {"about": list(_about(state, event))})
        elif event["kind"] == "acknowledged":
            items.append({name: event[name] for name in ("kind", "at", "by")} | {"pages": _pages_of(state, event)})
    items += [{"kind": "cancelled", "page": page} for page in effects.cancelled]
    return items


def _receipt(receipt: Receipt) -> Item:
    at = receipt.effective.isoformat()
    return {"kind": "receipt", "page": receipt.page, "outcome": receipt.outcome, "at": at}


def _about(state: PatientState, page: Item) -> Iterable[str]:
    """The ids of the valid grades that a page concerns."""
    open_now = {episode.id: condition for condition, episode in state.episodes.items()}
    conditions = [page["condition"], *(open_now[id] for id in page["episodes"] if id in open_now)]
    for system in dict.fromkeys(system for name in conditions for system in ABOUT.get(name, (name,))):
        for given in state.issued_grades.get(system, ())[-1:]:
            if not given.retracted:
                yield grade_id(state.patient, system, given.at, given.number)


def _pages_of(state: PatientState, event: Item) -> list[str]:
    """The pages of an episode since it last worsened."""
    return [
        delivery.page
        for episode in state.episodes.values()
        if episode.id == event["episode"]
        for delivery in episode.deliveries
        if delivery.at >= episode.worsening_known_at
    ]
