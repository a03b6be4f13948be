"""The way in: the good are stored, the bad dead-lettered with their reason, none is lost."""

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from redis import Redis

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT, Fault
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Clock,
    acknowledgement,
    message,
    raw,
    reading,
    registration,
    waiting,
)
from tests.support.wording import english
from worker.processing.advance import advance
from worker.store.inbox import WAKE_LASTS, Accepted, accept, append
from worker.store.keys import Keys
from worker.store.shard import Store

GOOD = raw(registration())
BAD = [
    (b"{", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b"[]", ""),
    (b"{}", "type: missing"),
    (raw({"type": "telegram"}), "type: not one of registration"),
    (raw(reading("crp", 85, units="mg/L")), "units: unknown field"),
    (raw(reading("crp", "1e15")), "value: the number is too large"),
    (raw(reading("crp", 10**30)), "value"),
    (raw(registration() | {"effective": "2024-06-14T08:00:00"}), "effective: write the offset from UTC"),
    (raw(registration() | {"patient": ""}), "patient:"),
    (raw(registration("~site")), "patient: '~site' is reserved"),
    (raw(registration("~other")), "patient: '~other' is reserved"),
]


def take(store: Store, *raws: bytes, source: str = "lab") -> Accepted:
    return accept(store.redis, KEYS, raws, NOW, source)


def inbox(store: Store, patient: str) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in store.stream(KEYS.of(patient).inbox)]


def faults(store: Store) -> list[Fault]:
    found = [read_message(fields[b"m"]) for fields in inbox(store, SITE_SUBJECT)]
    return [item for item in found if isinstance(item, Fault)]


def test_a_good_message_stands_in_its_patients_inbox_as_it_came(store: Store) -> None:
    taken = take(store, GOOD)
    assert (taken.stored, taken.refused) == (1, [])
    assert inbox(store, "P1") == [{b"m": GOOD, b"r": NOW.isoformat().encode(), b"s": b"lab"}]


def test_messages_keep_their_order(store: Store) -> None:
    raws = [raw(reading("crp", number)) for number in range(20)]
    take(store, *raws)
    assert [fields[b"m"] for fields in inbox(store, "P1")] == raws


def test_each_patients_messages_go_to_their_own_shard(store: Store) -> None:
    taken = take(store, raw(registration("P1")), raw(registration("P2")))
    assert {shard.number for shard in taken.wake} == {KEYS.of("P1").number, KEYS.of("P2").number}
    assert (waiting(store, "P1"), waiting(store, "P2")) == (1, 1)


@pytest.mark.parametrize(("bad", "why"), BAD)
def test_a_bad_message_is_dead_lettered_with_its_text_and_a_reason_that_names_the_field(
    store: Store, bad: bytes, why: str
) -> None:
    taken = take(store, bad)
    assert taken.stored == 0
    [(_, record)] = store.dead_letters()
    assert [record] == taken.refused
    assert why in record.why
    assert (record.source, record.at, record.raw) == ("lab", NOW, bad.decode(errors="replace"))


def test_a_bad_message_does_not_touch_its_neighbours(store: Store) -> None:
    taken = take(store, GOOD, b"{", raw(reading("crp", 85)))
    assert (taken.stored, len(taken.refused)) == (2, 1)
    assert waiting(store, "P1") == 2


def test_a_bad_message_never_reaches_a_patients_inbox(store: Store) -> None:
    take(store, raw(reading("crp", "1e15")))
    assert waiting(store, "P1") == 0


def test_many_bad_messages_are_reported_to_the_site_once(store: Store) -> None:
    take(store, b"{", b"}", b"[")
    [reported] = faults(store)
    assert reported.condition == "intake lab"
    assert "messages from lab cannot be read" in english(reported.what)


def sampled(each: timedelta, number: int, **fields: object) -> list[bytes]:
    return [raw(reading("heart_rate", 80, at=NOW + index * each, id=f"h{index}", **fields)) for index in range(number)]


def test_a_waveform_is_refused_once_with_field_reason_and_number(store: Store) -> None:
    accepted = take(store, *sampled(timedelta(milliseconds=8), 250), source="monitor-7")
    [record] = accepted.refused
    assert record.why.startswith("effective: more than 10 values a second")
    assert "at most 10 (230 values were refused)" in record.why
    assert '"h10"' in record.raw
    assert (accepted.stored, waiting(store, "P1")) == (20, 20)
    [reported] = faults(store)
    assert reported.condition == "intake monitor-7"
    assert len(store.dead_letters()) == 1


def test_ten_a_second_and_many_values_of_one_time_are_no_waveform(store: Store) -> None:
    assert not take(store, *sampled(timedelta(milliseconds=100), 50)).refused
    assert not take(store, *sampled(timedelta(0), 50)).refused


def test_what_the_report_to_the_site_says_nothing_of_the_message(store: Store) -> None:
    take(store, raw(reading("crp", 85, patient="P-secret", units="mg/L")))
    assert "secret" not in faults(store)[0].model_dump_json()


