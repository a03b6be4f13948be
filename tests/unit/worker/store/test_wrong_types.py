"""A key of another type, or a value that nobody can read, concerns nobody but itself."""

import re
from collections.abc import Callable

import pytest
from redis.exceptions import ResponseError

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT, Fault
from config.settings import Settings
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, reading, send
from tests.support.wording import english
from worker import ticker
from worker.app import app
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store import keys as keys_module
from worker.store import wrong_types
from worker.store.inbox import accept
from worker.store.keys import Place, Shard
from worker.store.shard import Store
from worker.ticker import pending

P1, SITES = KEYS.of("P1"), KEYS.of(SITE_SUBJECT)
OTHER = next(name for name in map("P{}".format, range(2, 99)) if KEYS.of(name) not in (P1, SITES))
P2 = KEYS.of(OTHER)


def neighbour(name: str) -> str:
    """A patient of the same shard as another."""
    return next(other for other in (f"{name}-{number}" for number in range(100)) if KEYS.of(other) == KEYS.of(name))


def faults(store: Store) -> list[str]:
    found = [read_message(fields[b"m"]) for _, fields in store.stream(SITES.inbox)]
    return [english(item.what) for item in found if isinstance(item, Fault)]


def spoil_hash(store: Store, key: str) -> None:
    store.redis.delete(key)
    store.redis.hset(key, "a", "b")


@pytest.mark.parametrize("name", ["inbox", "timers", "lease"])
def test_a_look_over_all_shards_goes_on_once_the_key_is_moved(store: Store, name: str) -> None:
    send(store, crs2(OTHER))
    spoil_hash(store, P1.key(name))
    with pytest.raises(ResponseError) as caught:
        pending(store, NOW)
    wrong_types.move_wrong_types_away(caught.value, store.redis, KEYS, NOW)
    assert P2.number in pending(store, NOW).shards
    [what] = faults(store)
    assert f"the key {P1.key(name)} was of another type than ours and was renamed" in what
    [kept] = store.redis.keys("ward:wrong_type:*")
    assert store.redis.hgetall(kept) == {b"a": b"b"}


@pytest.mark.parametrize(
    "name",
    ["states", "outbox", "revisions", "unregistered", "timers", "journal", "last_seen"],
)
def test_nothing_is_committed_before_the_key_is_moved(store: Store, clock: Clock, name: str) -> None:
    """A commit that failed on the outbox alone would owe a page that nobody looks for."""
    send(store, crs2("P1"))
    store.redis.set(P1.key(name), "text")
    with pytest.raises(ResponseError):
        advance(store, P1, clock, SITE)
    assert store.redis.xlen(P1.inbox) == 3
    wrong_types.move_away(store.redis, KEYS, NOW)
    store.redis.delete(P1.lease)
    advance(store, P1, clock, SITE)
    assert [item.page.urgency for item in owed(store, "P1")] == ["high"]


@pytest.mark.parametrize("key", [KEYS.queue("queue:phone-1"), KEYS.partition_of("phone-1").agenda])
def test_a_page_whose_queue_was_of_another_type_is_in_it_once_the_key_is_moved(
    store: Store, clock: Clock, key: str
) -> None:
    """The commit owes it all the same: one command of a transaction that fails undoes none of the others."""
    send(store, crs2("P1"))
    store.redis.set(key, "text")
    with pytest.raises(ResponseError):
        advance(store, P1, clock, SITE)
    wrong_types.move_away(store.redis, KEYS, NOW)
    [item] = owed(store, "P1")
    assert store.redis.zscore(KEYS.queue("queue:phone-1"), Place(P1.number, item.page.id).text) is not None
    assert KEYS.partition_of("phone-1").number in pending(store, NOW).partitions


def test_a_claim_of_the_ticker_is_moved_like_any_other_key(store: Store) -> None:
    """It is only ever set where it is absent: while another key stood there, no worker would look for what is due."""
    spoil_hash(store, KEYS.tick_claimed("due"))
    wrong_types.move_away(store.redis, KEYS, NOW)
    assert not store.redis.exists(KEYS.tick_claimed("due"))
    assert len(faults(store)) == 1


def test_keys_of_our_types_stay(store: Store, clock: Clock) -> None:
    send(store, crs2("P1"))
    advance(store, P1, clock, SITE)
    store.redis.set(KEYS.watchdog_claim, 1)
    before = set(store.redis.keys("*"))
    assert wrong_types.move_away(store.redis, KEYS, NOW) == []
    assert set(store.redis.keys("*")) == before


