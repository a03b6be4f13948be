"""An acknowledgement that comes from a notification itself, by whatever provider: the same press as on the page."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from alerts.state import PatientState
from alerts.wording.catalogue import say
from config.languages import ENGLISH
from worker.gateway.ack_status import NoSuchEpisode, ack_status, delivery_of, episode_of
from worker.gateway.context import Gateway
from worker.gateway.responses import ButtonPress
from worker.links import LinkClaims


class AnswerOutcome(StrEnum):
    """What became of an answer."""

    ACKNOWLEDGED = "acknowledged"
    REPEATED = "repeated"
    OTHER = "other"
    CLOSED = "closed"
    STALE = "stale"
    UNKNOWN = "unknown"
    IGNORED = "ignored"


USED_KEPT = timedelta(hours=24)
"""How long an answer is known that had its effect: as long as anything that it could be repeated with counts. Repeated
later, when the acknowledgement has timed out or was handed over, it has none."""

WORDS = {
    AnswerOutcome.ACKNOWLEDGED: "You have it",
    AnswerOutcome.REPEATED: "You have it",
    AnswerOutcome.OTHER: "Somebody else has it already",
    AnswerOutcome.CLOSED: "It is over",
    AnswerOutcome.STALE: "It has worsened since this page, or the page is old: answer the newest page",
    AnswerOutcome.UNKNOWN: "No such page: open the newest page, or the ward board",
    AnswerOutcome.IGNORED: "This answers no page",
}
"""Each outcome in words of the catalogue."""


class Answered(NamedTuple):
    """The outcome of an answer, and in words of the person."""

    outcome: AnswerOutcome
    words: str

    @property
    def status(self) -> int:
        """The HTTP status for an app that shows it to a person."""
        if self.outcome in (AnswerOutcome.ACKNOWLEDGED, AnswerOutcome.REPEATED):
            return 200
        return 404 if self.outcome is AnswerOutcome.UNKNOWN else 409


def nothing(outcome: AnswerOutcome, language: str = ENGLISH) -> Answered:
    """An answer that has no effect."""
    return Answered(outcome, say(WORDS[outcome], language))


def acknowledge(gateway: Gateway, page: str, mark: str, person: str = "") -> Answered:
    """Acknowledge a page for its recipient, or for the `person` whom a provider names.

    `mark` is the same for the same answer: it is idempotent, and a replayed request has no further effect.

    Raises:
        redis.exceptions.RedisError: nothing was saved.
    """
    now = gateway.now()
    first = page.rpartition(".")[0]
    patient = gateway.run.store.patient_of(first) if first else None
    state = gateway.run.store.state(patient) if patient is not None else None
    if state is None:
        return nothing(AnswerOutcome.UNKNOWN)
    found = ((one, delivery) for one in state.episodes.values() if (delivery := delivery_of(one, page)) is not None)
    episode, delivery = next(found, (None, None))
    if episode is None or delivery is None:
        return nothing(AnswerOutcome.CLOSED if _is_closed(state, first) else AnswerOutcome.UNKNOWN)
    people = gateway.site.on_call.people
    who = person if person in people else delivery.to
    if who not in people:
        return nothing(AnswerOutcome.UNKNOWN)
    language = people[who].language
    status = ack_status(episode, who, now, claims=LinkClaims(page, episode.id, who, delivery.at))
    if status.stale:
        return nothing(AnswerOutcome.STALE, language)
    if status.holder in ("you", "other"):
        return nothing(AnswerOutcome.REPEATED if status.holder == "you" else AnswerOutcome.OTHER, language)
    press = ButtonPress("have-it", who, state.patient, episode.id, page, episode.urgency, {"mark": mark})
    redis, used = gateway.run.store.redis, gateway.run.store.keys.answer_used(press.id)
    if redis.exists(used):
        waits = not gateway.responses.is_processed(press.id)
        return nothing(AnswerOutcome.REPEATED if waits else AnswerOutcome.STALE, language)
    submitted = gateway.responses.submit(press, now, gateway.site)
    redis.set(used, 1, ex=USED_KEPT)
    gateway.responses.wait(submitted, gateway.patience)
    return nothing(AnswerOutcome.ACKNOWLEDGED, language)


def _is_closed(state: PatientState, episode: str) -> bool:
    """Whether an episode was open once, and is not any more."""
    try:
        return episode_of(state, episode) is None
    except NoSuchEpisode:
        return False
