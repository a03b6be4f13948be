"""What is compared on one stream: our rules, the same without confirmation, NEWS2, and naive thresholds."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from alerts.grading import news2
from alerts.messages import AnyMessage, Reading
from config.site import Site
from config.vocabulary import READINGS, Sort
from worker.quality.answers import AnswerModel
from worker.quality.drive import Closed, CountedPage, Driven, Driver, drive
from worker.quality.stream import arrival

OURS = "rules"
UNCONFIRMED = "rules without confirmation"
NEWS2_5, NEWS2_7 = "NEWS2 >= 5", "NEWS2 >= 7"
NAIVE = "naive thresholds"
BASELINE = "rules of the baseline"

RULES = (OURS, UNCONFIRMED, BASELINE)
"""Policies whose pages name a condition; those of the others stand for any."""

NAIVE_HIGH = {"temperature": Decimal("38.0"), "heart_rate": Decimal(130), "respiratory_rate": Decimal(30)}
NAIVE_LOW = {"systolic_bp": Decimal(90), "mean_bp": Decimal(65), "spo2": Decimal(92), "ice": Decimal(10)}
"""Beyond these a single value alerts, as on a bedside monitor: the fever, pressure and saturation of our own rules, the
usual limits of the rates (assumptions), and an ICE that is not full. A value at a high one alerts, at a low one not."""

ANY = "any"
"""The condition of an alert that names none."""


class StayOutcome(NamedTuple):
    """One stay under every policy."""

    patient: str
    begins: datetime
    ends: datetime
    messages: int
    unread: int
    dead_letters: int
    pages: dict[str, list[CountedPage]]
    closed: dict[str, list[Closed]]


def outcome(
    patient: str, messages: Sequence[AnyMessage], unread: int, site: Site, answers: AnswerModel, seed: int, more: bool
) -> StayOutcome:
    """A stay under our rules, and with `more` under the others too."""
    ours, watch = _ours(patient, messages, site, answers, seed, watched=more)
    driven: dict[str, Driven] = {OURS: ours}
    if more:
        driven[UNCONFIRMED] = drive(patient, [_found_by_a_person(one) for one in messages], site, answers, seed)
        driven[NAIVE] = ours._replace(pages=naive(messages), closed=[])
        for name, threshold in ((NEWS2_5, 5), (NEWS2_7, 7)):
            pages, closed = _crossings(patient, watch, threshold)
            driven[name] = ours._replace(pages=pages, closed=closed)
    return StayOutcome(
        patient,
        ours.begins,
        ours.ends,
        len(messages),
        unread,
        ours.dead_letters,
        {name: one.pages for name, one in driven.items()},
        {name: one.closed for name, one in driven.items()},
    )


Scored = list[tuple[datetime, int]]


def _ours(
    patient: str, messages: Sequence[AnyMessage], site: Site, answers: AnswerModel, seed: int, *, watched: bool
) -> tuple[Driven, Scored]:
    """Our rules, and NEWS2 after each step in which a part of it came in."""
    scored: Scored = []

    def look(driver: Driver, together: Sequence[AnyMessage]) -> None:
        if any(isinstance(one, Reading) and one.reading in NEWS2_PARTS for one in together):
            total = news2.at_least(news2.score(driver.state.chart, driver.now, site))
            scored.append((driver.now, total))

    return drive(patient, messages, site, answers, seed, look if watched else None), scored


NEWS2_PARTS = frozenset(
    {
        *("temperature", "systolic_bp", "heart_rate", "respiratory_rate", "spo2", "oxygen_device", "oxygen_flow"),
        *("fio2", "consciousness"),
    }
)


def _crossings(patient: str, scored: Scored, threshold: int) -> tuple[list[CountedPage], list[Closed]]:
    """An alert each time the score comes to a threshold, until it falls below: the fewest that it can mean."""
    pages, closed, above = [], [], False
    for at, total in scored:
        if total >= threshold and not above:
            pages.append(CountedPage(patient, at, ANY, {ANY: total}, "high", "new", "on_call"))
        elif above and total < threshold:
            closed.append(Closed(at, ANY, "resolved"))
        above = total >= threshold
    return pages, closed


def naive(messages: Sequence[AnyMessage]) -> list[CountedPage]:
    """An alert for each value beyond a threshold; 0 and no value alert too where a threshold is a lower one."""
    found = []
    for one in messages:
        value = one.number if isinstance(one, Reading) else None
        if value is None or not isinstance(one, Reading):
            continue
        high, low = NAIVE_HIGH.get(one.reading), NAIVE_LOW.get(one.reading)
        if (high is not None and value >= high) or (low is not None and value < low):
            found.append(CountedPage(one.patient, arrival(one), ANY, {ANY: 1}, "high", "new", "on_call"))
    return found


def _found_by_a_person(message: AnyMessage) -> AnyMessage:
    """A vital sign as if a person had charted it: then one value counts."""
    if isinstance(message, Reading) and READINGS[message.reading].sort is Sort.VITAL:
        return message.model_copy(update={"by": "person"})
    return message
