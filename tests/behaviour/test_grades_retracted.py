"""Grades that rested on what was wrong: each is retracted or amended under the id it was given with."""

from datetime import timedelta
from typing import Any

from alerts.assessment.issued_grades import ISSUED_KEPT
from tests.support.ward import PATIENT, Ward, changed

Event = dict[str, Any]


def lines(ward: Ward, system: str = "crs") -> list[Event]:
    """The journal lines of a system."""
    return [event for event in ward.events if event["kind"] in ("grade", "regrade") and event["system"] == system]


def of(given: Event, ward: Ward) -> list[tuple[str, str, object]]:
    """All that was said under the id of a grade, as kind, status and value."""
    return [
        (event["kind"], event["status"], event.get("grade", event.get("score")))
        for event in ward.events
        if event.get("id") == given["id"]
    ]


def test_a_grade_names_the_messages_it_rests_on(ward: Ward) -> None:
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    assert (given["kind"], given["grade"]) == ("grade", 1)
    assert {"kind": "temperature", "source": "nurse", "id": sent.id, "at": given["at"]} in given["evidence"]


def test_a_grade_whose_ground_was_an_error_is_retracted(ward: Ward) -> None:
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.jump(minutes=10)
    ward.void(sent)
    assert of(given, ward) == [("grade", "final", 1), ("regrade", "entered_in_error", 0)]


def test_a_grade_of_a_time_at_which_nothing_is_charted_any_more_is_retracted(ward: Ward) -> None:
    ward.jump(hours=1)
    ward.normal()
    ward.jump(minutes=30)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.jump(minutes=5)
    ward.normal()
    ward.void(sent)
    assert of(given, ward) == [("grade", "final", 1), ("regrade", "entered_in_error", 0)]


def test_what_stands_after_a_retraction_is_another_grade(ward: Ward) -> None:
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.void(sent)
    after = lines(ward)[-1]
    assert (after["kind"], after["status"], after["grade"], after["was"]) == ("grade", "final", 0, 1)
    assert after["id"] != given["id"]
    assert after["at"] == given["at"], "of the same time, which nothing newer has followed"


def test_a_grade_that_is_retracted_is_retracted_once(ward: Ward) -> None:
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.jump(minutes=5)
    ward.normal()
    ward.void(sent)
    ward.jump(minutes=10)
    ward.void(sent)
    assert [status for _, status, _ in of(given, ward)] == ["final", "entered_in_error"]


def test_a_grade_that_is_another_after_a_correction_is_amended(ward: Ward) -> None:
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.jump(minutes=10)
    ward.vitals(temp=38.6)
    ward.correct(sent, 37.1)
    assert of(given, ward) == [("grade", "final", 1), ("regrade", "amended", 0)]


def test_a_correction_of_the_newest_value_amends_its_grade_where_it_is_issued_anew(ward: Ward) -> None:
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.correct(sent, 37.1)
    assert of(given, ward) == [("grade", "final", 1), ("grade", "amended", 0)]


def test_a_grade_that_is_the_same_on_other_grounds_is_amended(ward: Ward) -> None:
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.correct(sent, 38.8)
    assert of(given, ward) == [("grade", "final", 1), ("regrade", "amended", 1)]
    assert "fever 38.8 °C (>= 38.0)" in lines(ward)[-1]["because"]


def test_a_correction_leaves_alone_what_it_does_not_change(ward: Ward) -> None:
    ward.jump(hours=1)
    ward.ice(9)
    given = lines(ward, "icans")[-1]
    [sent] = ward.vitals(temp=38.9)
    ward.correct(sent, 38.8)
    assert of(given, ward) == [("grade", "final", 1)]


def test_what_a_correction_changes_for_a_later_time_is_amended_there(ward: Ward) -> None:
    """The dose waives fever only while a CRS is open: without the fever before it there never was one."""
    ward.jump(hours=1)
    [sent] = ward.vitals(temp=38.9)
    ward.jump(minutes=5)
    ward.give("tocilizumab", 480, "mg")
    ward.jump(minutes=5)
    ward.vitals(temp=36.8, sbp=84)
    given = lines(ward)[-1]
    assert given["grade"] == 2
    ward.jump(minutes=5)
    ward.vitals(temp=36.8, sbp=120, spo2=97)
    ward.correct(sent, 37.0)
    assert of(given, ward)[0] == ("grade", "final", 2)
    assert of(given, ward)[-1] == ("regrade", "amended", 0)


def test_far_back_where_the_chart_is_thinned_a_grade_is_only_retracted(ward: Ward) -> None:
    ward.jump(hours=1)
    sent, _ = ward.vitals(temp=38.9, sbp=120)
    given = lines(ward)[-1]
    ward.sleep(hours=6)
    ward.normal()
    ward.correct(sent, 37.1)
    assert [status for _, status, _ in of(given, ward)] == ["final", "entered_in_error"]


def test_a_preliminary_value_s_grade_is_amended_by_the_final_one(ward: Ward) -> None:
    ward.jump(hours=1)
    preliminary = ward.result("platelets", 40, status="preliminary")
    ward.send(preliminary)
    given = lines(ward, "ctcae.platelets")[-1]
    assert given["flags"] == ["provisional result"]
    ward.jump(minutes=30)
    ward.send(changed(preliminary, status="final", received=ward.now))
    assert [status for _, status, _ in of(given, ward)] == ["final", "amended"]
    assert lines(ward, "ctcae.platelets")[-1]["flags"] == []


def test_what_comes_late_takes_nothing_back(ward: Ward) -> None:
    ward.jump(hours=1)
    ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.jump(minutes=10)
    ward.normal(temp=38.6)
    ward.vitals(at=ward.ago(minutes=10), sbp=84)
    assert of(given, ward) == [("grade", "final", 1)]


def test_more_of_the_same_time_amends_its_grade(ward: Ward) -> None:
    ward.jump(hours=1)
    ward.vitals(temp=38.9)
    given = lines(ward)[-1]
    ward.vitals(sbp=84)
    assert of(given, ward) == [("grade", "final", 1), ("grade", "amended", 2)]


def test_of_each_system_only_the_last_grades_are_kept(ward: Ward) -> None:
    for number in range(2 * ISSUED_KEPT):
        ward.jump(minutes=30)
        ward.normal(temp=38.9 if number % 2 else 36.8)
    kept = ward.states[PATIENT].issued_grades
    assert max(len(given) for given in kept.values()) == ISSUED_KEPT
    assert [given.at for given in kept["ctcae.fever"]] == sorted(given.at for given in kept["ctcae.fever"])
    assert kept["ctcae.fever"][-1].at == ward.now
    assert kept["ctcae.fever"][0].at == ward.now - timedelta(minutes=30) * (ISSUED_KEPT - 1)
