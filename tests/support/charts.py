"""Small charts for tests: entries written as a ward would say them, folded like messages."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from alerts.chart.admission import Admission
from alerts.chart.chart import Chart
from alerts.chart.contents import RejectedValue
from alerts.chart.entry import Entry
from alerts.message_fields import Status
from alerts.wording.phrase import Phrase
from config.site import Site, load_site
from config.vocabulary import READINGS, Sort

SITE: Site = load_site()
"""The shipped defaults; the hospital is in Rome."""

INFUSED = datetime(2024, 6, 12, 8, 0, tzinfo=UTC)
"""Day 0: 10:00 on the ward's clock."""

NOW = datetime(2024, 6, 17, 8, 0, tzinfo=UTC)
"""Day +5, same clock time as the infusion."""

Item = tuple[str, Entry]
"""A reading, statement or dose, with its name."""


def hours(number: float) -> timedelta:
    """So many hours."""
    return timedelta(hours=number)


def day(number: float) -> datetime:
    """The clock time of infusion on a day since infusion."""
    return INFUSED + timedelta(days=number)


def reading(
    kind: str,
    value: object,
    at: datetime = NOW,
    *,
    low: object = None,
    high: object = None,
    status: Status = Status.FINAL,
    source: str = "ward",
    id: str = "",
) -> Item:
    """A reading in canonical units; `"<0.1"` is a bound, and coded kinds take their code."""
    name = id or f"{kind} {value} {at:%d %H:%M:%S.%f}"
    if READINGS[kind].sort is Sort.CODE:
        return kind, Entry(at, source, name, code=str(value), status=status, by="person")
    text = str(value)
    comparator = text[: len(text) - len(text.lstrip("<>="))]
    return kind, Entry(
        at,
        source,
        name,
        value=Decimal(text.removeprefix(comparator)),
        status=status,
        comparator=comparator,
        low=None if low is None else Decimal(str(low)),
        high=None if high is None else Decimal(str(high)),
    )


def absent(kind: str, why: str, at: datetime = NOW) -> Item:
    """A reading that was not done, and why."""
    return kind, Entry(at, "ward", f"{kind} absent {at:%d %H:%M}", code="absent", note=why)


def statement(name: str, value: bool = True, at: datetime = NOW) -> Item:
    """What a clinician says is so, or is not so."""
    return name, Entry(at, "ward", f"{name} {value} {at:%d %H:%M}", code="true" if value else "false")


def dose(drug: str, at: datetime = NOW, action: str = "given") -> Item:
    """A drug given, or an infusion started or stopped."""
    return drug, Entry(at, "emar", f"{drug} {action} {at:%d %H:%M}", code=action)


def rejected_value(kind: str, sent: str, why: str, at: datetime = NOW) -> RejectedValue:
    """A value that came in and must not be computed with."""
    return RejectedValue(at, kind, sent, Phrase(why), "lab", f"{kind} {sent}")


def chart(
    *items: Item,
    infused: datetime | None = INFUSED,
    born: date | None = None,
    rejected: tuple[RejectedValue, ...] = (),
) -> Chart:
    """The chart of an admitted patient with these entries."""
    folded = Chart().admit(Admission(effective=INFUSED - timedelta(days=7), infused=infused, born=born))
    for kind, entry in items:
        folded = folded.fold(kind, entry, received=entry.effective)
    for item in rejected:
        folded = folded.reject(item)
    return folded
