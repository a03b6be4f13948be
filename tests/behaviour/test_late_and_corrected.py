"""What comes late, and what was wrong."""

from datetime import timedelta

from tests.support.ward import Ward, changed, message

# -- late ------------------------------------------------------------------------------------------


def test_a_seizure_charted_3_hours_late_pages_and_says_so(ward: Ward) -> None:
    ward.normal()
    ward.code("seizure", "brief", at=ward.ago(hours=3))
    page = ward.page()
    assert (page.urgency, page.condition) == ("critical", "icans")
    assert "(charted late)" in page.title
    assert ward.episode("icans").opened_at == ward.ago(hours=3)


def test_a_seizure_charted_late_stands_in_the_grade_at_once(ward: Ward) -> None:
    ward.normal()
    ward.ice(10)
    ward.code("seizure", "brief", at=ward.ago(hours=3))
    assert ward.grade("icans") == "3"


def test_a_finding_charted_late_pages_once(ward: Ward) -> None:
    ward.stays_on_it()
    ward.normal()
    late = ward.code("seizure", "brief", at=ward.ago(hours=3))
    ward.ack(ward.page())
    for _ in range(4):
        ward.jump(minutes=20)
        ward.normal()
        ward.send(late)
    assert ward.notified() == []


def test_a_normal_value_charted_late_pages_nobody(ward: Ward) -> None:
    ward.normal()
    ward.vitals(at=ward.ago(hours=3), temp=36.9, sbp=122, spo2=98)
    assert ward.notified() == []


def test_a_reading_older_than_a_day_pages_nobody(ward: Ward) -> None:
    ward.to("12:00", day=2)
    ward.normal()
    ward.vitals(at=ward.ago(hours=24, minutes=1), temp=39.4, sbp=75)
    assert ward.notified() == []


def test_a_fever_charted_late_that_is_already_over_still_pages(ward: Ward) -> None:
    ward.normal()
    ward.vitals(at=ward.ago(hours=3), temp=38.6)
    page = ward.page()
    assert (page.urgency, page.reason) == ("medium", "new")
    assert "(charted late)" in page.title


def test_what_comes_late_at_a_level_already_paged_pages_nobody(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=2)
    ward.normal(temp=38.5)
    ward.vitals(at=ward.ago(hours=1), temp=38.9)
    assert ward.notified() == []


def test_what_comes_late_at_a_higher_level_pages(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=2)
    ward.normal(temp=38.5)
    ward.vitals(at=ward.ago(hours=1), sbp=80)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "worse")
    assert "(charted late)" in page.title


