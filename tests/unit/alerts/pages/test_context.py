"""The context of a page: each line by what is charted, and what nobody charted is named as such."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.assessment.dose_ledger import ledger
from alerts.chart.chart import Chart
from alerts.episodes.episode import Episode, opened
from alerts.pages.context import context, next_tocilizumab
from alerts.wording.phrase import Phrase
from tests.support.charts import INFUSED, NOW, SITE, Item, chart, day, dose, hours, reading, statement
from tests.support.wording import english


def episode(condition: str = "crs", level: int = 1, began: float = 6) -> Episode:
    at = NOW - hours(began)
    return opened(condition, condition, 1, "new", title=Phrase(""), level=level, urgency="high", at=at, now=at)


def lines(*items: Item, about: Episode | None = None, whole: bool = False, folded: Chart | None = None) -> list[str]:
    folded = folded or chart(*items)
    return [english(line.text) for line in context(folded, NOW, SITE, [about or episode()], whole=whole)]


def amount(drug: str, value: object, unit: str, before: float) -> Item:
    kind, entry = dose(drug, NOW - hours(before))
    return kind, replace(entry, value=None if value is None else Decimal(str(value)), unit=unit)


# -- infection ---------------------------------------------------------------------------------------

NONE = ("neutrophils not charted", "no culture charted", "no imaging charted", "no antibiotic charted")


@pytest.mark.parametrize(
    ("item", "part", "words"),
    [
        (reading("neutrophils", "0.4"), 0, "neutrophils 0.4 ×10⁹/L"),
        (reading("neutrophils", "<0.1"), 0, "neutrophils <0.1 ×10⁹/L"),
        (statement("culture_positive"), 1, "culture positive 17 Jun 10:00"),
        (statement("culture_positive", False), 1, "culture negative 17 Jun 10:00"),
        (statement("infection_imaging"), 2, "infection on imaging 17 Jun 10:00"),
        (statement("infection_imaging", False), 2, "imaging clear 17 Jun 10:00"),
        (dose("antibiotic", NOW - hours(2)), 3, "antibiotic since 17 Jun 08:00"),
        (dose("antibiotic", NOW - hours(49)), 3, "antibiotic until 15 Jun 09:00"),
        (dose("antibiotic", NOW - hours(90), "started"), 3, "antibiotic since 13 Jun 16:00"),
        (dose("antibiotic", NOW - hours(3), "stopped"), 3, "antibiotic until 17 Jun 07:00"),
    ],
)
def test_a_fever_page_names_what_is_known_of_an_infection_and_what_is_not(item: Item, part: int, words: str) -> None:
    parts = [*NONE]
    parts[part] = words
    assert lines(item) == [f"infection: {', '.join(parts)}"]
    assert lines(item, about=episode("icans")) == []


def test_without_any_word_of_an_infection_only_the_page_of_the_patient_says_so() -> None:
    assert lines() == []
    assert lines(whole=True)[0] == f"infection: {', '.join(NONE)}"


def test_antibiotics_that_follow_one_another_are_one_course() -> None:
    doses = [dose("antibiotic", NOW - hours(age)) for age in (120, 60, 36, 12)]
    assert lines(*doses)[0].endswith("antibiotic since 14 Jun 22:00")


# -- fluids --------------------------------------------------------------------------------------------

LOW = reading("systolic_bp", 84)


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([], []),
        ([amount("fluid_bolus", 500, "mL", 7)], []),
        ([amount("fluid_bolus", 500, "mL", 1)], ["fluid boluses in 6 h: 1, 500 mL"]),
        (
            [amount("fluid_bolus", "0.5", "L", 1), amount("fluid_bolus", 250, "mL", 5)],
            ["fluid boluses in 6 h: 2, 750 mL"],
        ),
        ([amount("fluid_bolus", None, "", 1), LOW], ["fluid boluses in 6 h: 1, not all with a volume"]),
        ([amount("fluid_bolus", 1000, "mL", 1), LOW], ["fluid boluses in 6 h: 1, 1000 mL"]),
        ([amount("fluid_bolus", 1001, "mL", 1), reading("systolic_bp", 90)], ["fluid boluses in 6 h: 1, 1001 mL"]),
        (
            [amount("fluid_bolus", 1001, "mL", 1), LOW],
            ["fluid boluses in 6 h: 1, 1001 mL; the pressure is low all the same (an ICU trigger)"],
        ),
    ],
)
def test_fluid_boluses_are_summed_over_6_hours(items: list[Item], line: list[str]) -> None:
    assert lines(*items) == line


# -- tocilizumab by weight -------------------------------------------------------------------------------

ROOM = "4 of 4 doses of tocilizumab left, the next now"


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ([], "weight not charted"),
        ([reading("weight", 72)], "weight 72 kg (17 Jun 10:00): 8 mg/kg is 576 mg"),
        ([reading("weight", "61.5")], "weight 61.5 kg (17 Jun 10:00): 8 mg/kg is 492 mg"),
        ([reading("weight", 100)], "weight 100 kg (17 Jun 10:00): 8 mg/kg is 800 mg"),
        ([reading("weight", 120)], "weight 120 kg (17 Jun 10:00): 8 mg/kg is 800 mg"),
        ([reading("weight", 30)], "weight 30 kg (17 Jun 10:00): 8 mg/kg is 240 mg"),
        ([reading("weight", "29.9")], "weight 29.9 kg (17 Jun 10:00)"),
        ([reading("weight", 72, NOW - timedelta(days=31))], "weight not charted"),
    ],
)
def test_the_next_dose_of_tocilizumab_by_weight(weight: list[Item], words: str) -> None:
    folded = chart(*weight)
    assert english(next_tocilizumab(folded, ledger(folded, NOW, SITE), NOW, SITE).text) == f"{ROOM}; {words}"


def test_after_the_last_dose_no_weight_is_asked_for() -> None:
    folded = chart(*(dose("tocilizumab", NOW - hours(12 * age)) for age in range(4)))
    line = next_tocilizumab(folded, ledger(folded, NOW, SITE), NOW, SITE)
    assert english(line.text) == "all 4 doses of tocilizumab are given"


# -- examinations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "level", "line"),
    [
        ([], 1, []),
        ([], 2, ["ICANS 2: EEG owed, MRI owed"]),
        ([statement("eeg_done", at=NOW - hours(7))], 3, ["ICANS 3: EEG owed, MRI owed"]),
        ([statement("eeg_done", at=NOW - hours(6))], 3, ["ICANS 3: EEG done 17 Jun 04:00, MRI owed"]),
        ([statement("mri_done", False)], 2, ["ICANS 2: EEG owed, MRI owed"]),
        (
            [statement("mri_done"), statement("lumbar_puncture_done")],
            2,
            ["ICANS 2: EEG owed, MRI done 17 Jun 10:00, lumbar puncture done 17 Jun 10:00"],
        ),
    ],
)
def test_eeg_and_mri_are_owed_after_icans_2_until_they_are_done(items: list[Item], level: int, line: list[str]) -> None:
    assert lines(*items, about=episode("icans", level)) == line


# -- the stay --------------------------------------------------------------------------------------------


def test_transfusions_and_growth_factor_are_counted_from_the_infusion_on() -> None:
    given = [dose("platelet_transfusion", day(-1)), *(dose("platelet_transfusion", day(number)) for number in (1, 2))]
    given += [dose("filgrastim", day(3)), dose("red_cell_transfusion", day(2), "started")]
    assert lines(*given, about=episode("cytopenia")) == [
        "since the infusion: red cell transfusion × 1, platelet transfusion × 2, filgrastim × 1"
    ]
    assert lines(given[0], about=episode("cytopenia")) == []


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ([], []),
        (["<5"], []),
        (["12", "222.05", "80"], ["CAR-T cells: peak 222.05 /µL on day 2"]),
        (["12", ">500"], ["CAR-T cells: peak >500 /µL on day 2"]),
    ],
)
def test_the_peak_of_the_car_t_cells_and_its_day(counts: list[str], line: list[str]) -> None:
    items = [reading("car_t_cells", count, day(1 + number)) for number, count in enumerate(counts)]
    items.append(reading("car_t_cells", 900, INFUSED - hours(1)))
    assert lines(*items) == line


def test_allergies_are_named_and_never_assumed_to_be_none() -> None:
    admission = chart().admission
    assert admission is not None
    folded = chart().admit(replace(admission, effective=NOW, allergies="co-trimoxazole"))
    assert lines(folded=folded) == ["allergies: co-trimoxazole"]
    assert lines(whole=True)[-1] == "allergies not charted"
