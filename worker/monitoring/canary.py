"""The synthetic patient's page on its way round: sent off on a timer, timed, and missed where it does not come back."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from alerts.messages import Fault
from alerts.state import PatientState
from alerts.step.system_faults import fault
from worker.store.keys import SYNTHETIC

ROUND_TRIP = "round trip"
"""The condition, of the synthetic patient while its page is under way, and of the site where it does not come back."""

LATE = timedelta(seconds=30)
"""A page that has not come back after this is a fault."""

WORDS = "cartwatch's own page on its way round: nobody is ill, and nothing is to be done"


class RoundTrip:
    """The page that was sent off last, as a look at `now` finds it; `state` is what the look before has kept."""

    def __init__(
        self, state: Mapping[bytes, bytes], watch: PatientState | None, every: timedelta, now: datetime
    ) -> None:
        began = state.get(b"trip_began")
        at = datetime.fromisoformat(began.decode()) if began else None
        self._now = now
        # One that began later than now began before the store's clock was set back: nothing is known of it.
        self._began = at if at is not None and at <= now else None
        self._under_way = state.get(b"trip_under_way") == b"1"
        self._took = self._time_of(watch) if self._under_way else None
        self._again = self._began is None or now - self._began >= every

    def _time_of(self, watch: PatientState | None) -> timedelta | None:
        """From the message to the delivery whose receipt has come back; None while none has."""
        episode = watch.episodes.get(ROUND_TRIP) if watch is not None else None
        if episode is None or self._began is None or episode.opened_at != self._began:
            return None
        arrived = [told.state_at for told in episode.deliveries if told.state == "sent" and told.state_at is not None]
        return max(min(arrived) - self._began, timedelta(0)) if arrived else None

    def late(self) -> dict[str, str]:
        """Under the condition, what is wrong with it; empty where nothing is."""
        if self._began is None or not self._under_way:
            return {}
        waited = self._took if self._took is not None else self._now - self._began
        if waited <= LATE:
            return {}
        back = "came back after" if self._took is not None else "has not come back for"
        return {ROUND_TRIP: f"the page of the synthetic patient {back} {waited.total_seconds():.0f} s"}

    def messages(self) -> list[Fault]:
        """The end of a trip that is over or given up, and the beginning of the next, once it is time."""
        found = []
        if self._under_way and (self._took is not None or self._again):
            found.append(_message(self._now, over=True))
        if self._again:
            found.append(_message(self._now, over=False))
        return found

    def fields(self) -> dict[str, str | int]:
        """What is kept for the next look."""
        found: dict[str, str | int] = {}
        if self._took is not None:
            found |= {"trip_took": self._took // timedelta(milliseconds=1), "trip_back": self._now.isoformat()}
            found["trip_under_way"] = 0
        if self._again:
            found |= {"trip_began": self._now.isoformat(), "trip_under_way": 1}
        return found


def _message(now: datetime, *, over: bool) -> Fault:
    message = fault(ROUND_TRIP, WORDS, f"{ROUND_TRIP} {over} {now.isoformat()}", now)
    return message.model_copy(update={"patient": SYNTHETIC, "over": over})