def test_a_very_long_bad_message_is_kept_in_its_beginning(store: Store) -> None:
    [record] = take(store, b"x" * 1_000_000).refused
    assert record.raw == "x" * 20_000


def test_a_source_with_a_very_long_name_is_reported_all_the_same(store: Store) -> None:
    taken = take(store, GOOD, b"{", source="a monitor " * 40)
    assert (taken.stored, len(taken.refused)) == (1, 1)
    assert len(faults(store)) == 1


def test_an_acknowledgement_of_a_technical_episode_is_taken(store: Store) -> None:
    assert take(store, raw(acknowledgement("e1", SITE_SUBJECT))).stored == 1


def test_a_shard_is_woken_once_until_somebody_answers(store: Store, clock: Clock) -> None:
    first, second = take(store, GOOD), take(store, raw(reading("crp", 85)))
    assert [shard.number for shard in first.wake] == [KEYS.of("P1").number]
    assert second.wake == []
    advance(store, KEYS.of("P1"), clock, SITE)
    assert [shard.number for shard in take(store, GOOD).wake] == [KEYS.of("P1").number]


def test_a_batch_for_one_shard_wakes_it_once(store: Store) -> None:
    assert len(take(store, *[raw(reading("crp", number)) for number in range(50)]).wake) == 1


def test_a_wake_up_nobody_answers_is_sent_again_after_a_while(redis: Redis, store: Store) -> None:
    take(store, GOOD)
    assert 0 < redis.pttl(KEYS.of("P1").wakeup_pending) <= WAKE_LASTS / timedelta(milliseconds=1)


def test_nothing_sent_is_nothing_stored(redis: Redis, store: Store) -> None:
    assert take(store) == Accepted(0, [], [])
    assert redis.keys() == []


def test_append_joins_a_transaction_it_is_given(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=True)
    pipe.set("ward:clock", "now")
    appended = append(redis, KEYS, [(message(registration()), GOOD)], NOW, pipe)
    assert appended.wake == [KEYS.of("P1")]
    assert appended.ids == [entry.decode() for entry, _ in redis.xrange(KEYS.of("P1").inbox)]
    assert redis.get("ward:clock") == b"now"


def test_append_of_nothing_still_commits_the_transaction_it_is_given(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=True)
    pipe.set("ward:clock", "now")
    assert append(redis, KEYS, [], NOW, pipe) == ([], [])
    assert redis.get("ward:clock") == b"now"


def test_the_time_of_acceptance_is_written_in_utc(redis: Redis, store: Store) -> None:
    append(redis, KEYS, [(message(registration()), GOOD)], NOW.astimezone(ZoneInfo("Europe/Rome")))
    assert inbox(store, "P1")[0][b"r"] == b"2024-06-14T08:00:00+00:00"


def test_with_one_shard_all_stand_in_one_inbox(redis: Redis) -> None:
    keys = Keys("small", 1)
    accept(redis, keys, [raw(registration(f"P{number}")) for number in range(5)], NOW)
    assert redis.xlen("small:00:inbox") == 5


def test_a_message_with_a_name_in_another_script_is_stored_as_it_came(store: Store) -> None:
    text = json.dumps(registration("P1", ward="Hämatologie 2 – 血液"), ensure_ascii=False).encode()
    take(store, text)
    assert inbox(store, "P1")[0][b"m"] == text


@pytest.mark.parametrize(
    ("status", "received", "kept"),
    [
        ("corrected", NOW - timedelta(hours=1), False),
        ("preliminary", NOW - timedelta(hours=1), False),
        ("final", NOW + timedelta(days=400), False),
        ("final", NOW - timedelta(hours=1), True),
    ],
)
def test_when_a_correction_was_received_is_not_the_senders_to_say(
    store: Store, status: str, received: datetime, kept: bool
) -> None:
    """Of two corrections the one received later holds; one that lies ahead would let an infusion do so."""
    take(store, raw(reading("crp", 85, unit="mg/L") | {"status": status, "received": received.isoformat()}))
    [fields] = inbox(store, "P1")
    assert read_message(fields[b"m"]).received == (received if kept else None)


def test_of_a_thousand_texts_that_cannot_be_read_the_technician_is_notified_once(redis: Redis) -> None:
    site = KEYS.of(SITE_SUBJECT)
    for _ in range(3):
        assert len(accept(redis, KEYS, [b"{"], NOW, "monitor-9").refused) == 1
    accept(redis, KEYS, [b"{"], NOW, "lab")
    assert redis.xlen(site.inbox) == 2
    [notified] = redis.keys(site.key("notified:monitor-9"))
    redis.delete(notified)  # as after ten minutes
    accept(redis, KEYS, [b"{"], NOW, "monitor-9")
    assert redis.xlen(site.inbox) == 3
