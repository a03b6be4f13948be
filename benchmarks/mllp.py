"""HL7 messages a second over MLLP: our listener beside the server of python-hl7, in one run, in turn.

Four servers acknowledge a laboratory panel of ten results, the two that store it with the same real Redis, which
writes each append to disk:
- ours: parsed, codes and units mapped, ten readings appended to a patient's inbox
- ours, raw: the same listener, with the message itself appended
- python-hl7: its server and parser as documented; nothing is stored
- python-hl7, raw: the same, with the message itself appended
Each sender waits for its acknowledgement before it sends again; in the last row one sender keeps a hundred messages
under way.
Run: .venv/bin/python benchmarks/mllp.py
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from statistics import median

from redis import Redis

from config.listeners import Listener
from worker.intake.mllp.acknowledger import MessageOutcome, ReceivedMessage
from worker.intake.mllp.frames import FrameReader, wrap
from worker.intake.mllp.handler import StoringHandler
from worker.intake.mllp.listener import MllpListener
from worker.intake.parsed import ElementOutcome
from worker.intake.store import IntakeStore
from worker.intake.watched_config import WatchedIntakeConfig
from worker.runtime.runtime import connect
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.store.keys import Keys

ROUNDS = 5
SECONDS = 2.0
WARM_UP = 0.5
SERVERS = ("ours", "python-hl7", "ours, raw", "python-hl7, raw")
LOADS = ((1, 1), (50, 1), (1, 100))
"""Connections, and messages that each keeps under way."""

PANEL = (
    *(("1988-5^CRP", "85", "mg/L"), ("2276-4^Ferritin", "1200", "ug/L"), ("777-3^Platelets", "95", "10*9/L")),
    *(("6690-2^Leucocytes", "3.1", "10*9/L"), ("751-8^Neutrophils", "1.2", "10*9/L"), ("718-7^Hb", "9.1", "g/dL")),
    *(("2160-0^Creatinine", "1.1", "mg/dL"), ("1742-6^ALT", "40", "U/L"), ("1920-8^AST", "38", "U/L")),
    ("3255-7^Fibrinogen", "250", "mg/dL"),
)


def message(number: int) -> bytes:
    """A laboratory panel of ten results."""
    lines = [
        f"MSH|^~\\&|LAB|HOSP|CW|HOSP|20240614090000+0200||ORU^R01^ORU_R01|{number}|P|2.5.1",
        f"PID|1||P{number % 30}^^^HOSP^MR",
        f"OBR|1||F{number}|PANEL^P^L|||20240614080000+0200",
        *(
            f"OBX|{place}|NM|{code}^LN||{value}|{unit}|||||F|||20240614080000+0200"
            for place, (code, value, unit) in enumerate(PANEL, 1)
        ),
    ]
    return "".join(f"{line}\r" for line in lines).encode()


# -- the servers, each in a process of its own -----------------------------------------------------


async def serve_ours(url: str, raw: bool) -> None:
    """The listener as `cartwatch mllp` runs it; nobody is woken."""
    redis = connect(url)

    def append_raw(messages: Sequence[ReceivedMessage]) -> list[MessageOutcome]:
        pipe = redis.pipeline(transaction=True)
        for received in messages:
            pipe.xadd("raw", {"m": received.raw})
        pipe.execute()
        return [MessageOutcome(ElementOutcome.STORED)] * len(messages)

    configured = WatchedIntakeConfig(None).value
    store = IntakeStore(redis, Keys("benchmark", 16))
    handler = StoringHandler(store, lambda: configured, lambda _: None, lambda: datetime.now(UTC))
    listener = MllpListener("mllp", Listener(port=0), append_raw if raw else handler, lambda: datetime.now(UTC))
    await listener.start()
    print(listener.port, flush=True)  # noqa: T201
    await asyncio.Event().wait()


async def serve_python_hl7(url: str, storing: bool) -> None:
    """The server of python-hl7, as its documentation shows."""
    from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server
    from redis.asyncio import Redis as AsyncRedis

    redis = AsyncRedis.from_url(url)

    async def answer(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            while not writer.is_closing():
                found = await reader.readmessage()
                if storing:
                    await redis.xadd("raw", {"m": str(found)})
                writer.writemessage(found.create_ack())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await start_hl7_server(answer, host="127.0.0.1", port=0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


@asynccontextmanager
async def serving(name: str, url: str) -> AsyncIterator[int]:
    """A server's port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "serve", name, url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


# -- the senders -----------------------------------------------------------------------------------


async def send(port: int, begin: int, under_way: int, until: float) -> int:
    """Messages that one connection had acknowledged in time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frames, sent, acknowledged = FrameReader(), 0, 0
    while time.monotonic() < until:
        more = range(begin + sent, begin + acknowledged + under_way)
        writer.write(b"".join(wrap(message(number)) for number in more))
        sent += len(more)
        for frame in frames.feed(await reader.read(65536)):
            assert f"|{begin + acknowledged}".encode() in frame.body
            acknowledged += 1
    writer.close()
    return acknowledged


async def rate(port: int, connections: int, under_way: int, begin: int, seconds: float = SECONDS) -> float:
    """Acknowledged messages a second."""
    until = time.monotonic() + seconds
    senders = (send(port, begin + number * 1_000_000, under_way, until) for number in range(connections))
    return sum(await asyncio.gather(*senders)) / seconds


async def measure() -> None:
    """Every server in turn, five times, and the table: what a second carries, and ours over theirs."""
    with EmbeddedRedis() as redis, Redis.from_url(redis.url) as client:
        say("connections", "under way", "ours / python-hl7", "raw: ours / python-hl7", *SERVERS)
        say(*["---"] * 8)
        for connections, under_way in LOADS:
            rates: dict[str, list[float]] = {name: [] for name in SERVERS}
            for number in range(ROUNDS):
                for name in SERVERS:
                    client.flushall()
                    async with serving(name, redis.url) as port:
                        begin = number * 1_000_000_000
                        await rate(port, connections, under_way, begin + 500_000_000, WARM_UP)
                        rates[name].append(await rate(port, connections, under_way, begin))
            found = [median(rates[name]) for name in SERVERS]
            ratios = [f"**{found[0] / found[1]:.1f}**", f"**{found[2] / found[3]:.1f}**"]
            say(str(connections), str(under_way), *ratios, *(f"{one:.0f}" for one in found))


def say(*cells: str) -> None:
    """One row of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        _, _, which, url = sys.argv
        serve = serve_ours if which.startswith("ours") else serve_python_hl7
        asyncio.run(serve(url, which.endswith("raw")))
    else:
        asyncio.run(measure())