def test_a_pressure_that_comes_after_the_fever_it_precedes_pages_high_at_once(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    ward.jump(minutes=1)
    ward.vitals(at=ward.ago(minutes=6), sbp=84)
    assert ward.page().urgency == "high"
    assert ward.grade("crs") == "2"


def test_an_ice_charted_late_that_says_less_than_was_paged_pages_nobody(ward: Ward) -> None:
    ward.ice(10, at=ward.ago(hours=2))
    ward.ice(3)
    ward.ack(ward.page())
    ward.jump(minutes=5)
    ward.ice(5, at=ward.ago(hours=1))
    assert ward.notified() == []


def test_a_dose_of_the_same_minute_as_the_fever_waives_it_though_it_was_sent_after(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.give("tocilizumab")
    ward.jump(hours=3)
    ward.normal(spo2=88)
    assert ward.page().urgency == "high"


def test_a_reading_of_now_is_not_called_late_because_another_clock_runs_ahead(ward: Ward) -> None:
    ward.vitals(at=ward.now + timedelta(minutes=4), hr=80)
    ward.vitals(temp=38.5)
    assert "late" not in ward.page().title


def test_a_page_that_a_timer_repeats_is_not_called_late(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.jump(hours=5)
    assert len(ward.new_pages()) > 2
    assert not [page.title for page in ward.pages if "late" in page.title]


def test_something_else_charted_late_does_not_make_the_fever_late(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.new_pages()
    ward.jump(minutes=20)
    ward.vitals(at=ward.ago(minutes=50), hr=80)
    ward.jump(minutes=10)
    page = ward.page()
    assert page.reason == "repeat"
    assert "late" not in page.title


# -- true of a later time only with what was charted late ------------------------------------------


def test_a_fever_charted_late_is_febrile_neutropenia_with_the_count_after_it(ward: Ward) -> None:
    """39.8 at 07:00, a count at 08:00, 37.7 at 09:00; the fever is charted at 10:00."""
    ward.lab_at(ward.ago(hours=2), neutrophils=0.76)
    ward.vitals(at=ward.ago(hours=1), temp=37.7, sbp=122, spo2=98)
    assert ward.notified() == []
    ward.vitals(at=ward.ago(hours=3), temp=39.8)
    assert "febrile_neutropenia" in {condition for page in ward.new_pages() for condition, _ in page.levels}
    assert ward.is_open("febrile_neutropenia")


def test_a_fever_charted_late_is_crs_2_at_the_low_pressure_after_it_though_that_is_over(ward: Ward) -> None:
    ward.vitals(at=ward.ago(hours=2), sbp=84, spo2=98)
    ward.normal()
    assert ward.notified() == []
    ward.vitals(at=ward.ago(hours=3), temp=39.0)
    page = ward.page()
    assert (page.condition, page.urgency) == ("crs", "high")
    assert ward.episode("crs").level == 2


def test_a_first_fever_charted_late_makes_the_second_one_last(ward: Ward) -> None:
    """38.2 at 08:00 and 37.2 now; the 38.2 of 06:30 is charted last."""
    ward.lab_at(ward.ago(hours=5), neutrophils=0.5)
    ward.vitals(at=ward.ago(hours=2), temp=38.2)
    ward.normal(temp=37.2)
    ward.new_pages()
    assert not ward.is_open("febrile_neutropenia")
    ward.vitals(at=ward.ago(hours=3, minutes=30), temp=38.2)
    assert ward.is_open("febrile_neutropenia")


def test_a_count_charted_late_is_febrile_neutropenia_with_the_fever_after_it(ward: Ward) -> None:
    ward.vitals(at=ward.ago(hours=2), temp=38.9)
    ward.normal()
    ward.new_pages()
    ward.lab_at(ward.ago(hours=3), neutrophils=0.5)
    assert ward.is_open("febrile_neutropenia")


def test_a_low_pressure_charted_late_changes_nothing_that_was_paged_at_its_grade(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=2)
    ward.normal(temp=38.5, sbp=84)
    ward.vitals(at=ward.ago(hours=1), sbp=84)
    assert ward.notified() == []


# -- entered in error ------------------------------------------------------------------------------


def test_when_the_temperature_was_entered_in_error_whoever_was_paged_is_notified(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=38.5)
    ward.to("10:10")
    ward.void(temperature)
    assert not ward.is_open("crs")
    notified = ward.new_pages()
    assert [(page.to, page.reason) for page in notified] == [
        ("haematologist-1", "new"),
        ("haematologist-1", "retracted"),
    ]
    assert notified[-1].title.endswith("· CRS 1 withdrawn · T 38.5 entered in error")
    assert notified[-1].urgency == "low"


def test_they_are_notified_too_when_the_temperature_before_was_normal(ward: Ward) -> None:
    ward.normal()
    ward.to("10:30")
    (temperature,) = ward.vitals(temp=38.5)
    ward.ack(ward.page())
    ward.to("10:40")
    ward.void(temperature)
    assert not ward.is_open("crs")
    assert ward.page().reason == "retracted"


def test_a_retracted_episode_cancels_the_pages_not_yet_sent(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=38.5)
    first = ward.page()
    ward.receipt(first, "sent")
    ward.to("10:30")
    second = ward.page()
    ward.void(temperature)
    assert ward.cancelled == [second.id]


def test_a_retracted_episode_is_not_repeated(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=38.5)
    ward.void(temperature)
    ward.new_pages()
    ward.jump(hours=12)
    assert ward.notified() == []


def test_a_temperature_corrected_below_fever_retracts_too(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=39.5)
    ward.new_pages()
    ward.jump(minutes=5)
    ward.correct(temperature, 36.5)
    assert ward.page().reason == "retracted"
    assert ward.grade("crs") == "0"


def test_a_temperature_corrected_within_fever_changes_nothing(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=39.5)
    ward.ack(ward.page())
    ward.jump(minutes=5)
    ward.correct(temperature, 38.9)
    assert ward.is_open("crs")
    assert ward.notified() == []


def test_a_value_corrected_into_fever_pages(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=36.5)
    ward.jump(minutes=5)
    ward.correct(temperature, 38.5)
    assert ward.page().condition == "crs"


def test_a_message_that_supersedes_another_retracts_what_that_one_opened(ward: Ward) -> None:
    (wrong,) = ward.vitals(temp=39.5)
    ward.new_pages()
    ward.jump(minutes=5)
    right = changed(wrong, id="right", value=36.5, supersedes=wrong.id)
    ward.send(right)
    assert ward.page().reason == "retracted"


def test_an_episode_that_has_other_ground_stays_open(ward: Ward) -> None:
    (first,) = ward.vitals(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.vitals(temp=38.7)
    ward.void(first)
    assert ward.is_open("crs")
    assert ward.notified() == []


def test_an_episode_that_a_reading_in_between_also_grounds_stays_open(ward: Ward) -> None:
    (first,) = ward.vitals(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.vitals(temp=38.7)
    ward.jump(hours=1)
    ward.vitals(temp=36.9)
    ward.void(first)
    assert ward.is_open("crs")
    assert ward.notified() == []


def test_a_hypotension_that_a_reading_in_between_also_shows_is_not_retracted(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    (pressure,) = ward.vitals(sbp=84)
    ward.ack(ward.page())
    ward.jump(minutes=10)
    ward.vitals(sbp=82)
    ward.jump(minutes=10)
    ward.vitals(sbp=104)
    ward.void(pressure)
    assert ward.notified() == []


def test_two_worsenings_retracted_at_once_leave_nobody_to_be_paged(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    wrong = [ward.start("norepinephrine"), ward.start("epinephrine")]
    ward.jump(minutes=1)
    ward.send(*(changed(dose, status="entered_in_error", received=ward.now) for dose in wrong))
    ward.new_pages()
    ward.jump(hours=1)
    assert [page.urgency for page in ward.new_pages() if page.urgency == "critical"] == []


def test_what_stands_after_two_worsenings_were_retracted_is_named_rightly(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    wrong = [ward.start("norepinephrine"), ward.start("epinephrine")]
    ward.new_pages()
    ward.jump(minutes=1)
    ward.send(*(changed(dose, status="entered_in_error", received=ward.now) for dose in wrong))
    page = ward.page()
    assert "CRS 4 withdrawn (CRS 1 stands)" in page.title


def test_a_correction_of_one_patient_retracts_nothing_of_another_condition(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=38.5)
    ward.ice(7)
    ward.new_pages()
    ward.jump(minutes=1)
    ward.void(temperature)
    assert ward.is_open("icans")
    assert [page.condition for page in ward.new_pages()] == ["crs"]


def test_a_correction_that_leaves_the_fever_retracts_the_hypotension(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    ward.to("10:10")
    (pressure,) = ward.vitals(sbp=58)
    ward.to("10:12")
    ward.void(pressure)
    ward.new_pages()
    ward.to("11:00")
    assert ward.notified() == []
    assert ward.episode("crs").level == 1
    assert not set(ward.episode("crs").pending) & set(ward.cancelled)


def test_a_correction_that_leaves_the_fever_notifies_whoever_was_paged_for_the_hypotension(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    (pressure,) = ward.vitals(sbp=58)
    ward.ack(ward.page())
    ward.jump(minutes=2)
    ward.void(pressure)
    page = ward.page()
    assert page.to == "haematologist-1"
    assert page.urgency == "low"


def test_a_page_that_retracts_only_the_hypotension_says_that_the_fever_stands(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.ack(ward.page())
    (pressure,) = ward.vitals(sbp=58)
    ward.ack(ward.page())
    ward.jump(minutes=2)
    ward.void(pressure)
    assert "CRS 2 withdrawn (CRS 1 stands)" in ward.page().title


def test_what_opens_after_a_retraction_has_ids_of_its_own(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=38.5)
    ward.jump(minutes=5)
    ward.void(temperature)
    ward.jump(minutes=5)
    ward.vitals(temp=38.6)
    first, retracted, second = ward.new_pages()
    assert (first.reason, retracted.reason) == ("new", "retracted")
    assert len({first.id, retracted.id, second.id}) == 3
    assert second.episode != first.episode


def test_an_acknowledgement_of_a_retracted_episode_does_not_take_the_next(ward: Ward) -> None:
    (temperature,) = ward.vitals(temp=38.5)
    page = ward.page()
    ward.void(temperature)
    ward.jump(minutes=5)
    ward.vitals(temp=38.6)
    ward.ack(page)
    assert ward.episode("crs").acknowledged_by == ""


def test_a_retraction_leaves_a_page_owed_that_also_notifies_of_another_episode(ward: Ward) -> None:
    temperature = ward.vital("temp", 38.5)
    ward.send(temperature, message("reading", ward.now, reading="seizure", value="brief", by="person"))
    page = ward.page()
    ward.jump(minutes=1)
    ward.void(temperature)
    assert page.id not in ward.cancelled


def test_after_an_ice_entered_in_error_the_next_is_compared_with_the_true_one(ward: Ward) -> None:
    ward.ice(10)
    ward.jump(hours=1)
    wrong = ward.ice(1)
    ward.jump(minutes=5)
    ward.void(wrong)
    ward.new_pages()
    ward.jump(hours=1)
    ward.ice(8)
    page = ward.page()
    assert page.urgency == "high"
    assert "ICE fell by 2, from 10 to 8" in page.text


def test_an_ice_corrected_to_a_deeper_fall_is_paged_as_that_fall(ward: Ward) -> None:
    ward.ice(10)
    ward.jump(hours=1)
    ice = ward.ice(8)
    ward.ack(ward.page())
    ward.jump(minutes=5)
    ward.correct(ice, 7)
    assert ward.page().urgency == "critical"


def test_an_ice_corrected_to_a_smaller_fall_pages_nobody_again(ward: Ward) -> None:
    ward.ice(10)
    ward.jump(hours=1)
    ice = ward.ice(7)
    ward.ack(ward.page())
    ward.jump(minutes=5)
    ward.correct(ice, 8)
    assert [page.reason for page in ward.new_pages() if page.reason == "worse"] == []
