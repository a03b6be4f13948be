"""What a person charts ahead of its time is true when it came in; a device's clock that runs ahead is a fault."""

import gzip
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message
from alerts.grading.result import Evidence
from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage
from alerts.pages.values import shown
from alerts.state import PatientState
from alerts.step.step import step
from config.site import Site
from tests.support.ward import INFUSED, PATIENT, SITE, Ward, changed, message
from tests.support.wording import english

STREAM = Path(__file__).parents[3] / "shared" / "streams" / "icu.ndjson.gz"
AHEAD = timedelta(minutes=45)


def charting_by_hand(*sources: str) -> Site:
    """The shipped site, with sources in which a person charts what a device measured."""
    chart = SITE.conventions.chart
    listed = chart.model_copy(update={"charted_by_hand": chart.charted_by_hand.model_copy(update={"value": sources})})
    return SITE._replace(conventions=SITE.conventions.model_copy(update={"chart": listed}))


def test_a_fever_that_a_nurse_charts_for_the_next_hour_pages_now(ward: Ward) -> None:
    ward.vitals(at=ward.now + AHEAD, temp=38.6)
    assert ward.dead_letters == []
    (entry,) = [entry for entry in ward.charted("temperature") if entry.effective == ward.now]
    assert entry.charted_for == ward.now + AHEAD
    page = ward.page()
    assert page.condition == "crs"
    assert "temperature 38.6 °C (13 Jun 10:00, nurse, charted for 10:45)" in page.text


def test_in_italian_the_page_says_for_which_time_it_was_charted(ward: Ward) -> None:
    ward.vitals(at=ward.now + AHEAD, temp=38.6)
    (entry,) = [entry for entry in ward.charted("temperature") if entry.charted_for is not None]
    assert "registrato per le 10:45" in shown(Evidence("temperature", entry), SITE, "it")


@pytest.mark.parametrize("by", ["person", "cuff", None])
def test_what_a_person_writes_down_may_be_charted_ahead(ward: Ward, by: str | None) -> None:
    ward.send(message("reading", ward.now + AHEAD, reading="systolic_bp", value=118, unit="mm[Hg]", by=by))
    assert ward.charted("systolic_bp")[-1].effective == ward.now


@pytest.mark.parametrize("by", ["monitor", "patch", "device", "arterial_line"])
def test_a_devices_time_stays_as_it_is(ward: Ward, by: str) -> None:
    ward.send(message("reading", ward.now + AHEAD, reading="systolic_bp", value=118, unit="mm[Hg]", by=by))
    (aside,) = ward.dead_letters
    assert "lies in the future" in aside.why


def test_a_laboratory_draws_no_sample_ahead_of_its_time(ward: Ward) -> None:
    ward.send(ward.result("platelets", 80, ward.now + AHEAD, by=None))
    assert len(ward.dead_letters) == 1


def test_a_source_that_the_site_lists_charts_by_hand_whatever_measured_it() -> None:
    ward = Ward(day=1, clock="10:00", site=charting_by_hand("flowsheet"))
    ward.admit()
    late = {"reading": "temperature", "value": 38.4, "unit": "Cel", "by": "monitor"}
    ward.send(message("reading", ward.now + AHEAD, source="flowsheet", **late))
    ward.send(message("reading", ward.now + AHEAD, source="monitor-7", **late))
    assert [aside.source for aside in ward.dead_letters] == ["monitor-7"]
    assert ward.charted("temperature")[-1].source == "flowsheet"


@pytest.mark.parametrize(("minutes", "used"), [(60, True), (61, False)])
def test_more_than_an_hour_ahead_is_a_typing_error(ward: Ward, minutes: int, used: bool) -> None:
    ward.vitals(at=ward.now + timedelta(minutes=minutes), temp=36.6)
    assert (ward.dead_letters == []) is used


def test_a_correction_of_what_was_charted_ahead_stands_at_its_own_time(ward: Ward) -> None:
    (fever,) = ward.vitals(at=ward.now + AHEAD, temp=38.6)
    ward.jump(hours=1)
    ward.correct(fever, 36.6)
    (entry,) = [entry for entry in ward.charted("temperature") if entry.id == fever.id]
    assert (entry.effective, entry.charted_for) == (fever.effective, None)
    assert not ward.is_open("crs")


