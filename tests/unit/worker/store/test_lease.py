"""Tokens name their process: one that has ended is known, and none is taken for another."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from worker.store import lease
from worker.store.lease import Lease, RemoteOwners, once_every, owner_is_dead, owner_token

SPEAKER = "from worker.store.lease import owner_token; print(owner_token(), flush=True); input()"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which says a token of its own and waits."""
    command = [sys.executable, "-c", SPEAKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:  # noqa: S603
        yield started
        started.kill()


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_that_runs_is_there() -> None:
    assert not owner_is_dead(owner_token().encode())


def test_no_two_tokens_are_the_same() -> None:
    assert owner_token() != owner_token()


def test_a_process_that_was_killed_is_gone_also_before_its_parent_has_noticed(
    process: subprocess.Popen[bytes],
) -> None:
    token = said(process)
    assert not owner_is_dead(token)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still listed
    assert owner_is_dead(token)
    process.wait()
    assert owner_is_dead(token)


def test_a_later_process_of_the_same_number_is_another_owner() -> None:
    machine, number, began, rest = owner_token().split("-")
    assert owner_is_dead(f"{machine}-{number}-{int(began) - 1}-{rest}".encode())


def test_of_a_process_of_another_machine_nothing_is_known() -> None:
    _, _, began, rest = owner_token().split("-")
    assert not owner_is_dead(f"0123456789ab-999999999-{began}-{rest}".encode())


@pytest.mark.parametrize("token", [b"", b"another worker", b"deadbeefdeadbeef", b"a-b-c-d"])
def test_what_is_no_token_of_ours_is_left_alone(token: bytes) -> None:
    assert not owner_is_dead(token)


def test_where_the_kernel_does_not_say_no_owner_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_machine", lambda: "")
    assert not owner_is_dead(b"-999999999-1-aa")


class Clients:
    """A store that says who is connected, and since when."""

    def __init__(self, *connected: str, since: int = 60, error: Exception | None = None) -> None:
        self._clients = [{"name": name, "age": str(since)} for name in (lease.process_name(), *connected)]
        self._error = error
        self.asked = 0

    def client_list(self) -> list[dict[str, str]]:
        self.asked += 1
        if self._error is not None:
            raise self._error
        return self._clients


THERE = b"0123456789ab-7-100-aa"


@pytest.mark.parametrize(
    ("clients", "ended"),
    [
        (Clients(), {"0123456789ab-7-100"}),
        (Clients("0123456789ab-7-99"), {"0123456789ab-7-100"}),
        (Clients("0123456789ab-7-100"), set()),
        (Clients(since=5), set()),
        (Clients(error=ResponseError("NOPERM")), set()),
    ],
    ids=["has ended", "a later one of its number", "is there", "reached just now", "the store does not say"],
)
def test_a_remote_owner_without_a_connection_is_dead(clients: Any, ended: set[str]) -> None:
    elsewhere = RemoteOwners()
    assert elsewhere.dead(clients, [THERE]) == frozenset(), "one look says nothing: it may be about to give it back"
    assert elsewhere.dead(clients, [THERE]) == ended


def test_the_store_is_asked_only_about_remote_owners_seen_twice() -> None:
    clients: Any = Clients()
    elsewhere = RemoteOwners()
    for tokens in ([THERE], [b"0123456789ab-7-100-bb"], [owner_token().encode()], [], [b"another worker"]):
        assert elsewhere.dead(clients, tokens) == frozenset()
    assert clients.asked == 0


# -- leases ----------------------------------------------------------------------------------------

PERIOD = timedelta(seconds=5)


def acquired(redis: Redis) -> Lease:
    found = Lease.acquire(redis, "key", PERIOD)
    assert found is not None
    return found


def test_one_owner_has_a_lease_until_it_releases_it(redis: Redis) -> None:
    first = acquired(redis)
    assert Lease.acquire(redis, "key", PERIOD) is None
    assert first.release(redis)
    assert acquired(redis).token != first.token


def test_a_lease_that_nobody_releases_expires(redis: Redis) -> None:
    acquired(redis)
    assert 0 < redis.pttl("key") <= PERIOD / timedelta(milliseconds=1)


def test_only_the_owner_writes_and_releases(redis: Redis) -> None:
    lost = acquired(redis)
    redis.set("key", "another")
    assert not lost.write(redis, lambda pipe: pipe.set("effect", 1))
    assert not lost.release(redis)
    assert (redis.get("effect"), redis.get("key")) == (None, b"another")


def test_a_lease_lost_while_its_owner_writes_fences_the_write(redis: Redis) -> None:
    lost = acquired(redis)

    def slowly(pipe: Pipeline) -> None:
        redis.set("key", "another")
        pipe.set("effect", 1)

    assert not lost.write(redis, slowly)
    assert redis.get("effect") is None


def test_of_all_who_ask_the_first_does_the_work_of_a_period(redis: Redis) -> None:
    assert [once_every(redis, "work", PERIOD) for _ in range(3)] == [True, False, False]
    assert 0 < redis.pttl("work") <= PERIOD / timedelta(milliseconds=1)
    redis.delete("work")
    assert once_every(redis, "work", PERIOD)
