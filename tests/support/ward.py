"""A ward for tests: patients, a clock that jumps, and `step` driven exactly as the worker drives it.

Times are the ward's own clock times. `to` and `jump` run every timer that falls due on the way at its time;
`sleep` lets the clock go on while nothing runs.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count, groupby
from typing import Any

from alerts.chart.entry import Entry
from alerts.episodes.episode import Episode
from alerts.episodes.escalation import OWED_BY_THE_WARD
from alerts.messages import MESSAGE, SITE_SUBJECT, AnyMessage
from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from alerts.state import DeadLetter, Effects, PatientState
from alerts.step.step import step
from config.site import Site, load_site
from config.vocabulary import READINGS

SITE: Site = load_site()
"""The shipped defaults; the hospital is in Rome."""

WITH_WARD: Site = SITE._replace(
    on_call=SITE.on_call.model_copy(update={"roles": {**SITE.on_call.roles, "ward": SITE.on_call.roles["worklist"]}})
)
"""The same hospital with a role `ward`, which its worklist holds."""

INFUSED = datetime(2024, 6, 12, 10, 0, tzinfo=SITE.zone)
"""Day 0, 10:00 on the ward's clock."""

PATIENT = "P1"
OTHER = "P2"
WORKLIST = "worklist"

VITALS = {
    "temp": "temperature",
    "sbp": "systolic_bp",
    "dbp": "diastolic_bp",
    "map": "mean_bp",
    "spo2": "spo2",
    "hr": "heart_rate",
    "rr": "respiratory_rate",
    "flow": "oxygen_flow",
    "device": "oxygen_device",
}
"""How a nurse writes a vital sign, and its name here."""

NORMAL = {"temp": 36.8, "sbp": 120, "spo2": 97}

_ids = count(1)


def message(type_: str, at: datetime, *, patient: str = PATIENT, source: str = "ward", **fields: Any) -> AnyMessage:
    """A message with an id of its own unless one is given; fields that are None are left out."""
    body = {name: value for name, value in fields.items() if value is not None}
    body = {"type": type_, "id": f"{type_}-{next(_ids)}", "source": source, "patient": patient, "effective": at, **body}
    return MESSAGE.validate_python(body)


def changed(original: AnyMessage, **fields: Any) -> AnyMessage:
    """A message as it was, but for some fields."""
    kept = original.model_dump(exclude_unset=True)
    return MESSAGE.validate_python({**kept, **fields})


def answer(page: Page, at: datetime, by: str = "haematologist-1") -> AnyMessage:
    """The acknowledgement of a page's episode, not yet sent."""
    body = {"patient": page.patient, "source": "gateway", "episode": page.episode, "by": by}
    return message("acknowledgement", at, **body)


def _wants_an_answer(page: Page) -> bool:
    return page.urgency != "low" and page.reason not in ENDED


def _known_at(item: AnyMessage) -> datetime:
    return (item.received or item.effective).astimezone(UTC)


