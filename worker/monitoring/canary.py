"""The canary: a synthetic page, sent end to end on a timer. If it does not arrive in time, an incident opens."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from alerts.messages import Fault
from alerts.state import PatientState
from alerts.step.system_faults import fault
from alerts.wording.phrase import Phrase, phrase
from worker.store.keys import SYNTHETIC

CANARY = "canary"
"""The condition of the synthetic patient while its page is on its way, and of the site if the page does not arrive."""

TIMEOUT = timedelta(seconds=30)
"""A page that has not arrived after this is an incident."""

WORDS = Phrase("cartwatch's own page on its way round: nobody is ill, and nothing is to be done")


class Canary:
    """The last page that was sent, as the watchdog sees it at `now`. `state`: the stored state of the previous run."""

    def __init__(
        self, state: Mapping[bytes, bytes], watch: PatientState | None, every: timedelta, now: datetime
    ) -> None:
        sent = state.get(b"canary_sent")
        at = datetime.fromisoformat(sent.decode()) if sent else None
        self._now = now
        # If it was sent later than now, the store's clock was set back since, and nothing is known of the page.
        self._sent = at if at is not None and at <= now else None
        self._under_way = state.get(b"canary_under_way") == b"1"
        self._latency = self._latency_of(watch) if self._under_way else None
        self._is_due = self._sent is None or now - self._sent >= every

    def _latency_of(self, watch: PatientState | None) -> timedelta | None:
        """The time from the message to the delivery whose receipt has arrived; None without a receipt."""
        episode = watch.episodes.get(CANARY) if watch is not None else None
        if episode is None or self._sent is None or episode.opened_at != self._sent:
            return None
        sent = [one.state_at for one in episode.deliveries if one.state == "sent" and one.state_at is not None]
        return max(min(sent) - self._sent, timedelta(0)) if sent else None

    def overdue(self) -> dict[str, Phrase]:
        """The incident of a page that did not arrive, by its condition; empty if there is none."""
        if self._sent is None or not self._under_way:
            return {}
        waited = self._latency if self._latency is not None else self._now - self._sent
        if waited <= TIMEOUT:
            return {}
        late, absent = (
            "the page of the synthetic patient came back after {n} s",
            "the page of the synthetic patient has not come back for {n} s",
        )
        return {CANARY: phrase(absent if self._latency is None else late, n=int(waited.total_seconds()))}

    def messages(self) -> list[Fault]:
        """End the last page if it arrived or timed out, and send the next one if it is due."""
        found = []
        if self._under_way and (self._latency is not None or self._is_due):
            found.append(_message(self._now, over=True))
        if self._is_due:
            found.append(_message(self._now, over=False))
        return found

    def fields(self) -> dict[str, str | int]:
        """The state for the next run."""
        found: dict[str, str | int] = {}
        if self._latency is not None:
            found["canary_latency"] = self._latency // timedelta(milliseconds=1)
            found["canary_arrived"] = self._now.isoformat()
            found["canary_under_way"] = 0
        if self._is_due:
            found |= {"canary_sent": self._now.isoformat(), "canary_under_way": 1}
        return found


def _message(now: datetime, *, over: bool) -> Fault:
    message = fault(CANARY, WORDS, f"{CANARY} {over} {now.isoformat()}", now, over=over)
    return message.model_copy(update={"patient": SYNTHETIC})
