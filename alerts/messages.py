"""The native messages: one pydantic model for each type. `alerts.message_json` reads them from JSON.

The same JSON objects are posted, queued, replayed, journalled and given to `cartwatch grade`. Unknown fields are
refused by name. Numbers, written as JSON numbers or as text, become decimals.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_validator,
)

from alerts.message_fields import (
    LongText,
    Number,
    ReadingValue,
    Status,
    StatusName,
    Text,
    Time,
    check_ice_items,
    check_number,
    parse_number,
    visible,
)
from alerts.wording.phrase import Phrase, Said
from config.site import Urgency
from config.vocabulary import DRUGS, READINGS, STATEMENTS, Sort


class Message(BaseModel):
    """The fields of every message. `id` is unique within a source; `effective` is the clinical time.

    `hops`: how many merged records have forwarded the message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    source: Text
    patient: Text
    effective: Time
    received: Time | None = None
    provenance: Literal["reported", "synthesised"] | None = None
    supersedes: Text | None = None
    status: StatusName = Status.FINAL
    hops: Annotated[int, Field(ge=0)] | None = None


class Registration(Message):
    """The registration of a patient: product, time of infusion, place, team, allergies in words."""

    type: Literal["registration"]
    infused: Time | None = None
    product: Text | None = None
    born: date | None = None
    ward: Text | None = None
    bed: Text | None = None
    team: Text | None = None
    setting: Literal["inpatient", "outpatient", "follow_up"] | None = None
    allergies: LongText | None = None


class Reading(Message):
    """A measured, counted or assessed value. `by`: the person or device that found it.

    `value` may be a bound (`"<0.1"`). `low` and `high`: the laboratory's own reference limits in the unit of the
    reading. `absent`: the reason why there is no value. Such a reading is charted and never computed with.
    """

    type: Literal["reading"]
    reading: str
    value: ReadingValue | None = None
    unit: Annotated[str, StringConstraints(max_length=40), AfterValidator(visible)] | None = None
    by: Literal["person", "cuff", "arterial_line", "monitor", "patch", "device", "laboratory"] | None = None
    low: Number | None = None
    high: Number | None = None
    items: dict[str, int] | None = None
    absent: LongText | None = None

    @field_validator("reading")
    @classmethod
    def _known_reading(cls, name: str) -> str:
        if name not in READINGS:
            raise ValueError(
                f"{name[:40]!r} is not a reading this software knows; see docs/integrators/messages.md for the names"
            )
        return name

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        kind = READINGS[self.reading]
        if self.status is Status.ENTERED_IN_ERROR:
            return self
        if self.items is not None:
            check_ice_items(self.reading, self.items)
        if self.value is None:
            if self.items is None and self.absent is None:
                raise ValueError("value: a reading needs a value, or `absent` with the reason there is none")
        elif kind.sort is Sort.CODE:
            if self.value not in kind.codes:
                raise ValueError(f"value: {self.reading} is one of {', '.join(kind.codes)}")
        else:
            check_number(self.reading, self.value)
        if self.items is not None and self.value is not None and self.number != sum(self.items.values()):
            raise ValueError(f"value: the total {self.value} and the items' sum {sum(self.items.values())} disagree")
        return self

    @property
    def number(self) -> Decimal | None:
        """The value as a decimal in the unit as sent; the sum of the items if only items were sent."""
        if self.value is None:
            return Decimal(sum(self.items.values())) if self.items is not None else None
        found = parse_number(self.value)
        return found.number if found else None

    @property
    def comparator(self) -> str:
        """`<`, `<=`, `>` or `>=` if the value is a bound, else empty."""
        found = parse_number(self.value)
        return found.comparator if found else ""


class Statement(Message):
    """A statement of a clinician, affirmed or denied. It outranks the numbers."""

    type: Literal["statement"]
    statement: str
    value: StrictBool
    by: Text | None = None

    @field_validator("statement")
    @classmethod
    def _known_statement(cls, name: str) -> str:
        if name not in STATEMENTS:
            raise ValueError(f"{name[:40]!r} is not one of {', '.join(STATEMENTS)}")
        return name


class Treatment(Message):
    """A drug or blood product that was given, or an infusion that was started or stopped. Never an order.

    `purpose`: `prophylaxis` of a dose that treats nothing.
    """

    type: Literal["treatment"]
    drug: str
    action: Literal["given", "started", "stopped"]
    dose: Number | None = None
    unit: Text | None = None
    by: Text | None = None
    purpose: Literal["prophylaxis"] | None = None

    @field_validator("drug")
    @classmethod
    def _known_drug(cls, name: str) -> str:
        if name not in DRUGS:
            raise ValueError(f"{name[:40]!r} is not one of {', '.join(DRUGS)}")
        return name


