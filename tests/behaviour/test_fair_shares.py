"""However a batch is cut into pieces and runs, the same is charted and graded, and whoever must know is paged."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from unittest import mock

from fakeredis import FakeRedis, FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from alerts.state import PatientState
from tests.behaviour.test_order import NOW, REGISTRATION, charted, encoded, standing
from tests.support.ward import PATIENT, SITE
from worker.processing.advance import advance
from worker.store.inbox import append
from worker.store.keys import Keys
from worker.store.shard import Store

KEYS = Keys("fair", 1)

RUNS = settings(max_examples=25)


class Standing:
    """A clock that stands at the end of the stretch."""

    def now(self) -> datetime:
        return NOW


def run(messages: list[AnyMessage], *, piece: int, share: int, batch: int, spent: bool) -> PatientState:
    """The state after all runs; `spent`: each run has time for one round."""
    with FakeRedis(server=FakeServer(version=(7,))) as redis:
        store = Store(redis, KEYS, batch=batch, lease_seconds=5, journal_length=100)
        seconds: Iterator[int] = count(step=10 if spent else 0)
        for message in messages:
            append(redis, KEYS, [(message, message.model_dump_json(exclude_none=True).encode())], NOW)
        shard = KEYS.of(PATIENT)
        with (
            mock.patch("worker.processing.advance.PIECE", piece),
            mock.patch("worker.store.fair_shares.OF_A_PATIENT", share),
            mock.patch("worker.store.take.OF_THE_BACKLOG", share),
        ):
            runs = 0
            while redis.xlen(shard.inbox):
                advance(store, shard, Standing(), SITE, lambda: next(seconds))
                runs += 1
                assert runs <= 10 * len(messages), "it does not come to an end"
        state = store.state(PATIENT)
        assert state is not None
        records = [record for _, record in store.journal(shard)]
        taken = [read_message(item["message"]).patient for record in records for item in record["in"]]
        assert taken.count(PATIENT) == len(messages), "each message is evaluated once"
        pages = [event for record in records for event in record["events"] if event["kind"] == "page"]
        assert len({event["page"] for event in pages}) == len(pages), "a page was written twice"
        return state


@RUNS
@given(charted(most=20), st.integers(1, 5), st.integers(1, 7), st.integers(1, 9), st.booleans())
def test_any_cutting_leaves_the_same_chart_and_grades_and_pages_what_is_open(
    drawn: list[AnyMessage], piece: int, share: int, batch: int, spent: bool
) -> None:
    messages = [REGISTRATION, *drawn]
    one = run(messages, piece=1000, share=1000, batch=1000, spent=False)
    other = run(messages, piece=piece, share=share, batch=batch, spent=spent)
    assert encoded(other.chart) == encoded(one.chart)
    assert standing(other) == standing(one)
    for condition in one.episodes.keys() & other.episodes.keys():
        assert bool(other.episodes[condition].notified) >= bool(one.episodes[condition].notified)
