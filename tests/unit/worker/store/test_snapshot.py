"""A backup is the store at one moment; restored elsewhere it owes the same pages, and nothing is half restored."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis

from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, raw, reading, send, waiting
from worker.processing.advance import advance
from worker.store import backup_file, snapshot
from worker.store.backup_file import BadBackupError, read_header, read_keys, write_backup
from worker.store.dead_letters import everything as dead_letters
from worker.store.inbox import accept
from worker.store.keys import Keys
from worker.store.shard import Store
from worker.store.snapshot import CopiedKey, Snapshot, TooMuchWaitsError, is_empty, restore_snapshot, take_snapshot

MARK = ("mark", b"1")


@pytest.fixture
def elsewhere() -> Iterator[Redis]:
    """The store of another machine."""
    with FakeRedis(server=FakeServer(version=(7,))) as client:
        yield client


@pytest.fixture
def ward(store: Store, clock: Clock) -> Store:
    """A patient who is paged and one whose messages wait; a message that could not be used."""
    send(store, crs2("P1"))
    for shard in KEYS.all():
        advance(store, shard, clock, SITE)
    send(store, crs2("P2"))
    accept(store.redis, KEYS, [b'{"no": "message"}'], NOW, source="lab")
    store.redis.set("another application", "has a key here")
    store.redis.set(KEYS.of("P2").lease, "a running worker", px=60_000)
    store.redis.set(f"{KEYS.namespace}:session:1", "x", px=60_000)
    return store


def contents(redis: Redis, keys: Keys = KEYS) -> dict[bytes, list[CopiedKey]]:
    found: dict[bytes, list[CopiedKey]] = {}
    for one in take_snapshot(redis, keys).keys:
        if one.parts:
            found.setdefault(one.name, []).append(msgspec.structs.replace(one, ttl=min(one.ttl, 1)))
    return found


def test_what_is_restored_elsewhere_is_what_was_copied(ward: Store, elsewhere: Redis, tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_backup(path, take_snapshot(ward.redis, KEYS), KEYS.namespace, KEYS.shards)
    header = read_header(path)
    restore_snapshot(elsewhere, KEYS, read_keys(path), MARK)
    elsewhere.delete("mark")
    assert contents(elsewhere) == contents(ward.redis)
    assert header.shards == KEYS.shards
    assert abs((header.at - datetime.now(UTC)).total_seconds()) < 60
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_pages_are_owed_and_what_waited_is_evaluated(ward: Store, elsewhere: Redis, clock: Clock) -> None:
    restore_snapshot(elsewhere, KEYS, take_snapshot(ward.redis, KEYS).keys, MARK)
    restored = Store(elsewhere, KEYS, batch=500, lease_seconds=5, journal_length=1000)
    assert owed(restored) == owed(ward)
    assert waiting(restored, "P2") == waiting(ward, "P2") >= 3
    advance(restored, KEYS.of("P2"), clock, SITE)
    assert owed(restored, "P2")
    assert dead_letters(elsewhere, KEYS)


def test_leases_of_processes_that_are_elsewhere_and_keys_of_others_stay(ward: Store, elsewhere: Redis) -> None:
    restore_snapshot(elsewhere, KEYS, take_snapshot(ward.redis, KEYS).keys, MARK)
    assert not elsewhere.exists(KEYS.of("P2").lease, "another application")
    assert 0 < elsewhere.pttl(f"{KEYS.namespace}:session:1") <= 60_000


def test_a_namespace_may_get_another_name_and_loses_what_it_had(ward: Store) -> None:
    other = Keys("a*[b]", KEYS.shards)
    ward.redis.set("a*[b]:old", "1")
    ward.redis.set("axb:old", "1")
    restore_snapshot(ward.redis, other, take_snapshot(ward.redis, KEYS).keys, MARK)
    assert contents(ward.redis, other) == contents(ward.redis)
    assert not ward.redis.exists("a*[b]:old")
    assert ward.redis.exists("axb:old")


def test_an_interruption_leaves_the_store_as_it_was(ward: Store, elsewhere: Redis) -> None:
    def interrupted() -> Iterator[CopiedKey]:
        keys = list(take_snapshot(ward.redis, KEYS).keys)
        yield from keys[: len(keys) // 2]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        restore_snapshot(elsewhere, KEYS, interrupted(), MARK)
    assert is_empty(elsewhere, KEYS)
    restore_snapshot(elsewhere, KEYS, take_snapshot(ward.redis, KEYS).keys, MARK)
    elsewhere.delete("mark")
    assert contents(elsewhere) == contents(ward.redis)
    assert not list(elsewhere.scan_iter("*restoring*"))


def test_a_long_journal_is_read_up_to_the_moment_of_the_copy(
    store: Store, elsewhere: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "AT_ONCE", 7)
    journal = KEYS.of("P1").key("journal")
    for number in range(30):
        store.redis.xadd(journal, {"j": f"{number}"})
    copied = take_snapshot(store.redis, KEYS)
    for number in range(30, 40):
        store.redis.xadd(journal, {"j": f"{number}"})
    restore_snapshot(elsewhere, KEYS, copied.keys, MARK)
    assert elsewhere.xrange(journal) == store.redis.xrange(journal)[:30]


def test_a_flood_is_not_read_at_one_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_WAITING", 2)
    send(store, [reading("temperature", "38.0")])
    take_snapshot(store.redis, KEYS)
    send(store, crs2())
    with pytest.raises(TooMuchWaitsError, match="4 messages wait"):
        take_snapshot(store.redis, KEYS)


# -- the file --------------------------------------------------------------------------------------


@pytest.fixture
def path(store: Store, tmp_path: Path) -> Path:
    accept(store.redis, KEYS, map(raw, crs2()), NOW)
    made = tmp_path / "b"
    write_backup(made, take_snapshot(store.redis, KEYS), KEYS.namespace, KEYS.shards)
    return made


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_or_changed_is_refused(path: Path, share: float) -> None:
    data = path.read_bytes()
    place = int(len(data) * share)
    for damaged in (data[:place], data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(BadBackupError):
            read_header(path)
    path.write_bytes(data)
    assert len(list(read_keys(path))) > 0


def test_a_backup_of_a_newer_version_is_refused_by_its_name(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_file.schema, "VERSION", 9)
    monkeypatch.setattr(backup_file, "version", lambda _: "7.5")
    write_backup(path, take_snapshot(store.redis, KEYS), KEYS.namespace, KEYS.shards)
    monkeypatch.undo()
    with pytest.raises(BadBackupError, match=r"version 9, written by cartwatch 7\.5"):
        read_header(path)


def test_a_disk_that_is_full_leaves_the_former_backup(path: Path) -> None:
    before = path.read_bytes()

    def fails() -> Iterator[CopiedKey]:
        yield CopiedKey(b"a", "string", -1, [b"1"])
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_backup(path, Snapshot(NOW, fails()), KEYS.namespace, KEYS.shards)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["b"]


def test_the_body_is_compressed(path: Path) -> None:
    data = path.read_bytes()
    assert data.startswith(b"cartwatch backup 1\n{")
    assert gzip.decompress(data[data.index(b"\x1f\x8b") : -72])
