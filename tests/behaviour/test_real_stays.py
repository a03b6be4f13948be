"""Every page answered on real intensive-care stays, driven twice as long as a stay can be.

By default the three shortest and one of median length; all of them with CARTWATCH_STAYS=all (some minutes).
"""

import gzip
import os
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.episodes.delivery_log import DELIVERIES_KEPT
from alerts.episodes.silences import SILENCES_AT_MOST
from alerts.message_json import BadMessage, read_message
from alerts.messages import SITE_SUBJECT, AnyMessage
from tests.support.ward import Ward

STREAM = Path(__file__).parents[3] / "shared" / "streams" / "icu.ndjson.gz"
ANSWERED_AFTER = timedelta(minutes=4)
TWICE_AS_LONG = timedelta(days=60)


def stays() -> dict[str, list[AnyMessage]]:
    found: dict[str, list[AnyMessage]] = defaultdict(list)
    with gzip.open(STREAM, "rt") as lines:
        for line in lines:
            try:
                message = read_message(line)
            except BadMessage:
                continue
            if message.type != "discharge":
                found[message.patient].append(message)
    return found


def chosen() -> list[str]:
    if not STREAM.exists():
        return []
    by_length = sorted((len(messages), patient) for patient, messages in stays().items())
    if os.environ.get("CARTWATCH_STAYS") != "all":
        by_length = [*by_length[:3], by_length[len(by_length) // 2]]
    return [patient for _, patient in by_length]


@pytest.mark.skipif(not STREAM.exists(), reason="the stream of real charting is not on this machine")
@pytest.mark.parametrize("patient", chosen())
@pytest.mark.timeout(600)
def test_every_page_of_a_stay_is_answered_and_nothing_grows(patient: str) -> None:
    ward = Ward()
    messages = stays()[patient]
    begins = min(message.received or message.effective for message in messages)
    ward.play(messages, answer_after=ANSWERED_AFTER, until=begins + TWICE_AS_LONG)
    assert ward.pages or ward.state(patient).episodes, "what pages nobody stands on the board"
    for episode in (episode for state in ward.states.values() for episode in state.episodes.values()):
        assert len(episode.deliveries) <= DELIVERIES_KEPT
        assert len(episode.notified) <= len(ward.site.on_call.people)
        assert len(episode.handed_over) <= len(ward.site.on_call.people)
        assert episode.direct_notifications == ()
    assert all(len(state.silences) <= SILENCES_AT_MOST for state in ward.states.values())
    assert [
        aside for aside in ward.dead_letters if "acknowledgement" in aside.id and aside.patient != SITE_SUBJECT
    ] == []
