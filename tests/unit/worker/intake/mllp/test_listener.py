"""The listener on a port of this machine, with a handler that keeps everything: who comes in, and how it ends."""

import asyncio
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from config.listeners import Listener, Tls
from worker.intake.hl7.tokens import read
from worker.intake.mllp import frame_budget, tls
from worker.intake.mllp.acknowledger import MESSAGE_WEIGHT, SLICE, MessageOutcome, ReceivedMessage
from worker.intake.mllp.errors import ListenerError
from worker.intake.mllp.frames import MOST_BYTES, Frame, FrameReader, wrap
from worker.intake.mllp.listener import MllpListener
from worker.intake.parsed import ElementOutcome

NOW = datetime(2024, 6, 14, 8, 0, tzinfo=UTC)
WITHIN = 20.0


class Shelf:
    """A handler that keeps everything; while it is `shut` it keeps whoever asks waiting."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.batches: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()

    def __call__(self, messages: Sequence[ReceivedMessage]) -> list[MessageOutcome]:
        self.asked.set()
        assert self.open.wait(WITHIN)
        self.kept += [message.raw for message in messages]
        self.batches.append(len(messages))
        return [MessageOutcome(ElementOutcome.STORED)] * len(messages)


class Sender:
    """A monitor at the other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = FrameReader()
        self._come: list[Frame] = []

    async def answers(self, number: int) -> list[str]:
        """The next acknowledgements, as code and control id; fewer where the connection ended."""
        while len(self._come) < number and (data := await self.reader.read(65536)):
            self._come += self._frames.feed(data)
        taken, self._come = self._come[:number], self._come[number:]
        return [_code(frame.body) for frame in taken]

    async def ended(self) -> bool:
        """Whether the other side has closed, with nothing more said."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


def _code(body: bytes) -> str:
    msa = read(body).segments[1]
    return f"{msa.field(1).text} {msa.field(2).text}".strip()


def message(control: object, size: int = 0) -> bytes:
    return f"MSH|^~\\&|LAB|HOSP|||||ORU^R01|{control}|P|2.5\rNTE|1||{'x' * size}\r".encode()


@asynccontextmanager
async def listening(shelf: Shelf, **settings: Any) -> AsyncIterator[MllpListener]:
    made = MllpListener("lab", Listener.model_validate({"port": 0, **settings}), shelf, lambda: NOW)
    await made.start()
    try:
        yield made
    finally:
        shelf.open.set()
        await made.stop()


@asynccontextmanager
async def connected(listener: MllpListener, secure: ssl.SSLContext | None = None) -> AsyncIterator[Sender]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=secure)
    try:
        yield Sender(reader, writer)
    finally:
        writer.transport.abort()


def run(scene: Callable[[Shelf], Awaitable[None]]) -> Shelf:
    shelf = Shelf()

    async def timed() -> None:
        async with asyncio.timeout(WITHIN):
            await scene(shelf)

    asyncio.run(timed())
    return shelf


def test_one_message_one_acknowledgement() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            for number in range(3):
                sender.writer.write(wrap(message(number)))
                assert await sender.answers(1) == [f"AA {number}"]

    assert run(scene).kept == [message(number) for number in range(3)]


def test_a_hundred_pipelined_messages_are_acknowledged_in_order_and_stored_together() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            sender.writer.write(b"".join(wrap(message(number)) for number in range(100)))
            assert await sender.answers(100) == [f"AA {number}" for number in range(100)]

    shelf = run(scene)
    assert shelf.kept == [message(number) for number in range(100)]
    assert len(shelf.batches) < 20


@pytest.mark.parametrize("end", [b"\x1c\r", b"\x1c", b"\x1c\n", b"\x1c\r\n", b"\x1c\r\r\n"])
def test_whatever_follows_fs_the_next_message_is_read(end: bytes) -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            for number in range(2):
                sender.writer.write(b"\x0b" + message(number) + end)
            assert await sender.answers(2) == ["AA 0", "AA 1"]

    run(scene)


def test_messages_of_many_connections_are_stored_together() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as first:
            shelf.open.clear()
            first.writer.write(wrap(message(0)))
            await asyncio.to_thread(shelf.asked.wait, WITHIN)
            async with connected(listener) as second, connected(listener) as third:
                for sender in (second, third):
                    sender.writer.write(wrap(message(1)))
                while len(listener._batcher._short._replies) < 3:
                    await asyncio.sleep(0)
                shelf.open.set()
                for sender in (first, second, third):
                    assert len(await sender.answers(1)) == 1

    assert run(scene).batches == [1, 2]


def batch(number: int) -> bytes:
    """A frame that is answered in slices."""
    return wrap(b"\r".join(message(at) for at in range(number)))


def test_while_a_long_frame_is_worked_on_others_are_answered() -> None:
    async def scene(shelf: Shelf) -> None:
        real, answered = shelf.__call__, threading.Event()

        def waiting(messages: Sequence[ReceivedMessage]) -> list[MessageOutcome]:
            if len(messages) > 1:
                assert answered.wait(WITHIN), "the other sender is answered first"
            return real(messages)

        made = MllpListener("lab", Listener.model_validate({"port": 0}), waiting, lambda: NOW)
        await made.start()
        async with connected(made) as long, connected(made) as short:
            long.writer.write(batch(1000))
            while not made._batcher._long._replies:
                await asyncio.sleep(0)
            for number in range(3):
                short.writer.write(wrap(message(number)))
                assert await short.answers(1) == [f"AA {number}"]
            answered.set()
            assert await long.answers(1000) == [f"AA {number}" for number in range(1000)]
        await made.stop()

    assert max(run(scene).batches) <= SLICE // MESSAGE_WEIGHT


def test_whoever_sends_nothing_but_frames_is_cut_off() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            sender.writer.write(b"\x0b\x1c" * 20_000)
            assert await sender.ended()

    run(scene)


def test_whoever_holds_most_of_what_is_unfinished_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_budget, "MOST_BUFFERED", 200_000)

    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as most, connected(listener) as less:
            most.writer.write(b"\x0b" + message(1, 150_000))
            while listener._frame_budget._total < 150_000:
                await asyncio.sleep(0)
            less.writer.write(b"\x0b" + message(2, 100_000))
            assert await most.ended()
            less.writer.write(b"\x1c\r")
            assert await less.answers(1) == ["AA 2"]
            assert listener._frame_budget._total == 0

    run(scene)


def test_a_frame_over_the_cap_is_refused_and_the_connection_closed() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            sender.writer.write(wrap(message(1)) + b"\x0b" + message(2, MOST_BYTES))
            assert await sender.answers(3) == ["AA 1", "AE 2"]

    assert run(scene).kept == [message(1)]


def test_a_sender_that_is_faster_than_the_store_is_held_back_and_loses_nothing() -> None:
    """Eight megabytes are offered; while nothing is stored, no more is taken than buffers hold."""
    number, size = 256, 32 * 1024

    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            shelf.open.clear()
            stream = b"".join(wrap(message(control, size)) for control in range(number))
            sender.writer.write(stream)
            await asyncio.to_thread(shelf.asked.wait, WITHIN)
            (connection,) = listener._connections
            while not connection._reader._paused:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            assert len(connection._reader._buffer) < 1024 * 1024  # type: ignore[attr-defined]
            assert shelf.kept == []
            shelf.open.set()
            assert await sender.answers(number) == [f"AA {control}" for control in range(number)]

    assert len(run(scene).kept) == number


def test_a_peer_that_is_not_listed_is_turned_away() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf, allow_from=["10.0.0.0/8"]) as listener, connected(listener) as sender:
            sender.writer.write(wrap(message(1)))
            assert await sender.ended()
            assert listener.counters.take().amounts == {("127.0.0.1", "connections_rejected"): 1}

    assert run(scene).kept == []


def test_a_listed_peer_is_let_in() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf, allow_from=["10.0.0.0/8", "127.0.0.1"]) as listener, connected(listener) as sender:
            sender.writer.write(wrap(message(1)))
            assert await sender.answers(1) == ["AA 1"]

    run(scene)


def test_more_connections_than_allowed_are_turned_away() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf, max_connections=1) as listener, connected(listener) as first:
            first.writer.write(wrap(message(1)))
            assert await first.answers(1) == ["AA 1"]
            async with connected(listener) as second:
                assert await second.ended()
            first.writer.write(wrap(message(2)))
            assert await first.answers(1) == ["AA 2"]

    run(scene)


@pytest.mark.parametrize(
    ("settings", "sent"), [({"idle_timeout": "0.1 s"}, b""), ({"frame_timeout": "0.1 s"}, b"\x0bMSH|^~\\&|never ends")]
)
def test_a_connection_that_says_nothing_is_closed(settings: dict[str, str], sent: bytes) -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf, **settings) as listener, connected(listener) as sender:
            sender.writer.write(sent)
            assert await sender.ended()

    assert run(scene).kept == []


def test_what_was_received_is_answered_before_the_listener_ends() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender, connected(listener) as quiet:
            shelf.open.clear()
            sender.writer.write(wrap(message(1)))
            await asyncio.to_thread(shelf.asked.wait, WITHIN)
            sender.writer.write(wrap(message(2)))
            await sender.writer.drain()
            stopping = asyncio.create_task(listener.stop())
            await asyncio.sleep(0)
            shelf.open.set()
            assert await sender.answers(3) == ["AA 1", "AA 2"]
            assert await quiet.ended()
            await stopping
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", listener.port)

    run(scene)


def test_a_sender_that_is_never_silent_does_not_keep_the_listener_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade waited 15 s for a monitor that sends its next value 0.2 s after each answer."""
    monkeypatch.setattr("worker.intake.mllp.connection.FINISHED_WITHIN_SECONDS", 0.2)
    monkeypatch.setattr("worker.intake.mllp.listener.FINISH_SECONDS", 10 * WITHIN)

    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener, connected(listener) as sender:
            sender.writer.write(wrap(message(0)))
            await asyncio.to_thread(shelf.asked.wait, WITHIN)
            stopping = asyncio.create_task(listener.stop())
            sent = 0
            async with asyncio.timeout(WITHIN):
                with suppress(ConnectionError):
                    while not stopping.done() and await sender.answers(1) == [f"AA {sent}"]:
                        sent += 1
                        sender.writer.write(wrap(message(sent)))
                await stopping
            assert sent > 1, "what still comes at first is answered"

    run(scene)