def test_a_message_that_says_when_it_came_in_is_placed_there_whenever_it_is_processed(ward: Ward) -> None:
    came_in = ward.now
    ward.jump(hours=3)
    fever = changed(ward.vital("temp", 38.6, came_in + AHEAD), received=came_in)
    ward.send(fever)
    assert came_in in {entry.effective for entry in ward.charted("temperature")}


def test_a_time_of_receipt_that_lies_in_the_future_places_nothing_there(ward: Ward) -> None:
    tomorrow = ward.now + timedelta(days=1)
    ward.send(changed(ward.vital("temp", 38.6, tomorrow + AHEAD), received=tomorrow))
    assert len(ward.dead_letters) == 1


def test_any_order_and_batching_of_what_was_charted_ahead_folds_alike() -> None:
    start = INFUSED + timedelta(days=2)
    dice = random.Random(5)
    readings = [message("registration", INFUSED - timedelta(days=1), infused=INFUSED)]
    for number in range(40):
        came_in = start + timedelta(minutes=dice.randrange(90))
        fields = {"reading": "temperature", "value": dice.choice(["36.5", "38.5"]), "unit": "Cel"}
        at = came_in + timedelta(minutes=dice.randint(-30, 60))
        readings.append(message("reading", at, id=f"a{number // 2}", by="person", received=came_in, **fields))
    now = (start + timedelta(hours=2)).astimezone(UTC)
    whole, _ = step(PatientState(patient=PATIENT), readings, now, SITE)
    for _ in range(20):
        dice.shuffle(readings)
        state = PatientState(patient=PATIENT)
        cut = dice.randrange(len(readings))
        for batch in (readings[:cut], readings[cut:]):
            state, _ = step(state, batch, now, SITE)
        assert state.chart == whole.chart


def test_two_records_that_are_merged_keep_what_was_charted_ahead(ward: Ward) -> None:
    came_in = ward.now
    ward.vitals(at=ward.now + AHEAD, temp=36.9)
    other = PatientState(patient="P9")
    before = ward.state()
    ward.jump(hours=2)
    merge = message("merge", ward.now, source="ehr", into="P9")
    _, effects = step(before, [merge], ward.now.astimezone(UTC), SITE)
    other, _ = step(other, effects.forwarded, ward.now.astimezone(UTC), SITE)
    (entry,) = [entry for entry in other.chart.entries["temperature"] if entry.charted_for is not None]
    assert (entry.effective, entry.charted_for) == (came_in, came_in + AHEAD)


# -- a real ward's charting ------------------------------------------------------------------------


def dead_lettered(messages: Iterable[AnyMessage], site: Site) -> int:
    """How many readings would not be used for their time, each folded at the moment it came in."""
    found = (chart_message(Chart(), item, _came_in(item), site).unusable for item in messages)
    return sum("future" in english(why) for why in found if why is not None)


def _came_in(item: AnyMessage) -> datetime:
    assert item.received is not None
    return item.received.astimezone(UTC)


def round_of_charting() -> list[AnyMessage]:
    """Eight vital signs as an EHR sends a flowsheet, all charted at 10:00, one of them for 10:15."""
    fields = {"source": "icu", "reading": "heart_rate", "value": 90, "unit": "/min", "by": "monitor"}
    ahead = [timedelta(minutes=15), *[timedelta(0)] * 7]
    return [message("reading", INFUSED + early, received=INFUSED, **fields) for early in ahead]


def test_a_round_charted_in_the_flowsheet_loses_nothing() -> None:
    assert dead_lettered(round_of_charting(), SITE) == 1
    assert dead_lettered(round_of_charting(), charting_by_hand("icu")) == 0


def real_charting() -> Iterator[AnyMessage]:
    """What can be read of a real intensive care unit's charting."""
    with gzip.open(STREAM, "rt") as lines:
        for line in lines:
            with suppress(BadMessage):
                yield read_message(line)


@pytest.mark.skipif(not STREAM.exists(), reason="the stream of real charting is not on this machine")
def test_a_real_intensive_care_units_charting_loses_nothing() -> None:
    assert dead_lettered(real_charting(), charting_by_hand("icu")) == 0
