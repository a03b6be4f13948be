"""Dead letters: once, counted, bounded in bytes, each source within its share."""

from collections.abc import Callable
from datetime import timedelta

from redis import Redis

from alerts.state import DeadLetter
from tests.support.stored_ward import KEYS, NOW
from worker.store.dead_letters import ListedLetter, everything, remove, trim, usage, write

Memory = Callable[[int, int], None]


def record(raw: str, source: str = "lab", why: str = "not JSON", minutes: float = 0) -> DeadLetter:
    return DeadLetter(NOW + timedelta(minutes=minutes), source, "P1", "m1", why, raw)


def put(redis: Redis, *records: DeadLetter) -> list[ListedLetter]:
    for one in records:
        pipe = redis.pipeline(transaction=True)
        write(pipe, KEYS, [one], one.at)
        pipe.execute()
        trim(redis, KEYS, one.at)
    return everything(redis, KEYS)


def test_the_same_text_for_the_same_reason_is_one_letter_with_a_count_and_its_last_time(redis: Redis) -> None:
    [one] = put(redis, record("{"), record("{", minutes=5), record("{", minutes=7))
    assert (one.times, one.letter.at, one.last) == (3, NOW, NOW + timedelta(minutes=7))
    assert one.letter.records() == [record("{")]


def test_another_source_and_another_reason_make_another_letter(redis: Redis) -> None:
    assert len(put(redis, record("{"), record("{", source="icu"), record("{", why="type: missing"))) == 3


def test_a_flood_drops_the_oldest_of_its_own_source_only(redis: Redis, memory: Memory) -> None:
    memory(0, 400_000)  # 40 000 bytes of letters, 10 000 of a source
    flood = [record(f"junk {number}", "monitor-7", minutes=number) for number in range(100)]
    left = put(redis, record("{"), *flood)
    ours, theirs = ([one for one in left if one.letter.source == source] for source in ("lab", "monitor-7"))
    assert len(ours) == 1
    assert [one.letter.raw for one in theirs] == [f"junk {number}" for number in range(100 - len(theirs), 100)]
    found = usage(redis, KEYS, NOW + timedelta(minutes=100))
    assert (found.dropped, found.dropping) == ({"monitor-7": 100 - len(theirs)}, ("monitor-7",))
    assert 5_000 < found.used <= 12_000


def test_a_repeated_letter_is_not_the_oldest(redis: Redis, memory: Memory) -> None:
    memory(0, 400_000)
    letters = [record("{", "monitor-7")]
    for number in range(100):
        letters += [record(f"junk {number}", "monitor-7", minutes=number), record("{", "monitor-7", minutes=number)]
    assert "{" in {one.letter.raw for one in put(redis, *letters)}


def test_many_sources_together_have_no_more_than_all_may_have(redis: Redis, memory: Memory) -> None:
    memory(0, 400_000)
    put(redis, *(record(f"junk {number}", f"source {number % 40}", minutes=number) for number in range(400)))
    found = usage(redis, KEYS, NOW)
    assert 20_000 < found.used <= found.limit == 40_000
    assert sum(found.dropped.values()) == 400 - found.letters


def test_repetitions_push_nothing_out(redis: Redis, memory: Memory) -> None:
    memory(0, 400_000)
    left = put(redis, record("other", "monitor-7"), *(record("{", "monitor-7", minutes=n) for n in range(500)))
    assert [one.times for one in left if one.letter.raw == "{"] == [500]
    assert len(left) == 2


def test_what_was_taken_off_leaves_nothing_behind(redis: Redis) -> None:
    remove(redis, KEYS, put(redis, *(record(f"{number}", f"source {number % 3}") for number in range(9))))
    assert list(redis.scan_iter("*")) == []


def test_a_text_of_any_characters_comes_back_as_it_was(redis: Redis) -> None:
    raw = "schläfrig \ud800 \x00 " + "x" * 10_000
    [one] = put(redis, record(raw))
    assert one.letter.raw == raw
    assert usage(redis, KEYS, NOW).used < 1_000
