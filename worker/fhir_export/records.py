"""The records of a step for the EHR: grades, pages, and the outcomes of pages. Pure.

An item is a plain JSON object. A grade is whole; the outcome of a page names the page, which the exporter knows.

grade, regrade   the journal's own line (`alerts/step/journal_events.py`)
page             the journal's line, with the ids of the grades it is `about`
receipt          of a `page`: its `outcome` and when
acknowledged     `by` whom and when, and the `pages` of the episode
cancelled        a `page` that is no longer owed
episode          opened, changed or over: what stands then (`worker/fhir_export/episodes.py`)
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from alerts.assessment.issued_grades import grade_id
from alerts.episodes.episode import Episode
from alerts.messages import AnyMessage, Receipt
from alerts.state import Effects, PatientState
from alerts.step.journal_events import local
from alerts.wording.catalogue import in_english
from config.site import Site

Item = dict[str, Any]

ABOUT = {
    "before_infusion": ("crs", "icans", "news2"),
    "icans": ("icans", "ice"),
    "febrile_neutropenia": ("ctcae.febrile_neutropenia",),
    "cytopenia": ("ctcae.neutrophils", "ctcae.platelets", "ctcae.anemia"),
}
"""The grading systems of a condition. A condition that is not listed belongs to the system of its own name, if any."""

_EXPORTED = ("grade", "regrade")


def records_of(
    before: PatientState,
    state: PatientState,
    messages: Sequence[AnyMessage],
    effects: Effects,
    now: datetime,
    site: Site,
) -> list[Item]:
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
    return items + list(_episodes(before, state, now, site))


def _episodes(before: PatientState, state: PatientState, now: datetime, site: Site) -> Iterator[Item]:
    """The episodes that opened or ended, or whose level or words changed."""
    old = {episode.id: episode for episode in before.episodes.values()}
    for episode in state.episodes.values():
        if (was := old.pop(episode.id, None)) is not episode and (was is None or _shown(was) != _shown(episode)):
            yield _episode(state, episode, "open", "", now, site)
    for episode in old.values():
        past = state.past.get(episode.condition)
        is_same = past is not None and past.number == episode.number
        over = "retracted" if is_same and past is not None and past.retracted else "over"
        end = past.closed_at if is_same and past is not None else now
        yield _episode(state, episode, over, local(max(end, episode.opened_at), site), now, site)


def _shown(episode: Episode) -> tuple[object, ...]:
    """What the EHR shows of an open episode."""
    return episode.level, episode.title, episode.urgency


def _episode(state: PatientState, episode: Episode, stands: str, end: str, now: datetime, site: Site) -> Item:
    return {
        "kind": "episode",
        "at": local(now, site),
        "patient": state.patient,
        "episode": episode.id,
        "condition": episode.condition,
        "urgency": episode.urgency,
        "title": in_english(episode.title, site.zone),
        "day": state.chart.day(episode.opened_at, site.zone),
        "state": stands,
        "start": local(episode.opened_at, site),
        "end": end,
    }


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
