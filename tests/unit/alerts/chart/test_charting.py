"""From a message to the chart: converted, placed, corrected, or rejected with its reason."""

from decimal import Decimal
from typing import Any

import pytest

from alerts.chart.chart import Chart
from alerts.chart.charting import Charted, chart_message, place_message
from alerts.chart.draft import ChartDraft
from alerts.chart.entry import Entry
from alerts.message_fields import Status
from alerts.messages import MESSAGE, AnyMessage
from tests.support.charts import INFUSED, NOW, SITE, hours
from tests.support.wording import english, in_names


def message(type_: str, **fields: Any) -> AnyMessage:
    body = {"type": type_, "id": "m1", "source": "lab", "patient": "P1", "effective": NOW, **fields}
    return MESSAGE.validate_python(body)


def crp(value: object = "85", **fields: Any) -> AnyMessage:
    return message("reading", **{"reading": "crp", "value": value, "unit": "mg/L", "by": "laboratory", **fields})


def charted(*messages: AnyMessage) -> Charted:
    """The last of several messages, charted after the others."""
    result = Charted(Chart())
    for item in messages:
        result = chart_message(result.chart, item, NOW, SITE)
    return result


def entry(*messages: AnyMessage, kind: str = "crp") -> Entry:
    (only,) = charted(*messages).chart.entries[kind]
    return only


# -- readings --------------------------------------------------------------------------------------


def test_a_reading_in_its_canonical_unit_is_charted_as_it_came() -> None:
    found = entry(crp("85", low="0", high="5"))
    assert (found.value, found.low, found.high) == (Decimal(85), Decimal(0), Decimal(5))
    assert (found.effective, found.source, found.id, found.by) == (NOW, "lab", "m1", "laboratory")
    assert found.sent == ""


def test_a_converted_reading_keeps_what_was_sent_and_converts_its_limits() -> None:
    found = entry(
        message("reading", reading="platelets", value="26000", unit="/mm3", low="150000", high="400000"),
        kind="platelets",
    )
    assert (found.value, found.low, found.high) == (Decimal(26), Decimal(150), Decimal(400))
    assert found.sent == "26000 /mm3"


def test_a_bound_keeps_its_comparator() -> None:
    found = entry(message("reading", reading="neutrophils", value="<0.1", unit="10*9/L"), kind="neutrophils")
    assert (found.comparator, found.value) == ("<", Decimal("0.1"))


def test_a_coded_reading_is_charted_by_its_code() -> None:
    found = entry(message("reading", reading="seizure", value="brief"), kind="seizure")
    assert (found.code, found.value) == ("brief", None)


def test_ice_items_are_charted_as_their_sum_and_kept_in_words() -> None:
    items = dict.fromkeys(["year", "month", "city", "hospital", "command", "writing", "attention"], 1)
    found = entry(message("reading", reading="ice", items={**items, "naming": 2}), kind="ice")
    assert found.value == 9
    assert "naming 2" in found.note
    assert found.sent == ""


def test_a_reading_that_was_not_done_keeps_its_reason() -> None:
    found = entry(message("reading", reading="ice", absent="sedated"), kind="ice")
    assert (found.value, found.code, found.note) == (None, "absent", "sedated")


# -- statements, doses, registrations --------------------------------------------------------------


@pytest.mark.parametrize(("value", "code"), [(True, "true"), (False, "false")])
def test_a_statement_is_charted_under_its_own_name(value: bool, code: str) -> None:
    assert (
        entry(message("statement", statement="hypotension", value=value, by="N. N."), kind="hypotension").code == code
    )


def test_a_dose_keeps_its_amount_and_unit() -> None:
    found = entry(
        message("treatment", drug="dexamethasone", action="given", dose="10", unit="mg"), kind="dexamethasone"
    )
    assert (found.code, found.value, found.unit) == ("given", Decimal(10), "mg")


def test_a_registration_admits() -> None:
    admission = charted(
        message("registration", infused=INFUSED, product="axicabtagene ciloleucel", ward="A", bed="1")
    ).chart.admission
    assert admission is not None
    assert (admission.infused, admission.ward, admission.bed) == (INFUSED, "A", "1")