class Ward:
    """Some watched patients, and everything that was paged, cancelled, rejected and journalled."""

    def __init__(self, day: int = 1, clock: str = "10:00", site: Site = SITE) -> None:
        self.site = site
        self.now = self.at(clock, day)
        self.states: dict[str, PatientState] = {}
        self.pages: list[Page] = []
        self.cancelled: list[str] = []
        self.dead_letters: list[DeadLetter] = []
        self.events: list[dict[str, Any]] = []
        self._asked = 0
        self._stays_on_it = False

    # -- the clock -------------------------------------------------------------------------------

    def at(self, clock: str, day: int | None = None) -> datetime:
        """A clock time on a day since infusion; without a day, that of now."""
        hour, minute = map(int, clock.split(":"))
        date = self.now.astimezone(self.site.zone) if day is None else INFUSED + timedelta(days=day)
        return date.replace(hour=hour, minute=minute, second=0, microsecond=0)

    def ago(self, **length: float) -> datetime:
        """So long before now."""
        return self.now - timedelta(**length)

    def to(self, clock: str, day: int | None = None) -> None:
        """On to a clock time, running what falls due on the way."""
        self._on_to(self.at(clock, day))

    def jump(self, **length: float) -> None:
        """On by so long, running what falls due on the way."""
        self._on_to(self.now + timedelta(**length))

    def _on_to(self, at: datetime) -> None:
        assert at >= self.now, f"the clock does not run back from {self.now} to {at}"
        while (due := self.next_at()) is not None and due <= at:
            self.now = max(self.now, due.astimezone(self.site.zone))
            self.wake()
            later = self.next_at()
            assert later is None or later > self.now, "a timer that was run is still due"
        self.now = at

    def sleep(self, **length: float) -> None:
        """On by so long while nothing runs."""
        self.now += timedelta(**length)

    def next_at(self) -> datetime | None:
        """When somebody is next to be notified."""
        return min((at for state in self.states.values() if (at := state.next_at()) is not None), default=None)

    def wake(self) -> None:
        """Run every timer that is due now."""
        for patient, state in list(self.states.items()):
            due = state.next_at()
            if due is not None and due <= self.now:
                self._step(patient, [])
        if self._stays_on_it:
            self._say_yes()

    def stays_on_it(self) -> None:
        """From now on whoever is asked whether they are still on it says yes at once; the questions are not listed."""
        self._stays_on_it = True

    def _say_yes(self) -> None:
        asked = [page for page in self.pages[self._asked :] if page.reason == "still_on_it"]
        for page in asked:
            self.pages.remove(page)
            self.ack(page, by=page.to)

    # -- messages --------------------------------------------------------------------------------

    def send(self, *messages: AnyMessage) -> None:
        """Messages that come in together, now: one step for each patient, the faults it raises, what it passes on."""
        by_patient: dict[str, list[AnyMessage]] = defaultdict(list)
        for item in messages:
            by_patient[item.patient].append(item)
        for patient, theirs in by_patient.items():
            self._step(patient, theirs)

    def play(
        self, messages: Iterable[AnyMessage], answer_after: timedelta | None = None, until: datetime | None = None
    ) -> None:
        """Messages as they come in, each at its own time; where asked for, every page that wants it is answered.

        After the last message what falls due goes on `until` a time, if one is given.
        """
        numbers = count()
        agenda = [(_known_at(item), next(numbers), item) for item in messages]
        heapify(agenda)
        while True:
            due = self.next_at()
            if not agenda and (until is None or due is None or due > until):
                return
            at = min([*(item[0] for item in agenda[:1]), *([due] if due is not None else [])])
            self.now = at.astimezone(self.site.zone)
            together = []
            while agenda and agenda[0][0] == at:
                together.append(heappop(agenda)[2])
            before = len(self.pages)
            self.send(*together)
            self.wake()
            wanted = {page.episode: page for page in self.pages[before:] if _wants_an_answer(page)}
            if answer_after is not None:
                for page in wanted.values():
                    item = answer(page, self.now + answer_after)
                    heappush(agenda, (_known_at(item), next(numbers), item))

    def step_alone(self, patient: str, messages: Sequence[AnyMessage]) -> Effects:
        """One step of one patient; what it asks of others waits with whoever asked for it."""
        before = self.states.get(patient, PatientState(patient=patient))
        self.states[patient], effects = step(before, messages, self.now.astimezone(UTC), self.site)
        self._keep(effects)
        return effects

    def _step(self, patient: str, messages: Sequence[AnyMessage]) -> None:
        effects = self.step_alone(patient, messages)
        if effects.faults:
            self._step(SITE_SUBJECT, effects.faults)
        for other, theirs in groupby(effects.forwarded, key=lambda item: item.patient):
            self._step(other, list(theirs))

    def _keep(self, effects: Effects) -> None:
        self.pages += effects.pages
        self.cancelled += effects.cancelled
        self.dead_letters += effects.dead_letters
        self.events += effects.events

    # -- what the ward charts --------------------------------------------------------------------

    def admit(self, patient: str = PATIENT, *, ice: int | None = 10) -> AnyMessage:
        """Register a patient, with normal vital signs and an ICE from before the infusion."""
        registration = self.registration(patient)
        before = INFUSED - timedelta(hours=1)
        history = [self.vital(name, value, before, patient) for name, value in NORMAL.items()]
        if ice is not None:
            history.append(message("reading", before, patient=patient, reading="ice", value=ice, by="person"))
        self.send(registration, *history)
        return registration

    def seen_an_hour_ago(self, patient: str = PATIENT) -> None:
        """Chart normal vital signs and an ICE of 10 of an hour ago."""
        at = self.ago(hours=1)
        score = message("reading", at, patient=patient, reading="ice", value=10, by="person")
        self.send(*(self.vital(name, value, at, patient) for name, value in NORMAL.items()), score)

    def registration(self, patient: str = PATIENT) -> AnyMessage:
        """The registration of a patient, not yet sent."""
        return message(
            "registration",
            min(self.now, INFUSED - timedelta(days=2)),
            patient=patient,
            source="ehr",
            infused=INFUSED,
            ward="HAEM-2",
            bed="12" if patient == PATIENT else "14",
        )

    def vital(
        self, name: str, value: object, at: datetime | None = None, patient: str = PATIENT, by: str = "person"
    ) -> AnyMessage:
        """One vital sign under its short name, found by a person unless another is named; not yet sent."""
        kind = VITALS[name]
        fields = {"reading": kind, "value": value, "unit": READINGS[kind].unit or None, "by": by}
        source = "nurse" if by == "person" else by
        return message("reading", self.now if at is None else at, patient=patient, source=source, **fields)

    def sample(self, by: str, **values: object) -> None:
        """Chart what a device measures now."""
        self.send(*(self.vital(name, value, by=by) for name, value in values.items()))

    def vitals(self, at: datetime | None = None, patient: str = PATIENT, **values: object) -> list[AnyMessage]:
        """Chart some vital signs of one time together."""
        charted = [self.vital(name, value, at, patient) for name, value in values.items()]
        self.send(*charted)
        return charted

    def normal(self, **values: object) -> list[AnyMessage]:
        """A full set of vital signs without fever, hypotension or hypoxia, but for those given."""
        charted = [self.vital(name, value) for name, value in {**NORMAL, **values}.items()]
        self.send(*charted)
        return charted

    def ice(self, score: int, at: datetime | None = None) -> AnyMessage:
        """Chart an ICE."""
        return self.code("ice", score, at)

    def code(self, kind: str, value: object, at: datetime | None = None) -> AnyMessage:
        """Chart something found by a person that has no unit: an ICE, a seizure, a level of consciousness."""
        charted = message("reading", at or self.now, reading=kind, value=value, by="person")
        self.send(charted)
        return charted

    def result(self, kind: str, value: object, at: datetime | None = None, **fields: Any) -> AnyMessage:
        """One laboratory result in its canonical unit, not yet sent."""
        fields = {"unit": READINGS[kind].unit, "by": "laboratory", "source": "lab", **fields}
        return message("reading", at or self.now, reading=kind, value=str(value), **fields)

    def lab(self, **values: object) -> list[AnyMessage]:
        """Chart laboratory results of one sample, drawn now."""
        return self.lab_at(self.now, **values)

    def lab_at(self, drawn: datetime, /, **values: object) -> list[AnyMessage]:
        """Chart laboratory results of one sample."""
        charted = [self.result(kind, value, drawn) for kind, value in values.items()]
        self.send(*charted)
        return charted

    def give(self, drug: str, dose: object = None, unit: str | None = None, at: datetime | None = None) -> AnyMessage:
        """Chart a dose."""
        return self._treat(drug, "given", at, dose=dose, unit=unit)

    def start(self, drug: str, at: datetime | None = None) -> AnyMessage:
        """Chart an infusion that starts."""
        return self._treat(drug, "started", at)

    def stop(self, drug: str, at: datetime | None = None) -> AnyMessage:
        """Chart an infusion that stops."""
        return self._treat(drug, "stopped", at)

    def _treat(self, drug: str, action: str, at: datetime | None, **fields: Any) -> AnyMessage:
        charted = message("treatment", at or self.now, source="emar", drug=drug, action=action, **fields)
        self.send(charted)
        return charted

    def statement(self, statement: str, value: bool = True, at: datetime | None = None) -> AnyMessage:
        """Chart what a clinician says."""
        charted = message("statement", at or self.now, statement=statement, value=value, by="person")
        self.send(charted)
        return charted

    def void(self, original: AnyMessage) -> None:
        """Retract a message as entered in error."""
        self.send(changed(original, status="entered_in_error", received=self.now))

    def correct(self, original: AnyMessage, value: object) -> None:
        """Correct the value of a reading."""
        self.send(changed(original, status="corrected", value=value, received=self.now))

    def discharge(self, patient: str = PATIENT) -> None:
        """The patient leaves now."""
        self.send(message("discharge", self.now, patient=patient, source="ehr"))

    # -- what people and channels answer ---------------------------------------------------------

    def ack(self, page: Page, by: str = "haematologist-1", at: datetime | None = None) -> None:
        """Somebody takes a page."""
        self.send(answer(page, at or self.now, by))

    def hand_over(self, page: Page, by: str = "haematologist-1", to: str | None = None) -> None:
        """Somebody cannot take a page and hands it over."""
        body = {"patient": page.patient, "source": "gateway", "episode": page.episode, "page": page.id, "by": by}
        self.send(message("hand_over", self.now, to=to, **body))

    def silence(self, page: Page, until: datetime) -> AnyMessage:
        """Somebody silences the episode of a page."""
        body = {"patient": page.patient, "source": "gateway", "episode": page.episode, "by": "haematologist-1"}
        asked = message("silence", self.now, until=until, why="seen, treatment running", **body)
        self.send(asked)
        return asked

    def silence_condition(self, condition: str, urgency: str, until: datetime) -> AnyMessage:
        """Somebody silences a condition of the patient, whether it has an episode or not."""
        body = {"source": "gateway", "condition": condition, "urgency": urgency, "by": "haematologist-1"}
        asked = message("silence", self.now, until=until, why="known", **body)
        self.send(asked)
        return asked

    def close(self, page: Page) -> None:
        """Somebody closes the episode of a page."""
        body = {"patient": page.patient, "source": "gateway", "episode": page.episode, "by": "haematologist-1"}
        self.send(message("closure", self.now, why="not CRS", **body))

    def receipt(self, page: Page, outcome: str) -> None:
        """What the delivery worker says of a page: `sent` or `undeliverable`."""
        body = {"patient": page.patient, "source": "delivery", "page": page.id, "channel": page.channel}
        self.send(message("receipt", self.now, outcome=outcome, **body))

    def fault(self, condition: str, *, over: bool = False) -> None:
        """A technical trouble that the worker itself reports, or its end."""
        body = {"patient": SITE_SUBJECT, "source": "cartwatch", "condition": condition, "what": condition}
        self.send(message("fault", self.now, over=over, **body))

    # -- looking ---------------------------------------------------------------------------------

    def new_pages(self) -> list[Page]:
        """The pages to people since this was last asked; what only a list was notified stands in `listed`.

        Without those of an assessment that is missing (`missing`): tests jump hours in which nobody charts anything.
        """
        found = self.pages[self._asked :]
        self._asked = len(self.pages)
        return [page for page in found if page.to != WORKLIST and page.condition not in OWED_BY_THE_WARD]

    def missing(self) -> list[Page]:
        """Every page to people so far about an assessment that is missing."""
        return [page for page in self.pages if page.to != WORKLIST and page.condition in OWED_BY_THE_WARD]

    def listed(self, condition: str) -> list[Page]:
        """Every page of a condition to the worklist so far."""
        return [page for page in self.pages if page.to == WORKLIST and page.condition == condition]

    def notified(self) -> list[tuple[str, str, str]]:
        """Which people were notified since this was last asked: clock time, person and reason."""
        return [(f"{page.at.astimezone(self.site.zone):%H:%M}", page.to, page.reason) for page in self.new_pages()]

    def page(self) -> Page:
        """The one page to people since this was last asked."""
        (page,) = self.new_pages()
        return page

    def state(self, patient: str = PATIENT) -> PatientState:
        """What is remembered of a patient."""
        return self.states[patient]

    def episode(self, condition: str, patient: str = PATIENT) -> Episode:
        """The open episode of a condition."""
        return self.states[patient].episodes[condition]

    def is_open(self, condition: str, patient: str = PATIENT) -> bool:
        """Whether a condition has an open episode."""
        return condition in self.states[patient].episodes

    def grade(self, system: str, patient: str = PATIENT) -> str | None:
        """The grade or score that stands."""
        return self.states[patient].last_values.get(system)

    def charted(self, kind: str, patient: str = PATIENT) -> tuple[Entry, ...]:
        """The chart's entries of a kind."""
        return self.states[patient].chart.entries.get(kind, ())