def test_what_each_peer_sends_is_counted() -> None:
    raw = b"noise" + wrap(message(1)) + wrap(b"garbage") + b"\x0bMSH|given up" + wrap(message(2))

    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener:
            async with connected(listener) as sender:
                sender.writer.write(raw)
                assert await sender.answers(3) == ["AA 1", "AE", "AA 2"]
            counted, seen = listener.counters.take()
            assert seen == {"127.0.0.1": int(NOW.timestamp() * 1000)}
            assert {name: amount for (_, name), amount in counted.items()} == {
                "connections": 1,
                "bytes": len(raw),
                "received": 3,
                "stored": 2,
                "refused": 1,
                "skipped_bytes": 5,
                "frames_aborted": 1,
            }

    run(scene)


def test_a_port_in_use_is_said_in_words() -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf) as listener:
            with pytest.raises(ListenerError, match=rf"lab: 127.0.0.1 port {listener.port} is in use"):
                async with listening(shelf, port=listener.port):
                    pass

    run(scene)


def test_an_address_of_another_machine_is_said_in_words() -> None:
    async def scene(shelf: Shelf) -> None:
        with pytest.raises(ListenerError, match="is no address of this machine"):
            async with listening(shelf, host="192.0.2.1", allow_from=["192.0.2.0/24"]):
                pass

    run(scene)


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is its own authority, and its key."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("no openssl")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "client"):
        words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        made = [openssl, *words.split(), "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(made, cwd=folder, check=True, capture_output=True)  # noqa: S603 - found on PATH
    return folder


def trusting(certificates: Path, client: bool = False) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=certificates / "server.pem")
    if client:
        made.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    return made


