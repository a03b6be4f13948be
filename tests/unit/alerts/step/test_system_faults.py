"""Technical trouble: what a fault says, and the episode it opens, keeps and closes."""

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from alerts.episodes import lifecycle
from alerts.episodes.episode import Episode
from alerts.messages import MESSAGE, SITE_SUBJECT, Fault, Receipt
from alerts.state import PatientState
from alerts.step.system_faults import FAULT_QUIET, close_quiet, fault, intake_fault, note_fault, undeliverable_fault
from alerts.wording.phrase import Phrase, phrase
from tests.support.charts import NOW, hours
from tests.support.wording import english

FEED = "feed lab"


def message(**fields: Any) -> Any:
    body = {"id": "m1", "source": "lab", "patient": "Zimmermann", "effective": NOW, **fields}
    return MESSAGE.validate_python(body)


def reading(source: str = "lab", id: str = "m1") -> Any:
    return message(type="reading", reading="crp", value="85", source=source, id=id)


def trouble(at: datetime = NOW) -> Fault:
    return fault(FEED, Phrase("the feed of the laboratory is silent"), "feed lab", at)


def reported(*faults: Fault, state: PatientState | None = None) -> PatientState:
    state = state or PatientState(patient=SITE_SUBJECT)
    for item in faults:
        state = note_fault(state, item, item.effective)
    return state


def taken(state: PatientState) -> PatientState:
    episode = lifecycle.acknowledge(state.episodes[FEED], "technician-1", NOW)
    return PatientState(patient=state.patient, episodes={FEED: episode}, past=state.past)


def only(state: PatientState) -> Episode:
    (episode,) = state.episodes.values()
    return episode


# -- what a fault says -----------------------------------------------------------------------------


def test_a_fault_belongs_to_the_site() -> None:
    found = trouble()
    assert (found.patient, found.source, found.effective) == (SITE_SUBJECT, "cartwatch", NOW)


def test_a_fault_of_intake_names_source_and_reason_and_never_the_patient() -> None:
    found = intake_fault(reading(), Phrase("crp: the unit is missing"), NOW)
    assert found.condition == "intake lab"
    assert "messages from lab cannot be used: crp: the unit is missing" in english(found.what)
    assert "Zimmermann" not in found.model_dump_json()


def test_the_same_message_is_the_same_fault_and_another_is_not() -> None:
    one = intake_fault(reading(), "why", NOW)
    assert intake_fault(reading(), "why", NOW + hours(1)).id == one.id
    assert intake_fault(reading(id="m2"), "why", NOW).id != one.id


def test_a_fault_of_a_channel_says_what_came_back() -> None:
    receipt = message(
        type="receipt", source="delivery", page="p.1", channel="phone-1", outcome="undeliverable", detail="HTTP 503"
    )
    assert isinstance(receipt, Receipt)
    found = undeliverable_fault(receipt, NOW)
    assert found.condition == "channel phone-1"
    assert english(found.what) == "pages do not get through on channel phone-1: HTTP 503"


def test_a_channel_that_never_answered_says_so() -> None:
    receipt = message(type="receipt", source="delivery", page="p.1", channel="phone-1", outcome="undeliverable")
    assert english(undeliverable_fault(receipt, NOW).what).endswith("no answer")


@pytest.mark.parametrize("length", [1, 190, 200])
def test_a_source_of_any_name_allowed_can_be_at_fault(length: int) -> None:
    found = intake_fault(reading(source="s" * length, id="i" * 200), "why " * 600, NOW)
    assert found.condition.startswith("intake s")


def test_faults_of_two_long_names_are_two_troubles() -> None:
    one, other = ("s" * 199 + end for end in "ab")
    conditions = {intake_fault(reading(source=source), "why", NOW).condition for source in (one, other)}
    assert len(conditions) == 2


# -- the episode -----------------------------------------------------------------------------------


def test_a_fault_opens_a_technical_episode_that_is_due_at_once() -> None:
    episode = only(reported(trouble()))
    assert (episode.condition, episode.urgency, episode.reason) == (FEED, "technical", "new")
    assert (episode.next_at, english(episode.title)) == (NOW, "the feed of the laboratory is silent")


def test_the_same_fault_again_keeps_the_episode_and_pages_nobody() -> None:
    first = taken(reported(trouble()))
    episode = only(reported(trouble(NOW + hours(1)), state=first))
    assert episode.id == only(first).id
    assert (episode.next_at, episode.acknowledged_by) == (None, "technician-1")
    assert episode.raised_at == NOW + hours(1)


def test_a_fault_reported_late_does_not_set_the_trouble_back() -> None:
    state = reported(trouble(NOW + hours(1)), trouble(NOW))
    assert only(state).raised_at == NOW + hours(1)


def test_another_fault_is_another_episode() -> None:
    other = fault("channel phone-1", Phrase("no answer"), "p.1", NOW)
    assert set(reported(trouble(), other).episodes) == {FEED, "channel phone-1"}


@pytest.mark.parametrize(("quiet", "is_open"), [(hours(5.9), True), (FAULT_QUIET, False)])
def test_an_acknowledged_fault_closes_when_it_has_been_quiet_for_6_hours(quiet: Any, is_open: bool) -> None:
    state = close_quiet(taken(reported(trouble())), NOW + quiet)
    assert (FEED in state.episodes) is is_open
    assert (FEED in state.past) is not is_open


def test_a_fault_that_nobody_acknowledged_stays_open_however_quiet() -> None:
    assert FEED in close_quiet(reported(trouble()), NOW + hours(48)).episodes


def test_a_fault_that_goes_on_stays_open() -> None:
    state = reported(trouble(NOW + hours(5)), state=taken(reported(trouble())))
    assert FEED in close_quiet(state, NOW + hours(8)).episodes


def test_a_fault_that_returns_is_recurrent_and_an_episode_of_its_own() -> None:
    first = taken(reported(trouble()))
    back = reported(trouble(NOW + hours(9)), state=close_quiet(first, NOW + hours(9)))
    assert (only(back).reason, only(back).number) == ("recurrent", 2)
    assert only(back).id != only(first).id


def test_the_end_of_a_fault_closes_its_episode_acknowledged_or_not() -> None:
    over = trouble(NOW + hours(1)).model_copy(update={"over": True})
    state = reported(over, state=reported(trouble()))
    assert state.episodes == {}
    assert state.past[FEED].closed_at == NOW + hours(1)


def test_the_end_of_a_fault_that_is_not_known_changes_nothing() -> None:
    state = PatientState(patient=SITE_SUBJECT)
    assert reported(trouble().model_copy(update={"over": True}), state=state) == state


def test_clinical_episodes_are_never_closed_for_being_quiet() -> None:
    state = taken(reported(trouble()))
    clinical = PatientState(patient="P1", episodes={"crs": replace(only(state), condition="crs", urgency="high")})
    assert close_quiet(clinical, NOW + hours(48)) == clinical


def test_a_source_with_line_ends_and_a_long_text_still_makes_a_fault() -> None:
    made = fault("intake " + "\n" * 300, phrase("{what}", what="\u202e" * 2000), "\n" * 300, NOW)
    assert made.condition.startswith("intake \\n\\n")
    assert english(made.what).startswith("\\u202e")
    assert (len(made.condition), len(english(made.what)), len(made.id)) == (300, 300, 200)
