"""How many patients are not registered, since when and from which sources: for the watchdog, health and the board."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.state import Unregistered
from worker.clock import milliseconds
from worker.monitoring.incidents import Noted
from worker.store.shard import Store

CONDITION = "unregistered patients since "
"""How the conditions of the technical pages begin; a time follows: that of the newest patient they count."""


class Tally(NamedTuple):
    """How many patients are not registered, since when the first of them, and the sources that send for them."""

    patients: int
    since: datetime | None
    sources: tuple[str, ...]

    def __str__(self) -> str:
        """In words, without a patient."""
        if self.since is None:
            return "none"
        return f"{self.patients} patient(s) since {self.since:%d %b %H:%M} UTC, from {', '.join(self.sources)}"


NOBODY = Tally(0, None, ())


def tally(found: Iterable[Unregistered]) -> Tally:
    """The sum of some unregistered patients, as `Store.unregistered` lists them."""
    held = list(found)
    sources = sorted({source for one in held for source in one.sources})
    return Tally(len(held), min((one.first for one in held), default=None), tuple(sources))


def overdue(store: Store, page_after: timedelta, before: Mapping[str, Noted], now: datetime) -> dict[str, str]:
    """The incident of patients who have not been registered for too long, by its condition; empty without any.

    While it lasts, another patient who becomes overdue begins a new one, with a page that counts them all; but not
    sooner than `page_after` after the one before.
    """
    late = [one for one in store.unregistered().values() if now - one.first >= page_after]
    if not late:
        return {}
    known = max((condition for condition in before if condition.startswith(CONDITION)), default="")
    condition = max(f"{CONDITION}{max(one.first for one in late):%Y-%m-%d %H:%M}", known)
    if known and milliseconds(now) - before[known].since < page_after // timedelta(milliseconds=1):
        condition = known
    found = tally(late)
    what = (
        f"{found.patients} unregistered patients send readings, from {', '.join(found.sources)};"
        " register them with `cartwatch register`, on the ward board or by the EHR"
    )
    return {condition: what}
