"""One patient's course, ready to be drawn: the received messages and the events that followed from them.

It is built from native messages and the JSON lines of `cartwatch replay --json`, by pure functions. The time zone
decides to which calendar day a moment belongs.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from msgspec import Struct

from alerts.chart.quantities import Unusable, canonical
from alerts.message_fields import Status
from alerts.messages import (
    SITE_SUBJECT,
    AnyMessage,
    Discharge,
    Message,
    Note,
    Reading,
    Registration,
    Treatment,
)
from config.tables import Tables
from config.vocabulary import READINGS, Sort
from worker.report.events import Event, GradeChange, SentPage, changes_in, pages_in


class Sample(Struct, frozen=True):
    """One drawable value, in the canonical unit."""

    at: datetime
    value: Decimal


class Dose(Struct, frozen=True):
    """One dose of a drug or blood product."""

    at: datetime
    drug: str
    amount: Decimal | None
    unit: str


class Span(Struct, frozen=True):
    """A period: an infusion, or oxygen by one device. If `until` is None, it continues."""

    name: str
    since: datetime
    until: datetime | None


class ChartedNote(Struct, frozen=True):
    at: datetime
    text: str
    by: str


class Course(Struct, frozen=True):
    """The contents of the picture and the page. `not_drawn` counts readings whose unit cannot be used."""

    patient: str
    zone: tzinfo
    start: datetime
    end: datetime
    admission: Registration | None
    samples: dict[str, tuple[Sample, ...]]
    doses: tuple[Dose, ...]
    spans: tuple[Span, ...]
    notes: tuple[ChartedNote, ...]
    changes: dict[str, tuple[GradeChange, ...]]
    pages: tuple[SentPage, ...]
    provenance: dict[str, int]
    not_drawn: int

    @property
    def infused(self) -> datetime | None:
        """The time of infusion, if known."""
        return self.admission.infused if self.admission else None

    @property
    def day_zero(self) -> date:
        """The calendar day of infusion; without an infusion the first charted day."""
        return (self.infused or self.start).astimezone(self.zone).date()

    def day(self, at: datetime) -> int:
        """The calendar days from day 0 to a moment, in the hospital's time zone."""
        return (at.astimezone(self.zone).date() - self.day_zero).days

    def position(self, at: datetime) -> float:
        """Days since the first midnight of day 0 by the wall clock, so that every day has the same width."""
        wall = at.astimezone(self.zone).replace(tzinfo=None)
        return (wall - datetime.combine(self.day_zero, time.min)) / timedelta(days=1)

    @property
    def last_day(self) -> int:
        """The last day of the course."""
        return self.day(self.end)

    def given(self, drug: str) -> list[Dose]:
        """Every charted dose of a drug."""
        return [dose for dose in self.doses if dose.drug == drug]

    def worst(self, system: str) -> int | None:
        """The highest grade of a system in the course; None if it was never determined."""
        return max((c.grade for c in self.changes.get(system, ()) if c.grade is not None), default=None)


def course_from(
    messages: Sequence[AnyMessage], events: Iterable[Event], zone: tzinfo, tables: Tables | None = None
) -> Course:
    """The course of the one patient whom `messages` concern.

    With `tables` values are converted as on intake. Without, only values in the canonical unit are drawn.

    Raises:
        ValueError: the messages are about no patient, or about more than one.
    """
    patient = _only_patient(messages)
    theirs = [message for message in messages if message.patient == patient]
    held = _held(theirs)
    mine = [event for event in events if event.get("patient") == patient]
    samples, not_drawn = _samples(held, tables)
    pages = pages_in(mine)
    start, end = _bounds(held or theirs, pages)
    return Course(
        patient=patient,
        zone=zone,
        start=start,
        end=end,
        admission=next((m for m in reversed(held) if isinstance(m, Registration)), None),
        samples=samples,
        doses=_doses(held),
        spans=(*_infusions(held), *_oxygen(held)),
        notes=tuple(ChartedNote(m.effective, m.text, m.by or "") for m in held if isinstance(m, Note)),
        changes=changes_in(mine),
        pages=pages,
        provenance=dict(sorted(Counter(m.provenance or "unmarked" for m in held).items())),
        not_drawn=not_drawn,
    )