@pytest.mark.parametrize(
    "other",
    [
        message("note", text="EEG: slowed"),
        message("acknowledgement", episode="e", by="h"),
        message("discharge"),
        message("receipt", page="p", channel="c", outcome="sent"),
    ],
    ids=lambda other: str(other.type),
)
def test_what_is_not_charted_leaves_the_chart_as_it_was(other: AnyMessage) -> None:
    before = charted(crp()).chart
    assert chart_message(before, other, NOW, SITE) == Charted(before)


# -- corrections -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "corrects"),
    [("preliminary", False), ("final", False), ("corrected", True), ("entered_in_error", True)],
)
def test_only_a_correction_says_that_it_changes_the_past(status: str, corrects: bool) -> None:
    assert place_message(ChartDraft(Chart()), crp(status=status), NOW, SITE).corrects is corrects


def test_a_message_that_supersedes_another_changes_the_past() -> None:
    draft = ChartDraft(charted(crp("850")).chart)
    assert place_message(draft, crp("85", id="m2", supersedes="m1"), NOW, SITE).corrects
    assert [found.value for found in draft.chart().entries["crp"]] == [85]


def test_a_correction_replaces_the_value() -> None:
    later = NOW + hours(1)
    assert entry(crp("850"), crp("85", status="corrected", received=later)).value == 85


def test_a_reading_entered_in_error_is_taken_out_whatever_its_value_says() -> None:
    assert "crp" not in charted(crp(), crp("no number", status="entered_in_error")).chart.entries


def test_the_status_of_a_message_is_charted() -> None:
    assert entry(crp(status="preliminary")).status == Status.PRELIMINARY


# -- what cannot be used ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"unit": None}, "crp: the unit is missing; send it, as in 'mg/L'"),
        ({"unit": "furlong"}, "crp: the unit 'furlong' is not known"),
        ({"value": "5000"}, "crp 5000 mg/L is not plausible"),
        ({"effective": NOW + hours(1)}, "the effective time lies in the future"),
    ],
    ids=["no unit", "unknown unit", "implausible", "future"],
)
def test_an_unusable_reading_is_kept_aside_with_its_reason_and_not_charted(fields: dict[str, Any], why: str) -> None:
    result = charted(crp(**fields))
    assert result.unusable is not None
    assert in_names((result.unusable,))[0].startswith(why)
    assert result.chart.entries == {}
    (found,) = result.chart.rejected
    assert (found.kind, found.source, found.id) == ("crp", "lab", "m1")
    assert english(found.why) in english(result.unusable)
    assert found.sent.startswith(str(fields.get("value", "85")))


def test_the_future_begins_more_than_5_minutes_ahead() -> None:
    assert charted(crp(effective=NOW + hours(5 / 60))).unusable is None
    assert charted(crp(effective=NOW + hours(5.1 / 60))).unusable is not None


@pytest.mark.parametrize(
    "other",
    [
        message("statement", statement="hypotension", value=True, effective=NOW + hours(1)),
        message("treatment", drug="tocilizumab", action="given", effective=NOW + hours(1)),
        message("acknowledgement", episode="e", by="h", effective=NOW + hours(1)),
    ],
    ids=lambda other: str(other.type),
)
def test_anything_from_the_future_is_refused(other: AnyMessage) -> None:
    result = charted(other)
    assert result.unusable is not None
    assert english(result.unusable).startswith("the effective time lies in the future")
    assert result.chart == Chart()


@pytest.mark.parametrize(
    "ours",
    [
        message("receipt", page="p", channel="c", outcome="undeliverable", effective=NOW + hours(24)),
        message("fault", condition="channel c", what="it does not answer", effective=NOW + hours(24)),
    ],
    ids=lambda ours: str(ours.type),
)
def test_what_cartwatch_said_itself_before_its_clock_was_set_back_holds(ours: AnyMessage) -> None:
    """Else nobody would hear that a page does not get through."""
    assert charted(ours).unusable is None


def test_an_unusable_correction_leaves_the_value_before_it() -> None:
    result = charted(crp("85"), crp("9", status="corrected", unit=None))
    assert result.unusable
    assert [found.value for found in result.chart.entries["crp"]] == [85]
