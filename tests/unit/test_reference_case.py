"""The shipped reference case: every line a message, every fact of the report in its place."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.chart.quantities import CanonicalQuantity, canonical
from alerts.message_json import read_message
from alerts.messages import AnyMessage, Discharge, Reading, Registration, Statement, Treatment
from config.site import DEFAULTS
from config.tables import Tables, load_tables
from config.vocabulary import READINGS, Sort

ROME = ZoneInfo("Europe/Rome")
INFUSED = datetime(2024, 6, 12, 10, tzinfo=ROME)
LINES = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()
TABLES: Tables = load_tables(DEFAULTS)
COUNTS = ("hemoglobin", "platelets", "neutrophils", "white_cells", "lymphocytes")


@pytest.fixture(scope="module")
def messages() -> list[AnyMessage]:
    return [read_message(line) for line in LINES]


def moment(day: int, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return INFUSED.replace(hour=hour, minute=minute) + timedelta(days=day)


def day(at: datetime) -> int:
    return (at.astimezone(ROME).date() - INFUSED.date()).days


def quantity(reading: Reading) -> CanonicalQuantity:
    assert reading.number is not None
    return canonical(reading.reading, reading.number, reading.unit, TABLES, low=reading.low, high=reading.high)


def readings(messages: Iterable[AnyMessage], name: str) -> list[Reading]:
    return [m for m in messages if isinstance(m, Reading) and m.reading == name]


def values(messages: Iterable[AnyMessage], name: str) -> dict[datetime, Decimal]:
    return {m.effective: quantity(m).value for m in readings(messages, name)}


def at(messages: Iterable[AnyMessage], name: str, when: datetime) -> Reading:
    (found,) = [m for m in readings(messages, name) if m.effective == when]
    return found


def given(messages: Iterable[AnyMessage], drug: str) -> list[Treatment]:
    return [m for m in messages if isinstance(m, Treatment) and m.drug == drug]


# -- the file ------------------------------------------------------------------------------------


def test_every_line_is_one_message_that_can_be_read(messages: list[AnyMessage]) -> None:
    assert len(messages) == len(LINES) > 1000


def test_every_message_is_about_the_one_patient_and_says_where_it_comes_from(
    messages: list[AnyMessage],
) -> None:
    assert {m.patient for m in messages} == {"REF-1"}
    assert {m.provenance for m in messages} == {"reported", "synthesised"}


def test_ids_are_unique_for_each_source(messages: list[AnyMessage]) -> None:
    assert max(Counter((m.source, m.id) for m in messages).values()) == 1


def test_the_lines_stand_in_order_of_effective_time(messages: list[AnyMessage]) -> None:
    assert all(one.effective <= next_.effective for one, next_ in pairwise(messages))


def test_times_are_written_with_the_hospitals_own_offset() -> None:
    offsets: dict[str, set[Any]] = {"+01:00": set(), "+02:00": set()}
    for line in map(json.loads, LINES):
        offsets[line["effective"][-6:]].add(line["effective"][:7])
    assert offsets == {"+01:00": {"2024-03"}, "+02:00": {"2024-06", "2024-07"}}


def test_every_number_can_be_computed_with(messages: list[AnyMessage]) -> None:
    for message in messages:
        if isinstance(message, Reading) and READINGS[message.reading].sort is not Sort.CODE:
            assert quantity(message).value >= 0


def test_every_count_has_the_laboratorys_own_limits(messages: list[AnyMessage]) -> None:
    for name in COUNTS:
        assert all(m.low is not None and m.high is not None for m in readings(messages, name))


def test_what_was_known_before_admission_comes_in_after_the_registration(messages: list[AnyMessage]) -> None:
    (registration,) = [m for m in messages if isinstance(m, Registration)]
    assert registration.infused == INFUSED
    assert registration.product == "axicabtagene ciloleucel"
    early = [m for m in messages if m.effective < registration.effective]
    assert {(m.provenance, (m.received or m.effective) > registration.effective) for m in early} == {("reported", True)}


def test_only_a_note_comes_after_the_discharge(messages: list[AnyMessage]) -> None:
    (discharge,) = [m for m in messages if isinstance(m, Discharge)]
    assert discharge.effective == moment(15, "11:00")
    assert [m.type for m in messages if m.effective > discharge.effective] == ["note"]


# -- what the report gives -----------------------------------------------------------------------

REPORTED = (
    ("hemoglobin", -93, "10.8", "g/dL"),
    ("ldh", -93, "393", "U/L"),
    ("crp", -93, "7.9", "mg/L"),
    ("ferritin", -93, "303", "ug/L"),
    ("ice", 5, "1", None),
    ("car_t_cells", 7, "222.05", "/uL"),
    ("hemoglobin", 15, "9.6", "g/dL"),
    ("platelets", 15, "26000", "/mm3"),
    ("white_cells", 15, "7600", "/mm3"),
    ("neutrophils", 15, "6700", "/mm3"),
)


@pytest.mark.parametrize(("name", "on", "value", "unit"), REPORTED)
def test_a_value_the_report_gives_is_charted_as_reported(
    messages: list[AnyMessage], name: str, on: int, value: str, unit: str | None
) -> None:
    found = [m for m in readings(messages, name) if day(m.effective) == on and m.provenance == "reported"]
    assert [(m.number, m.unit) for m in found] == [(Decimal(value), unit)]


def test_no_other_value_claims_to_be_reported(messages: list[AnyMessage]) -> None:
    claimed = [m for m in messages if isinstance(m, Reading) and m.provenance == "reported"]
    assert len(claimed) == len(REPORTED)


def test_the_doses_are_those_of_the_report(messages: list[AnyMessage]) -> None:
    assert len(given(messages, "tocilizumab")) == 2
    assert len(given(messages, "red_cell_transfusion")) == 4
    assert len(given(messages, "platelet_transfusion")) == 2
    assert given(messages, "filgrastim")
    assert given(messages, "immunoglobulin")
    assert [day(m.effective) for m in given(messages, "levetiracetam")] == [5]


def test_dexamethasone_is_170_mg_from_the_onset_to_six_days_later(messages: list[AnyMessage]) -> None:
    doses = given(messages, "dexamethasone")
    assert {m.unit for m in doses} == {"mg"}
    assert sum(m.dose or 0 for m in doses) == 170
    assert (day(doses[0].effective), day(doses[-1].effective)) == (5, 11)


def test_dexamethasone_is_10_mg_every_6_hours_until_the_taper(messages: list[AnyMessage]) -> None:
    full = [m for m in given(messages, "dexamethasone") if m.dose == 10]
    assert {two.effective - one.effective for one, two in pairwise(full)} == {timedelta(hours=6)}
    assert day(full[-1].effective) == 7


def test_no_vasopressor_is_charted(messages: list[AnyMessage]) -> None:
    drugs = {m.drug for m in messages if isinstance(m, Treatment)}
    assert not any("rine" in drug or drug.startswith(("dop", "dob", "vaso")) for drug in drugs)


@pytest.mark.parametrize(("statement", "true_on"), [("hypotension", 2), ("hypoxia", 5), ("anemia_life_threatening", 9)])
def test_what_a_clinician_said_is_retracted_later(messages: list[AnyMessage], statement: str, true_on: int) -> None:
    said = [m for m in messages if isinstance(m, Statement) and m.statement == statement]
    assert [m.value for m in said] == [True, False]
    assert day(said[0].effective) == true_on
    assert said[0].provenance == "reported"


# -- what was made up, so that the software can come to the report's conclusions -----------------


def test_the_values_before_lymphodepletion_make_three_points_of_car_hematotox(
    messages: list[AnyMessage],
) -> None:
    before = moment(-7, "09:30")
    assert 75 < quantity(at(messages, "platelets", before)).value < 175
    assert quantity(at(messages, "hemoglobin", before)).value < 9
    assert 650 < quantity(at(messages, "ferritin", before)).value < 2000
    assert quantity(at(messages, "neutrophils", before)).value > Decimal("1.2")
    assert quantity(at(messages, "crp", before)).value < 30


def test_fever_lasts_from_day_1_to_the_evening_of_day_2(messages: list[AnyMessage]) -> None:
    febrile = [when for when, value in values(messages, "temperature").items() if value >= 38]
    assert (febrile[0], febrile[-1]) == (moment(1, "08:00"), moment(2, "18:00"))
    assert all(two - one == timedelta(hours=2) for one, two in pairwise(febrile))


def test_the_pressure_is_low_only_on_day_2_and_recovers(messages: list[AnyMessage]) -> None:
    low = {when: value for when, value in values(messages, "systolic_bp").items() if value < 90}
    assert low == {moment(2, "08:00"): 84}
    assert values(messages, "systolic_bp")[moment(2, "14:00")] >= 100


def test_the_first_crs_ends_before_the_second_begins(messages: list[AnyMessage]) -> None:
    clear = [
        when
        for when, value in values(messages, "temperature").items()
        if moment(2, "18:00") < when < moment(5, "00:00") and value < 38
    ]
    spo2 = values(messages, "spo2")
    assert clear[-1] - clear[0] >= timedelta(hours=6)
    assert all(spo2[when] >= 92 for when in clear)


def test_on_day_5_the_saturation_falls_without_fever_within_72_hours_of_tocilizumab(
    messages: list[AnyMessage],
) -> None:
    low = {when: value for when, value in values(messages, "spo2").items() if value < 92}
    assert low == {moment(5, "06:00"): 89}
    assert at(messages, "oxygen_device", moment(5, "06:00")).value == "none"
    assert values(messages, "temperature")[moment(5, "06:00")] < 38
    assert moment(5, "06:00") - given(messages, "tocilizumab")[-1].effective < timedelta(hours=72)


def test_oxygen_is_low_flow_from_day_5_to_day_7(messages: list[AnyMessage]) -> None:
    devices = readings(messages, "oxygen_device")
    on = [m.effective for m in devices if m.value != "none"]
    assert {m.value for m in devices} == {"none", "nasal_cannula"}
    assert (on[0], on[-1]) == (moment(5, "06:10"), moment(7, "16:00"))
    assert max(values(messages, "oxygen_flow").values()) == 2


def test_ice_falls_once_and_is_whole_again_on_day_8(messages: list[AnyMessage]) -> None:
    ice = values(messages, "ice")
    below = [when for when, value in ice.items() if value < 10]
    assert (below[0], below[-1]) == (moment(5, "07:30"), moment(7, "22:00"))
    assert ice[moment(8, "08:00")] == ice[moment(8, "16:00")] == 10
    assert sorted(ice[when] for when in below) == [ice[when] for when in below]


def test_m_easix_on_day_3_is_61(messages: list[AnyMessage]) -> None:
    when = moment(3, "06:00")
    ldh, crp, platelets = (quantity(at(messages, name, when)).value for name in ("ldh", "crp", "platelets"))
    assert ldh * (crp / 10) / platelets == Decimal("61.2")


def test_neutrophils_are_never_below_1_while_there_is_fever(messages: list[AnyMessage]) -> None:
    counts = values(messages, "neutrophils")
    assert min(value for when, value in counts.items() if day(when) <= 3) >= 1
    assert max(value for when, value in counts.items() if 4 <= day(when) <= 11) < Decimal("0.5")


def test_the_counts_reach_what_the_report_calls_grade_4(messages: list[AnyMessage]) -> None:
    assert min(values(messages, "platelets").values()) < 25
    assert min(values(messages, "neutrophils").values()) < Decimal("0.5")
    assert min(values(messages, "hemoglobin").values()) < 8


def test_vitals_and_ice_are_never_overdue(messages: list[AnyMessage]) -> None:
    for name, apart in (("temperature", 4), ("spo2", 4), ("ice", 12)):
        stay = [when for when in values(messages, name) if day(when) >= 0]
        assert max(two - one for one, two in pairwise(stay)) <= timedelta(hours=apart)


def test_the_moments_are_few_enough_for_a_quick_replay(messages: list[AnyMessage]) -> None:
    assert len({m.effective for m in messages}) <= 165
