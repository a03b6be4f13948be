"""What the ways in keep: messages once, the rest with its text, counts within bounds."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT
from alerts.state import DeadLetter
from tests.support.feeds import INTAKE, NOW, TABLES, bundle, fhir, observation, obx, oru, source, taken
from tests.support.stored_ward import KEYS, acknowledgement, message, raw, reading
from worker.intake import retry as retrying
from worker.intake import store as stores
from worker.intake import unmapped
from worker.intake.parsed import ElementOutcome, Parsed
from worker.intake.source_keys import RememberedKeys, SourceKeys
from worker.intake.store import IntakeStore, Put
from worker.store import dead_letters
from worker.store.capacity import FULL, TOO_MUCH_WAITS, IntakeStoppedError
from worker.store.codec import unpack_dead_letter
from worker.store.dead_letters import everything
from worker.store.requirements import UnfitStoreError

SITE = KEYS.of(SITE_SUBJECT)


@pytest.fixture
def intake(redis: Redis) -> IntakeStore:
    return IntakeStore(redis, KEYS)


def records(intake: IntakeStore) -> list[DeadLetter]:
    return [record for one in everything(intake.redis, intake.keys) for record in one.letter.records()]


def waiting(intake: IntakeStore, patient: str = "P1") -> int:
    return int(intake.redis.xlen(KEYS.of(patient).inbox))


def test_messages_stand_in_the_inbox_before_anybody_is_woken(intake: IntakeStore) -> None:
    put = intake.put(taken(oru(obx())), NOW)
    assert ([shard.number for shard in put.wake], put.repeated) == ([KEYS.of("P1").number], False)
    assert waiting(intake) == 1


def test_a_repetition_is_stored_once(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx())), NOW)
    again = intake.put(taken(oru(obx())), NOW)
    assert (again.repeated, waiting(intake)) == (True, 1)


def test_a_training_message_is_kept_apart(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx(), processing="T")), NOW)
    assert (waiting(intake), intake.redis.xlen(SITE.key("test"))) == (0, 1)


def test_of_a_training_message_so_much_is_kept_as_one_looks_at(intake: IntakeStore) -> None:
    intake.put(taken(oru(*[obx()] * 1000, processing="T")), NOW)
    ((_, fields),) = intake.redis.xrange(SITE.key("test"))
    assert len(unpack_dead_letter(fields[b"s"]).raw) == stores.TEST_CHARACTERS


def test_a_delivery_is_remembered_for_hours_not_for_days(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx())), NOW)
    (seen,) = intake.redis.scan_iter(SITE.key("seen:*"))
    assert 3600 < intake.redis.ttl(seen) <= 7200
    later = intake.put(taken(oru(obx())), NOW + stores.SEEN_FOR)
    assert (later.repeated, waiting(intake)) == (False, 2)


def test_of_a_source_a_bounded_number_of_deliveries_is_remembered(
    intake: IntakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "SEEN_KEPT", 3)
    for number in range(5):
        intake.put(taken(oru(obx(), control=str(number))), NOW + timedelta(seconds=number))
    later = NOW + timedelta(seconds=9)
    assert not intake.put(taken(oru(obx(), control="1")), later).repeated
    assert intake.put(taken(oru(obx(), control="4")), later).repeated
    assert intake.redis.zcard(SITE.key("seen:lab")) == 3


def test_a_dead_letter_keeps_its_text_and_place_and_is_reported_once(intake: IntakeStore) -> None:
    raw = oru(obx(), obx("67775-7^LOC^LN", "sleepy", "", kind="ST"))
    intake.put(taken(raw), NOW)
    intake.put(taken(oru(obx("67775-7^LOC^LN", "dozy", "", kind="ST"))), NOW)
    found = records(intake)
    assert [(record.form, record.source, record.id) for record in found] == [
        ("hl7", "lab", "1 OBX[2]"),
        ("hl7", "lab", "1 OBX[1]"),
    ]
    assert found[0].raw == raw.decode()
    assert waiting(intake, SITE_SUBJECT) == 1


def test_what_the_chart_shows_is_rejected_there(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx(unit="furlong"))), NOW)
    assert (waiting(intake), records(intake)) == (1, [])


def test_an_unreadable_message_is_kept_whole(intake: IntakeStore) -> None:
    from worker.intake import read

    intake.put(read.hl7(b"MSH|^~\\&|LAB|HOSP|\rnonsense", INTAKE, TABLES), NOW)
    intake.put(read.hl7(b"\x00\x01", INTAKE, TABLES), NOW)
    assert len(records(intake)) == 1, "an MSH without a type is read, and ignored"


def test_what_http_refuses_is_not_kept(intake: IntakeStore) -> None:
    intake.put(fhir(bundle(observation(value="many"), observation())), NOW)
    assert (waiting(intake), records(intake)) == (1, [])


def test_unmapped_codes_units_and_values_are_counted(intake: IntakeStore) -> None:
    for control in ("1", "2"):
        intake.put(taken(oru(obx("X1^Potassium^LAB"), obx(unit="furlong"), control=control)), NOW)
    assert [count[:5] for count in intake.unmapped.all()] == [
        ("lab", "code", "LAB", "X1", 2),
        ("lab", "unit", "crp", "furlong", 2),
    ]
    assert [count.example for count in intake.unmapped.all()] == ["Potassium", "85 furlong"]
    intake.unmapped.forget()
    assert intake.unmapped.all() == []


def test_the_list_of_the_unmapped_is_bounded(intake: IntakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmapped, "UNMAPPED_KEPT", 3)
    for number in range(3):
        codes = [obx(f"X{number}{place}^n^LAB") for place in range(3)]
        intake.put(taken(oru(*codes, control=str(number))), NOW)
    intake.put(taken(oru(obx("X00^n^LAB"), control="again")), NOW)
    assert [(count.code, count.times) for count in intake.unmapped.all()] == [("X00", 2), ("X01", 1), ("X02", 1)]


def fixed(**values: str) -> Any:
    unlisted = source()
    words = {("text consciousness", word): unlisted.codes["text consciousness", "voice"] for word in values}
    return INTAKE._replace(unlisted=unlisted._replace(codes={**unlisted.codes, **words}))


@pytest.mark.parametrize("form", ["hl7", "fhir"])
def test_what_is_fixed_is_taken_and_the_rest_stays(intake: IntakeStore, form: str) -> None:
    if form == "hl7":
        sent = [taken(oru(obx("67775-7^LOC^LN", word, "", kind="ST"), control=word)) for word in ("sleepy", "dozy")]
    else:
        body = {"valueQuantity": None}
        sent = [fhir(bundle(observation("67775-7", valueString=word, id=word, **body))) for word in ("sleepy", "dozy")]
    for one in sent:
        intake.put(one, NOW)
    assert retrying.retry(intake, INTAKE, TABLES, NOW)[:3] == (0, 0, 2)
    done = retrying.retry(intake, fixed(sleepy="voice"), TABLES, NOW)
    assert done[:3] == (1, 0, 1)
    assert waiting(intake) == 1
    assert ["dozy" in record.raw for record in records(intake)] == [True]


def source_of(keys: SourceKeys, key: str) -> str | None:
    return asyncio.run(RememberedKeys(keys).source_of(key))


def test_keys_are_shown_once_and_kept_as_hashes(redis: Redis) -> None:
    keys = SourceKeys(redis, KEYS)
    key = keys.add("lab", NOW)
    assert source_of(keys, key) == "lab"
    held = str(redis.hgetall(SITE.key("sources")))
    assert key.split("_", 2)[2] not in held
    assert len({keys.add("lab", NOW) for _ in range(10)}) == 10


@pytest.mark.parametrize("wrong", ["", "cw", "cw_000000000000_" + "A" * 43, "Bearer x", "x" * 10_000])
def test_what_is_no_key_opens_nothing(redis: Redis, wrong: str) -> None:
    keys = SourceKeys(redis, KEYS)
    keys.add("lab", NOW)
    assert source_of(keys, wrong) is None


def test_another_secret_under_a_known_id_opens_nothing(redis: Redis) -> None:
    keys = SourceKeys(redis, KEYS)
    first, second = keys.add("lab", NOW), keys.add("other", NOW)
    mixed = "_".join([*first.split("_")[:2], second.split("_", 2)[2]])
    assert source_of(keys, mixed) is None


def test_a_revoked_key_opens_nothing(redis: Redis) -> None:
    keys = SourceKeys(redis, KEYS)
    key = keys.add("lab", NOW)
    (listed,) = keys.all()
    assert (listed.source, keys.revoke(listed.id), keys.revoke(listed.id)) == ("lab", True, False)
    assert source_of(keys, key) is None


def test_a_text_that_is_not_utf_8_can_be_tried_again_as_it_came(intake: IntakeStore) -> None:
    raw = oru(obx("67775-7^LOC^LN", "schläfrig", "", kind="ST")).decode().encode("latin-1")
    raw = raw.replace(b"|2.5.1\r", b"|2.5.1||||||8859/1\r")
    intake.put(taken(raw), NOW)
    (record,) = records(intake)
    assert record.form == "hl7/latin-1"
    assert retrying.retry(intake, fixed(schläfrig="voice"), TABLES, NOW)[:3] == (1, 0, 0)


def test_what_a_feed_on_trial_sends_is_counted(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx("X1^Potassium^LAB"), processing="T")), NOW)
    assert [count.code for count in intake.unmapped.all()] == ["X1"]


def test_a_long_message_with_many_bad_results_is_kept_once_and_tried_again_as_a_whole(intake: IntakeStore) -> None:
    raw = oru(*(obx(value="1" + "x" * 1000) for _ in range(60)))
    intake.put(taken(raw), NOW)
    [record] = records(intake)
    assert record.raw == raw.decode()
    assert record.why.startswith("60 elements cannot be used; the first: ")
    assert retrying.retry(intake, INTAKE, TABLES, NOW).kept == 1


# -- what the store has room for ---------------------------------------------------------------------


def unusable(control: str, *more: str) -> Parsed:
    return taken(oru(obx("67775-7^LOC^LN", f"word {control}", "", kind="ST"), *more, control=control))


def outcomes(put: Put) -> list[ElementOutcome]:
    return [item.outcome for one in put.deliveries for item in one.items]


def test_one_text_is_kept_once_however_many_of_its_elements_cannot_be_used(intake: IntakeStore) -> None:
    word = obx("67775-7^LOC^LN", "sleepy", "", kind="ST")
    intake.put(taken(oru(word, word, word)), NOW)
    [one] = everything(intake.redis, intake.keys)
    assert [reason.id for reason in one.letter.reasons] == ["1 OBX[1]", "1 OBX[2]", "1 OBX[3]"]


def test_of_a_text_what_is_fixed_is_stored_and_the_rest_stays(intake: IntakeStore) -> None:
    words = [obx("67775-7^LOC^LN", word, "", kind="ST") for word in ("sleepy", "dozy")]
    intake.put(taken(oru(*words)), NOW)
    assert retrying.retry(intake, fixed(sleepy="voice"), TABLES, NOW)[:3] == (1, 0, 1)
    assert ([record.id for record in records(intake)], waiting(intake)) == (["1 OBX[2]"], 1)
    assert retrying.retry(intake, fixed(sleepy="voice", dozy="voice"), TABLES, NOW)[:3] == (1, 0, 0)


def test_a_store_that_is_nearly_full_turns_away_what_needs_room_and_it_is_new_once_there_is_some(
    intake: IntakeStore, memory: Callable[[int, int], None]
) -> None:
    memory(86_000_000, 100_000_000)
    ignored = taken(oru(obx("X1^Potassium^LAB"), control="ignored"))
    assert outcomes(intake.put_all([taken(oru(obx())), unusable("1"), ignored], NOW)) == [
        ElementOutcome.OVER_QUOTA,
        ElementOutcome.OVER_QUOTA,
        ElementOutcome.IGNORED,
    ]
    assert (waiting(intake), records(intake)) == (0, [])
    memory(80_000_000, 100_000_000)
    monotonic_later(intake)
    again = intake.put(taken(oru(obx())), NOW)
    assert (outcomes(again), again.repeated, waiting(intake)) == ([ElementOutcome.STORED], False, 1)


def test_what_was_stored_is_still_known_when_the_store_is_full(
    intake: IntakeStore, memory: Callable[[int, int], None]
) -> None:
    intake.put(taken(oru(obx())), NOW)
    memory(99, 100)
    monotonic_later(intake)
    assert outcomes(intake.put(taken(oru(obx())), NOW)) == [ElementOutcome.STORED]


def test_a_source_of_which_too_much_waits_is_turned_away_alone(
    intake: IntakeStore, memory: Callable[[int, int], None]
) -> None:
    memory(6_000, 10_000)
    intake.redis.hset(KEYS.waiting_bytes, "lab", 1_900)
    messages = [(message(reading("crp", 85)), raw(reading("crp", 85)))]
    with pytest.raises(IntakeStoppedError, match=TOO_MUCH_WAITS):
        intake.put_native(messages, NOW, "lab")
    assert intake.put_native(messages, NOW, "other") != []
    assert int(intake.redis.hget(KEYS.waiting_bytes, "other") or 0) == len(messages[0][1])


def test_in_a_store_that_is_half_empty_no_source_has_a_share(
    intake: IntakeStore, memory: Callable[[int, int], None]
) -> None:
    memory(1_000, 10_000)
    intake.redis.hset(KEYS.waiting_bytes, "lab", 9_000)
    assert outcomes(intake.put(taken(oru(obx())), NOW)) == [ElementOutcome.STORED]


def test_answers_are_taken_by_a_full_store(intake: IntakeStore, memory: Callable[[int, int], None]) -> None:
    memory(99, 100)
    answer = acknowledgement("crs 1")
    intake.put_native([(message(answer), raw(answer))], NOW, "ehr")
    assert waiting(intake) == 1
    with pytest.raises(IntakeStoppedError, match=FULL):
        intake.put_native([(message(reading("crp", 85)), raw(reading("crp", 85)))], NOW, "ehr")


def test_the_dead_letters_of_one_delivery_are_bounded(intake: IntakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "WRITTEN_AT_ONCE", 3_000)
    bad = [observation("67775-7", id=f"b{number}", valueQuantity=None, valueString="sleepy") for number in range(30)]
    intake.put(fhir(bundle(*bad, observation())), NOW)
    left = everything(intake.redis, intake.keys)
    assert 1 < len(left) < 6
    assert dead_letters.usage(intake.redis, KEYS, NOW).dropped == {"lab": 30 - len(left)}
    assert waiting(intake) == 1


def monotonic_later(intake: IntakeStore) -> None:
    """The store is asked again how full it is."""
    intake._capacity._refreshed = float("-inf")


def test_a_store_of_another_number_of_shards_takes_nothing(redis: Redis) -> None:
    redis.set(KEYS.shard_count, KEYS.shards + 1)
    with pytest.raises(UnfitStoreError, match=f"CARTWATCH_SHARDS={KEYS.shards + 1}"):
        IntakeStore(redis, KEYS).put(taken(oru(obx())), NOW)
    with pytest.raises(UnfitStoreError):
        IntakeStore(redis, KEYS).put_native([], NOW, "lab")
    assert redis.keys() == [KEYS.shard_count.encode()]
