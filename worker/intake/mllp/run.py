"""The listeners of an installation, run until a stop. Their counts are written every few seconds."""

import asyncio
import logging
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from redis.exceptions import RedisError

from config.listeners import Listener
from worker.client import Client
from worker.clock import StoreClock
from worker.intake.mllp.counters import write
from worker.intake.mllp.handler import StoringHandler
from worker.intake.mllp.listener import MllpListener
from worker.intake.store import IntakeStore
from worker.intake.watched_config import WatchedIntakeConfig, refresh_and_report
from worker.monitoring import health_file
from worker.runtime.runtime import Runtime

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
"""The interval at which counts are written and the configuration is checked."""


async def serve(
    names: Collection[str],
    in_force: WatchedIntakeConfig,
    run: Runtime,
    client: Client,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Listen until `stop` is set; then answer the received messages, and end.

    `in_force`: the intake configuration. `names`: the listeners to serve; all if empty. If the configuration has no
    listener yet, the first that appear are served. A changed address, peer list or certificate needs a restart.

    Raises:
        ListenerError: one of them cannot start; then none stays.
    """
    begun_with = await _first_listeners(in_force, run, client, say, stop)
    store = IntakeStore(run.store.redis, run.store.keys)
    # The time in an acknowledgement must not wait for the store.
    shown = run.clock.estimate if isinstance(run.clock, StoreClock) else run.clock.now
    handlers: list[StoringHandler] = []
    started: list[MllpListener] = []
    try:
        for name, listener in begun_with.items():
            if names and name not in names:
                continue
            handler = StoringHandler(store, lambda: in_force.value, client.wake, run.clock.now, listener.source)
            handlers.append(handler)
            made = MllpListener(name, listener, handler, shown)
            await made.start()
            started.append(made)
            say(f"{name}: listening on {listener.host} port {made.port}{' with TLS' if listener.tls else ''}")
        while not stop.is_set():
            await _show_health(started, run)
            await asyncio.to_thread(refresh_and_report, in_force, run, client)
            if in_force.value.intake.listeners != begun_with:
                begun_with = in_force.value.intake.listeners
                log.warning("the listeners of intake.yaml have changed: restart this to have them changed")
            await _pause(stop)
            await _write_counts(started, run)
    finally:
        await asyncio.gather(*(listener.stop() for listener in started))
        await _write_counts(started, run)
        for handler in handlers:
            handler.close()


async def _first_listeners(
    in_force: WatchedIntakeConfig, run: Runtime, client: Client, say: Callable[[str], None], stop: asyncio.Event
) -> Mapping[str, Listener]:
    """The listeners of the configuration, as soon as it has any; none if `stop` is set before."""
    if not in_force.value.intake.listeners:
        say("no listeners in intake.yaml, as docs/integrators/intake.md shows them: waiting for the first")
    while not (listeners := in_force.value.intake.listeners) and not stop.is_set():
        await _show_health([], run)
        await asyncio.to_thread(refresh_and_report, in_force, run, client)
        await _pause(stop)
    return listeners


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(EVERY_SECONDS):
            await stop.wait()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, in a running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _show_health(listeners: list[MllpListener], run: Runtime) -> None:
    """Touch the health file if the listeners accept connections and the store answers."""
    if all(listener.is_serving for listener in listeners):
        with suppress(RedisError):
            await asyncio.to_thread(run.store.redis.ping)
            health_file.touch(run.settings.health_file)


async def _write_counts(listeners: list[MllpListener], run: Runtime) -> None:
    for listener in listeners:
        change = listener.counters.take()
        try:
            await asyncio.to_thread(write, run.store.redis, run.store.keys, listener.name, change)
        except RedisError as error:
            listener.counters.put_back(change)
            log.warning("what %s counts cannot be written (%s)", listener.name, type(error).__name__)
