"""The hypoxia row on its own: what the charted oxygen gives, what a low saturation gives, and what outranks it."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.grading.axis import Axis
from alerts.grading.hypoxia import hypoxia
from tests.support.charts import INFUSED, NOW, SITE, Item, absent, chart, hours, reading, statement
from tests.support.wording import english, in_names, sentence

MINUTE = timedelta(minutes=1)
CANNULA = reading("oxygen_device", "nasal_cannula")
BEFORE = INFUSED - hours(12)


def row(*items: Item) -> Axis:
    return hypoxia(chart(*items), NOW, SITE)


def by(way: str, item: Item) -> Item:
    kind, entry = item
    return kind, replace(entry, by=way)


def kinds(axis: Axis) -> list[str]:
    return [item.kind for item in axis.evidence]


# -- oxygen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "level", "text"),
    [
        ("6", 2, "nasal cannula 6 L/min (<= 6): grade 2"),
        ("6.1", 3, "nasal cannula 6.1 L/min (> 6): grade 3"),
    ],
)
def test_a_nasal_cannula_names_its_flow(flow: str, level: int, text: str) -> None:
    result = row(CANNULA, reading("oxygen_flow", flow))
    assert (result.level, sentence(result.because), result.provisional, in_names(result.missing)) == (
        level,
        text,
        False,
        (),
    )
    assert (kinds(result), result.conventions) == (["oxygen_device", "oxygen_flow"], ())


@pytest.mark.parametrize(
    "flow",
    [
        (),
        (reading("oxygen_flow", 8, NOW - 16 * MINUTE),),
        (reading("oxygen_flow", "<8"),),
        (absent("oxygen_flow", "why"),),
    ],
    ids=["none", "well before the cannula", "a bound on both sides of 6", "not done"],
)
def test_a_cannula_whose_flow_does_not_decide_is_at_least_grade_2(flow: tuple[Item, ...]) -> None:
    result = row(CANNULA, *flow)
    assert (result.level, result.provisional, in_names(result.missing)) == (2, True, ("oxygen_flow",))
    assert sentence(result.because) == "oxygen by nasal cannula, flow not charted: at least grade 2"
    assert kinds(result) == ["oxygen_device"]


def test_a_flow_charted_after_its_cannula_is_that_of_the_cannula() -> None:
    assert row(reading("oxygen_device", "nasal_cannula", NOW - hours(1)), reading("oxygen_flow", 8)).level == 3


@pytest.mark.parametrize("before", [1, 15])
def test_a_flow_just_before_its_cannula_is_that_of_the_cannula_and_names_the_convention(before: int) -> None:
    result = row(reading("oxygen_flow", 8, NOW - before * MINUTE), CANNULA)
    assert (result.level, result.provisional, result.conventions) == (3, False, ("chart.one_set",))


@pytest.mark.parametrize(
    ("between", "level"),
    [((), 3), ((reading("oxygen_device", "none", NOW - hours(2)),), 2), ((absent("oxygen_device", "why"),), 3)],
    ids=["charted again", "off and on again", "not seen"],
)
def test_a_flow_stays_that_of_its_cannula_which_is_charted_again(between: tuple[Item, ...], level: int) -> None:
    used = (reading("oxygen_device", "nasal_cannula", NOW - hours(4.2)), reading("oxygen_flow", 8, NOW - hours(4)))
    result = row(*used, *between, CANNULA)
    assert (result.level, result.provisional) == (level, level == 2)


def test_a_flow_of_another_device_is_not_that_of_the_cannula_after_it() -> None:
    mask = (reading("oxygen_device", "face_mask", NOW - hours(2)), reading("oxygen_flow", 8, NOW - hours(1)))
    assert row(*mask, CANNULA).level == 2


def test_a_device_is_named_in_words() -> None:
    result = row(reading("oxygen_device", "high_flow_nasal_cannula"))
    assert (result.level, sentence(result.because)) == (3, "oxygen by high-flow nasal cannula: grade 3")
    assert (kinds(result), result.provisional, in_names(result.missing)) == (["oxygen_device"], False, ())


@pytest.mark.parametrize(
    ("flow", "level"), [("0", None), ("0.5", 2), ("1", 2), ("6", 2), ("6.1", 3), (">6", 3), ("<6", None)]
)
def test_a_flow_without_its_device_is_provisional(flow: str, level: int | None) -> None:
    result = row(reading("oxygen_flow", flow))
    assert result.level == level
    if level:
        assert sentence(result.because) == f"oxygen {flow.strip('>')} L/min, device not charted: grade {level}"
        assert (result.provisional, in_names(result.missing)) == (True, ("oxygen_device",))
        assert kinds(result) == ["oxygen_flow"]


def test_a_flow_after_the_oxygen_was_taken_off_counts_and_one_before_does_not() -> None:
    spo2 = reading("spo2", 97)
    off = reading("oxygen_device", "none", NOW - hours(1))
    assert row(spo2, off, reading("oxygen_flow", 3)).level == 2
    assert row(spo2, off, reading("oxygen_flow", 3, NOW - hours(1))).level == 0
    assert row(spo2, off, reading("oxygen_flow", 3, NOW - hours(2))).level == 0


@pytest.mark.parametrize(
    ("kind", "value", "level"),
    [
        ("oxygen_device", "nasal_cannula", 2),
        ("oxygen_device", "face_mask", 3),
        ("oxygen_device", "invasive_ventilation", 4),
        ("oxygen_flow", 8, 3),
    ],
)
@pytest.mark.parametrize(("age", "lapsed"), [(24, False), (24.1, True), (25, True), (100, True)])
def test_oxygen_whose_end_nobody_charted_keeps_its_grade_and_says_how_old_it_is(
    kind: str, value: object, level: int, age: float, lapsed: bool
) -> None:
    """A patient is not taken off a ventilator by nobody writing for a day."""
    result = row(reading("spo2", 97), reading(kind, value, NOW - hours(age)))
    flag = f"{kind.replace('_', ' ')} last charted {int(age)} h ago"
    assert (result.level, flag in english(result.flags)) == (level, lapsed)
    assert "chart.oxygen_holds" in result.conventions
    if lapsed:
        assert result.provisional
        assert kind in in_names(result.missing)


@pytest.mark.parametrize("end", [reading("oxygen_device", "none", NOW - hours(1)), reading("oxygen_flow", 0)])
def test_old_oxygen_ends_when_its_end_is_charted(end: Item) -> None:
    kind = "oxygen_device" if end[0] == "oxygen_device" else "oxygen_flow"
    old = reading(kind, "face_mask" if kind == "oxygen_device" else 8, NOW - hours(30))
    assert row(reading("spo2", 97), old, end).level == 0


@pytest.mark.parametrize(("left", "level"), [(31, 3), (30, 0), (29, 0), (-1, 3)])
def test_oxygen_ends_when_the_patient_leaves(left: float, level: int) -> None:
    patient = chart(reading("spo2", 97), reading("oxygen_device", "face_mask", NOW - hours(30)))
    assert hypoxia(patient.discharge(NOW - hours(left)), NOW, SITE).level == level


@pytest.mark.parametrize(("flow", "old"), [("8", False), ("0.5", False), ("0", True)])
def test_oxygen_of_which_a_flow_was_charted_since_is_not_old(flow: str, old: bool) -> None:
    device = reading("oxygen_device", "venturi_mask", NOW - hours(30))
    result = row(device, reading("oxygen_flow", flow, NOW))
    flags = ("oxygen device last charted 30 h ago",) if old else ()
    assert (result.level, result.provisional, english(result.flags)) == (3, old, flags)


@pytest.mark.parametrize(("age", "level"), [(72, 0), (72.1, 4)])
def test_that_positive_pressure_is_not_for_hypoxia_lapses(age: float, level: int) -> None:
    """Nothing that lifts a grade is said for ever."""
    since = reading("oxygen_device", "cpap", NOW - hours(80))
    said = statement("airway_support_not_for_hypoxia", at=NOW - hours(age))
    result = row(reading("spo2", 97), since, said, reading("oxygen_device", "cpap"))
    assert (result.level, "crs.other_cause_holds" in result.conventions) == (level, level == 0)


@pytest.mark.parametrize(
    ("between", "level"),
    [((), 0), ((reading("oxygen_device", "none", NOW - hours(2)),), 4), ((reading("oxygen_device", "bipap", NOW),), 4)],
    ids=["the same use", "off and on again", "another device"],
)
def test_that_positive_pressure_is_not_for_hypoxia_is_said_of_one_use_of_a_device(
    between: tuple[Item, ...], level: int
) -> None:
    said = (
        reading("oxygen_device", "cpap", NOW - hours(4)),
        statement("airway_support_not_for_hypoxia", at=NOW - hours(3)),
    )
    again = () if between and between[0][1].code == "bipap" else (reading("oxygen_device", "cpap"),)
    assert row(reading("spo2", 97), *said, *between, *again).level == level


@pytest.mark.parametrize(("before", "level"), [(15, 0), (16, 4)])
def test_that_positive_pressure_is_not_for_hypoxia_may_be_said_just_before_it_is_charted(
    before: int, level: int
) -> None:
    said = statement("airway_support_not_for_hypoxia", at=NOW - before * MINUTE)
    assert row(reading("spo2", 97), said, reading("oxygen_device", "invasive_ventilation")).level == level


@pytest.mark.parametrize(("device", "level"), [("cpap", 0), ("bipap", 0), ("face_mask", 3)])
def test_positive_pressure_not_for_hypoxia_is_flagged_and_a_mask_still_grades(device: str, level: int) -> None:
    items = (reading("spo2", 97), reading("oxygen_device", device), statement("airway_support_not_for_hypoxia"))
    result = row(*items)
    assert result.level == level
    assert ("positive pressure not given for hypoxia: not grade 4" in english(result.flags)) is (level == 0)


def test_positive_pressure_not_for_hypoxia_leaves_a_low_saturation() -> None:
    items = (reading("spo2", 85), reading("oxygen_device", "cpap"), statement("airway_support_not_for_hypoxia"))
    result = row(*items)
    assert (result.level, result.provisional) == (2, True)
    assert english(result.flags)[0] == "positive pressure not given for hypoxia: not grade 4"


# -- oxygen from before infusion -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        (("nasal_cannula", 2), ("nasal_cannula", 2), 0),
        (("nasal_cannula", 2), ("nasal_cannula", 1), 0),
        (("nasal_cannula", 2), ("nasal_cannula", 3), 2),
        (("nasal_cannula", 2), ("nasal_cannula", None), 0),
        (("nasal_cannula", None), ("nasal_cannula", 2), 2),
        (("nasal_cannula", None), ("nasal_cannula", None), 0),
        (("cpap", None), ("cpap", None), 0),
        (("cpap", None), ("bipap", None), 4),
        (("none", None), ("face_mask", None), 3),
    ],
)
def test_oxygen_as_before_infusion_is_not_newly_started(
    before: tuple[str, int | None], now: tuple[str, int | None], level: int
) -> None:
    items = [reading("spo2", 97)]
    for at, (device, flow) in ((BEFORE, before), (NOW, now)):
        items.append(reading("oxygen_device", device, at))
        if flow is not None:
            items.append(reading("oxygen_flow", flow, at))
    result = row(*items)
    assert result.level == level
    assert ("oxygen as before infusion: not newly started" in english(result.flags)) is (level == 0)


def test_a_flow_above_that_before_infusion_is_newly_started_though_its_device_was_charted_again() -> None:
    before = (reading("oxygen_device", "nasal_cannula", BEFORE), reading("oxygen_flow", 2, BEFORE))
    result = row(*before, reading("oxygen_flow", 8, NOW - MINUTE), CANNULA)
    assert (result.level, result.provisional) == (3, False)


@pytest.mark.parametrize(("age", "level"), [(1, 2), (24, 2), (24.1, 0)])
def test_a_cannula_after_a_mask_of_a_higher_flow_is_as_before_infusion_only_when_that_flow_is_old(
    age: float, level: int
) -> None:
    before = (reading("oxygen_device", "nasal_cannula", BEFORE), reading("oxygen_flow", 2, BEFORE))
    mask = NOW - hours(age)
    result = row(
        reading("spo2", 97),
        *before,
        reading("oxygen_device", "face_mask", mask),
        reading("oxygen_flow", 8, mask),
        CANNULA,
    )
    assert (result.level, "oxygen as before infusion: not newly started" in english(result.flags)) == (
        level,
        level == 0,
    )


@pytest.mark.parametrize(("days", "level"), [(13, 0), (14.1, 4)])
def test_a_cpap_of_the_nights_before_infusion_is_as_before_though_it_was_off_by_day(days: float, level: int) -> None:
    night = reading("oxygen_device", "cpap", INFUSED - hours(24 * days))
    result = row(reading("spo2", 97), night, reading("oxygen_device", "none", BEFORE), reading("oxygen_device", "cpap"))
    assert (result.level, "chart.baseline_window" in result.conventions) == (level, level == 0)


@pytest.mark.parametrize(("flow", "level"), [(2, 0), (3, 2)])
def test_the_flow_of_the_nights_before_infusion_is_what_a_flow_is_held_against(flow: int, level: int) -> None:
    night = (reading("oxygen_device", "nasal_cannula", BEFORE - hours(9)), reading("oxygen_flow", 2, BEFORE - hours(8)))
    day = (reading("oxygen_device", "none", BEFORE), reading("oxygen_flow", 0, BEFORE))
    result = row(reading("spo2", 97), *night, *day, CANNULA, reading("oxygen_flow", flow))
    assert result.level == level


def test_before_infusion_no_oxygen_is_as_before_it() -> None:
    items = (reading("oxygen_device", "face_mask", BEFORE), reading("oxygen_device", "face_mask"))
    assert hypoxia(chart(*items, infused=None), NOW, SITE).level == 3


# -- saturation ------------------------------------------------------------------------------------


def test_nothing_charted_leaves_the_row_open() -> None:
    result = row()
    assert (result.level, in_names(result.missing)) == (None, ("spo2",))


def test_a_saturation_older_than_it_holds_or_without_a_value_is_not_used() -> None:
    holds = SITE.conventions.chart.vitals_hold.value
    assert row(reading("spo2", 97, NOW - holds)).level == 0
    assert row(reading("spo2", 97, NOW - holds - MINUTE)).level is None
    assert row(absent("spo2", "probe off")).level is None


@pytest.mark.parametrize(
    ("device", "where"), [((), "support not charted"), ((reading("oxygen_device", "none"),), "on room air")]
)
def test_a_low_saturation_is_at_least_grade_2_and_says_on_what(device: tuple[Item, ...], where: str) -> None:
    result = row(reading("spo2", 91), *device)
    assert (result.level, result.provisional, in_names(result.missing)) == (2, True, ("oxygen_device",))
    assert sentence(result.because) == f"hypoxia observed (SpO2 91 % < 92), {where}: at least grade 2"
    assert (kinds(result), result.conventions, english(result.flags)) == (["spo2"], ("crs.hypoxia_spo2",), ())


def test_room_air_charted_longer_ago_than_oxygen_holds_is_not_said() -> None:
    items = (reading("spo2", 91), reading("oxygen_device", "none", NOW - hours(24) - MINUTE))
    assert "support not charted" in sentence(row(*items).because)


def test_a_saturation_of_92_is_not_low() -> None:
    result = row(reading("spo2", 92))
    assert (result.level, sentence(result.because), result.provisional) == (0, "saturation not low", False)
    assert (kinds(result), result.conventions, english(result.flags)) == (["spo2"], ("crs.hypoxia_spo2",), ())


def test_a_low_sample_of_a_monitor_is_shown_as_not_yet_confirmed() -> None:
    result = row(by("monitor", reading("spo2", 97, NOW - 20 * MINUTE)), by("monitor", reading("spo2", 89)))
    assert (result.level, english(result.flags)) == (0, ("SpO2 89 % by monitor: not yet confirmed",))
    assert sentence(result.because) == english(result.flags)[0]


def test_only_the_newest_of_the_unconfirmed_samples_is_shown() -> None:
    samples = (by("device", reading("spo2", 90, NOW - MINUTE)), by("monitor", reading("spo2", 89)))
    assert english(row(reading("spo2", 97, NOW - hours(1)), *samples).flags) == (
        "SpO2 89 % by monitor: not yet confirmed",
    )


def test_a_low_saturation_by_a_person_stands_behind_a_low_sample_and_both_are_shown() -> None:
    result = row(reading("spo2", 91, NOW - 20 * MINUTE), by("monitor", reading("spo2", 89)))
    assert (result.level, english(result.flags)) == (2, ("SpO2 89 % by monitor: not yet confirmed",))
    assert "SpO2 91 %" in sentence(result.because)


def test_confirmed_samples_name_the_convention_and_show_the_last() -> None:
    samples = [by("monitor", reading("spo2", value, NOW - age * MINUTE)) for value, age in ((90, 1), (89, 0))]
    result = row(*samples)
    assert (result.level, result.conventions) == (2, ("crs.hypoxia_spo2", "confirmation.saturation_lasting"))
    assert "SpO2 89 %" in sentence(result.because)


# -- statements ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "level"), [(72, 0), (72.1, 2)])
def test_another_cause_is_said_and_lapses(age: float, level: int) -> None:
    items = (statement("hypoxia_other_cause", at=NOW - hours(age)), reading("spo2", 88))
    result = row(*items)
    assert result.level == level
    assert ("hypoxia attributed to another cause" in english(result.flags)) is (level == 0)
    assert ("crs.other_cause_holds" in result.conventions) is (level == 0)


def test_hypoxia_by_a_statement_is_at_least_grade_2() -> None:
    result = row(statement("hypoxia"), reading("spo2", 97))
    assert (result.level, result.provisional, in_names(result.missing)) == (2, True, ("oxygen_device",))
    assert sentence(result.because) == "hypoxia by a clinician's statement, support not charted: at least grade 2"
    assert (kinds(result), result.conventions) == (["hypoxia", "spo2"], ("crs.statement_holds",))


def test_no_hypoxia_by_a_statement_is_grade_0() -> None:
    result = row(statement("hypoxia", False), reading("spo2", 90))
    assert (result.level, sentence(result.because)) == (0, "no hypoxia by a clinician's statement")
    assert (kinds(result), result.conventions) == (["hypoxia", "spo2"], ("crs.statement_holds",))
    assert row(statement("hypoxia", False)).level == 0


def test_charted_oxygen_outranks_a_statement_that_there_is_no_hypoxia() -> None:
    assert row(statement("hypoxia", False), reading("oxygen_device", "face_mask")).level == 3


@pytest.mark.parametrize(("age", "level"), [(4, 0), (4.1, 2)])
def test_a_statement_stands_against_saturations_of_the_next_4_hours(age: float, level: int) -> None:
    assert row(statement("hypoxia", False, NOW - hours(age)), reading("spo2", 90)).level == level


def test_a_statement_older_than_a_vital_sign_holds_is_forgotten() -> None:
    holds = SITE.conventions.chart.vitals_hold.value
    assert row(statement("hypoxia", at=NOW - holds)).level == 2
    assert row(statement("hypoxia", at=NOW - holds - MINUTE)).level is None


@pytest.mark.parametrize(("spo2", "level"), [(88, 0), (87, 2)])
def test_no_statement_made_before_it_stands_against_a_severe_saturation(spo2: int, level: int) -> None:
    assert row(statement("hypoxia", False, NOW - MINUTE), reading("spo2", spo2)).level == level
    assert row(statement("hypoxia", False), reading("spo2", spo2)).level == 0
