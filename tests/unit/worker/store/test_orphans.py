"""What a killed process owned is released at once; what others own is not touched."""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.support.delivery import Sender, die_while_sending, fake_provider
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, Clock, crs2, everything, send, waiting
from worker.store import backlog, orphans
from worker.store.lease import RemoteOwners
from worker.store.orphans import release_orphans
from worker.store.shard import Store


@pytest.fixture
def owner_is_dead(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether the processes whose tokens are looked at are gone."""

    def say(gone: bool) -> None:
        monkeypatch.setattr(orphans, "owner_is_dead", lambda _: gone)

    return say


@pytest.mark.parametrize("urgency", ["high", "critical"])
def test_the_page_of_a_sender_that_was_killed_is_due_at_once_and_can_be_sent(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch, owner_is_dead: Callable[[bool], None], urgency: str
) -> None:
    provider = fake_provider(monkeypatch)
    owe(redis, page(urgency=urgency))
    die_while_sending(store, Clock())
    owner_is_dead(True)
    release_orphans(store, RemoteOwners())
    assert backlog.read(redis, KEYS, NOW).pending().partitions == [KEYS.partition_of("phone-1").number]
    Sender(store).deliver()
    assert provider.ids == ["e7.1"]


def test_the_shard_of_a_killed_worker_is_released(store: Store, owner_is_dead: Callable[[bool], None]) -> None:
    send(store, crs2())
    shard = KEYS.of("P1")
    assert store.take(shard, Clock()) is not None
    owner_is_dead(True)
    release_orphans(store, RemoteOwners())
    assert not store.redis.exists(shard.lease)
    assert waiting(store) == 3


def test_what_a_process_holds_that_is_there_is_not_touched(redis: Redis, store: Store) -> None:
    """This process is there: the real look."""
    send(store, crs2())
    store.take(KEYS.of("P1"), Clock())
    owe(redis, page())
    die_while_sending(store, Clock())
    before = everything(redis)
    release_orphans(store, RemoteOwners())
    assert everything(redis) == before
