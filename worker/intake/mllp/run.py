"""The listeners of an installation, run until they are to stop; what they count is written every few seconds."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from redis.exceptions import RedisError

from config.listeners import Listener
from worker.client import Client
from worker.intake.in_force import IntakeInForce, look_over
from worker.intake.mllp.counters import write
from worker.intake.mllp.errors import ListenerError
from worker.intake.mllp.handler import StoringHandler
from worker.intake.mllp.listener import MllpListener
from worker.intake.store import IntakeStore
from worker.runtime import Runtime

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
"""How often counts are written, and the configuration is looked at."""


class Listeners:
    """The listeners that run: those of the configuration in force, one that is replaced only if the new one starts."""

    def __init__(self, handler: Callable[[Listener], StoringHandler], run: Runtime, say: Callable[[str], None]) -> None:
        self._handler = handler
        self._run = run
        self._say = say
        self._wanted: Mapping[str, Listener] = {}
        self._running: dict[str, _Running] = {}

    async def follow(self, wanted: Mapping[str, Listener]) -> None:
        """Stop listeners that are changed or gone, and start those that are new or changed.

        Raises:
            ListenerError: some cannot start; of these the ones before go on, if there were any.
        """
        if wanted == self._wanted:
            return
        self._wanted = wanted
        before = {name: one for name, one in self._running.items() if wanted.get(name) != one.given}
        await asyncio.gather(*(self._stop(name) for name in before))
        failed = [str(error) for name in wanted if (error := await self._start_or_restore(name, wanted, before))]
        if failed:
            raise ListenerError("; ".join(failed))

    async def stop(self) -> None:
        """Answer what was received, and end all of them."""
        await asyncio.gather(*(self._stop(name) for name in list(self._running)))

    async def write_counts(self) -> None:
        """What they have counted since the last time."""
        for one in list(self._running.values()):
            await _write_counts(one.listener, self._run)

    async def _start_or_restore(
        self, name: str, wanted: Mapping[str, Listener], before: "Mapping[str, _Running]"
    ) -> ListenerError | None:
        if name in self._running:
            return None
        try:
            await self._start(name, wanted[name])
        except ListenerError as error:
            if name in before:
                with suppress(ListenerError):
                    await self._start(name, before[name].given)
            return error
        return None

    async def _start(self, name: str, given: Listener) -> None:
        handler = self._handler(given)
        made = MllpListener(name, given, handler, self._run.clock.now)
        try:
            await made.start()
        except ListenerError:
            handler.close()
            raise
        self._running[name] = _Running(given, made, handler)
        self._say(f"{name}: listening on {given.host} port {made.port}{' with TLS' if given.tls else ''}")

    async def _stop(self, name: str) -> None:
        one = self._running.pop(name)
        await one.listener.stop()
        await _write_counts(one.listener, self._run)
        one.handler.close()


class _Running(NamedTuple):
    given: Listener
    listener: MllpListener
    handler: StoringHandler


async def serve(
    choose: Callable[[Mapping[str, Listener]], Mapping[str, Listener]],
    in_force: IntakeInForce,
    run: Runtime,
    client: Client,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Listen until `stop` is set; then answer what was received, and end.

    What messages are read by is `in_force`, and so are addresses and peers; `choose` says which of the listeners are
    meant. A certificate that is renewed under the same name is read at a restart.

    Raises:
        ListenerError: one of them cannot start; then none stays. Later, the one before goes on, and it is reported.
    """
    store = IntakeStore(run.store.redis, run.store.keys)

    def handler(given: Listener) -> StoringHandler:
        return StoringHandler(store, lambda: in_force.value, client.wake, run.clock.now, given.source)

    listeners = Listeners(handler, run, say)
    try:
        await listeners.follow(choose(in_force.value.intake.listeners))
        while not stop.is_set():
            await asyncio.to_thread(look_over, in_force, run, client)
            try:
                await listeners.follow(choose(in_force.value.intake.listeners))
            except ListenerError as error:
                log.error("%s", error)
                in_force.refused = str(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await stop.wait()
            await listeners.write_counts()
    finally:
        await listeners.stop()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, in a running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _write_counts(listener: MllpListener, run: Runtime) -> None:
    change = listener.counters.take()
    try:
        await asyncio.to_thread(write, run.store.redis, run.store.keys, listener.name, change)
    except RedisError as error:
        listener.counters.put_back(change)
        log.warning("what %s counts cannot be written (%s)", listener.name, type(error).__name__)
