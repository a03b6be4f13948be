"""What is registered, what is not, and what cannot be used."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.messages import SITE_SUBJECT
from tests.support.ward import PATIENT, SITE, Ward, changed, message
from tests.support.wording import english

# -- before the registration -----------------------------------------------------------------------


def test_readings_of_an_unregistered_patient_are_kept_and_counted_with_their_sources() -> None:
    ward = Ward()
    ward.vitals(temp=38.5, sbp=120)
    ward.jump(minutes=5)
    ward.send(message("reading", ward.now, reading="ice", value=9, by="person", source="tablet"))
    unregistered = ward.state().unregistered
    assert unregistered is not None
    assert (unregistered.count, unregistered.sources) == (3, ("nurse", "tablet"))
    assert (unregistered.first, unregistered.last) == (ward.ago(minutes=5), ward.now)
    assert len(ward.charted("temperature")) == 1
    ward.jump(hours=3)
    assert ward.pages == [], "a fever alone, or an ICE of 9, would be grade 1"
    assert ward.events == []


def test_the_registration_makes_what_came_before_it_count() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=120)
    ward.jump(minutes=5)
    ward.send(ward.registration())
    page = ward.page()
    assert (page.urgency, page.reason, page.day) == ("medium", "new", 1)
    assert ward.state().unregistered is None


def test_a_registration_pages_nothing_that_is_older_than_a_day() -> None:
    ward = Ward(day=5)
    ward.vitals(at=ward.ago(hours=25), temp=39.0)
    ward.ice(1, at=ward.ago(hours=25))
    ward.send(ward.registration())
    ward.normal()
    assert ward.notified() == []


def test_a_history_that_comes_with_the_registration_pages_nothing_that_is_older_than_a_day() -> None:
    ward = Ward(day=8)
    ward.send(
        ward.registration(),
        ward.vital("temp", 39.0, at=ward.ago(days=5)),
        message("reading", ward.ago(days=5), reading="ice", value=1, by="person"),
    )
    assert ward.notified() == []


def test_a_second_registration_moves_the_patient_and_pages_nothing_again(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.send(changed(ward.registration(), effective=ward.now, ward="ICU", bed="3"))
    assert ward.notified() == []
    ward.start("norepinephrine")
    assert "ICU/3" in ward.page().title


def test_a_page_names_place_patient_and_day(ward: Ward) -> None:
    ward.normal(temp=38.5)
    assert ward.page().title.startswith(f"[MEDIUM] HAEM-2/12 {PATIENT} D+1 · ")


def test_a_page_on_a_minimal_channel_names_nothing_of_the_patient() -> None:
    channels = {
        name: channel.model_copy(update={"detail": "minimal"}) for name, channel in SITE.on_call.channels.items()
    }
    ward = Ward(site=SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": channels})))
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    assert not {PATIENT, "HAEM-2/12", "38.5", "84"} & {*page.title.split(), *page.text.split()}
    assert "CRS" not in page.title + page.text


# -- what cannot be used ---------------------------------------------------------------------------

UNUSABLE = [
    pytest.param({"reading": "crp", "value": "85", "by": "laboratory"}, "the unit is missing", id="unit missing"),
    pytest.param({"reading": "crp", "value": "85", "unit": "furlong"}, "the unit 'furlong' is not known", id="unit"),
    pytest.param({"reading": "temperature", "value": 99.1, "unit": "Cel"}, "is not plausible", id="implausible"),
    pytest.param({"reading": "systolic_bp", "value": 0, "unit": "mm[Hg]"}, "is not plausible", id="artefact"),
]


@pytest.mark.parametrize(("fields", "why"), UNUSABLE)
def test_a_value_that_cannot_be_used_is_rejected_with_its_reason(ward: Ward, fields: dict[str, Any], why: str) -> None:
    ward.send(message("reading", ward.now, source="lab", **fields))
    (aside,) = ward.dead_letters
    assert (aside.source, aside.patient, aside.at) == ("lab", "P1", ward.now)
    assert why in aside.why
    assert str(fields["value"]) in aside.raw


@pytest.mark.parametrize(("fields", "why"), UNUSABLE)
def test_a_value_that_cannot_be_used_is_shown_and_never_computed_with(
    ward: Ward, fields: dict[str, Any], why: str
) -> None:
    before = ward.state().chart.entries
    ward.send(message("reading", ward.now, source="lab", **fields))
    assert ward.state().chart.entries == before
    (rejected,) = ward.state().chart.rejected
    assert (rejected.kind, rejected.source) == (fields["reading"], "lab")
    assert rejected.sent.startswith(str(fields["value"]))
    assert why in english(rejected.why)


@pytest.mark.parametrize(("fields", "why"), UNUSABLE)
def test_a_value_that_cannot_be_used_pages_the_technician(ward: Ward, fields: dict[str, Any], why: str) -> None:
    ward.send(message("reading", ward.now, source="lab", **fields))
    [page] = ward.new_pages()
    assert (page.to, page.urgency, page.patient) == ("technician-1", "technical", SITE_SUBJECT)
    [episode] = ward.state(SITE_SUBJECT).episodes.values()
    assert "messages from lab cannot be used" in english(episode.title)
    assert why in english(episode.title)


def test_a_value_far_from_the_usual_pages_and_says_that_it_is_to_be_checked(ward: Ward) -> None:
    ward.vitals(temp=42)
    page = ward.page()
    assert page.condition == "crs"
    assert "note: temperature 42.0 °C: unusual, check it" in page.text.splitlines()


def test_a_value_that_looks_like_another_unit_is_rejected_and_not_guessed(ward: Ward) -> None:
    ward.send(ward.result("hemoglobin", "21", unit="g/L"))
    [record] = ward.dead_letters
    assert record.why == "hemoglobin sent as 21 g/L looks like g/dL; check value and unit"
    assert ward.grade("ctcae.anemia") is None


def test_a_time_more_than_5_minutes_ahead_is_rejected(ward: Ward) -> None:
    ward.send(ward.vital("temp", 39.0, ward.now + timedelta(minutes=5, seconds=1), by="monitor"))
    (aside,) = ward.dead_letters
    assert "lies in the future" in aside.why
    assert ward.charted("temperature")[-1].effective < ward.now
    assert not ward.is_open("crs")


def test_a_time_up_to_5_minutes_ahead_is_used(ward: Ward) -> None:
    ward.vitals(at=ward.now + timedelta(minutes=5), temp=39.0)
    assert ward.dead_letters == []
    assert ward.page().condition == "crs"


def test_a_dose_from_the_future_is_rejected_with_the_reason(ward: Ward) -> None:
    ward.give("tocilizumab", at=ward.now + timedelta(hours=1))
    assert [aside.why.split(";")[0] for aside in ward.dead_letters] == ["the effective time lies in the future"]
    assert ward.charted("tocilizumab") == ()
    assert {page.urgency for page in ward.new_pages()} == {"technical"}


def test_a_value_that_cannot_be_used_leaves_the_others_of_its_batch_alone(ward: Ward) -> None:
    ward.send(ward.vital("temp", 38.5), ward.vital("sbp", 0), ward.vital("spo2", 97))
    assert ward.grade("crs") == "1"
    assert len(ward.dead_letters) == 1


def test_a_source_with_the_longest_name_allowed_is_rejected_like_any_other(ward: Ward) -> None:
    ward.send(message("reading", ward.now, source="s" * 200, reading="crp", value="85"))
    assert len(ward.dead_letters) == 1
    assert {page.urgency for page in ward.new_pages()} == {"technical"}


def test_a_message_that_was_sent_again_is_taken_once(ward: Ward) -> None:
    charted = ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    before = ward.state()
    ward.send(*charted, *charted)
    assert ward.state() == before
    assert ward.notified() == []


def test_a_note_in_words_changes_nothing(ward: Ward) -> None:
    before = ward.state()
    ward.send(message("note", ward.now, text="EEG: slowed background"))
    assert ward.state() == before
    assert ward.notified() == []