@pytest.mark.parametrize("name", ["crashes", "receipts", "cursor"])
def test_a_text_that_is_no_number_or_place_stops_no_shard(store: Store, clock: Clock, name: str) -> None:
    send(store, crs2("P1"))
    store.redis.set(P1.key(name), "strange")
    assert P1.number in pending(store, NOW).shards
    if name != "receipts":  # of these nothing depends but when the tick wakes
        with pytest.raises(ResponseError) as caught:
            advance(store, P1, clock, SITE)
        wrong_types.move_wrong_types_away(caught.value, store.redis, KEYS, NOW)
        store.redis.delete(P1.lease)
    advance(store, P1, clock, SITE)
    assert [item.page.urgency for item in owed(store, "P1")] == ["high"]


def test_every_key_of_a_shard_that_the_list_names_is_known() -> None:
    named = re.findall(r"^(\w+)(?::ID)?\s+(stream|hash|zset|string)\s", str(keys_module.__doc__), re.MULTILINE)
    assert len(named) > 20
    known = {name: wrong_types.TYPES.get(name, b"").decode() for name, _ in named if name != "page"}
    assert known == {name: kind for name, kind in named if name != "page"}


def test_lists_of_all_patients_leave_it_out(store: Store, clock: Clock) -> None:
    send(store, crs2("P1"))
    send(store, crs2(OTHER))
    for shard in (P1, P2):
        advance(store, shard, clock, SITE)
    store.redis.hset(P1.key("states"), "P1", b"cut short")
    store.redis.hset(P2.key("unregistered"), "P9", b"junk")
    assert [state.patient for state in store.states()] == [OTHER]
    assert store.unregistered() == {}


def test_a_dead_letter_that_cannot_be_read_hides_no_other(store: Store) -> None:
    store.redis.hset(KEYS.dead_letters, "one", "junk")
    send_bad(store)
    assert len(store.dead_letters()) == 1


def send_bad(store: Store) -> None:
    accept(store.redis, KEYS, [b"{"], NOW)


def test_nothing_is_committed_before_the_inbox_it_forwards_to_is_moved(store: Store, clock: Clock) -> None:
    """The state would be kept and the message for the other shard would be lost."""
    send(store, [reading("temperature", "38.9", OTHER)])
    [(_, entry)] = store.stream(P2.inbox)
    store.redis.delete(P2.inbox)
    spoil_hash(store, P2.inbox)
    store.redis.xadd(P1.inbox, entry)
    with pytest.raises(ResponseError):
        advance(store, P1, clock, SITE)
    assert store.redis.xlen(P1.inbox) == 1
    wrong_types.move_away(store.redis, KEYS, NOW)
    store.redis.delete(P1.lease)
    advance(store, P1, clock, SITE)
    assert (store.redis.xlen(P1.inbox), store.redis.xlen(P2.inbox)) == (0, 1)


@pytest.mark.parametrize("name", [KEYS.waiting_bytes, KEYS.dead_letters, SITES.key("seen:lab")])
def test_a_key_of_the_intake_is_moved_as_well(store: Store, name: str) -> None:
    store.redis.set(name, "text")
    wrong_types.move_away(store.redis, KEYS, NOW)
    assert not store.redis.exists(name)


@pytest.mark.parametrize("fields", [{b"x": b"y"}, {b"m": b"\xff"}, {b"m": b"null", b"r": b"yesterday"}])
def test_an_entry_of_an_inbox_that_nobody_can_read_holds_up_nothing(
    store: Store, clock: Clock, fields: dict[bytes, bytes]
) -> None:
    store.redis.xadd(P1.inbox, fields)  # type: ignore[arg-type]
    send(store, crs2("P1"))
    advance(store, P1, clock, SITE)
    assert [item.page.urgency for item in owed(store, "P1")] == ["high"]
    assert len(store.dead_letters()) == 1


def test_the_tick_moves_such_keys_and_its_other_parts_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    run = Runtime(Settings(), SITE, store, clock)
    done: list[str] = []
    woken: list[Shard] = []
    monkeypatch.setattr(ticker, "runtime", lambda: run)
    monkeypatch.setattr(ticker, "wake_shards", lambda _, shards: woken.extend(shards))
    for part in ("_release_orphans", "_watch", "_run_watchdog"):
        monkeypatch.setattr(ticker, part, _note(done, part))
    store.redis.set(P1.key("timers"), "text")
    ticker.tick(app)
    assert done == ["_release_orphans", "_watch", "_run_watchdog"]
    assert woken == [SITES]
    assert not store.redis.exists(P1.key("timers"))


def _note(done: list[str], part: str) -> Callable[..., None]:
    return lambda *_: done.append(part)
