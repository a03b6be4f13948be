"""What the ways in keep: messages once, the rest with its text, counts within bounds."""

from typing import Any

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT
from tests.unit.worker.intake.feeds import INTAKE, NOW, TABLES, bundle, fhir, observation, obx, oru, source, taken
from tests.unit.worker.ward import KEYS
from worker import bounds
from worker.fitness import UnfitStoreError
from worker.intake import retry as retrying
from worker.intake import store as stores
from worker.intake.keys import SourceKeys
from worker.intake.store import IntakeStore, Put
from worker.intake.taken import Outcome, Taken
from worker.packing import unpack_set_aside

SITE = KEYS.of(SITE_SUBJECT)


@pytest.fixture
def intake(redis: Redis) -> IntakeStore:
    return IntakeStore(redis, KEYS)


def waiting(intake: IntakeStore, patient: str = "P1") -> int:
    return int(intake.redis.xlen(KEYS.of(patient).inbox))


def test_messages_stand_in_the_inbox_before_anybody_is_told(intake: IntakeStore) -> None:
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
    assert len(unpack_set_aside(fields[b"s"]).raw) == stores.TEST_CHARACTERS


def test_a_delivery_is_remembered_for_hours_not_for_days(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx())), NOW)
    (seen,) = intake.redis.scan_iter(SITE.key("seen:*"))
    assert 3600 < intake.redis.ttl(seen) <= 7200


def test_what_is_set_aside_keeps_its_text_and_place_and_is_told_once(intake: IntakeStore) -> None:
    raw = oru(obx(), obx("67775-7^LOC^LN", "sleepy", "", kind="ST"))
    intake.put(taken(raw), NOW)
    intake.put(taken(oru(obx("67775-7^LOC^LN", "dozy", "", kind="ST"))), NOW)
    records = [record for _, _, record in intake.set_aside()]
    assert [(record.form, record.source, record.id) for record in records] == [
        ("hl7", "lab", "1 OBX[2]"),
        ("hl7", "lab", "1 OBX[1]"),
    ]
    assert records[0].raw == raw.decode()
    assert waiting(intake, SITE_SUBJECT) == 1


def test_what_the_chart_shows_is_set_aside_there(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx(unit="furlong"))), NOW)
    assert (waiting(intake), intake.set_aside()) == (1, [])


def test_an_unreadable_message_is_kept_whole(intake: IntakeStore) -> None:
    from worker.intake import read

    intake.put(read.hl7(b"MSH|^~\\&|LAB|HOSP|\rnonsense", INTAKE, TABLES), NOW)
    intake.put(read.hl7(b"\x00\x01", INTAKE, TABLES), NOW)
    assert len(intake.set_aside()) == 1, "an MSH without a type is read, and ignored"


def test_what_http_refuses_is_not_kept(intake: IntakeStore) -> None:
    intake.put(fhir(bundle(observation(value="many"), observation())), NOW)
    assert (waiting(intake), intake.set_aside()) == (1, [])


def test_unmapped_codes_units_and_values_are_counted(intake: IntakeStore) -> None:
    for control in ("1", "2"):
        intake.put(taken(oru(obx("X1^Potassium^LAB"), obx(unit="furlong"), control=control)), NOW)
    assert [count[:5] for count in intake.unmapped()] == [
        ("lab", "code", "LAB", "X1", 2),
        ("lab", "unit", "crp", "furlong", 2),
    ]
    assert [count.example for count in intake.unmapped()] == ["Potassium", "85 furlong"]
    intake.forget_unmapped()
    assert intake.unmapped() == []


def test_the_list_of_the_unmapped_is_bounded(intake: IntakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "UNMAPPED_KEPT", 3)
    for number in range(3):
        codes = [obx(f"X{number}{place}^n^LAB") for place in range(3)]
        intake.put(taken(oru(*codes, control=str(number))), NOW)
    intake.put(taken(oru(obx("X00^n^LAB"), control="again")), NOW)
    assert [(count.code, count.times) for count in intake.unmapped()] == [("X00", 2), ("X01", 1), ("X02", 1)]


def mended(**values: str) -> Any:
    unlisted = source()
    words = {("text consciousness", word): unlisted.codes["text consciousness", "voice"] for word in values}
    return INTAKE._replace(unlisted=unlisted._replace(codes={**unlisted.codes, **words}))


