"""The unregistered patients: how many, since when and from which sources; for the watchdog, health and the board."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.state import Unregistered
from alerts.wording.phrase import Phrase, plural
from worker.clock import milliseconds
from worker.monitoring.incidents import Incident
from worker.store.shard import Store

CONDITION = "unregistered patients since "
"""The prefix of the conditions of the technical pages. The time of their newest patient follows."""


class UnregisteredSummary(NamedTuple):
    """The number of unregistered patients, the time of the first of them, and the sources that send for them."""

    patients: int
    since: datetime | None
    sources: tuple[str, ...]

    def __str__(self) -> str:
        """A text that names no patient."""
        if self.since is None:
            return "none"
        return f"{self.patients} patient(s) since {self.since:%d %b %H:%M} UTC, from {', '.join(self.sources)}"


NOBODY = UnregisteredSummary(0, None, ())


def summarise(found: Iterable[Unregistered]) -> UnregisteredSummary:
    """Summarise unregistered patients, as `Store.unregistered` lists them."""
    notes = list(found)
    sources = sorted({source for one in notes for source in one.sources})
    return UnregisteredSummary(len(notes), min((one.first for one in notes), default=None), tuple(sources))


def overdue(store: Store, page_after: timedelta, before: Mapping[str, Incident], now: datetime) -> dict[str, Phrase]:
    """The incident of patients whose registration is overdue, by its condition; empty if there are none.

    While it is open, a further overdue patient opens a new one, with a page that counts all of them, but no sooner than
    `page_after` after the previous one.
    """
    late = [one for one in store.unregistered().values() if now - one.first >= page_after]
    if not late:
        return {}
    known = max((condition for condition in before if condition.startswith(CONDITION)), default="")
    condition = max(f"{CONDITION}{max(one.first for one in late):%Y-%m-%d %H:%M}", known)
    if known and milliseconds(now) - before[known].since < page_after // timedelta(milliseconds=1):
        condition = known
    found = summarise(late)
    one, many = (
        "{n} unregistered patient sends readings, from {sources};"
        " register the patient with `cartwatch register`, on the ward board or by the EHR",
        "{n} unregistered patients send readings, from {sources};"
        " register them with `cartwatch register`, on the ward board or by the EHR",
    )
    return {condition: plural(one, many, n=found.patients, sources=", ".join(found.sources))}
