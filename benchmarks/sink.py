"""A phone that takes pages as fast as they come and notes when each arrived; a process of its own.

GET /taken answers with the time (of the system's monotonic clock) at which each bed was first named, and how many
requests there were.
Run: python benchmarks/sink.py (prints its port)
"""

import asyncio
import json
import re
import time

BED = re.compile(rb"B\d{6}")


class Sink(asyncio.Protocol):
    """One connection, kept open as long as the sender likes."""

    taken: dict[str, float] = {}  # noqa: RUF012 - shared by all connections on purpose
    requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody calls."""
        self._transport = transport
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        """Take every request that is whole."""
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            head = self._heard[:end]
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._heard) < whole:
                return
            body, self._heard = self._heard[end + 4 : whole], self._heard[whole:]
            self._answer(self._take(head, body))

    def _take(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /taken"):
            return json.dumps({"taken": Sink.taken, "requests": Sink.requests}).encode()
        now = time.monotonic()
        Sink.requests += 1
        for bed in set(BED.findall(body)):
            Sink.taken.setdefault(bed.decode(), now)
        return b""

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n"
        self._transport.write(head.encode() + body)  # type: ignore[attr-defined]


async def serve() -> None:
    """Listen on loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
