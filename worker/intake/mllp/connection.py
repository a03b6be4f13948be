"""One connection: read, store, acknowledge in order, then read on; never the next frame before that.

This is the back-pressure too: while the store or the peer is slow, nothing is read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from config.listeners import Listener
from worker.clock import milliseconds
from worker.intake.mllp.acknowledger import Reply, Request
from worker.intake.mllp.counters import Counters
from worker.intake.mllp.frame_budget import FrameBudget
from worker.intake.mllp.frames import FrameReader

log = logging.getLogger(__name__)

MOST_FRAMES = 2000
"""Frames read at once. More short frames would only cost time of the event loop."""

READ_BYTES = 32 * 1024
"""Bytes that are read from one connection before the next one is read."""

GRACE_SECONDS = 0.25
"""A closing connection that is silent for this long has sent everything."""

FINISHED_WITHIN_SECONDS = 3.0
"""A closing connection that never falls silent ends after this time: its sender retries unacknowledged messages."""


class Connection:
    """Serves one peer until it leaves, is idle too long, breaks a rule, or `finish` is called."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
        listener: Listener,
        answer: Callable[[Request], Awaitable[Reply]],
        counters: Counters,
        now: Callable[[], datetime],
        frame_budget: FrameBudget,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._listener = listener
        self._answer = answer
        self._counters = counters
        self._now = now
        self._frame_budget = frame_budget
        self._frames = FrameReader(most_frames=MOST_FRAMES)
        self._reads_until: float | None = None
        self._patience: asyncio.Timeout | None = None

    async def serve(self) -> None:
        """Read, answer and read on, until the connection ends."""
        self._counters.add(self._peer, {"connections": 1})
        try:
            await self._serve()
        except (OSError, TimeoutError) as error:
            log.info("connection of %s ended (%s)", self._peer, type(error).__name__)
        finally:
            self._frame_budget.record(0, self._cut_off)
            self._counters.add(self._peer, {"frames_aborted": int(self._frames.inside)})
            await self._close()

    def finish(self) -> None:
        """Answer the received messages, then close."""
        now = asyncio.get_running_loop().time()
        self._reads_until = now + FINISHED_WITHIN_SECONDS
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(now + GRACE_SECONDS)

    async def _serve(self) -> None:
        while data := await self._read():
            skipped, broken = self._frames.skipped, self._frames.broken
            frames = self._frames.feed(data)
            skipped, broken = self._frames.skipped - skipped, self._frames.broken - broken
            counts = {"bytes": len(data), "skipped_bytes": skipped, "frames_aborted": broken}
            self._counters.add(self._peer, counts, milliseconds(self._now()))
            if skipped and skipped == self._frames.skipped:
                log.warning("%s sends bytes outside any MLLP frame; they are skipped", self._peer)
            if len(frames) > MOST_FRAMES:
                log.warning("%s sends more frames at once than hold messages", self._peer)
                return
            self._frame_budget.record(self._frames.buffered + sum(len(frame.body) for frame in frames), self._cut_off)
            if not frames:
                continue
            reply = await self._answer(Request(self._peer, frames))
            self._counters.add(self._peer, reply.counts)
            self._frame_budget.record(self._frames.buffered, self._cut_off)
            self._writer.write(reply.data)
            async with asyncio.timeout(self._listener.frame_timeout.total_seconds()):
                await self._writer.drain()
            if reply.close:
                return

    async def _read(self) -> bytes:
        """The bytes that arrived; none if the peer has left or its timeout has passed."""
        patience = self._listener.frame_timeout if self._frames.inside else self._listener.idle_timeout
        seconds = patience.total_seconds()
        if self._reads_until is not None:
            seconds = min(GRACE_SECONDS, self._reads_until - asyncio.get_running_loop().time())
        if seconds <= 0:
            return b""
        try:
            async with asyncio.timeout(seconds) as self._patience:
                return await self._reader.read(READ_BYTES)
        except TimeoutError:
            if self._reads_until is None:
                log.warning("connection of %s is closed: nothing came for %.0f s", self._peer, seconds)
            return b""
        finally:
            self._patience = None

    def _cut_off(self) -> None:
        self._writer.transport.abort()

    async def _close(self) -> None:
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._listener.frame_timeout.total_seconds()):
                await self._writer.wait_closed()
