"""Sends side by side: one thread for each queue of a channel, so that a channel that hangs holds only itself."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from alerts.pages.page import Page
from alerts.wording.phrase import Phrase
from config.site import Channel
from worker.delivery.channel import MessageContext, send
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.sockets import cut_off
from worker.tracing import span

log = logging.getLogger(__name__)

SEND_SECONDS = 15.0
"""The limit of one send, even if the reply arrives in drips. It is longer than both timeouts together."""

CUT_OFF = Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))


class Send(NamedTuple):
    """A message to send: its pages in their order, and the channel as configured now."""

    queue: str
    channel: Channel
    pages: Sequence[Page]
    context: MessageContext


class SendEnded(NamedTuple):
    """A send that has ended: the attempt, and how long it took (s)."""

    send: Send
    attempt: Attempt
    seconds: float


class Senders:
    """The threads that send. `done` is called with each send that has ended, in its thread.

    A send that does not end in time counts as ended, and its thread is cut off. Until that thread has ended, its queue
    is answered at once: a provider that never ends costs one thread.
    """

    def __init__(self, done: Callable[[SendEnded], None]) -> None:
        self._done = done
        self._threads: dict[str, _SenderThread] = {}

    def start(self, send: Send) -> None:
        """Send in the thread of the message's queue."""
        thread = self._threads.get(send.queue)
        if thread is not None and thread.is_cut_off:
            if thread.is_alive():
                self._done(SendEnded(send, CUT_OFF, 0.0))
                return
            thread = None
        if thread is None:
            thread = self._threads[send.queue] = _SenderThread(send.queue, self._done)
            thread.start()
        thread.begin(send)

    def cut_off_late(self, now: float) -> None:
        """Give up the sends that began more than `SEND_SECONDS` before `now` (monotonic clock)."""
        for thread in self._threads.values():
            if thread.began is not None and now - thread.began > SEND_SECONDS:
                thread.give_up()

    def close(self) -> None:
        """End the threads, each after its present send."""
        for thread in self._threads.values():
            thread.end()
        self._threads.clear()

    def ages(self, now: float) -> list[float]:
        """How long each present send has lasted (s)."""
        return [now - began for thread in self._threads.values() if (began := thread.began) is not None]


class _SenderThread(threading.Thread):
    def __init__(self, queue: str, done: Callable[[SendEnded], None]) -> None:
        super().__init__(name=f"send {queue}", daemon=True)
        self._given: SimpleQueue[Send | None] = SimpleQueue()
        self._done = done
        self._present: Send | None = None
        self._ending = threading.Lock()
        self.began: float | None = None
        self.is_cut_off = False

    def begin(self, send: Send) -> None:
        self._present, self.began = send, time.monotonic()
        self._given.put(send)

    def run(self) -> None:
        while not self.is_cut_off and (given := self._given.get()) is not None:
            self._end(given, _attempt(given))

    def end(self) -> None:
        self._given.put(None)

    def give_up(self) -> None:
        if self._present is not None:
            self.is_cut_off = True
            self._end(self._present, CUT_OFF)
            cut_off(self)

    def _end(self, send: Send, attempt: Attempt) -> None:
        """Report a send once: that it ended, or that it was given up."""
        with self._ending:
            if self._present is not send or self.began is None:
                return
            seconds, self._present, self.began = time.monotonic() - self.began, None, None
        self._done(SendEnded(send, attempt, seconds))


def _attempt(given: Send) -> Attempt:
    try:
        with span("send", queue=given.queue, pages=" ".join(page.id for page in given.pages)) as traced:
            attempt = send(given.channel, given.pages, given.context)
            traced["outcome"] = attempt.outcome
            return attempt
    except Exception as error:  # a plugin may raise anything
        log.error("a send on %s failed (%s)", given.queue, type(error).__name__)
        return Attempt(Outcome.UNKNOWN, Phrase("the worker that sent it ended before there was an answer"))
