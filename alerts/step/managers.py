"""What an alert manager must hear of an episode beside the pages of its ladder: a lowering, an acknowledgement, an end.

People hear of these only where it matters to them. A manager shows every alert until its end is reported (IHE ACM).
"""

from collections.abc import Iterator

from msgspec.structs import replace

from alerts.episodes.delivery_log import Reason
from alerts.episodes.episode import Episode
from alerts.pages.concern import PageConcern
from alerts.state import PatientState
from config.site import Site, higher


def manager_reports(
    before: PatientState, after: PatientState, site: Site
) -> Iterator[tuple[PageConcern, tuple[str, ...]]]:
    """The reports that a step owes to the alert managers that were notified of an episode, with these managers."""
    for condition, old in before.episodes.items():
        new = after.episodes.get(condition)
        if new is old:
            continue
        managers = tuple(person for person in old.notified if person in site.on_call.alert_managers)
        reported = _report(old, new, after) if managers else None
        if reported is not None:
            yield reported, managers


def _report(old: Episode, new: Episode | None, after: PatientState) -> PageConcern | None:
    if new is None or new.id != old.id:
        past = after.past.get(old.condition)
        reason: Reason = "retracted" if past is not None and past.retracted else "resolved"
        return PageConcern(replace(old, urgency="low"), reason, None)
    if new.acknowledged_by and new.acknowledged_by != old.acknowledged_by:
        return PageConcern(new, "acknowledged", None)
    if new.level < old.level or higher(old.urgency, new.urgency):
        return PageConcern(new, "better", None)
    return None