def server_side(certificates: Path, **more: Any) -> dict[str, Any]:
    return {"certificate": certificates / "server.pem", "key": certificates / "server.key", **more}


def test_a_listener_with_a_certificate_speaks_tls(certificates: Path) -> None:
    async def scene(shelf: Shelf) -> None:
        async with (
            listening(shelf, tls=server_side(certificates)) as listener,
            connected(listener, trusting(certificates)) as sender,
        ):
            sender.writer.write(wrap(message(1)) + wrap(message(2)))
            assert await sender.answers(2) == ["AA 1", "AA 2"]

    run(scene)


def test_a_sender_without_tls_is_not_heard(certificates: Path) -> None:
    async def scene(shelf: Shelf) -> None:
        async with listening(shelf, tls=server_side(certificates)) as listener, connected(listener) as sender:
            sender.writer.write(wrap(message(1)))
            await sender.answers(1)

    assert run(scene).kept == []


def test_a_listener_may_ask_its_peers_for_certificates(certificates: Path) -> None:
    settings = server_side(certificates, client_ca=certificates / "client.pem")

    async def scene(shelf: Shelf) -> None:
        async with listening(shelf, tls=settings) as listener:
            async with connected(listener, trusting(certificates, client=True)) as sender:
                sender.writer.write(wrap(message(1)))
                assert await sender.answers(1) == ["AA 1"]
            # With TLS 1.3 the other side hears of its refusal only when it reads.
            with suppress(ssl.SSLError, ConnectionError):
                async with connected(listener, trusting(certificates)) as sender:
                    sender.writer.write(wrap(message(2)))
                    assert await sender.answers(1) == []

    assert run(scene).kept == [message(1)]


def test_a_certificate_that_cannot_be_used_is_named(certificates: Path, tmp_path: Path) -> None:
    def refusal(**files: Path) -> str:
        with pytest.raises(ListenerError) as error:
            tls.context(Tls.model_validate(server_side(certificates) | files))
        return str(error.value)

    nothing, gone = tmp_path / "nothing.pem", tmp_path / "gone.pem"
    nothing.write_text("no certificate")
    assert "gone.pem: cannot be read: No such file" in refusal(certificate=gone)
    assert "gone.pem: cannot be read" in refusal(client_ca=gone)
    assert "no PEM certificate" in refusal(certificate=nothing)
    assert "KEY_VALUES_MISMATCH" in refusal(key=certificates / "client.key")
    assert "nothing.pem: no PEM certificate of an authority" in refusal(client_ca=nothing)


def test_an_encrypted_key_asks_nobody_for_its_password(certificates: Path, tmp_path: Path) -> None:
    key = tmp_path / "locked.key"
    words = f"openssl rsa -aes256 -passout pass:secret -in {certificates / 'server.key'} -out {key}"
    subprocess.run(words.split(), check=True, capture_output=True)  # noqa: S603
    with pytest.raises(ListenerError, match="unencrypted key"):
        tls.context(Tls.model_validate(server_side(certificates, key=key)))
