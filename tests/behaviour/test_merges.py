"""Two records that are one person, merged by mistake and back again: one of them is evaluated at every moment."""

import pytest

from alerts.message_json import BadMessage, read_message
from alerts.messages import SITE_SUBJECT, AnyMessage
from tests.support.ward import OTHER, PATIENT, Ward, changed, message
from tests.support.wording import english

THIRD = "P3"


def merged(ward: Ward, patient: str = PATIENT, into: str = OTHER, by: str | None = None) -> AnyMessage:
    """A registration system says that two records are one person."""
    found = message("merge", ward.now, patient=patient, source="ehr", into=into, by=by)
    ward.send(found)
    return found


def incidents(ward: Ward) -> list[str]:
    """What is open of the site, in the words of its page."""
    site = ward.states.get(SITE_SUBJECT)
    return [] if site is None else [english(episode.title) for episode in site.episodes.values()]


def test_the_record_that_goes_on_has_the_grades_of_the_one_that_was_merged(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.lab(platelets="20", crp="85")
    ward.give("tocilizumab", "480", "mg")
    ward.statement("hypoxia_other_cause")
    merged(ward)
    for system in ("crs", "ctcae.platelets"):
        assert ward.grade(system, OTHER) == ward.grade(system)
    theirs, old = ward.state(OTHER).chart, ward.state().chart
    assert theirs.entries.keys() == old.entries.keys()
    assert theirs.admission == old.admission


def test_what_was_open_is_closed_under_the_old_name_and_paged_under_the_new_one(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    first = ward.page()
    merged(ward)
    assert ward.state().episodes == {}
    assert first.id in ward.cancelled
    page, ended = ward.new_pages()
    assert (page.patient, page.condition, page.urgency) == (OTHER, "crs", "high")
    assert (ended.patient, ended.reason, ended.urgency, ended.to) == (PATIENT, "ended", "low", first.to)


def test_what_still_comes_in_under_the_old_name_is_charted_under_both_and_paged_under_the_new_one(ward: Ward) -> None:
    merged(ward)
    ward.jump(minutes=10)
    ward.send(ward.vital("temp", 38.5))
    assert ward.page().patient == OTHER
    assert ward.charted("temperature")[-1] == ward.charted("temperature", OTHER)[-1]


def test_nothing_falls_overdue_under_the_old_name(ward: Ward) -> None:
    merged(ward)
    assert ward.state().next_at() is None


def test_a_merge_into_itself_is_refused() -> None:
    body = '{"type":"merge","id":"1","source":"ehr","patient":"P1","effective":"2024-06-13T10:00:00+02:00","into":"P1"}'
    with pytest.raises(BadMessage, match="into: name the record that goes on, which is another one"):
        read_message(body)


def test_until_the_other_record_has_answered_the_old_one_is_evaluated(ward: Ward) -> None:
    """The other record's shard may stand still: then nothing would be paged under either name."""
    merge = message("merge", ward.now, source="ehr", into=OTHER)
    effects = ward.step_alone(PATIENT, [merge])
    assert ward.state().is_graded
    ward.send(ward.vital("temp", 38.5), ward.vital("sbp", 84))
    assert [page.patient for page in ward.new_pages() if page.patient == PATIENT]
    ward.send(*effects.forwarded)
    assert ward.state().merged_into == OTHER
    assert "crs" in ward.state(OTHER).episodes


# -- undone -----------------------------------------------------------------------------------------


def test_a_merge_that_is_retracted_lets_the_record_be_graded_again(ward: Ward) -> None:
    mistaken = merged(ward)
    ward.jump(minutes=10)
    ward.void(mistaken)
    assert incidents(ward) == ["a merge was retracted, says ehr; see `cartwatch merges`"]
    ward.new_pages()
    ward.normal(temp=38.5)
    assert ward.page().patient == PATIENT


def test_of_a_merge_that_is_retracted_the_old_record_has_all_that_came_in_under_it(ward: Ward) -> None:
    mistaken = merged(ward)
    ward.jump(minutes=10)
    ward.normal(temp=38.5, sbp=84)
    ward.new_pages()
    ward.jump(minutes=5)
    ward.void(mistaken)
    assert "crs" in ward.state().episodes
    assert {page.patient for page in ward.new_pages()} == {PATIENT, SITE_SUBJECT}


def test_a_merge_retracted_before_it_arrives_does_nothing(ward: Ward) -> None:
    mistaken = message("merge", ward.now, source="ehr", into=OTHER)
    ward.void(mistaken)
    ward.send(mistaken)
    assert ward.state().is_graded


def test_an_unregistered_record_counts_as_unregistered_again(ward: Ward) -> None:
    ward.vitals(patient=THIRD, temp=37.0)
    mistaken = merged(ward, THIRD, OTHER)
    assert ward.state(THIRD).unregistered is None
    ward.void(mistaken)
    known = ward.state(THIRD).unregistered
    assert known is not None
    assert (known.count, known.sources) == (1, ("nurse",))


# -- merges that contradict each other -------------------------------------------------------------


def test_the_newer_of_two_merges_holds(ward: Ward) -> None:
    """A wrong merge is undone by a second one the other way: HL7 has nothing else for it."""
    ward.admit(OTHER)
    merged(ward)
    ward.jump(minutes=10)
    merged(ward, OTHER, PATIENT)
    assert (ward.state().merged_into, ward.state(OTHER).merged_into) == ("", PATIENT)
    assert incidents(ward) == ["a merge from ehr is ended by a newer one the other way; see `cartwatch merges`"]
    ward.new_pages()
    ward.send(ward.vital("temp", 38.5, patient=OTHER), ward.vital("sbp", 84, patient=OTHER))
    assert {(page.patient, page.condition) for page in ward.new_pages()} == {(PATIENT, "crs")}


def test_of_two_merges_of_one_time_the_one_that_came_in_later_holds(ward: Ward) -> None:
    at = ward.now
    first = message("merge", at, source="ehr", id="z", into=OTHER, received=at)
    ward.jump(minutes=1)
    second = message("merge", at, patient=OTHER, source="ehr", id="a", into=PATIENT, received=ward.now)
    ward.send(second)
    ward.send(first)
    assert (ward.state().merged_into, ward.state(OTHER).merged_into) == ("", PATIENT)


def test_a_merge_that_is_sent_again_stays_as_old_as_it_was(ward: Ward) -> None:
    first = merged(ward)
    second = message("merge", ward.now, patient=OTHER, source="ehr", into=PATIENT)
    ward.jump(minutes=1)
    ward.send(changed(second, received=ward.now))
    ward.jump(minutes=1)
    ward.send(changed(first, received=ward.now))
    assert (ward.state().merged_into, ward.state(OTHER).merged_into) == ("", PATIENT)


def test_a_ring_of_three_ends_at_the_record_that_the_newest_merge_names(ward: Ward) -> None:
    for old, into in ((PATIENT, OTHER), (OTHER, THIRD), (THIRD, PATIENT)):
        merged(ward, old, into)
        ward.jump(minutes=10)
    assert [ward.state(name).merged_into for name in (PATIENT, OTHER, THIRD)] == ["", THIRD, PATIENT]
    ward.new_pages()
    ward.send(ward.vital("temp", 38.5, patient=OTHER), ward.vital("sbp", 84, patient=OTHER))
    assert {page.patient for page in ward.new_pages()} == {PATIENT}


def test_the_record_that_ends_a_ring_is_watched_though_its_own_stay_was_ended_since(ward: Ward) -> None:
    ward.admit(OTHER)
    merged(ward)
    ward.jump(minutes=10)
    ward.discharge()
    ward.jump(minutes=10)
    merged(ward, OTHER, PATIENT)
    assert ward.state().is_graded


def test_a_discharge_that_comes_late_ends_no_stay_that_a_merge_has_brought(ward: Ward) -> None:
    ward.admit(OTHER)
    left = message("discharge", ward.now, source="ehr")
    ward.jump(minutes=10)
    merged(ward, OTHER, PATIENT)
    ward.send(left)
    assert ward.state().is_graded


def test_what_goes_round_becomes_a_dead_letter(ward: Ward) -> None:
    merged(ward)
    ward.send(changed(ward.vital("temp", 38.5), hops=8))
    (aside,) = ward.dead_letters
    assert aside.why.startswith("passed on by 8 merged records")
    assert ward.charted("temperature", OTHER)[-1].value != ward.charted("temperature")[-1].value
    assert incidents(ward) == [
        "messages go round among merged records; see `cartwatch merges` and `cartwatch dead-letters`"
    ]


def test_what_a_merged_record_has_already_is_passed_on_once(ward: Ward) -> None:
    merged(ward)
    reading = ward.vital("temp", 38.5)
    assert len(ward.step_alone(PATIENT, [reading]).forwarded) == 1
    assert ward.step_alone(PATIENT, [reading]).forwarded == []
    assert ward.step_alone(PATIENT, [ward.registration()]).forwarded == []
