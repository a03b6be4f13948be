"""Two records that are one person: moved to the one that goes on, frozen under the old name."""

from alerts.messages import AnyMessage
from alerts.step import step
from alerts.watch import Watch
from tests.behaviour.ward import OTHER, PATIENT, Ward, changed, message


def merged(ward: Ward, patient: str = PATIENT, into: str = OTHER) -> AnyMessage:
    """A registration system says that two records are one person; what is passed on arrives."""
    found = message("merge", ward.now, patient=patient, source="ehr", into=into)
    hand_over(ward, patient, found)
    return found


def hand_over(ward: Ward, patient: str, *messages: AnyMessage) -> None:
    """Messages of one record, and what it passes on to another, as the worker relays it."""
    ward.watches[patient], effects = step(ward.watch(patient), list(messages), ward.now, ward.site)
    ward._keep(effects)
    for into in {item.patient for item in effects.passed_on}:
        theirs = [item for item in effects.passed_on if item.patient == into]
        ward.watches[into], effects = step(ward.watches.get(into, Watch(patient=into)), theirs, ward.now, ward.site)
        ward._keep(effects)


def test_the_record_that_goes_on_has_the_grades_of_the_one_that_was_merged(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.lab(platelets="20", crp="85")
    ward.give("tocilizumab", "480", "mg")
    ward.state("hypoxia_other_cause")
    merged(ward)
    for system in ("crs", "ctcae.platelets"):
        assert ward.grade(system, OTHER) == ward.grade(system)
    theirs, old = ward.watch(OTHER).chart, ward.watch().chart
    assert theirs.entries.keys() == old.entries.keys()
    assert theirs.admission == old.admission


def test_what_was_open_is_closed_under_the_old_name_and_paged_under_the_new_one(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    first = ward.page()
    merged(ward)
    assert ward.watch().episodes == {}
    assert first.id in ward.cancelled
    page = ward.page()
    assert (page.patient, page.condition, page.urgency) == (OTHER, "crs", "high")


def test_what_still_comes_in_under_the_old_name_is_charted_under_the_new_one(ward: Ward) -> None:
    merged(ward)
    ward.jump(minutes=10)
    hand_over(ward, PATIENT, ward.vital("temp", 38.5))
    assert ward.page().patient == OTHER
    assert ward.charted("temperature") != ward.charted("temperature", OTHER)


def test_nothing_falls_overdue_under_the_old_name(ward: Ward) -> None:
    merged(ward)
    assert ward.watch().next_at() is None


def test_a_merge_into_itself_is_set_aside(ward: Ward) -> None:
    merged(ward, into=PATIENT)
    (aside,) = ward.set_aside
    assert aside.why.startswith("into: ")
    assert ward.watch().merged_into == ""


def test_a_merge_that_is_taken_back_lets_the_record_be_graded_again(ward: Ward) -> None:
    mistaken = merged(ward)
    ward.jump(minutes=10)
    hand_over(ward, PATIENT, changed(mistaken, status="entered_in_error", received=ward.now))
    ward.normal(temp=38.5)
    assert ward.page().patient == PATIENT
