"""What a clinician says against the numbers: what is shown of both, and what was charted after it ends it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.grading import crs, icans
from alerts.grading.result import Grade
from alerts.grading.statements import is_statement
from config.site import Site
from tests.support.charts import NOW, SITE, Item, chart, dose, hours, reading, statement
from tests.support.italian_reader import assert_italian
from tests.support.wording import english

SECOND = timedelta(seconds=1)
SAID = NOW - hours(1)

FEVER = reading("temperature", 38.6)
NORMAL = (reading("systolic_bp", 120, SAID - hours(1)), reading("spo2", 97, SAID - hours(1)))


def by(item: Item, who: str) -> Item:
    kind, entry = item
    return kind, replace(entry, by=who)


def graded(*items: Item, site: Site = SITE) -> Grade:
    return crs.grade(chart(FEVER, *NORMAL, *items), NOW, site)


def lines(grade: Grade) -> list[str]:
    found = [flag for flag in grade.flags if is_statement(flag)]
    for flag in found:
        assert_italian(flag)
    return list(english(found))


# -- both are shown ----------------------------------------------------------------------------------


def test_the_number_and_who_says_otherwise_until_when_are_said_together() -> None:
    said = by(statement("hypotension", False, NOW - timedelta(minutes=5)), "N. N.")
    result = graded(reading("systolic_bp", 70, NOW - timedelta(minutes=6)), said)
    assert result.grade == 1
    (line,) = lines(result)
    assert line == (
        "systolic pressure 70 mmHg (17 Jun 09:54); no hypotension, says N. N. 17 Jun 09:55, until 17 Jun 13:55"
    )


@pytest.mark.parametrize(
    ("said", "numbers", "claim"),
    [
        (statement("hypoxia", False), reading("spo2", 90), "no hypoxia, says a clinician 17 Jun 10:00, until 17 Jun"),
        (statement("hypotension"), reading("systolic_bp", 110), "hypotension, says a clinician 17 Jun 10:00, until"),
        (statement("hypotension_other_cause"), reading("systolic_bp", 84), "hypotension of another cause, says a"),
        (statement("hypoxia_other_cause"), reading("oxygen_device", "face_mask"), "hypoxia of another cause, says a"),
        (statement("fever_other_cause"), reading("spo2", 97), "fever of another cause, says a clinician 17 Jun 10:00"),
        (statement("airway_support_not_for_hypoxia"), reading("oxygen_device", "cpap"), "airway support not for"),
        (
            by(statement("hypotension_other_cause"), "A; B\n C"),
            dose("norepinephrine", NOW, "started"),
            "hypotension of another cause, says A, B C 17 Jun 10:00, until 20 Jun 10:00",
        ),
    ],
)
def test_each_statement_is_said_against_its_numbers(said: Item, numbers: Item, claim: str) -> None:
    (line,) = lines(graded(numbers, said))
    assert claim in line


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        (statement("hypotension", False), reading("systolic_bp", 120)),
        (statement("hypoxia", False), reading("spo2", 97)),
        (statement("hypotension"), reading("systolic_bp", 85)),
        (statement("hypotension_other_cause"), reading("systolic_bp", 120)),
    ],
)
def test_what_the_numbers_say_too_is_no_contradiction(said: Item, numbers: Item) -> None:
    assert lines(graded(numbers, said)) == []


def test_without_fever_it_is_said_as_well() -> None:
    items = (reading("temperature", 36.8), reading("systolic_bp", 84), statement("hypotension", False))
    assert len(lines(crs.grade(chart(*items), NOW, SITE))) == 1


# -- what ends a statement ---------------------------------------------------------------------------

PRESSURE = (("hypotension", False), ("hypotension_other_cause", True))
OXYGEN = (("hypoxia", False), ("hypoxia_other_cause", True))
ANY = (("fever_other_cause", True),)

WORSE = [
    (PRESSURE, (reading("systolic_bp", 79),), 2, "systolic pressure 79 mmHg (17 Jun 10:00)"),
    (PRESSURE, (reading("mean_bp", 54),), 2, "mean pressure 54 mmHg (17 Jun 10:00)"),
    (PRESSURE, (dose("norepinephrine", NOW, "started"),), 3, "norepinephrine started (17 Jun 10:00)"),
    (PRESSURE, (dose("vasopressin", NOW),), 3, "vasopressin given (17 Jun 10:00)"),
    (OXYGEN, (reading("spo2", 87),), 2, "SpO2 87 % (17 Jun 10:00)"),
    (OXYGEN, (reading("oxygen_device", "face_mask"),), 3, "oxygen device face mask (17 Jun 10:00)"),
    (OXYGEN, (reading("oxygen_flow", 7),), 3, "oxygen flow 7 L/min (17 Jun 10:00)"),
    (ANY, (reading("systolic_bp", 79),), 2, "systolic pressure 79 mmHg (17 Jun 10:00)"),
    (ANY, (reading("mean_bp", 54),), 2, "mean pressure 54 mmHg (17 Jun 10:00)"),
    (ANY, (dose("norepinephrine", NOW, "started"),), 3, "norepinephrine started (17 Jun 10:00)"),
    (ANY, (reading("spo2", 87),), 2, "SpO2 87 % (17 Jun 10:00)"),
    (ANY, (reading("oxygen_device", "cpap"),), 4, "oxygen device CPAP (17 Jun 10:00)"),
]


@pytest.mark.parametrize(
    ("said", "worse", "grade", "shown"),
    [(one, worse, grade, shown) for said, worse, grade, shown in WORSE for one in said],
)
def test_what_is_worse_after_it_ends_a_statement_and_the_page_says_so(
    said: tuple[str, bool], worse: tuple[Item, ...], grade: int, shown: str
) -> None:
    result = graded(statement(*said, SAID), *worse)
    assert result.grade == grade
    (line,) = lines(result)
    assert line.endswith(f", says a clinician 17 Jun 09:00: ended by {shown}")
    assert "crs.worse_ends_statement" in result.conventions


OUTRANKS_IT_ANYWAY = ("hypoxia", "hypotension")
"""Support outranks these whenever it began."""


@pytest.mark.parametrize(
    ("said", "worse"), [(one, worse) for said, worse, _, _ in WORSE for one in said if one[0] not in OUTRANKS_IT_ANYWAY]
)
def test_what_was_charted_when_it_was_made_ends_no_statement(said: tuple[str, bool], worse: tuple[Item, ...]) -> None:
    assert graded(statement(*said, NOW), *worse).grade == (0 if said[0] == "fever_other_cause" else 1)


@pytest.mark.parametrize(
    ("said", "not_worse"),
    [
        (("hypotension", False), reading("systolic_bp", 80)),
        (("hypotension", False), reading("mean_bp", 55)),
        (("hypotension_other_cause", True), reading("systolic_bp", 80)),
        (("hypoxia", False), reading("spo2", 88)),
        (("hypoxia_other_cause", True), reading("spo2", 88)),
        (("hypoxia_other_cause", True), reading("oxygen_device", "nasal_cannula")),
        (("hypoxia_other_cause", True), reading("oxygen_flow", 6)),
    ],
)
def test_what_is_not_severe_ends_no_statement(said: tuple[str, bool], not_worse: Item) -> None:
    assert graded(statement(*said, SAID), not_worse).grade == 1


def test_a_statement_that_ended_does_not_come_back_when_it_is_better_again() -> None:
    ended = graded(
        statement("hypotension", False, SAID), reading("systolic_bp", 60, SAID + SECOND), reading("systolic_bp", 85)
    )
    assert (ended.grade, "ended by systolic pressure 60 mmHg" in lines(ended)[0]) == (2, True)
    stopped = (dose("norepinephrine", SAID + SECOND, "started"), dose("norepinephrine", SAID + 2 * SECOND, "stopped"))
    low = reading("systolic_bp", 85)
    assert graded(statement("hypotension_other_cause", True, SAID), *stopped, low).grade == 2


def test_of_one_that_ended_nothing_is_said_while_the_numbers_are_normal() -> None:
    well = graded(
        statement("hypotension", False, SAID), reading("systolic_bp", 60, SAID + SECOND), reading("systolic_bp", 118)
    )
    assert (well.grade, lines(well)) == (1, [])


def test_one_made_again_stands_again() -> None:
    items = (statement("hypotension", False, SAID), reading("systolic_bp", 70, SAID + SECOND))
    assert graded(*items).grade == 2
    assert graded(*items, statement("hypotension", False, SAID + 2 * SECOND)).grade == 1


def test_a_pressure_that_contradicts_its_set_ends_nothing() -> None:
    artefact = (reading("systolic_bp", 60), reading("diastolic_bp", 80))
    assert graded(statement("hypotension_other_cause", True, SAID), *artefact).grade == 1


@pytest.mark.parametrize("action", ["started", "given"])
def test_a_vasopressor_that_ran_when_it_was_made_ends_no_statement(action: str) -> None:
    ran = dose("norepinephrine", SAID - hours(1), "started")
    again = dose("norepinephrine", NOW, action)
    said = statement("hypotension_other_cause", True, SAID)
    assert graded(ran, said, again).grade == 1
    stopped = dose("norepinephrine", SAID + SECOND, "stopped")
    assert graded(ran, said, stopped, again).grade == 3
    assert graded(ran, said, dose("epinephrine", NOW, "started")).grade == 4


def test_a_vasopressor_started_and_stopped_as_it_was_made_ends_no_statement() -> None:
    doses = (dose("norepinephrine", SAID, "started"), dose("norepinephrine", SAID, "stopped"))
    said = statement("hypotension_other_cause", True, SAID)
    assert graded(*doses, said, reading("systolic_bp", 85)).grade == 1


def test_oxygen_that_was_on_when_it_was_made_ends_no_statement_and_more_does() -> None:
    mask = reading("oxygen_device", "face_mask", SAID - hours(1))
    said = statement("hypoxia_other_cause", True, SAID)
    assert graded(mask, said, reading("oxygen_device", "venturi_mask")).grade == 1
    assert graded(mask, said, reading("oxygen_device", "face_mask"), reading("oxygen_flow", 12)).grade == 1
    assert graded(mask, said, reading("oxygen_device", "cpap")).grade == 4


def test_support_of_the_airway_does_not_explain_a_severe_saturation() -> None:
    items = (reading("oxygen_device", "cpap", SAID), statement("airway_support_not_for_hypoxia", True, SAID))
    assert graded(*items, reading("spo2", 88)).grade == 2
    ended = graded(*items, reading("spo2", 87))
    assert (ended.grade, "ended by SpO2 87 %" in lines(ended)[0]) == (4, True)


def test_a_site_may_let_statements_stand_whatever_comes_after_them() -> None:
    crs_conventions = SITE.conventions.crs
    never = crs_conventions.worse_ends_statement.model_copy(update={"value": False})
    conventions = SITE.conventions.model_copy(
        update={"crs": crs_conventions.model_copy(update={"worse_ends_statement": never})}
    )
    site = SITE._replace(conventions=conventions)
    for said, worse in (
        (("hypotension_other_cause", True), dose("norepinephrine", NOW, "started")),
        (("hypoxia_other_cause", True), reading("spo2", 80)),
        (("hypoxia_other_cause", True), reading("oxygen_device", "cpap")),
    ):
        assert graded(statement(*said, SAID), worse, site=site).grade == 1
    row = (
        reading("ice", 10),
        statement("consciousness_other_cause", True, SAID),
        reading("consciousness", "unarousable"),
    )
    assert icans.grade(chart(*row), NOW, site).grade == 0


# -- consciousness -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when_made", "after", "grade"),
    [
        ("", "unarousable", 4),
        ("voice", "unarousable", 4),
        ("touch", "vigorous_touch", 4),
        ("voice", "touch", 0),
        ("unarousable", "unarousable", 0),
        ("vigorous_touch", "unarousable", 0),
    ],
)
def test_a_coma_ends_what_was_said_of_less(when_made: str, after: str, grade: int) -> None:
    """A sedated patient stays one; who was drowsy when another cause was stated and cannot be roused since does not."""
    known = [reading("consciousness", when_made, SAID)] if when_made else []
    said = by(statement("consciousness_other_cause", True, SAID), "N. N.")
    result = icans.grade(chart(reading("ice", 10), *known, said, reading("consciousness", after)), NOW, SITE)
    assert result.grade == grade
    (line,) = lines(result)
    assert ("ended by consciousness" in line) is (grade == 4)


def test_a_censored_value_that_is_surely_severe_ends_a_statement() -> None:
    kind, entry = reading("spo2", 80)
    below = (kind, replace(entry, comparator="<", value=Decimal(85)))
    assert graded(statement("hypoxia_other_cause", True, SAID), below).grade == 2