@pytest.mark.parametrize("form", ["hl7", "fhir"])
def test_what_is_mended_is_taken_and_the_rest_stays(intake: IntakeStore, form: str) -> None:
    if form == "hl7":
        sent = [taken(oru(obx("67775-7^LOC^LN", word, "", kind="ST"), control=word)) for word in ("sleepy", "dozy")]
    else:
        body = {"valueQuantity": None}
        sent = [fhir(bundle(observation("67775-7", valueString=word, id=word, **body))) for word in ("sleepy", "dozy")]
    for one in sent:
        intake.put(one, NOW)
    assert retrying.retry(intake, INTAKE, TABLES, NOW)[:3] == (0, 0, 2)
    done = retrying.retry(intake, mended(sleepy="voice"), TABLES, NOW)
    assert done[:3] == (1, 0, 1)
    assert waiting(intake) == 1
    assert ["dozy" in record.raw for _, _, record in intake.set_aside()] == [True]


def test_keys_are_shown_once_and_kept_as_hashes(redis: Redis) -> None:
    keys = SourceKeys(redis, KEYS)
    key = keys.add("lab", NOW)
    assert keys.source_of(key) == "lab"
    held = str(redis.hgetall(SITE.key("sources")))
    assert key.rpartition("_")[2] not in held
    assert len({keys.add("lab", NOW) for _ in range(10)}) == 10


@pytest.mark.parametrize("wrong", ["", "cw", "cw_000000000000_" + "A" * 43, "Bearer x", "x" * 10_000])
def test_what_is_no_key_opens_nothing(redis: Redis, wrong: str) -> None:
    keys = SourceKeys(redis, KEYS)
    keys.add("lab", NOW)
    assert keys.source_of(wrong) is None


def test_another_secret_under_a_known_id_opens_nothing(redis: Redis) -> None:
    keys = SourceKeys(redis, KEYS)
    first, second = keys.add("lab", NOW), keys.add("other", NOW)
    mixed = "_".join([*first.split("_")[:2], second.split("_", 2)[2]])
    assert keys.source_of(mixed) is None


def test_a_revoked_key_opens_nothing(redis: Redis) -> None:
    keys = SourceKeys(redis, KEYS)
    key = keys.add("lab", NOW)
    (listed,) = keys.all()
    assert (listed.source, keys.revoke(listed.id), keys.revoke(listed.id)) == ("lab", True, False)
    assert keys.source_of(key) is None


def test_a_text_that_is_not_utf_8_can_be_tried_again_as_it_came(intake: IntakeStore) -> None:
    raw = oru(obx("67775-7^LOC^LN", "schläfrig", "", kind="ST")).decode().encode("latin-1")
    raw = raw.replace(b"|2.5.1\r", b"|2.5.1||||||8859/1\r")
    intake.put(taken(raw), NOW)
    ((_, _, record),) = intake.set_aside()
    assert record.form == "hl7/latin-1"
    assert retrying.retry(intake, mended(schläfrig="voice"), TABLES, NOW)[:3] == (1, 0, 0)


def test_what_a_feed_on_trial_sends_is_counted(intake: IntakeStore) -> None:
    intake.put(taken(oru(obx("X1^Potassium^LAB"), processing="T")), NOW)
    assert [count.code for count in intake.unmapped()] == ["X1"]


def test_a_long_message_with_many_bad_results_is_kept_once_and_tried_again_as_a_whole(intake: IntakeStore) -> None:
    raw = oru(*(obx(value="x" * 1000) for _ in range(60)))
    intake.put(taken(raw), NOW)
    [(_, _, record)] = intake.set_aside()
    assert record.raw == raw.decode()
    assert record.why.startswith("60 elements cannot be used; the first: ")
    assert retrying.retry(intake, INTAKE, TABLES, NOW).kept == 1


# -- how much is set aside ---------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for two records, and for one more where something is usable as well."""
    monkeypatch.setattr(bounds, "MOST", 2)
    monkeypatch.setattr(bounds, "RESERVE", 1)


def unusable(control: str, *more: str) -> Taken:
    return taken(oru(obx("67775-7^LOC^LN", f"word {control}", "", kind="ST"), *more, control=control))


