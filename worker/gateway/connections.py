"""Limits of connections that owe bytes: their time, and their number. Uvicorn limits neither.

A connection owes bytes from its beginning until its request is complete, and while its peer does not read the response.
Each phase has a time limit. If an address has too many such connections, the gateway closes an old one, never the new
one. A client that sends a whole request at once therefore gets a response, whatever others at its address do.
"""

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from worker.gateway.rate_limit import sender


class Phase(Enum):
    """The phases of a connection. `READER`: its peer must read the response. `END`: the last response."""

    FIRST_BYTE = "first byte"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"
    READER = "reader"
    NEXT_REQUEST = "next request"
    END = "end"


HANDSHAKE_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 15
"""After this time uvicorn closes an idle connection in order. If the peer does not react, `SECONDS` ends it."""

SECONDS: dict[Phase, float] = {
    Phase.FIRST_BYTE: 5,
    Phase.HEAD: 10,
    Phase.BODY: 30,
    Phase.READER: 30,
    Phase.NEXT_REQUEST: KEEP_ALIVE_SECONDS + 5,
    Phase.END: 10,
}
"""The time limit of each phase. A whole response has none: its parts have one, and a live board has no end."""


class Caps(NamedTuple):
    """The most connections that may owe bytes: of one address, and of all."""

    of_one: int = 200
    of_all: int = 350


class Closable(Protocol):
    """A connection that can be closed at once."""

    @property
    def worth(self) -> int:
        """The loss of the peer. Connections of the least worth are closed first."""
        ...

    def abort(self) -> None:
        """Close it. Unwritten bytes are lost."""
        ...


class Owing:
    """The connections that owe bytes, by address, oldest first."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._by_address: dict[str, dict[Closable, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_address.values()))

    def add(self, address: str, connection: Closable) -> None:
        """Add a connection. If there are too many, close another."""
        self._by_address.setdefault(address, {})[connection] = None
        if len(self._by_address[address]) > self._caps.of_one:
            self._close_one(address)
        elif len(self) > self._caps.of_all:
            self._close_one(max(self._by_address, key=lambda one: len(self._by_address[one])))

    def discard(self, address: str, connection: Closable) -> None:
        """Remove a connection that owes nothing any more, or is closed."""
        theirs = self._by_address.get(address, {})
        theirs.pop(connection, None)
        if not theirs:
            self._by_address.pop(address, None)

    def _close_one(self, address: str) -> None:
        *older, newest = self._by_address[address]
        found = min(older, key=lambda one: one.worth, default=newest)
        self.discard(address, found)
        found.abort()


class BoundedProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1 with a time limit for each phase."""

    def __init__(self, *args: Any, owing: Owing, **more: Any) -> None:
        super().__init__(*args, **more)
        self._owing = owing
        self._address = ""
        self._seen: tuple[Phase, object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_lost = False

    @property
    def worth(self) -> int:
        """0 if the peer has sent nothing useful yet, 1 if it is idle after a response, 2 while a body is being read."""
        match self._phase():
            case Phase.NEXT_REQUEST:
                return 1
            case Phase.BODY if not self.cycle.response_complete:
                return 2
        return 0

    def abort(self) -> None:
        """Close it at once."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = sender(self.client[0] if self.client else "")
        self._look()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived. They do not extend a phase."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """The peer has read."""
        super().resume_writing()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._stop_timer()
        self._owing.discard(self._address, self)
        super().connection_lost(exc)

    def _phase(self) -> Phase:
        if self.transport.is_closing():
            return Phase.END
        if self.flow.write_paused:
            return Phase.READER
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        if self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete):
            if self.conn.trailing_data[0]:
                return Phase.HEAD
            return Phase.NEXT_REQUEST if self.cycle is not None else Phase.FIRST_BYTE
        return Phase.ANSWER

    def _look(self) -> None:
        phase = self._phase()
        if self._is_lost or self._seen == (phase, self.cycle):
            return
        self._seen = (phase, self.cycle)
        self._stop_timer()
        if phase in (Phase.ANSWER, Phase.NEXT_REQUEST):
            self._owing.discard(self._address, self)
        if phase is not Phase.ANSWER:
            self._timer = self.loop.call_later(SECONDS[phase], self.abort)
            self._owing.add(self._address, self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Handshake(asyncio.Protocol):
    """TLS, then HTTP. Uvicorn sees a connection only after its handshake, for which it allows 60 s."""

    worth = 0

    def __init__(self, http: BoundedProtocol, context: ssl.SSLContext, owing: Owing) -> None:
        self._http = http
        self._context = context
        self._owing = owing
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected. TLS reads first."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._transport = transport
        self._address = sender((transport.get_extra_info("peername") or ("",))[0])
        self._owing.add(self._address, self)
        self._task = asyncio.get_running_loop().create_task(self._shake_hands())

    def data_received(self, data: bytes) -> None:
        """The bytes that arrived with the end of the handshake."""
        self._early += data

    def connection_lost(self, _: Exception | None) -> None:
        """The connection ended before HTTP began."""
        self._owing.discard(self._address, self)

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    async def _shake_hands(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                self._transport, self, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:
            return self.abort()
        finally:
            self._owing.discard(self._address, self)
        if secured is None or secured.is_closing():
            return self.abort()
        secured.set_protocol(self._http)
        self._http.connection_made(secured)
        if self._early:
            self._http.data_received(bytes(self._early))
        return None


def protocols(owing: Owing, context: ssl.SSLContext | None) -> Callable[..., asyncio.Protocol]:
    """The protocol that uvicorn makes for each connection; with a `context`, TLS first."""

    def make(*args: Any, **more: Any) -> asyncio.Protocol:
        http = BoundedProtocol(*args, owing=owing, **more)
        return http if context is None else _Handshake(http, context, owing)

    return make
