"""Whatever people answer and however long it lasts: an episode raises nothing, and what is remembered stays small."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.episodes.delivery_log import DELIVERIES_KEPT
from alerts.episodes.silences import SILENCES_AT_MOST
from tests.support.ward import NORMAL, PATIENT, Ward
from worker.store.codec import pack

SEVERE = {"temp": 39.4, "sbp": 78, "spo2": 86}
ILL = {"temp": 38.9, "sbp": 84, "spo2": 96}

ACTIONS = st.sampled_from(("severe", "ill", "normal", "ice", "ack", "hand over", "silence", "close", "wait"))
HOURS = st.sampled_from((0.05, 1, 7, 30))
STORED_AT_MOST = 64 * 1024
"""Bytes of a patient in the store: invariant 7."""


def act(ward: Ward, action: str, number: int) -> None:
    """One thing that happens at a bedside or on a phone."""
    last = ward.pages[-1]
    if action in ("severe", "ill", "normal"):
        ward.vitals(**{"severe": SEVERE, "ill": ILL, "normal": NORMAL}[action])
    elif action == "ice":
        ward.ice((10, 1, 7)[number % 3])
    elif action == "ack":
        ward.ack(last, by=f"haematologist-{1 + number % 2}")
    elif action == "hand over":
        ward.hand_over(last, by=last.to, to="consultant-1" if number % 2 else None)
    elif action == "silence":
        ward.silence(last, ward.now + timedelta(hours=2))
    elif action == "close":
        ward.close(last)


@settings(max_examples=15)
@given(st.lists(st.tuples(ACTIONS, HOURS), min_size=5, max_size=12), st.integers(1, 4))
def test_a_long_episode_raises_nothing_and_stays_small(steps: list[tuple[str, float]], rounds: int) -> None:
    ward = Ward()
    ward.admit()
    ward.vitals(**ILL)
    for number in range(rounds):
        for action, hours in steps:
            act(ward, action, number)
            ward.jump(hours=hours / rounds)
    state = ward.state(PATIENT)
    people = len(ward.site.on_call.people)
    channels = sum(len(person.channels) for person in ward.site.on_call.people.values())
    for episode in state.episodes.values():
        # Beside the last ones, of each person on each channel the page that may still arrive.
        assert len(episode.deliveries) <= DELIVERIES_KEPT + channels
        assert len(episode.notified) <= people
        assert len(episode.handed_over) <= people
        assert len(episode.direct_notifications) <= people
    assert len(state.silences) <= SILENCES_AT_MOST
    assert len(pack(state)) <= STORED_AT_MOST