def _only_patient(messages: Sequence[AnyMessage]) -> str:
    patients = {message.patient for message in messages} - {SITE_SUBJECT}
    if len(patients) != 1:
        raise ValueError(f"a course is one patient's; these messages are about {len(patients)} patients")
    return patients.pop()


def _held(messages: Iterable[AnyMessage]) -> list[AnyMessage]:
    """The valid version of each message, without retracted ones, in order of effective time."""
    versions: dict[tuple[str, str], AnyMessage] = {}
    superseded: set[tuple[str, str]] = set()
    for message in messages:
        key = (message.source, message.id)
        if key not in versions or _rank(message) >= _rank(versions[key]):
            versions[key] = message
        if message.supersedes:
            superseded.add((message.source, message.supersedes))
    kept = [
        message
        for key, message in versions.items()
        if key not in superseded and message.status is not Status.ENTERED_IN_ERROR
    ]
    return sorted(kept, key=lambda message: message.effective)


def _rank(message: Message) -> tuple[Status, datetime]:
    return message.status, message.received or message.effective


def _bounds(held: Sequence[AnyMessage], pages: Sequence[SentPage]) -> tuple[datetime, datetime]:
    """The first and last moment of the stay. A discharge ends it, whatever is charted afterwards."""
    start = min(message.effective for message in held)
    left = next((message.effective for message in reversed(held) if isinstance(message, Discharge)), None)
    charted = [message.effective for message in held if not isinstance(message, Note)]
    return start, left or max([*charted, *(page.at for page in pages)], default=start)


def _samples(held: Sequence[AnyMessage], tables: Tables | None) -> tuple[dict[str, tuple[Sample, ...]], int]:
    series: dict[str, list[Sample]] = {}
    not_drawn = 0
    for message in held:
        if not isinstance(message, Reading) or READINGS[message.reading].sort is Sort.CODE:
            continue
        value = _value(message, tables)
        if value is None:
            not_drawn += message.absent is None
        else:
            series.setdefault(message.reading, []).append(Sample(message.effective, value))
    return {name: tuple(samples) for name, samples in series.items()}, not_drawn


def _value(reading: Reading, tables: Tables | None) -> Decimal | None:
    number = reading.number
    if number is None or reading.comparator:
        return None
    if tables is None:
        return number if (reading.unit or "") == READINGS[reading.reading].unit else None
    try:
        return canonical(reading.reading, number, reading.unit, tables).value
    except Unusable:
        return None


def _doses(held: Sequence[AnyMessage]) -> tuple[Dose, ...]:
    return tuple(
        Dose(message.effective, message.drug, message.dose, message.unit or "")
        for message in held
        if isinstance(message, Treatment) and message.action == "given"
    )


def _infusions(held: Sequence[AnyMessage]) -> list[Span]:
    spans: list[Span] = []
    running: dict[str, datetime] = {}
    for message in held:
        if not isinstance(message, Treatment):
            continue
        if message.action == "started":
            running.setdefault(message.drug, message.effective)
        elif message.action == "stopped" and message.drug in running:
            spans.append(Span(message.drug, running.pop(message.drug), message.effective))
    return [*spans, *(Span(drug, since, None) for drug, since in running.items())]


def _oxygen(held: Sequence[AnyMessage]) -> list[Span]:
    """Each period of oxygen, whatever the device: the picture shows when oxygen was needed."""
    spans: list[Span] = []
    since: datetime | None = None
    for message in held:
        if not isinstance(message, Reading) or message.reading != "oxygen_device" or message.value is None:
            continue
        if message.value == "none" and since is not None:
            spans.append(Span("oxygen", since, message.effective))
            since = None
        elif message.value != "none" and since is None:
            since = message.effective
    return spans if since is None else [*spans, Span("oxygen", since, None)]
