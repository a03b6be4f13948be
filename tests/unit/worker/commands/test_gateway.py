"""`cartwatch gateway`, `cartwatch sign-in-link`, `cartwatch sign-out`, as somebody at a terminal meets them."""

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from redis import Redis

from config.settings import Settings
from tests.support.stored_ward import KEYS, SITE, Clock
from worker.commands import gateway as commands
from worker.gateway import serve as serving
from worker.gateway.sessions import Sessions
from worker.links import SignIn, links_of
from worker.runtime.runtime import Runtime
from worker.store.shard import Store

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is to be refused


def run(command: click.Command, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.fixture
def settings(store: Store, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the service that the commands find, on a store as it must be."""
    monkeypatch.setattr(store.redis, "info", lambda _: {})
    found = Settings(public_url="https://cartwatch.example", namespace=KEYS.namespace, shards=KEYS.shards)
    for name in ("runtime", "gateway_runtime"):
        monkeypatch.setattr(commands, name, lambda: Runtime(found, SITE, store, Clock()))
    return found


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[serving.Listening, serving.MetricsAccess]]:
    """What would be served."""
    found: list[tuple[serving.Listening, serving.MetricsAccess]] = []
    monkeypatch.setattr(serving, "serve", lambda _, listening, access: found.append((listening, access)))
    monkeypatch.setattr("worker.runtime.logging_setup.configure", lambda _: None)
    return found


Served = list[tuple[serving.Listening, serving.MetricsAccess]]


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("host", [EVERYWHERE, "192.168.7.1", "::", "cartwatch.example"])
def test_other_machines_are_not_served_in_the_clear(served: Served, host: str) -> None:
    said = run(commands.gateway, "--host", host)
    assert said.exit_code == 2
    assert "--certificate" in said.stderr
    assert served == []


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_is(served: Served, host: str) -> None:
    assert run(commands.gateway, "--host", host, "--port", "8090").exit_code == 0
    assert (served[0][0].host, served[0][0].port) == (host, 8090)


@pytest.mark.usefixtures("settings")
def test_other_machines_are_served_with_a_certificate_or_behind_a_proxy(served: Served, tmp_path: Path) -> None:
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.touch()
    key.touch()
    tls = ("--certificate", str(certificate), "--key", str(key))
    assert run(commands.gateway, "--host", EVERYWHERE, *tls).exit_code == 0
    assert run(commands.gateway, "--host", EVERYWHERE, "--behind-proxy").exit_code == 0
    assert served[0][0].url == f"https://{EVERYWHERE}:8080"
    assert served[1][1].networks == ()
    assert run(commands.gateway, *tls[:2]).exit_code == 2


@pytest.mark.usefixtures("settings")
def test_nothing_is_served_from_a_store_that_drops_keys(
    served: Served, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "info", lambda _: {"maxmemory_policy": "allkeys-lru"})
    said = run(commands.gateway)
    assert (said.exit_code, served) == (1, [])
    assert "set maxmemory-policy noeviction" in said.stderr


@pytest.mark.usefixtures("settings", "served")
def test_who_may_read_the_metrics_must_make_sense() -> None:
    assert run(commands.gateway, "--metrics-from", "here").exit_code == 2
    said = run(commands.gateway, "--behind-proxy", "--metrics-from", "10.0.0.0/24")
    assert said.exit_code == 2
    assert "CARTWATCH_METRICS_TOKEN" in said.stderr


def test_whoever_brings_the_token_of_the_settings_may_read_the_metrics(
    served: Served, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_token = settings.model_copy(update={"metrics_token": "0123456789"})
    monkeypatch.setattr(commands, "gateway_runtime", lambda: Runtime(with_token, SITE, store, Clock()))
    assert run(commands.gateway, "--behind-proxy").exit_code == 0
    [(_, access)] = served
    assert access == serving.MetricsAccess((), "0123456789")


def test_a_personal_link(redis: Redis, settings: Settings) -> None:
    said = run(commands.sign_in_link, "--person", "haematologist-1")
    links = links_of(redis, KEYS, settings, "https://cartwatch.example")
    assert said.stdout.startswith("https://cartwatch.example/sign-in/")
    assert links.read_sign_in(said.stdout.strip().rpartition("/")[2], Clock().now()).person == "haematologist-1"


@pytest.mark.usefixtures("settings")
def test_a_link_for_nobody_is_refused() -> None:
    said = run(commands.sign_in_link, "--person", "nobody-9")
    assert said.exit_code == 2
    assert "not one of haematologist-1" in said.stderr


def test_a_link_needs_an_address(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "runtime", lambda: Runtime(Settings(), SITE, store, Clock()))
    said = run(commands.sign_in_link, "--person", "haematologist-1")
    assert said.exit_code == 1
    assert "CARTWATCH_PUBLIC_URL" in said.stderr


@pytest.mark.usefixtures("settings")
def test_signing_somebody_out(redis: Redis) -> None:
    now = datetime.now(UTC)
    session = Sessions(redis, KEYS).begin(SignIn("1", "haematologist-1", now), now)
    assert session is not None
    assert run(commands.sign_out, "--person", "haematologist-1").stdout.startswith("1 session(s)")
    assert Sessions(redis, KEYS).find(session.id, now) is None
