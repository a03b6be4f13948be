"""The parts of a replay that need no worker: the agenda, the answers of people, the settings passed on."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.messages import Acknowledgement, AnyMessage
from config.settings import Settings
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, message, reading, send
from worker.clock import milliseconds
from worker.processing.advance import advance
from worker.standalone.replay import Replay, _Agenda, acknowledge_after, acknowledgement, moments
from worker.store import channel_queues
from worker.store.shard import Store

SHARD = KEYS.of("P1")


def crp(number: int, at: datetime, **more: Any) -> AnyMessage:
    return message(reading("crp", number, at=at, **more))


def page(**more: Any) -> dict[str, Any]:
    event = {"kind": "page", "reason": "new", "urgency": "high", "episode": "e7", "page": "e7.1", "patient": "P1"}
    return event | {"at": NOW.isoformat()} | more


def test_messages_come_in_by_their_effective_time() -> None:
    later, first = crp(1, NOW + timedelta(hours=1)), crp(2, NOW)
    assert [(item.at, item.messages) for item in moments([later, first])] == [
        (first.effective, [first]),
        (later.effective, [later]),
    ]


def test_a_message_that_says_when_it_was_received_comes_in_then() -> None:
    late = crp(1, NOW, received=(NOW + timedelta(days=1)).isoformat())
    assert [item.at for item in moments([late])] == [NOW + timedelta(days=1)]


def test_messages_of_one_moment_keep_the_order_of_the_file_also_in_other_zones() -> None:
    same = [crp(number, NOW) for number in range(5)]
    same[2] = message(reading("crp", 2, effective="2024-06-14T10:00:00+02:00"))
    [moment] = moments(same)
    assert moment.messages == same


def test_the_agenda_gives_everything_up_to_a_time_in_order() -> None:
    messages = [crp(number, NOW + timedelta(minutes=number)) for number in range(10)]
    random.Random(1).shuffle(messages)
    agenda = _Agenda(moments(messages))
    assert agenda.next_at() == NOW
    taken = agenda.take(NOW + timedelta(minutes=4))
    assert [item.effective for item in taken] == [NOW + timedelta(minutes=number) for number in range(5)]
    assert agenda.next_at() == NOW + timedelta(minutes=5)
    assert agenda.end == NOW + timedelta(minutes=9)


def test_an_answer_joins_the_agenda_and_may_come_last() -> None:
    agenda = _Agenda(moments([crp(1, NOW)]))
    answer = acknowledgement(page(), NOW + timedelta(minutes=4), "haematologist-1")
    agenda.add(answer)
    agenda.take(NOW)
    assert agenda.next_at() == NOW + timedelta(minutes=4)
    assert agenda.end == NOW + timedelta(minutes=4)
    assert agenda.take(NOW + timedelta(minutes=4)) == [answer]
    assert agenda.next_at() is None


def test_an_empty_file_has_no_moment() -> None:
    agenda = _Agenda(moments([]))
    assert (agenda.next_at(), agenda.end) == (None, None)


# -- people ----------------------------------------------------------------------------------------


def test_a_page_is_answered_after_the_wait() -> None:
    [answer] = acknowledge_after(timedelta(minutes=4))(page())
    assert isinstance(answer, Acknowledgement)
    assert (answer.patient, answer.episode, answer.by) == ("P1", "e7", "haematologist-1")
    assert answer.effective == NOW + timedelta(minutes=4)


@pytest.mark.parametrize(
    "event",
    [page(urgency="low"), page(reason="resolved"), page(reason="retracted"), {"kind": "grade"}, {"kind": "closed"}],
    ids=["low", "resolved", "retracted", "grade", "closed"],
)
def test_what_asks_for_no_answer_gets_none(event: dict[str, Any]) -> None:
    assert list(acknowledge_after(timedelta(minutes=4))(event)) == []


def test_two_people_notified_at_once_answer_once() -> None:
    respond = acknowledge_after(timedelta(minutes=4))
    assert len(list(respond(page(page="e7.1")))) == 1
    assert list(respond(page(page="e7.2"))) == []
    assert len(list(respond(page(page="e7.3", at=(NOW + timedelta(minutes=10)).isoformat())))) == 1


# -- when a moment is over ---------------------------------------------------------------------------


@pytest.fixture
def replay(store: Store) -> Replay:
    """A replay over the store in memory; nobody works on it."""
    made = Replay()
    made.store = store
    return made


def test_a_moment_with_nothing_to_do_is_over(replay: Replay) -> None:
    assert replay._quiet(NOW)


def test_a_moment_with_a_message_a_ladder_or_a_page_to_go_is_not_over(replay: Replay, store: Store) -> None:
    send(store, crs2())
    assert not replay._quiet(NOW)
    advance(store, SHARD, Clock(), SITE)
    assert not replay._quiet(NOW), "pages are due"
    store.redis.delete(*channel_queues.names(store.redis, store.keys))
    assert replay._quiet(NOW)
    assert not replay._quiet(NOW + timedelta(minutes=10)), "a ladder is due"


def test_a_moment_in_which_somebody_works_is_not_over(replay: Replay, store: Store) -> None:
    store.redis.set(SHARD.lease, "somebody")
    assert not replay._quiet(NOW)


def test_a_moment_in_which_a_page_is_on_its_way_is_not_over(replay: Replay, store: Store) -> None:
    store.redis.zadd(store.keys.partition(1).agenda, {"queue:phone-1": milliseconds(NOW + timedelta(seconds=2))})
    assert replay._quiet(NOW), "it waits to be tried again later"
    store.redis.set(store.keys.partition(1).lease, "somebody")
    assert not replay._quiet(NOW)


def test_what_moves_on_while_one_looks_is_found_by_the_second_look(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter((True, False))
    monkeypatch.setattr(replay, "_nothing_waits", lambda _: next(looks))
    assert not replay._quiet(NOW)


# -- settings for the workers ----------------------------------------------------------------------


def test_a_worker_process_reads_the_settings_it_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        redis_url="redis://:secret@127.0.0.1:7000/3",
        namespace="north",
        shards=32,
        clock="simulated",
        config_dir=Path("site"),
        receiver_url="json://127.0.0.1:9",
        lease=7,
    )
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_what_is_not_set_is_not_passed_on() -> None:
    assert "CARTWATCH_BROKER_URL" not in Settings(broker_url=None).as_environment()
    assert "CARTWATCH_CONFIG_DIR" not in Settings(config_dir=None).as_environment()