def outcomes(put: Put) -> list[Outcome]:
    return [item.outcome for one in put.taken for item in one.items]


@pytest.mark.usefixtures("small")
def test_what_is_usable_is_always_taken(intake: IntakeStore) -> None:
    for control in ("1", "2", "3"):
        intake.put(unusable(control), NOW)
    assert outcomes(intake.put(taken(oru(obx())), NOW)) == [Outcome.STORED]
    assert waiting(intake) == 1


@pytest.mark.usefixtures("small")
def test_what_there_is_no_room_for_is_turned_away_and_new_once_there_is(intake: IntakeStore) -> None:
    assert outcomes(intake.put_all([unusable("1"), unusable("2"), unusable("3"), unusable("3")], NOW)) == [
        Outcome.SET_ASIDE,
        Outcome.SET_ASIDE,
        Outcome.NO_ROOM,
        Outcome.NO_ROOM,
    ]
    again = intake.put(unusable("3"), NOW)
    assert (outcomes(again), again.repeated, len(intake.set_aside())) == ([Outcome.NO_ROOM], False, 2)
    intake.take_off(intake.set_aside()[:1])
    assert outcomes(intake.put(unusable("3"), NOW)) == [Outcome.SET_ASIDE]
    assert intake.put(unusable("3"), NOW).repeated


@pytest.mark.usefixtures("small")
def test_a_message_that_was_kept_is_still_known_when_the_list_is_full(intake: IntakeStore) -> None:
    for control in ("1", "2"):
        intake.put(unusable(control), NOW)
    assert outcomes(intake.put(unusable("1"), NOW)) == [Outcome.SET_ASIDE]


@pytest.mark.usefixtures("small")
def test_a_message_with_something_usable_is_turned_away_last_and_whole(intake: IntakeStore) -> None:
    for control in ("1", "2"):
        intake.put(unusable(control), NOW)
    assert outcomes(intake.put(unusable("3", obx()), NOW)) == [Outcome.SET_ASIDE]
    assert waiting(intake) == 1
    assert outcomes(intake.put(unusable("4", obx()), NOW)) == [Outcome.NO_ROOM]
    assert (waiting(intake), len(intake.set_aside())) == (1, 3)


@pytest.mark.usefixtures("small")
def test_what_the_chart_would_set_aside_needs_room_too(intake: IntakeStore) -> None:
    for shard in KEYS.all()[:2]:
        intake.redis.xadd(shard.key("set_aside"), {"s": b""})
    assert outcomes(intake.put(taken(oru(obx(unit="furlong"))), NOW)) == [Outcome.NO_ROOM]
    assert waiting(intake) == 0


@pytest.mark.usefixtures("small")
def test_of_a_bundle_the_entries_without_room_are_turned_away_alone(intake: IntakeStore) -> None:
    bad = [observation("67775-7", id=f"b{number}", valueQuantity=None, valueString="sleepy") for number in range(3)]
    put = intake.put(fhir(bundle(*bad, observation())), NOW)
    assert outcomes(put) == [Outcome.SET_ASIDE, Outcome.SET_ASIDE, Outcome.NO_ROOM, Outcome.STORED]
    assert (waiting(intake), len(intake.set_aside())) == (1, 2)


@pytest.mark.usefixtures("small")
def test_test_messages_need_no_room(intake: IntakeStore) -> None:
    for control in ("1", "2"):
        intake.put(unusable(control), NOW)
    raw = oru(obx("67775-7^LOC^LN", "sleepy", "", kind="ST"), processing="T", control="9")
    assert outcomes(intake.put(taken(raw), NOW)) == [Outcome.SET_ASIDE]
    assert intake.redis.xlen(SITE.key("test")) == 1


def test_a_store_of_another_number_of_shards_takes_nothing(redis: Redis) -> None:
    redis.set(KEYS.shape, KEYS.shards + 1)
    with pytest.raises(UnfitStoreError, match=f"CARTWATCH_SHARDS={KEYS.shards + 1}"):
        IntakeStore(redis, KEYS).put(taken(oru(obx())), NOW)
    with pytest.raises(UnfitStoreError):
        IntakeStore(redis, KEYS).put_native([], NOW)
    assert redis.keys() == [KEYS.shape.encode()]
