"""From a message to the chart: converted and placed, or rejected with the reason."""

from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from alerts.chart.admission import Admission
from alerts.chart.chart import Chart
from alerts.chart.contents import RejectedValue
from alerts.chart.draft import ChartDraft
from alerts.chart.entry import ABSENT, Entry
from alerts.chart.quantities import Unusable, canonical
from alerts.message_fields import Status
from alerts.messages import AnyMessage, Entered, Fault, Reading, Receipt, Registration, Statement
from alerts.wording.catalogue import in_code
from alerts.wording.phrase import Phrase
from config.site import Site
from config.vocabulary import READINGS, Sort


class Placed(NamedTuple):
    """What became of a message of the clinical time `moment`.

    `unusable`: why it was not used. `corrects`: it changed the past. `entry`: the kind and time of its entry.
    """

    moment: datetime
    unusable: Phrase | None = None
    corrects: bool = False
    entry: tuple[str, datetime] | None = None


class Charted(NamedTuple):
    """The chart after one message, and why the message was not used."""

    chart: Chart
    unusable: Phrase | None = None


BY_HAND = ("", "person", "cuff")
"""The origins of a reading that a person charts: a nurse, a cuff, or a sender that names none."""


OUR_OWN = (Receipt, Fault)
"""Messages that cartwatch writes. One of the future was written before the store's clock was set back, and counts."""

IN_THE_FUTURE = Phrase("the effective time lies in the future")
CHECK_THE_CLOCK = Phrase("the effective time lies in the future; check the sender's clock")

INFUSION_AHEAD = Phrase("the infusion lies too far ahead; correct its date")

UNNAMED = Phrase("by: a statement outranks the numbers, so it names the person who makes it")

NOT_RETRACTED = Phrase("a registration is not withdrawn; send the right one")


def is_charted_ahead(message: AnyMessage, came_in: datetime, site: Site) -> bool:
    """Whether a person charted a reading before its time, by no more than the site allows (`chart.ahead_within`).

    It was true when it came in: a nurse who writes at 07:45 "for 08:00" has looked at 07:45.
    """
    if message.effective <= came_in or not isinstance(message, Reading):
        return False
    conventions = site.conventions.chart
    ahead = message.effective - came_in
    return conventions.future_tolerance.value < ahead <= conventions.ahead_within.value and _by_hand(message, site)


def _by_hand(message: Reading, site: Site) -> bool:
    """Whether a person charted it: never for a laboratory, always for a source that the site lists."""
    if message.by == "laboratory" or READINGS[message.reading].sort is Sort.LABORATORY:
        return False
    return (message.by or "") in BY_HAND or message.source in site.conventions.chart.charted_by_hand.value


def moment_of(message: AnyMessage, now: datetime, site: Site) -> datetime:
    """The clinical time of a message: its effective time; the time of receipt if a person charted it ahead."""
    came_in = message.received or now
    return (came_in if is_charted_ahead(message, came_in, site) else message.effective).astimezone(UTC)


def chart_message(chart: Chart, message: AnyMessage, now: datetime, site: Site) -> Charted:
    """Fold one message into a chart. A message that is not charted leaves it unchanged."""
    draft = ChartDraft(chart)
    placed = place_message(draft, message, now, site)
    touched = [placed.entry] if placed.entry else []
    return Charted(draft.chart().thinned(chart, touched), placed.unusable)


def place_message(draft: ChartDraft, message: AnyMessage, now: datetime, site: Site) -> Placed:
    """The same without thinning. The caller thins once for all messages of a step."""
    moment = moment_of(message, now, site)
    if moment > now + site.conventions.chart.future_tolerance.value and not isinstance(message, OUR_OWN):
        return _refuse(draft, message, moment, IN_THE_FUTURE, CHECK_THE_CLOCK)
    if isinstance(message, Entered):
        return _place_entered(draft, message, moment, site)
    if isinstance(message, Registration):
        return _admit(draft, message, moment, now, site)
    return Placed(moment)


