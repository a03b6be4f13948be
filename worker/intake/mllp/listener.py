"""The listening side of MLLP: which peers may connect, how many of them, and a graceful stop."""

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable
from datetime import datetime

from config.listeners import Listener
from worker.intake.mllp import tls
from worker.intake.mllp.acknowledger import Acknowledger, Handler
from worker.intake.mllp.batcher import Batcher
from worker.intake.mllp.connection import READ_BYTES, Connection
from worker.intake.mllp.counters import Counters
from worker.intake.mllp.errors import ListenerError
from worker.intake.mllp.frame_budget import FrameBudget

log = logging.getLogger(__name__)

FINISH_SECONDS = 15.0
HANDSHAKE_SECONDS = 10.0
KEEPALIVE_SECONDS = 60

_WHY = {
    errno.EADDRINUSE: "is in use: stop who has it (ss -ltnp shows who), or choose another",
    errno.EACCES: "may only be used by root: choose one above 1023",
    errno.EADDRNOTAVAIL: "is no address of this machine",
}


class MllpListener:
    """One address, its connections, and the handler that stores their messages.

    A thread calls the handler with the waiting messages of all connections.
    """

    def __init__(self, name: str, listener: Listener, handler: Handler, now: Callable[[], datetime]) -> None:
        self.name = name
        self.counters = Counters()
        self.port = listener.port
        """The port it listens on; the one that was free, once it has started on port 0."""
        self._listener = listener
        self._now = now
        self._batcher = Batcher(Acknowledger(handler, listener, now))
        self._frame_budget = FrameBudget()
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._rejected: set[str] = set()

    async def start(self) -> None:
        """Listen from now on.

        Raises:
            ListenerError: the address cannot be had, or the certificate cannot be used.
        """
        secure = tls.context(self._listener.tls) if self._listener.tls else None
        timeouts = {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": 2.0} if secure else {}
        try:
            self._server = await asyncio.start_server(
                self._connected, self._listener.host, self._listener.port, ssl=secure, limit=READ_BYTES, **timeouts
            )
        except OSError as error:
            # From Python 3.13 on asyncio gives no number if no address belongs to this machine.
            number = error.errno or errno.EADDRNOTAVAIL
            why = _WHY.get(number) or f"cannot be listened on: {error.strerror or error}"
            raise ListenerError(f"{self.name}: {self._listener.host} port {self._listener.port} {why}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return self._server is not None and self._server.is_serving()

    async def stop(self) -> None:
        """Accept no more connections, answer the received messages, close."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.finish()
        tasks = list(self._connections.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._batcher.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        if not self._may_enter(peer):
            self.counters.add(peer, {"connections_rejected": 1})
            writer.transport.abort()
            return
        _keep_alive(writer)
        connection = Connection(
            reader, writer, peer, self._listener, self._batcher.submit, self.counters, self._now, self._frame_budget
        )
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            await connection.serve()
        finally:
            del self._connections[connection]

    def _may_enter(self, peer: str) -> bool:
        if not self.is_serving:
            return False
        if not _allowed(peer, self._listener):
            why = "it is not among the listener's allow_from"
        elif len(self._connections) >= self._listener.max_connections:
            why = f"{self._listener.max_connections} connections are open"
        else:
            return True
        if peer not in self._rejected and len(self._rejected) < 1000:
            self._rejected.add(peer)
            log.warning("%s: %s is rejected: %s", self.name, peer, why)
        return False


def _peer(writer: asyncio.StreamWriter) -> str:
    """The address of the peer, as an allow-list writes it."""
    name = writer.get_extra_info("peername")
    text = str(name[0]).partition("%")[0] if isinstance(name, tuple) else ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _allowed(peer: str, listener: Listener) -> bool:
    if not listener.allow_from:
        return True
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in listener.allow_from)


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Enable TCP keep-alive: a peer whose cable was pulled is noticed in minutes, not after the idle timeout."""
    link = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), KEEPALIVE_SECONDS)
