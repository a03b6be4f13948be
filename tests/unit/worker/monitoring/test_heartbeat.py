"""The heartbeat to the external dead-man's switch."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from config.settings import Settings
from tests.support.alert_manager import AlertManager, managed
from tests.support.stored_ward import NOW, SITE, Clock
from worker.clock import milliseconds
from worker.monitoring import beats
from worker.monitoring.heartbeat import TOO_OLD, beat, report_stop
from worker.monitoring.watchdog import last_run
from worker.runtime.runtime import Runtime
from worker.standalone.fake_phone import FakePhone
from worker.store.shard import Store


def at(url: str | None, store: Store, clock: Clock) -> Runtime:
    return Runtime(Settings(heartbeat_url=url), SITE, store, clock)


def test_it_is_sent_and_recorded(store: Store, clock: Clock) -> None:
    with FakePhone() as receiver:
        assert beat(at(receiver.url.replace("json", "http"), store, clock), NOW)
    assert last_run(store).heartbeat_sent == NOW


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/secret", "ftp://127.0.0.1/secret"])
def test_one_that_does_not_get_through_is_recorded_without_its_address(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    assert not beat(at(url, store, clock), NOW)
    assert last_run(store).heartbeat_failed == NOW
    assert "heartbeat" in caplog.text
    assert "secret" not in caplog.text


def test_one_that_waited_too_long_says_nothing_about_now(store: Store, clock: Clock) -> None:
    assert not beat(at("http://127.0.0.1:9", store, clock), NOW - TOO_OLD - timedelta(seconds=1))
    assert last_run(store).heartbeat_failed is None


# -- the keep-alive of an alert manager ----------------------------------------------------------------


@pytest.fixture
def manager() -> Iterator[AlertManager]:
    with AlertManager() as running:
        yield running


def with_manager(manager: AlertManager, store: Store, clock: Clock) -> Runtime:
    return Runtime(Settings(), managed(SITE, "manager", manager.url), store, clock)


def test_every_alert_manager_hears_that_nothing_is_wrong(manager: AlertManager, store: Store, clock: Clock) -> None:
    beat(with_manager(manager, store, clock), NOW)
    assert manager.kept_alive == ["active"]
    beat(with_manager(manager, store, clock), NOW - TOO_OLD - timedelta(seconds=1))
    assert manager.kept_alive == ["active"]


@pytest.mark.parametrize(("queues", "said"), [(["deliver"], []), (["advance"], ["inactive"])])
def test_the_last_worker_that_delivers_reports_its_stop(
    manager: AlertManager, store: Store, clock: Clock, queues: list[str], said: list[str]
) -> None:
    other = beats.Beat(milliseconds(NOW), queues)
    own = beats.Beat(milliseconds(NOW), ["deliver"])
    for name, one in (("elsewhere:1", other), (beats.worker_name(), own)):
        store.redis.hset(store.keys.workers, name, msgspec.json.encode(one))
    report_stop(with_manager(manager, store, clock))
    assert manager.kept_alive == said
