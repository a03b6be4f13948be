"""`cartwatch merges` and `cartwatch unmerge`, and merges between shards: they settle, whichever way round."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from alerts.message_json import BadMessage
from config.settings import Settings
from tests.support.stored_ward import SITE, Clock, reading, send
from worker import client
from worker.cli import main
from worker.commands import merges
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store.keys import Shard
from worker.store.shard import Store

TURNS_AT_MOST = 50


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def settle(store: Store) -> None:
    """Advance every shard until nothing waits in any."""
    for _ in range(TURNS_AT_MOST):
        for shard in store.keys.all():
            advance(store, shard, Clock(), SITE)
        if not any(store.redis.xlen(shard.inbox) for shard in store.keys.all()):
            return
    pytest.fail("messages go round")


@pytest.fixture
def at_once(service: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Workers that take what they are woken for at once."""

    def work(_: client.Client, __: Iterable[Shard]) -> None:
        settle(service)

    monkeypatch.setattr(client.Client, "wake", work)
    monkeypatch.setattr(merges, "LOOKS", 1)
    settings = Settings(namespace=service.keys.namespace, shards=service.keys.shards)
    monkeypatch.setattr(merges, "runtime", lambda: Runtime(settings, SITE, service, Clock()))
    return service


def merge(old: str, into: str, minutes: int = 0) -> dict[str, str]:
    at = Clock().now() - timedelta(hours=1) + timedelta(minutes=minutes)
    body = {"type": "merge", "id": f"{old} {into}", "source": "ehr", "patient": old, "into": into}
    return body | {"effective": at.isoformat()}


def into_of(store: Store, patient: str) -> str:
    state = store.state(patient)
    assert state is not None
    return state.merged_into


def apart(store: Store, count: int = 2) -> list[str]:
    """Patients in as many shards."""
    found: dict[int, str] = {}
    for number in range(1000):
        found.setdefault(store.keys.of(f"R{number}").number, f"R{number}")
    return list(found.values())[:count]


@pytest.mark.parametrize("count", [2, 3])
def test_a_ring_across_shards_settles_at_once_and_the_newest_merge_holds(at_once: Store, count: int) -> None:
    ring = apart(at_once, count)
    for minutes, (old, into) in enumerate(zip(ring, [*ring[1:], ring[0]], strict=True)):
        send(at_once, [merge(old, into, minutes), reading("temperature", 37, patient=old)])
        settle(at_once)
    assert into_of(at_once, ring[0]) == ""
    assert into_of(at_once, ring[-1]) == ring[0]
    listed = run("merges").stdout.splitlines()
    assert len(listed) == count
    newer = f"ended by the newer merge of {ring[-1]} into {ring[0]}"
    assert [line.endswith(newer) for line in sorted(listed)].count(True) == 1
    assert [line.endswith("continues there") for line in listed].count(True) == count - 1


def test_unmerge_watches_the_old_record_again(at_once: Store) -> None:
    one, other = apart(at_once)
    send(at_once, [reading("temperature", 39, patient=one), merge(one, other)])
    settle(at_once)
    send(at_once, [reading("systolic_bp", 84, patient=one)])
    settle(at_once)
    said = run("unmerge", one, "--by", "haematologist-1")
    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines() == [
        f"{one} is watched again, with every message that arrived under it",
        f"{other} keeps its copy: enter in error there what belongs to {one} alone",
    ]
    state = at_once.state(one)
    assert state is not None
    assert (state.merged_into, sorted(state.chart.entries)) == ("", ["systolic_bp", "temperature"])
    assert "crs" in state.episodes
    assert "says ehr" in run("merges").stdout
    assert run("merges").stdout.strip().endswith("retracted")


def test_unmerge_after_two_merges_that_contradict_each_other_leaves_both_records_watched(at_once: Store) -> None:
    one, other = apart(at_once)
    send(at_once, [merge(one, other)])
    settle(at_once)
    send(at_once, [merge(other, one, 5)])
    settle(at_once)
    assert run("unmerge", other, "--by", "haematologist-1").exit_code == 0
    assert (into_of(at_once, one), into_of(at_once, other)) == ("", "")


@pytest.mark.usefixtures("at_once")
def test_unmerge_of_a_record_that_was_never_merged() -> None:
    said = run("unmerge", "P1", "--by", "haematologist-1")
    assert said.exit_code == 1
    assert "P1 is not merged into another record" in said.output


def test_a_notice_from_outside_is_refused(at_once: Store) -> None:
    notice = merge("P1", "P2") | {"type": "merge_notice", "old": "P1", "patient": "P2"}
    with pytest.raises(BadMessage, match="type: merge_notice is written by cartwatch itself"):
        client.Client(Settings(namespace=at_once.keys.namespace), at_once.redis).send([notice])
