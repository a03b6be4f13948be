"""Tokens name their process: one that has ended is known, and none is taken for another."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from worker.store import lease
from worker.store.lease import RemoteOwners, owner_is_dead, owner_token

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


def test_a_later_process_of_the_same_number_is_not_taken_for_it() -> None:
    machine, number, began, rest = owner_token().split("-")
    assert owner_is_dead(f"{machine}-{number}-{int(began) - 1}-{rest}".encode())


def test_of_a_process_of_another_machine_nothing_is_known() -> None:
    _, _, began, rest = owner_token().split("-")
    assert not owner_is_dead(f"0123456789ab-999999999-{began}-{rest}".encode())


@pytest.mark.parametrize("token", [b"", b"another worker", b"deadbeefdeadbeef", b"a-b-c-d"])
def test_what_is_no_token_of_ours_is_left_alone(token: bytes) -> None:
    assert not owner_is_dead(token)


def test_where_the_kernel_does_not_say_nobody_is_held_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_process_elsewhere_has_ended_when_it_is_connected_no_more(clients: Any, ended: set[str]) -> None:
    elsewhere = RemoteOwners()
    assert elsewhere.dead(clients, [THERE]) == frozenset(), "one look says nothing: it may be about to give it back"
    assert elsewhere.dead(clients, [THERE]) == ended


def test_the_store_is_asked_only_about_what_was_held_at_the_last_look_and_elsewhere() -> None:
    clients: Any = Clients()
    elsewhere = RemoteOwners()
    for tokens in ([THERE], [b"0123456789ab-7-100-bb"], [owner_token().encode()], [], [b"another worker"]):
        assert elsewhere.dead(clients, tokens) == frozenset()
    assert clients.asked == 0
