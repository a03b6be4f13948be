"""`cartwatch register`: what was typed becomes a registration, and what happened is said."""

from collections.abc import Iterable

import pytest
from click.testing import CliRunner, Result

from config.settings import Settings
from tests.support.stored_ward import SITE, Clock, reading, send
from worker import client
from worker.cli import main
from worker.commands import registration
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store.keys import Shard
from worker.store.shard import Store


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["register", *arguments])


@pytest.fixture
def at_once(service: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A worker that takes what it is woken for at once."""

    def work(_: client.Client, shards: Iterable[Shard]) -> None:
        for shard in shards:
            advance(service, shard, Clock(), SITE)

    monkeypatch.setattr(client.Client, "wake", work)
    monkeypatch.setattr(registration, "LOOKS", 1)
    settings = Settings(namespace=service.keys.namespace, shards=service.keys.shards)
    monkeypatch.setattr(registration, "runtime", lambda: Runtime(settings, SITE, service, Clock()))
    return service


def test_it_says_who_is_registered_and_what_waited_for_it(at_once: Store) -> None:
    send(at_once, [reading("temperature", 39), reading("systolic_bp", 84)])
    advance(at_once, at_once.keys.of("P1"), Clock(), SITE)
    said = run("P1", "--infused", "2024-06-12T10:00", "--product", "Yescarta", "--ward", "HAEM-2", "--bed", "12")
    assert said.exit_code == 0, said.output
    first, second, *episodes = said.stdout.splitlines()
    assert first == "P1 is registered: infused 12 Jun 10:00, day 2, axicabtagene ciloleucel, HAEM-2/12"
    assert second == "2 message(s) from monitor-7 that waited for it are evaluated now"
    assert any("CRS grade 2" in line for line in episodes)


def test_it_says_that_nothing_has_come_in_and_that_no_day_is_known(at_once: Store) -> None:
    said = run("P1")
    assert "NO INFUSION DATE" in said.stdout
    assert "nothing has come in for P1 yet" in said.stdout
    assert "P1 is registered again" in run("P1", "--infused", "2024-06-12T10:00+02:00", "--bed", "7").stdout
    state = at_once.state("P1")
    assert state is not None
    assert state.chart.day(Clock().now(), SITE.zone) == 2


@pytest.mark.usefixtures("at_once")
def test_a_product_of_another_name_is_kept_as_it_was_written() -> None:
    assert "a trial product" in run("P1", "--infused", "2024-06-12T10:00", "--product", "a trial product").stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("~site",), "PATIENT: Patient: write the id"),
        (("P1", "--infused", "2024-06-12"), "--infused: Infusion: write day and hour"),
        (("P1", "--infused", "2034-06-12T10:00"), "--infused: Infusion: too far ahead"),
        (("P1", "--born", "1955"), "--born: Date of birth: write it as in 1955-05-01"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_its_fix(
    at_once: Store, arguments: tuple[str, ...], why: str
) -> None:
    said = run(*arguments)
    assert said.exit_code == 2
    assert why in said.stderr
    assert at_once.state("P1") is None


def test_without_a_worker_it_says_that_it_is_only_stored(service: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "LOOKS", 0)
    monkeypatch.setattr(client.Client, "wake", lambda *_: None)
    said = run("P1")
    assert said.exit_code == 1
    assert "is stored, and not processed yet" in said.stderr
    assert service.redis.xlen(service.keys.of("P1").inbox) == 1
