"""The alert rules: what each finds in a chart, how urgent it is, and what pages again."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from alerts.assessment.assessment import assess
from alerts.chart.chart import Chart
from alerts.rules.finding import Finding, RuleMemory
from alerts.rules.run import findings, remember
from tests.support.charts import INFUSED, NOW, SITE, Item, absent, chart, day, dose, hours, reading, statement
from tests.support.wording import english, in_names, sentence

FEVER = reading("temperature", "38.5", NOW)
HYPOTENSION = reading("systolic_bp", 84, NOW)
AWAKE = reading("ice", 10, NOW)


def found(condition: str, folded: Chart, before: RuleMemory | None = None, at: datetime = NOW) -> Finding | None:
    """What the rule of one condition says."""
    assessment = assess(folded, at, SITE)
    said = findings(before or RuleMemory(), assessment, folded, SITE)
    return next((finding for finding in said if finding.condition == condition), None)


def of(condition: str, *items: Item, before: RuleMemory | None = None) -> Finding:
    finding = found(condition, chart(*items), before)
    assert finding is not None
    return finding


# -- CRS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "level", "urgency"),
    [
        ((FEVER,), 1, "medium"),
        ((FEVER, HYPOTENSION), 2, "high"),
        ((FEVER, reading("oxygen_device", "blow_by", NOW)), 2, "high"),
        ((FEVER, dose("norepinephrine", NOW, "started")), 3, "critical"),
        ((FEVER, reading("oxygen_device", "cpap", NOW)), 4, "critical"),
        ((FEVER, statement("died_of_crs", at=NOW)), 5, "critical"),
    ],
    ids=["1", "2 hypotension", "2 hypoxia", "3", "4", "5"],
)
def test_crs_is_as_urgent_as_its_grade(items: tuple[Item, ...], level: int, urgency: str) -> None:
    finding = of("crs", *items)
    assert (finding.level, finding.urgency) == (level, urgency)
    assert english(finding.title).startswith(f"CRS grade {level}")


def test_crs_names_the_rows_that_are_abnormal() -> None:
    assert english(of("crs", FEVER, HYPOTENSION).title) == "CRS grade 2: fever plus hypotension"


def test_crs_that_is_undetermined_says_nothing() -> None:
    assert found("crs", chart(HYPOTENSION)) is None


def test_crs_that_never_began_is_clear_and_over() -> None:
    finding = of("crs", reading("temperature", "36.8", NOW))
    assert (finding.level, finding.over) == (0, True)


def test_crs_that_is_clear_but_not_yet_over_says_so() -> None:
    finding = of("crs", reading("temperature", "38.5", NOW - hours(3)), reading("temperature", "36.8", NOW))
    assert (finding.level, finding.over) == (0, False)


def test_fever_alone_that_returns_while_the_episode_rests_is_no_more_than_the_first() -> None:
    clear = [
        reading(kind, value, NOW - hours(age))
        for age in (20, 13)
        for kind, value in (("temperature", "36.8"), ("systolic_bp", 120), ("spo2", 97))
    ]
    finding = of("crs", reading("temperature", "38.5", NOW - hours(30)), *clear, FEVER)
    assert (finding.level, finding.urgency) == (1, "medium")


@pytest.mark.parametrize(("ice", "urgency"), [(10, "high"), (9, "critical")])
def test_crs_2_is_critical_together_with_any_icans(ice: int, urgency: str) -> None:
    finding = of("crs", FEVER, HYPOTENSION, reading("ice", ice, NOW))
    assert finding.urgency == urgency
    assert ("CRS 2 together with ICANS 1" in english(finding.flags)) is (urgency == "critical")


def test_crs_1_stays_medium_together_with_icans() -> None:
    assert of("crs", FEVER, reading("ice", 9, NOW)).urgency == "medium"


def test_a_finding_carries_reasons_readings_and_conventions() -> None:
    finding = of("crs", FEVER, HYPOTENSION)
    assert "fever 38.5 °C (>= 38.0)" in english(finding.because)
    assert {item.kind for item in finding.evidence} >= {"temperature", "systolic_bp"}
    assert "crs.hypotension_systolic" in finding.conventions
    assert finding.provisional
    assert "vasopressor" in in_names(finding.missing)


def test_a_finding_was_measured_when_its_newest_reading_was() -> None:
    older = reading("temperature", "38.5", NOW - hours(2))
    pressure = reading("systolic_bp", 84, NOW - hours(1))
    assert of("crs", older, pressure).measured_at == NOW - hours(1)


# -- ICANS and ICE ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "level", "urgency"),
    [
        ((reading("ice", 10, NOW),), 0, "medium"),
        ((reading("ice", 9, NOW),), 1, "medium"),
        ((reading("ice", 10, NOW), reading("consciousness", "voice", NOW)), 2, "high"),
        ((reading("ice", 10, NOW), reading("seizure", "brief", NOW)), 3, "critical"),
        ((reading("ice", 10, NOW), reading("motor_weakness", "deep_focal", NOW)), 4, "critical"),
    ],
)
def test_icans_is_as_urgent_as_its_grade(items: tuple[Item, ...], level: int, urgency: str) -> None:
    finding = of("icans", *items)
    assert (finding.level, finding.urgency) == (level, urgency)


def test_icans_names_the_ice_where_there_is_one() -> None:
    assert english(of("icans", reading("ice", 5, NOW)).title) == "ICANS grade 2, ICE 5/10"
    assert english(of("icans", reading("seizure", "brief", NOW)).title) == "ICANS grade 3"


def test_icans_that_is_undetermined_says_nothing() -> None:
    assert found("icans", chart(FEVER)) is None


@pytest.mark.parametrize(
    ("baseline", "last", "score", "urgency", "event"),
    [
        (10, 10, 8, "high", "ICE fell by 2, from 10 to 8 (baseline 10)"),
        (10, 10, 7, "critical", "ICE fell by 3, from 10 to 7"),
        (10, 9, 8, "high", "ICE fell by 1, from 9 to 8 (baseline 10)"),
        (9, 9, 8, "medium", ""),
        (8, 8, 7, "medium", ""),
        (10, 8, 7, "critical", "ICE fell by 1, from 8 to 7 (baseline 10)"),
        (9, 8, 7, "high", "ICE fell by 1, from 8 to 7 (baseline 9)"),
        (10, 6, 4, "high", "ICE fell by 2, from 6 to 4 (baseline 10)"),
        (10, 7, 6, "high", ""),
        (8, 10, 8, "high", "ICE fell by 2, from 10 to 8 (baseline 8)"),
        (10, 6, 3, "critical", "ICE fell by 3, from 6 to 3"),
        (10, 3, 2, "critical", "ICE fell by 1, from 3 to 2"),
        (10, 2, 1, "critical", ""),
        (10, 4, 4, "high", ""),
        (10, 4, 6, "high", ""),
        (None, 10, 8, "high", "ICE fell by 2, from 10 to 8"),
        (None, None, 8, "medium", ""),
        (10, None, 8, "high", "ICE fell by 2, from 10 to 8 (baseline 10)"),
    ],
)
def test_a_fall_of_ice_is_as_urgent_as_it_is_deep(
    baseline: int | None, last: int | None, score: int, urgency: str, event: str
) -> None:
    items = [reading("ice", score, NOW)]
    before = RuleMemory()
    if baseline is not None:
        items.append(reading("ice", baseline, INFUSED - hours(2)))
    if last is not None:
        items.append(reading("ice", last, NOW - hours(4)))
        before = RuleMemory(ice=last, ice_at=NOW - hours(4))
    finding = of("icans", *items, before=before)
    assert (finding.urgency, sentence(finding.events)) == (urgency, event)
    if event:
        assert event in english(finding.because)


@pytest.mark.parametrize(("age", "urgency", "asks"), [(0, "low", True), (1.9, "low", True), (2, "medium", False)])
def test_a_first_ice_of_9_after_a_10_waits_2_hours_for_a_repeat(age: float, urgency: str, asks: bool) -> None:
    finding = of("icans", reading("ice", 10, NOW - hours(9)), reading("ice", 9, NOW - hours(age)))
    assert (finding.level, finding.urgency, finding.events) == (1, urgency, ())
    assert ("repeat the ICE" in english(finding.title)) is asks


def test_a_second_ice_of_9_waits_for_nothing() -> None:
    items = [reading("ice", score, NOW - hours(age)) for score, age in ((10, 9), (9, 1), (9, 0))]
    assert of("icans", *items).urgency == "medium"


@pytest.mark.parametrize("other", [reading("consciousness", "voice", NOW), reading("seizure", "brief", NOW)])
def test_an_ice_of_9_waits_for_nothing_beside_another_finding(other: Item) -> None:
    assert of("icans", reading("ice", 10, NOW - hours(9)), reading("ice", 9, NOW), other).urgency in (
        "high",
        "critical",
    )


def test_a_seizure_is_an_event_until_it_was_seen() -> None:
    folded = chart(reading("ice", 1, NOW - hours(2)), reading("seizure", "brief", NOW))
    finding = found("icans", folded)
    assert finding is not None
    assert "seizure: brief" in english(finding.events)
    remembered = remember(assess(folded, NOW, SITE), folded, RuleMemory())
    again = found("icans", folded, remembered)
    assert again is not None
    assert again.events == ()


def test_a_fall_that_was_seen_is_no_event_any_more() -> None:
    items = (reading("ice", 10, NOW - hours(4)), reading("ice", 6, NOW))
    assert of("icans", *items).events
    assert not of("icans", *items, before=RuleMemory(ice=6, ice_at=NOW)).events


def test_what_was_seen_of_the_ice_is_kept_when_it_lapses() -> None:
    folded = chart(reading("ice", 7, NOW))
    remembered = remember(assess(folded, NOW, SITE), folded, RuleMemory())
    assert (remembered.ice, remembered.ice_at) == (7, NOW)
    later = NOW + hours(30)
    lapsed = remember(assess(folded, later, SITE), folded, remembered)
    assert (lapsed.ice, lapsed.ice_at) == (7, NOW)


def test_an_ice_that_was_not_done_leaves_what_was_seen() -> None:
    folded = chart(absent("ice", "sedated", NOW))
    remembered = remember(assess(folded, NOW, SITE), folded, RuleMemory(ice=7, ice_at=NOW - hours(5)))
    assert (remembered.ice, remembered.ice_at) == (7, NOW - hours(5))


# -- febrile neutropenia ---------------------------------------------------------------------------


def test_febrile_neutropenia_is_high() -> None:
    finding = of("febrile_neutropenia", FEVER, reading("neutrophils", "0.4", NOW))
    assert (finding.level, finding.urgency) == (3, "high")
    assert english(finding.title) == "febrile neutropenia grade 3"


def test_febrile_neutropenia_is_clear_without_fever() -> None:
    cool = reading("temperature", "36.8", NOW)
    assert of("febrile_neutropenia", cool, reading("neutrophils", "0.4", NOW)).level == 0


def test_febrile_neutropenia_without_a_count_says_nothing() -> None:
    assert found("febrile_neutropenia", chart(FEVER)) is None


# -- counts ----------------------------------------------------------------------------------------


def test_a_grade_4_count_is_medium_and_a_member() -> None:
    finding = of("cytopenia", reading("platelets", 20, NOW), reading("neutrophils", "3.0", NOW))
    assert (finding.level, finding.urgency, finding.members) == (4, "medium", ("platelets",))
    assert english(finding.title) == "CTCAE grade 4: platelets"
    assert {item.kind for item in finding.evidence} == {"platelets"}


def test_each_grade_4_count_is_a_member() -> None:
    finding = of("cytopenia", reading("platelets", 20, NOW), reading("white_cells", "0.5", NOW))
    assert finding.members == ("platelets",)
    assert "white cells" in english(finding.title)


def test_counts_below_grade_4_are_clear() -> None:
    finding = of("cytopenia", reading("platelets", 30, NOW), reading("hemoglobin", "6.1", NOW))
    assert (finding.level, finding.members) == (0, ())


def test_without_any_count_nothing_is_said() -> None:
    assert found("cytopenia", chart(FEVER)) is None


# -- scores and immunoglobulin ---------------------------------------------------------------------


def sample(at: datetime, crp: str) -> tuple[Item, ...]:
    """A sample with m-EASIX = CRP in mg/L."""
    return reading("ldh", 400, at), reading("crp", crp, at), reading("platelets", 40, at)


@pytest.mark.parametrize(("crp", "level"), [("30", 0), ("30.1", 1)])
def test_m_easix_is_low_above_the_threshold_and_clear_at_it(crp: str, level: int) -> None:
    folded = chart(*sample(day(3), crp))
    finding = found("m_easix", folded, at=day(3))
    assert finding is not None
    assert (finding.level, finding.urgency) == (level, "low")


def test_the_threshold_of_m_easix_is_that_of_the_day_it_was_drawn() -> None:
    folded = chart(*sample(day(3), "90"))
    finding = found("m_easix", folded, at=day(4))
    assert finding is not None
    assert finding.level == 1


def test_m_easix_on_a_day_without_a_threshold_is_clear() -> None:
    folded = chart(*sample(day(4), "90"))
    finding = found("m_easix", folded, at=day(4))
    assert finding is not None
    assert finding.level == 0


def test_m_easix_that_is_only_a_bound_says_nothing() -> None:
    folded = chart(*sample(day(3), ">90"))
    assert found("m_easix", folded, at=day(3)) is None


@pytest.mark.parametrize(("platelets", "level"), [(60, 1), (180, 0)])
def test_a_high_car_hematotox_is_low(platelets: int, level: int) -> None:
    at = INFUSED - hours(140)
    values = {"platelets": platelets, "neutrophils": "2.1", "hemoglobin": "11", "crp": "14", "ferritin": 300}
    folded = chart(*(reading(kind, value, at) for kind, value in values.items()))
    finding = found("hematotox", folded, at=at)
    assert finding is not None
    assert (finding.level, finding.urgency) == (level, "low")


@pytest.mark.parametrize(("igg", "level"), [("399", 1), ("400", 0), ("<400", 1), (">400", 0)])
def test_igg_is_low_below_400(igg: str, level: int) -> None:
    finding = of("low_igg", reading("igg", igg, NOW))
    assert (finding.level, finding.urgency, finding.conventions) == (level, "low", ("counts.igg_low",))


def test_an_igg_bound_that_leaves_it_open_says_nothing() -> None:
    assert found("low_igg", chart(reading("igg", "<500", NOW))) is None


def test_an_igg_that_no_longer_holds_says_nothing() -> None:
    assert found("low_igg", chart(reading("igg", "300", NOW - hours(7 * 24 + 1)))) is None


def test_an_empty_chart_gives_no_clinical_finding() -> None:
    folded = chart()
    clinical = {"crs", "icans", "febrile_neutropenia", "cytopenia", "m_easix", "hematotox", "low_igg"}
    said = findings(RuleMemory(), assess(folded, NOW, SITE), folded, SITE)
    assert clinical.isdisjoint(finding.condition for finding in said)


# -- steroids without effect -------------------------------------------------------------------------


LONG_ILL = (
    reading("temperature", "38.5", NOW - hours(30)),
    reading("systolic_bp", 84, NOW - hours(30)),
    FEVER,
    HYPOTENSION,
    AWAKE,
)
ICANS_RUN = RuleMemory(icans_since=NOW - hours(30), icans_highest=2)


@pytest.mark.parametrize(
    ("items", "before", "level", "title"),
    [
        (
            (*LONG_ILL, dose("dexamethasone", NOW - hours(24))),
            RuleMemory(),
            1,
            "CRS 2 no better since a steroid on 16 Jun",
        ),
        ((*LONG_ILL, dose("dexamethasone", NOW - hours(23.9))), RuleMemory(), 0, "no grade"),
        ((*LONG_ILL, dose("dexamethasone", NOW - hours(31))), RuleMemory(), 0, "no grade"),
        ((FEVER, AWAKE, dose("dexamethasone", NOW - hours(24))), RuleMemory(), 0, "no grade"),
        (
            (*LONG_ILL, reading("ice", 4, NOW - hours(26)), dose("dexamethasone", NOW - hours(25))),
            RuleMemory(),
            0,
            "no grade",
        ),
        ((FEVER, reading("ice", 4), dose("dexamethasone", NOW - hours(25))), ICANS_RUN, 1, "ICANS 2 no better since"),
        ((FEVER, reading("ice", 2), dose("dexamethasone", NOW - hours(25))), ICANS_RUN, 1, "ICANS 3 no better since"),
        ((FEVER, reading("ice", 8), dose("dexamethasone", NOW - hours(25))), ICANS_RUN, 0, "no grade"),
        (
            (FEVER, reading("ice", 4), dose("dexamethasone", NOW - hours(25))),
            RuleMemory(icans_since=NOW - hours(30), icans_highest=3),
            0,
            "no grade",
        ),
    ],
    ids=["24 h", "too soon", "before CRS", "CRS 1", "for ICANS", "ICANS 2", "worse", "ICANS 1", "ICANS 3 before"],
)
def test_a_steroid_that_has_lowered_nothing_after_24_h_is_medium(
    items: tuple[Item, ...], before: RuleMemory, level: int, title: str
) -> None:
    finding = of("steroid_no_response", *items, before=before)
    assert (finding.level, finding.urgency) == (level, "medium")
    assert english(finding.title).startswith(title)


def test_without_a_steroid_or_while_a_grade_is_unknown_nothing_is_said_of_its_effect() -> None:
    assert found("steroid_no_response", chart(*LONG_ILL)) is None
    assert found("steroid_no_response", chart(FEVER, dose("dexamethasone", NOW - hours(25)))) is None


@pytest.mark.parametrize(("before", "room"), [(2, "from 17 Jun 14:00"), (6, "now"), (20, "now")])
def test_a_steroid_without_effect_names_the_next_possible_dose(before: float, room: str) -> None:
    doses = (dose("dexamethasone", NOW - hours(24)), dose("dexamethasone", NOW - hours(before)))
    assert english(of("steroid_no_response", *LONG_ILL, *doses).because)[0] == f"the next dose of dexamethasone {room}"


def test_prophylaxis_is_no_treatment_that_failed() -> None:
    kind, entry = dose("dexamethasone", NOW - hours(24))
    assert of("steroid_no_response", *LONG_ILL, (kind, replace(entry, note="prophylaxis"))).level == 0


def test_icans_is_remembered_from_grade_2_on_with_its_highest_grade() -> None:
    memory = RuleMemory()
    for ice, since, highest in ((8, None, 0), (5, 20, 2), (1, 20, 3), (4, 20, 3), (8, None, 0)):
        before = {8: 40, 5: 20}.get(ice, 10)
        folded = chart(reading("ice", ice, NOW - hours(before)))
        memory = remember(assess(folded, NOW - hours(before), SITE), folded, memory)
        assert (memory.icans_since, memory.icans_highest) == (since and NOW - hours(since), highest)


# -- late diarrhoea ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("since", "value", "level"), [(21, True, None), (22, True, 1), (80, True, 1), (80, False, 0)])
def test_diarrhoea_is_medium_from_day_22_on(since: int, value: bool, level: int | None) -> None:
    at = day(since)
    finding = found("late_diarrhea", chart(statement("diarrhea", value, at)), at=at)
    assert (finding.level if finding else None) == level
    if finding is not None and level:
        assert (finding.urgency, english(finding.title)) == ("medium", f"diarrhoea on day {since}")
