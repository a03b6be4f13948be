"""Pressures that no body can have together: charted, said and counted, but nothing rests on them."""

from datetime import UTC

import pytest

from alerts.assessment.assessment import Assessment, assess
from alerts.grading.hypotension import hypotension
from tests.support.ward import INFUSED, WITH_WARD, Ward, changed
from tests.support.wording import english, in_names

CONTRADICTIONS = [
    {"sbp": 85, "dbp": 81},
    {"sbp": 280, "dbp": 75},
    {"sbp": 85, "dbp": 40, "map": 120},
    {"sbp": 85, "dbp": 40, "map": 86},
    {"sbp": 85, "dbp": 40, "map": 30},
    {"sbp": 120, "dbp": 70, "map": 60},
    {"sbp": 120, "dbp": 125},
    {"sbp": 80, "dbp": 95},
]
SOUND = [
    {"sbp": 85, "dbp": 80},
    {"sbp": 85, "dbp": 40, "map": 85},
    {"sbp": 85, "dbp": 40, "map": 40},
    {"sbp": 85, "map": 85},
    {"sbp": 85},
]


def assessed(ward: Ward) -> Assessment:
    return assess(ward.state().chart, ward.now.astimezone(UTC), ward.site)


@pytest.fixture
def febrile(ward: Ward) -> Ward:
    """A patient with fever and normal pressures of an hour ago, whose page is taken."""
    ward.normal(temp=38.5, dbp=70)
    ward.ack(ward.page())
    ward.jump(hours=1)
    return ward


@pytest.mark.parametrize("values", CONTRADICTIONS, ids=str)
def test_of_a_set_that_contradicts_itself_nothing_is_used(febrile: Ward, values: dict[str, int]) -> None:
    febrile.vitals(**values)
    assert febrile.notified() == []
    found = assessed(febrile).crs
    flag = "pressures of 13 Jun 11:00 contradict each other: not used"
    assert (found.grade, flag in english(found.flags)) == (1, True)
    assert {"chart.pulse_pressure_least", "chart.pulse_pressure_most"} <= set(found.conventions)
    assert [item.entry.value for item in found.evidence if item.kind == "systolic_bp"] == [120]


@pytest.mark.parametrize("values", SOUND, ids=str)
def test_of_a_set_that_does_not_it_is(febrile: Ward, values: dict[str, int]) -> None:
    febrile.vitals(**values)
    assert febrile.page().urgency == "high"
    assert not any("contradict" in flag for flag in english(assessed(febrile).crs.flags))
    assert febrile.dead_letters == []


def test_every_value_of_the_set_is_counted(febrile: Ward) -> None:
    febrile.vitals(sbp=85, dbp=40, map=120)
    assert [item.why.split(":")[0] for item in febrile.dead_letters] == ["systolic_bp", "diastolic_bp", "mean_bp"]
    assert all("contradict each other: kept and not used" in item.why for item in febrile.dead_letters)
    assert febrile.charted("systolic_bp")[-1].value == 85


def test_a_set_that_contradicts_itself_is_no_pressure_that_came_in() -> None:
    ward = Ward(day=1, clock="10:00", site=WITH_WARD)
    ward.admit()
    ward.normal(dbp=70)
    ward.to("14:00")
    ward.vitals(temp=36.8, spo2=97, sbp=80, dbp=95)
    before = len(ward.listed("overdue_vitals"))
    ward.to("14:59")
    assert len(ward.listed("overdue_vitals")) == before
    ward.to("15:00")
    assert "systolic pressure overdue: last 13 Jun 10:00" in ward.listed("overdue_vitals")[before].title


def test_without_another_pressure_the_row_of_crs_and_the_part_of_news2_are_missing(ward: Ward) -> None:
    ward.jump(hours=14)
    ward.vitals(temp=38.5, spo2=97, sbp=85, dbp=81)
    found = assessed(ward)
    assert (found.crs.grade, found.crs.provisional, in_names(found.crs.missing)) == (1, True, ("systolic_bp",))
    said = "pressures of 14 Jun 00:00 contradict each other: not used"
    assert f"systolic_bp ({said})" in in_names(found.news2.missing)
    assert said in english(found.news2.flags)
    assert "systolic_bp" not in found.news2.parts


def test_news2_uses_the_pressure_before_it_and_says_so(ward: Ward) -> None:
    ward.normal(sbp=105, dbp=70)
    ward.jump(minutes=30)
    ward.vitals(sbp=80, dbp=95)
    found = assessed(ward).news2
    assert found.parts["systolic_bp"] == 1
    assert "pressures of 13 Jun 10:30 contradict each other: not used" in english(found.flags)


def test_a_set_that_contradicts_itself_is_no_baseline() -> None:
    ward = Ward(day=-3)
    ward.send(ward.registration())
    ward.vitals(sbp=130, dbp=70)
    ward.jump(days=1)
    ward.vitals(sbp=80, dbp=95)
    assert ward.now < INFUSED
    ward.to("12:00", day=0)
    ward.normal(temp=38.5, sbp=99)
    assert "systolic 99 < 0.8 x baseline 130" in "; ".join(english(assessed(ward).crs.because))


def test_a_set_that_contradicts_itself_confirms_nothing(ward: Ward) -> None:
    ward.sample("cuff", sbp=88, dbp=85)
    ward.jump(minutes=5)
    ward.sample("cuff", sbp=88, dbp=50)
    found = hypotension(ward.state().chart, ward.now.astimezone(UTC), ward.site, alert=False)
    assert english(found.flags) == ("systolic 88 < 90 by cuff: not yet confirmed",)


def test_pressures_of_two_devices_that_send_at_one_time_are_not_one_set(febrile: Ward) -> None:
    sent = (("sbp", 85, "cuff"), ("dbp", 45, "cuff"), ("dbp", 90, "arterial_line"))
    febrile.send(*(changed(febrile.vital(name, value, by=by), source="monitor") for name, value, by in sent))
    assert febrile.page().urgency == "high"


def test_of_two_sets_cut_to_one_minute_each_that_fits_is_used(febrile: Ward) -> None:
    febrile.vitals(sbp=122, dbp=90)
    febrile.vitals(sbp=85, dbp=40)
    assert febrile.page().urgency == "high"
