"""One stay through `alerts.step`, in this process: its messages as they came in, the timers, and people's answers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

from alerts.messages import Acknowledgement, AnyMessage, Receipt
from alerts.pages.concern import ENDED, FIRST
from alerts.pages.page import Page
from alerts.state import Effects, PatientState
from alerts.step.step import step
from config.site import Site
from worker.quality.answers import AnswerModel
from worker.quality.stream import arrival

AFTER_THE_LAST = timedelta(hours=1)
"""How long a stay without a discharge goes on after its last message: as in `cartwatch replay`."""

DELIVERED_AFTER = timedelta(seconds=2)


class CountedPage(NamedTuple):
    """A page as the evaluation counts it. `levels`: of each condition the level that the page reports."""

    patient: str
    at: datetime
    condition: str
    levels: dict[str, int]
    urgency: str
    reason: str
    to: str
    ended: tuple[str, ...] = ()


class Closed(NamedTuple):
    """The end of an episode."""

    at: datetime
    condition: str
    reason: str


class Driven(NamedTuple):
    """What a stay led to."""

    pages: list[CountedPage]
    closed: list[Closed]
    dead_letters: int
    begins: datetime
    ends: datetime


class Driver:
    """The state of one patient, and the messages still to come."""

    def __init__(self, patient: str, messages: Iterable[AnyMessage], site: Site, answers: AnswerModel, seed: int):
        self.state = PatientState(patient=patient)
        self.site = site
        self._answers = answers
        self._seed = seed
        self._numbers = count()
        self._agenda = [(arrival(message), next(self._numbers), message) for message in messages]
        heapify(self._agenda)
        self.begins = min(at for at, _, _ in self._agenda)
        self.ends = max(at for at, _, _ in self._agenda)
        self.now = self.begins

    def run(self) -> Iterator[tuple[Sequence[AnyMessage], Effects]]:
        """Each step with its messages and its effects, until nothing falls due within an hour of the last message."""
        while (at := self._next()) is not None:
            self.now = max(self.now, at)
            together = list(self._taken())
            self.state, effects = step(self.state, together, self.now, self.site)
            for page in effects.pages:
                self._deliver(page)
            yield together, effects

    def _next(self) -> datetime | None:
        due = self.state.next_at()
        if due is not None and due <= self.now:
            due = self.now + timedelta(minutes=1)
        coming = self._agenda[0][0] if self._agenda else None
        if coming is None and (due is None or due > self.ends + AFTER_THE_LAST):
            return None
        return min(at for at in (coming, due) if at is not None)

    def _taken(self) -> Iterator[AnyMessage]:
        """The messages that came in by now, without answers to what somebody else has answered meanwhile."""
        while self._agenda and self._agenda[0][0] <= self.now:
            message = heappop(self._agenda)[2]
            if not isinstance(message, Acknowledgement) or self._is_open(message.episode):
                yield message

    def _is_open(self, episode: str) -> bool:
        return any(one.id == episode and not one.acknowledged_by for one in self.state.episodes.values())

    def _deliver(self, page: Page) -> None:
        self._add(_receipt(page, self.now + DELIVERED_AFTER))
        if page.urgency == "low" or page.reason in ENDED:
            return
        wait = self._answers.wait(f"{page.id} {page.to}", self.now, self.site.zone, self._seed)
        if wait is not None:
            self._add(_acknowledgement(page, self.now + max(wait, DELIVERED_AFTER)))

    def _add(self, message: AnyMessage) -> None:
        heappush(self._agenda, (arrival(message), next(self._numbers), message))


def _receipt(page: Page, at: datetime) -> Receipt:
    return Receipt(
        type="receipt",
        id=f"{page.id} sent",
        source="delivery",
        patient=page.patient,
        effective=at,
        page=page.id,
        channel=page.channel,
        outcome="sent",
    )


def _acknowledgement(page: Page, at: datetime) -> Acknowledgement:
    return Acknowledgement(
        type="acknowledgement",
        id=f"{page.id} {page.to}",
        source="gateway",
        patient=page.patient,
        effective=at,
        episode=page.episode,
        by=page.to,
        page=page.id,
    )


Look = Callable[[Driver, Sequence[AnyMessage]], None]


def drive(
    patient: str,
    messages: Sequence[AnyMessage],
    site: Site,
    answers: AnswerModel,
    seed: int = 1,
    look: Look | None = None,
) -> Driven:
    """Every page of a stay under an answer model. `look` sees the driver after each step, with its messages."""
    driver = Driver(patient, messages, site, answers, seed)
    pages, closed, dead = [], [], 0
    for together, effects in driver.run():
        if look is not None:
            look(driver, together)
        pages += [sent(page, driver.state) for page in effects.pages]
        closed += [
            Closed(driver.now, event["condition"], event["reason"])
            for event in effects.events
            if event["kind"] == "closed"
        ]
        dead += len(effects.dead_letters)
    return Driven(pages, closed, dead, driver.begins, driver.ends)


def sent(page: Page, state: PatientState) -> CountedPage:
    """A page as it is counted. A first page reports its episode's level, later ones the level now."""
    levels = {condition: level for condition, level in page.levels if level is not None}
    opened = {episode.id: episode for episode in state.episodes.values()}
    for name in page.episodes:
        episode = opened.get(name)
        if episode is not None and page.reason in FIRST:
            levels[episode.condition] = max(episode.level, levels.get(episode.condition, 0))
    ended = tuple(name for name in page.episodes if name not in opened)
    return CountedPage(page.patient, page.at, page.condition, levels, page.urgency, page.reason, page.to, ended)