class Note(Message):
    """A note in words (an EEG, a scan). It is shown on the course and never computed with."""

    type: Literal["note"]
    text: LongText
    by: Text | None = None


class EpisodeResponse(Message):
    """A response to an episode. `page`: the page that the person responds to, which shows what they knew.

    `via`: the channel of the alert manager where they responded. There they knew the newest page that it had.
    """

    episode: Text
    by: Text
    page: Text | None = None
    via: Text | None = None


class Acknowledgement(EpisodeResponse):
    """An acknowledgement of a page. The ladders of its episodes stop until they worsen, or until it times out.

    `take_over_from`: the person whose acknowledgement this one replaces. It has no effect if a third person has
    acknowledged meanwhile.
    """

    type: Literal["acknowledgement"]
    take_over_from: Text | None = None


class HandOver(EpisodeResponse):
    """A hand-over. It pages `to` now, or the next on the ladder if nobody is named."""

    type: Literal["hand_over"]
    to: Text | None = None
    why: LongText | None = None


class Closure(EpisodeResponse):
    """A clinician closes an episode before two clear sets do: it is over, or was a false alarm."""

    type: Literal["closure"]
    why: LongText
    verdict: Literal["over", "false_alarm"] = "over"


class Silence(Message):
    """A silence: no pages of one episode, or of one condition of the patient, until a time.

    It hides nothing more urgent than `urgency`; without that, nothing more urgent than the episode was at the time. If
    it is entered in error, it ends at once.
    """

    type: Literal["silence"]
    episode: Text | None = None
    condition: Text | None = None
    until: Time
    by: Text
    why: LongText
    urgency: Urgency | None = None
    page: Text | None = None

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if (self.episode is None) == (self.condition is None):
            raise ValueError("episode: name either the episode or the condition to be silenced")
        if self.condition is not None and self.urgency is None:
            raise ValueError("urgency: a silence of a condition names the highest urgency it may hide")
        return self


class Receipt(Message):
    """A receipt: the outcome of one page on one channel.

    `failed`: delivery will be retried. `unknown`: the page may have arrived, and is retried with the same id.
    `undeliverable`: it failed for good, or for too long.
    """

    type: Literal["receipt"]
    page: Text
    channel: Text
    outcome: Literal["sent", "failed", "unknown", "undeliverable"]
    detail: Said = Phrase("")


class Fault(Message):
    """A technical fault of this software or of a feed, or (`over`) its end; `patient` is the reserved `~site`.

    Its urgency is high if a clinician must know of it: a patient is not watched.
    """

    type: Literal["fault"]
    over: StrictBool = False
    urgency: Literal["technical", "high"] = "technical"
    condition: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    what: Said


class Discharge(Message):
    """A discharge. Without `to` it is for good, and open episodes close. Else the patient is watched in that setting.

    `by`: the person who discharges.
    """

    type: Literal["discharge"]
    to: Literal["outpatient", "follow_up"] | None = None
    by: Text | None = None


class Merge(Message):
    """A merge of two records of one person: `patient` continues as `into`. `by`: the person who merges.

    If it is entered in error, the merge is retracted.
    """

    type: Literal["merge"]
    into: Text
    by: Text | None = None

    @model_validator(mode="after")
    def _of_two_records(self) -> Self:
        if self.into == self.patient or self.into.startswith("~"):
            raise ValueError("into: name the record that goes on, which is another one")
        return self


class MergeNotice(Message):
    """A message between the two records of a merge. It keeps the merge's source, id, times and status.

    `patient`: its addressee. To `into` it reports that `old` is merged into it, and whether `old` `stays`: is watched
    and not discharged. To `old` it is the answer.
    """

    type: Literal["merge_notice"]
    old: Text
    into: Text
    by: Text | None = None
    stays: StrictBool = False


Entered = Reading | Statement | Treatment
"""A message that becomes an entry of the chart. Most messages are one: to ask for it first is cheap, and pydantic makes
it dear to find that a message is *not* of a type."""

AnyMessage = Annotated[
    Registration
    | Reading
    | Statement
    | Treatment
    | Note
    | Acknowledgement
    | HandOver
    | Silence
    | Closure
    | Receipt
    | Fault
    | Discharge
    | Merge
    | MergeNotice,
    Field(discriminator="type"),
]
MESSAGE: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)

INTERNAL = ("merge_notice",)
"""Types of messages that only cartwatch writes."""

SITE_SUBJECT = "~site"
"""The subject of faults that concern no single patient. The name is reserved."""
