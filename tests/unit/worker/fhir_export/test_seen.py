"""A stuck export is woken, shown and reported; its settings are checked."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client.utils import floatToGoString

from alerts.messages import SITE_SUBJECT
from config.settings import Settings
from tests.support.exporting import Exporting
from tests.support.stored_ward import KEYS, NOW, SITE, crs2, send
from tests.support.wording import english
from tests.support.workers import tick_on, ticking
from worker import tasks, ticker
from worker.app import app
from worker.cli import main
from worker.config_check.fhir_export import check_fhir_base
from worker.fhir_export.export import LEASE_LASTS
from worker.gateway.metrics import exposition
from worker.gateway.snapshot import Ward
from worker.monitoring import watchdog as watchdog
from worker.monitoring.health import Check, examine
from worker.monitoring.watchdog import FHIR_BASE, last_run, run_watchdog
from worker.processing.advance import advance
from worker.runtime.queues import QUEUES
from worker.runtime.runtime import Runtime

BASE = "https://record.example/fhir"
SITES = KEYS.of(SITE_SUBJECT)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What was handed to Celery."""
    found: list[tuple[str, tuple[Any, ...]]] = []
    monkeypatch.setattr(app, "send_task", lambda name, args=(), **_: found.append((name, args)))
    return found


@pytest.fixture
def run(ward: Exporting, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """The installation of the ward, which is otherwise well."""
    made = Runtime(ward.settings, SITE, ward.store, ward.clock)
    for module in (tasks, ticker):
        monkeypatch.setattr(module, "runtime", lambda: made)
    monkeypatch.setattr("worker.fhir_export.client.fhir_base", lambda _: ward.base)
    monkeypatch.setattr(ticker, "_is_consumed", lambda *_: True)
    monkeypatch.setattr(watchdog, "violations", lambda *_, **__: [])
    monkeypatch.setattr(ward.store.redis, "info", lambda _: {"run_id": "one"})
    ticking(ward.store, QUEUES, NOW)
    return made


# -- who is woken ------------------------------------------------------------------------------------


def test_what_follows_of_a_batch_wakes_the_export(
    run: Runtime, ward: Exporting, sent: list[tuple[str, tuple[Any, ...]]]
) -> None:
    send(run.store, crs2())
    tasks.advance(ward.shard().number)
    assert ("export", (ward.shard().number,)) in sent


def test_the_tick_wakes_an_export_whose_wake_up_was_lost(
    run: Runtime, ward: Exporting, sent: list[tuple[str, tuple[Any, ...]]]
) -> None:
    ward.comes(*crs2())
    ticker.tick(app)
    assert ("export", (ward.shard().number,)) in sent
    sent.clear()
    tasks.export(ward.shard().number)
    assert ward.waits() == 0
    ticker.tick(app)
    assert "export" not in {name for name, _ in sent}
    del run


def test_where_nothing_is_exported_nobody_looks(
    run: Runtime, ward: Exporting, sent: list[tuple[str, tuple[Any, ...]]]
) -> None:
    ward.comes(*crs2())
    run.settings, run.store.exports = Settings(), False
    ticker.tick(app)
    tasks.export(ward.shard().number)
    assert "export" not in {name for name, _ in sent}
    assert ward.record.requests == []


def test_a_long_backlog_goes_on_by_itself(
    run: Runtime, ward: Exporting, sent: list[tuple[str, tuple[Any, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.fhir_export.export.AT_ONCE", 1)
    registered, fever, pressure = crs2()
    ward.comes(registered, fever)
    ward.comes(pressure)
    tasks.export(ward.shard().number)
    assert sent == [("export", (ward.shard().number,))]
    del run


def test_the_task_ends_before_its_claim_does() -> None:
    task = app.tasks["export"]
    assert task.soft_time_limit < task.time_limit < LEASE_LASTS.total_seconds()


# -- what is reported ----------------------------------------------------------------------------------


def look(run: Runtime) -> None:
    tick_on(run.store, run.clock.now())
    run.store.redis.delete(KEYS.watchdog_claim)
    run_watchdog(run, run.clock.now())
    advance(run.store, SITES, run.clock, SITE)
    run.store.redis.delete(SITES.key("due"))


def test_a_base_that_has_failed_for_five_minutes_is_paged_and_closes_by_itself(run: Runtime, ward: Exporting) -> None:
    def trouble() -> bool:
        state = run.store.state(SITE_SUBJECT)
        return state is not None and FHIR_BASE in state.episodes

    ward.comes(*crs2())
    ward.record.answers = [(503, {"Retry-After": "400"})]
    ward.export()
    ward.store.redis.delete(ward.shard().key("due"))
    ward.clock.forward(minutes=4, seconds=59)
    look(run)
    assert not trouble()
    ward.clock.forward(seconds=1)
    look(run)
    assert trouble()
    page = run.store.state(SITE_SUBJECT)
    assert page is not None
    assert "it answered 503" in english(page.episodes[FHIR_BASE].title)
    ward.clock.forward(minutes=2)
    ward.export()
    assert ward.waits() == 0
    for _ in range(2):
        ward.clock.forward(minutes=1, seconds=1)
        look(run)
    assert not trouble()


@pytest.mark.parametrize(("settings", "missed"), [(Settings(fhir_base=BASE), True), (Settings(), False)])
def test_that_missing_workers_are_reported_where_it_is_configured(
    run: Runtime, ward: Exporting, settings: Settings, missed: bool
) -> None:
    run.settings = settings
    ticking(ward.store, [name for name in QUEUES if name != "export"], NOW)
    for _ in range(5):
        look(run)
        ward.clock.forward(seconds=15)
    look(run)
    assert ("no worker export" in last_run(run.store).notified) == missed


def seen(ward: Exporting) -> Check:
    [found] = [item for item in examine(ward.store, ward.clock.now()) if item.part == "FHIR base"]
    return found


def test_health_counts_what_waits_and_is_ill_once_it_waits_too_long(run: Runtime, ward: Exporting) -> None:
    del run
    assert seen(ward) == Check("FHIR base", True, "0 batch(es) wait, the oldest for 0 s")
    ward.comes(*crs2())
    ward.record.answers = [(503, {"Retry-After": "400"})]
    ward.export()
    ward.clock.forward(seconds=60)
    assert seen(ward).well
    assert "fails since 14 Jun 08:00:00 UTC (it answered 503)" in seen(ward).seen
    ward.clock.forward(minutes=5)
    assert not seen(ward).well


def test_health_says_nothing_of_it_where_it_is_off(run: Runtime, ward: Exporting) -> None:
    del run
    ward.store.exports = False
    parts = {item.part for item in examine(ward.store, NOW)}
    assert not {"FHIR base", "workers exporting"} & parts


def test_health_misses_the_workers_that_export(run: Runtime, ward: Exporting) -> None:
    del run
    ticking(ward.store, ["advance"], NOW)
    assert Check("workers exporting", False, "0 ticking") in examine(ward.store, NOW)


def test_the_metrics_count_what_waits_and_only_where_it_is_configured(ward: Exporting) -> None:
    def counted() -> list[str]:
        text = exposition(Ward(NOW, (), {}, (), frozenset(), version=1), ward.store, ward.clock.now()).decode()
        return [line for line in text.splitlines() if line.startswith("cartwatch_exports")]

    ward.comes(*crs2())
    ward.clock.forward(seconds=30)
    assert counted() == [
        "cartwatch_exports_waiting 1.0",
        f"cartwatch_exports_oldest_timestamp_seconds {floatToGoString(NOW.timestamp())}",
        "cartwatch_exports_refused 0.0",
    ]
    ward.store.exports = False
    assert counted() == []


# -- the command -------------------------------------------------------------------------------------


@pytest.fixture
def command(command_environment: None, ward: Exporting, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    del command_environment
    monkeypatch.setattr("worker.runtime.runtime.connect", lambda *_, **__: ward.store.redis)

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["fhir-export", "status", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    return said


def test_the_command_lists_what_was_refused_until_it_is_to_forget(ward: Exporting, command: Callable[..., str]) -> None:
    ward.comes(*crs2())
    ward.record.refuses = lambda resource: resource["resourceType"] == "Communication"
    ward.export()
    listed = command()
    assert "P1 Communication " in listed
    assert "it answered 422: no such code" in listed
    assert "0 batch(es) wait" in listed
    assert '"raw": "{\\"resourceType\\": \\"Communication\\"' in command("--json", "--forget")
    assert "; 0 refused" in command()


# -- the settings ------------------------------------------------------------------------------------


def remarks(**settings: Any) -> list[tuple[str, bool]]:
    return [(problem.key[0], problem.warning) for problem in check_fhir_base(Settings(**settings))]


@pytest.mark.parametrize("base", [BASE, "http://127.0.0.1:8080/fhir", "http://localhost/fhir", "http://[::1]:80/fhir"])
def test_a_good_address_is_passed_over(base: str) -> None:
    assert remarks(fhir_base=base, fhir_system="urn:oid:1.2.3", fhir_token="x") == []  # noqa: S106


@pytest.mark.parametrize(
    "base",
    ["record.example/fhir", "ftp://record.example", "https://", "https://a b/", "https://record.example:99999/", "x"],
)
def test_a_nonsense_address_is_an_error(base: str) -> None:
    assert remarks(fhir_base=base, fhir_system="urn:oid:1.2.3") == [("CARTWATCH_FHIR_BASE", False)]


@pytest.mark.parametrize("base", ["https://user:word@record.example/", f"{BASE}?a=b", f"{BASE}#part"])
def test_an_address_that_holds_more_than_one_is_an_error(base: str) -> None:
    assert remarks(fhir_base=base, fhir_system="urn:oid:1.2.3") == [("CARTWATCH_FHIR_BASE", False)]


@pytest.mark.parametrize("base", ["http://record.example/fhir", "http://10.1.2.3/fhir"])
def test_an_address_without_tls_is_remarked(base: str) -> None:
    assert remarks(fhir_base=base, fhir_system="urn:oid:1.2.3") == [("CARTWATCH_FHIR_BASE", True)]


def test_a_missing_system_and_a_token_for_nothing_are_remarked() -> None:
    assert remarks(fhir_base=BASE) == [("CARTWATCH_FHIR_SYSTEM", True)]
    assert remarks(fhir_token="x") == [("CARTWATCH_FHIR_TOKEN", True)]  # noqa: S106
    assert remarks() == []


def test_the_check_command_says_so(command_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del command_environment
    monkeypatch.setenv("CARTWATCH_FHIR_BASE", "nonsense")
    result = CliRunner().invoke(main, ["check", "--from", "2024-06-14"])
    assert "error: environment: CARTWATCH_FHIR_BASE: is no address of a FHIR server" in result.output
    assert result.exit_code == 1
