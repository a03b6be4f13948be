"""The listeners of an installation, run until they are to stop; what they count is written every few seconds."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress

from redis.exceptions import RedisError

from config.intake import Intake
from config.listeners import Listener
from worker.client import Client
from worker.intake.mllp.counters import write
from worker.intake.mllp.handler import Configured, StoringHandler
from worker.intake.mllp.listener import MllpListener
from worker.intake.store import IntakeStore
from worker.runtime import Runtime

log = logging.getLogger(__name__)

WRITE_EVERY_SECONDS = 5.0


async def serve(
    listeners: Mapping[str, Listener],
    intake: Intake,
    run: Runtime,
    client: Client,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Listen until `stop` is set; then answer what was received, and end.

    Raises:
        ListenerError: one of them cannot start; then none stays.
    """
    store = IntakeStore(run.store.redis, run.store.keys)
    handlers: list[StoringHandler] = []
    started: list[MllpListener] = []
    try:
        for name, listener in listeners.items():
            handler = StoringHandler(
                store, lambda: Configured(intake, run.site.tables), client.wake, run.clock.now, listener.source
            )
            handlers.append(handler)
            made = MllpListener(name, listener, handler, run.clock.now)
            await made.start()
            started.append(made)
            say(f"{name}: listening on {listener.host} port {made.port}{' with TLS' if listener.tls else ''}")
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY_SECONDS):
                    await stop.wait()
            await _write_counts(started, run)
    finally:
        await asyncio.gather(*(listener.stop() for listener in started))
        await _write_counts(started, run)
        for handler in handlers:
            handler.close()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, in a running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _write_counts(listeners: list[MllpListener], run: Runtime) -> None:
    for listener in listeners:
        change = listener.counters.take()
        try:
            await asyncio.to_thread(write, run.store.redis, run.store.keys, listener.name, change)
        except RedisError as error:
            listener.counters.put_back(change)
            log.warning("what %s counts cannot be written (%s)", listener.name, type(error).__name__)
