"""Real Redis servers, one primary and its replicas, with real Sentinels, all on this machine's loopback."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.chaos.stand import free_port
from worker.standalone.child_process import die_with_parent
from worker.standalone.embedded_redis import find_server

SERVICE = "ward"
LOOPBACK = "127.0.0.1"
FAILOVER_TIMEOUT_SECONDS = 6
DOWN_AFTER_MS = 1000
"""Tests are impatient: docker-compose.yml has three seconds, and so has the campaign."""

APART_MS = 400
"""Each Sentinel misses a server so much later than the one before, as in docker-compose.yml."""

_NODE = """\
bind {host}
dir .
logfile ""
requirepass {password}
masterauth {password}
appendonly yes
appendfsync always
maxmemory-policy noeviction
save ""
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-timeout 10
{extra}
"""

_SENTINEL = """\
bind {host}
dir .
logfile ""
requirepass {sentinel_password}
sentinel sentinel-pass {sentinel_password}
sentinel monitor {service} {primary} 2
sentinel auth-pass {service} {password}
sentinel down-after-milliseconds {service} {down}
sentinel failover-timeout {service} {timeout}000
sentinel parallel-syncs {service} 1
"""


_TLS = """\
tls-port {port}
port 0
tls-replication yes
tls-auth-clients no
tls-cert-file {folder}/cert.pem
tls-key-file {folder}/key.pem
tls-ca-cert-file {folder}/ca.pem
"""


class Node:
    """One server process, which can be killed, frozen and started again."""

    def __init__(self, folder: Path, name: str, configuration: str, host: str, port: int, *extra: str) -> None:
        self.folder, self.host, self.port, self._extra = folder / name, host, port, extra
        self.folder.mkdir(parents=True)
        own = f"bind-source-addr {host}\n" if host != LOOPBACK else ""
        (self.folder / "node.conf").write_text(configuration + own, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start it, if it does not run; Sentinel and failovers rewrite its configuration."""
        if self.process is not None and self.process.poll() is None:
            return
        command = find_server()
        assert command is not None
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [*command, "node.conf", *self._extra],
                cwd=self.folder,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),
            )

    def kill(self) -> None:
        """Kill it: its connections are reset."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stop it where it stands: its connections stay open, and nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, also where it is frozen."""
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Sentinels:
    """One primary with replicas, and three Sentinels; each has an address of its own if they are `apart`.

    With a folder of `certificates` (`cert.pem`, `key.pem`, `ca.pem`) all of them speak TLS.
    """

    def __init__(
        self,
        folder: Path,
        replicas: int = 2,
        down_after_ms: int = DOWN_AFTER_MS,
        *,
        apart: bool = False,
        certificates: Path | None = None,
    ) -> None:
        self._certificates = certificates
        self._password, self._sentinel_password = secrets.token_hex(8), secrets.token_hex(8)
        places = [(_host(number if apart else None), free_port()) for number in range(1, replicas + 5)]
        primary = " ".join(map(str, places[0]))
        self.nodes = [
            Node(
                folder,
                f"node-{number}",
                self._named(port)
                + _NODE.format(
                    host=host,
                    password=self._password,
                    extra=f"replicaof {primary}" if number else "",
                ),
                host,
                port,
            )
            for number, (host, port) in enumerate(places[:-3])
        ]
        values = {"password": self._password, "sentinel_password": self._sentinel_password, "primary": primary}
        values |= {"service": SERVICE, "timeout": FAILOVER_TIMEOUT_SECONDS}
        self.sentinels = [
            Node(
                folder,
                f"sentinel-{number}",
                self._named(port) + _SENTINEL.format(host=host, down=down_after_ms + APART_MS * number, **values),
                host,
                port,
                "--sentinel",
            )
            for number, (host, port) in enumerate(places[-3:])
        ]

    def _named(self, port: int) -> str:
        return _TLS.format(port=port, folder=self._certificates) if self._certificates else f"port {port}\n"

    @property
    def url(self) -> str:
        """The address of the store."""
        return self._url(0)

    @property
    def broker_url(self) -> str:
        """The address of Celery's broker: the same servers, another database."""
        return self._url(1)

    def _url(self, database: int) -> str:
        hosts = ",".join(f"{sentinel.host}:{sentinel.port}" for sentinel in self.sentinels)
        scheme = "rediss+sentinel" if self._certificates else "redis+sentinel"
        query = f"?sentinel_password={self._sentinel_password}"
        if self._certificates:
            query += f"&ssl_ca_certs={self._certificates}/ca.pem"
        return f"{scheme}://:{self._password}@{hosts}/{SERVICE}/{database}{query}"

    def __enter__(self) -> "Sentinels":
        self._stack = ExitStack()
        for node in (*self.nodes, *self.sentinels):
            node.start()
            self._stack.callback(node.close)
        try:
            self.wait_until_whole()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start whatever does not run, and let it go on."""
        for node in (*self.nodes, *self.sentinels):
            node.start()
            node.thaw()

    def direct(self, node: Node) -> Redis:
        """A connection to one server, which raises at once if there is none."""
        return Redis(
            node.host,
            node.port,
            password=self._sentinel_password if node in self.sentinels else self._password,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=2,
            socket_connect_timeout=1,
            **({"ssl": True, "ssl_ca_certs": f"{self._certificates}/ca.pem"} if self._certificates else {}),
        )

    @contextmanager
    def asking(self, node: Node) -> Iterator[Redis]:
        """The same, closed afterwards."""
        with self.direct(node) as redis:
            yield redis

    def primary(self) -> Node:
        """The server that the Sentinels call the primary: those that know of the newest failover.

        Raises:
            RedisError: none of them answers.
        """
        found = []
        for sentinel in self.sentinels:
            with suppress(RedisError), self.asking(sentinel) as redis:
                _, port = redis.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)  # type: ignore[no-untyped-call]
                found.append((redis.sentinel_master(SERVICE)["config-epoch"], int(port)))
        if not found:
            raise RedisError("no Sentinel answers")
        return next(node for node in self.nodes if node.port == max(found)[1])

    def replicas(self) -> list[Node]:
        """The other servers."""
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    def fail_over(self) -> None:
        """Ask for a planned failover."""
        with self.asking(self.sentinels[0]) as redis:
            redis.execute_command("SENTINEL FAILOVER", SERVICE)  # type: ignore[no-untyped-call]

    def is_whole(self) -> bool:
        """Whether one primary has all replicas, and each Sentinel knows all of it."""
        try:
            primary = self.primary()
            with self.asking(primary) as redis:
                found = redis.info("replication")
                online = [one for name, one in found.items() if name.startswith("slave") and isinstance(one, dict)]
                if found["role"] != "master" or len(online) != len(self.nodes) - 1:
                    return False
                if any(one["state"] != "online" for one in online):
                    return False
            return all(map(self._knows_all, self.sentinels))
        except RedisError:
            return False

    def _knows_all(self, sentinel: Node) -> bool:
        with self.asking(sentinel) as redis:
            known = redis.sentinel_master(SERVICE)
            replicas = redis.sentinel_slaves(SERVICE)
            return bool(
                known["num-slaves"] == len(self.nodes) - 1
                and known["num-other-sentinels"] == 2
                and known["flags"] == "master"
                and all(one["flags"] == "slave" and one["master-link-status"] == "ok" for one in replicas)
            )

    def wait_until_whole(self, within: float = 60.0) -> None:
        """Wait until the installation is as at the start."""
        wait_until(self.is_whole, "the store has all its servers and Sentinels", within)


def _host(number: int | None) -> str:
    """An address of this machine's loopback, of which Linux has 16 million."""
    return LOOPBACK if number is None else f"127.{os.getpid() >> 8 & 127 | 64}.{os.getpid() & 255}.{number}"


def wait_until(condition: Callable[[], object], what: str, within: float = 30.0) -> None:
    """Poll until something is so.

    Raises:
        AssertionError: it is not, in time.
    """
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(0.05)
