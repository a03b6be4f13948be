"""What a process is given to work with, from its settings."""

from pathlib import Path

import pytest
from redis import Redis

from config.settings import Settings
from config.site import ConfigurationError
from tests.support.stored_ward import KEYS, Clock, crs2, send
from worker.app import Tick
from worker.clock import StoreClock
from worker.runtime.runtime import connect, keys_of, make, runtime
from worker.runtime.simulated_clock import SimulatedClock
from worker.store.keys import Keys


def test_the_settings_reach_the_store(redis: Redis) -> None:
    run = make(Settings(namespace="ward", shards=4, batch=2, lease=9, journal_length=0), redis)
    assert run.store.keys == keys_of(run.settings) == Keys("ward", 4)
    send(run.store, crs2())
    batch = run.store.take(KEYS.of("P1"), Clock())
    assert batch is not None
    assert len(batch.waiting) == 2
    assert 8000 < redis.pttl(KEYS.of("P1").lease) <= 9000


def test_the_clock_is_the_stores_unless_a_replay_drives_it(redis: Redis) -> None:
    assert isinstance(make(Settings(), redis).clock, StoreClock)
    assert isinstance(make(Settings(clock="simulated"), redis).clock, SimulatedClock)


def test_a_call_to_a_store_that_is_gone_ends_within_seconds() -> None:
    options = connect("redis://127.0.0.1:1/0").connection_pool.connection_kwargs
    assert options["socket_timeout"] <= 5
    assert options["socket_connect_timeout"] <= 5


def test_a_worker_whose_configuration_cannot_be_used_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started, it would take messages off the queue and fail on each."""
    (tmp_path / "site.yaml").write_text("name: [")
    monkeypatch.setenv("CARTWATCH_CONFIG_DIR", str(tmp_path))
    runtime.cache_clear()
    with pytest.raises(ConfigurationError):
        Tick(None).start(None)
    runtime.cache_clear()