def _place_entered(draft: ChartDraft, message: Entered, moment: datetime, site: Site) -> Placed:
    if message.type == "statement" and not message.by:
        return _refuse(draft, message, moment, UNNAMED)
    try:
        kind, entry = _entry(message, site)
    except Unusable as reason:
        return _refuse(draft, message, moment, reason.why, reason.said)
    if moment != entry.effective:
        entry = replace(entry, effective=moment, charted_for=entry.effective)
    draft.place(kind, entry, received=message.received or moment, supersedes=message.supersedes or "")
    corrects = message.status >= Status.CORRECTED or message.supersedes is not None
    return Placed(moment, corrects=corrects, entry=(kind, moment))


def _admit(draft: ChartDraft, message: Registration, moment: datetime, now: datetime, site: Site) -> Placed:
    if message.status is Status.ENTERED_IN_ERROR:
        return _refuse(draft, message, moment, NOT_RETRACTED)
    latest = (message.received or now) + site.conventions.registration.ahead_within.value
    if message.infused is not None and message.infused > latest:
        return _refuse(draft, message, moment, INFUSION_AHEAD)
    infused = draft.chart().infused
    draft.change(lambda chart: chart.admit(_admission(message)))
    return Placed(moment, corrects=draft.chart().infused != infused)


def why_unusable(message: AnyMessage, now: datetime, site: Site) -> str:
    """Why no chart will use a message, as far as the message itself says: its time, its unit, an impossible value.

    What contradicts the patient's chart is known only when the message is charted.
    """
    why = place_message(ChartDraft(Chart()), message, now, site).unusable
    return "" if why is None else in_code(why, UTC)


def _refuse(
    draft: ChartDraft, message: AnyMessage, moment: datetime, why: Phrase, said: Phrase | None = None
) -> Placed:
    if isinstance(message, Reading):
        sent = f"{message.value if message.value is not None else message.number} {message.unit or ''}".strip()
        at = message.effective.astimezone(UTC)
        rejected = RejectedValue(at, message.reading, sent, why, message.source, message.id)
        draft.change(lambda chart: chart.reject(rejected))
    return Placed(moment, unusable=said or why)


def _admission(message: Registration) -> Admission:
    effective, received = message.effective.astimezone(UTC), message.received and message.received.astimezone(UTC)
    return Admission(
        effective=effective,
        infused=message.infused.astimezone(UTC) if message.infused else None,
        product=message.product or "",
        born=message.born,
        ward=message.ward or "",
        bed=message.bed or "",
        team=message.team or "",
        setting=message.setting or "",
        allergies=message.allergies or "",
        received=received if received is not None and received > effective else None,
    )


def _entry(message: Entered, site: Site) -> tuple[str, Entry]:
    if isinstance(message, Reading):
        return message.reading, _reading(message, site)
    if isinstance(message, Statement):
        return message.statement, _placed(message, code="true" if message.value else "false", by=message.by or "")
    unit = message.unit or ""
    said = {"code": message.action, "unit": unit, "by": message.by or "", "note": message.purpose or ""}
    return message.drug, _placed(message, value=message.dose, **said)


def _placed(message: Entered, **content: object) -> Entry:
    return Entry(
        effective=message.effective.astimezone(UTC),
        source=message.source,
        id=message.id,
        status=int(message.status),
        **content,  # type: ignore[arg-type]
    )


def _reading(message: Reading, site: Site) -> Entry:
    kind = READINGS[message.reading]
    by = message.by or ""
    if message.status is Status.ENTERED_IN_ERROR:
        return _placed(message, by=by)
    if kind.sort is Sort.CODE and message.value is not None:
        return _placed(message, code=str(message.value), by=by)
    number, comparator = message.number, message.comparator
    if number is None:
        return _placed(message, code=ABSENT, note=message.absent or "", by=by)
    quantity = canonical(
        message.reading,
        number,
        message.unit,
        site.tables,
        low=message.low,
        high=message.high,
        comparator=comparator,
    )
    converted = quantity.value != number
    items = ", ".join(f"{name} {points}" for name, points in message.items.items()) if message.items else ""
    return _placed(
        message,
        value=quantity.value,
        comparator=comparator,
        by=by,
        low=quantity.low,
        high=quantity.high,
        sent=f"{message.value} {message.unit}" if converted else "",
        note=items,
        unusual=quantity.unusual,
    )
