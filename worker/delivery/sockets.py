"""The sockets of each thread that sends. A thread that waits for a provider can only be ended from outside, by them."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakSet, finalize

_open: dict[int, set[socket.socket]] = {}
"""Handles of the sockets that each thread has open. They are duplicates, because a TLS socket takes its socket over."""

_cut_off: WeakSet[threading.Thread] = WeakSet()


def cut_off(thread: threading.Thread) -> None:
    """End the sends of a thread, for good: whatever it reads next is the end of its connection."""
    _cut_off.add(thread)
    for handle in tuple(_open.get(thread.ident or 0, ())):
        _shut(handle)


def _shut(handle: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        handle.shutdown(socket.SHUT_RDWR)


def _close(thread: int, handle: socket.socket) -> None:
    _open.get(thread, set()).discard(handle)
    handle.close()


class Handled:
    """A connection that `cut_off` can end: from `handle` on, until `let_go`, or until nothing refers to it."""

    _let_go: Callable[[], object] = staticmethod(lambda: None)

    def handle(self, made: socket.socket) -> socket.socket:
        """Keep a handle of a new socket of this thread."""
        thread, handle = threading.get_ident(), made.dup()
        _open.setdefault(thread, set()).add(handle)
        self._let_go = finalize(self, _close, thread, handle)
        if threading.current_thread() in _cut_off:
            _shut(handle)
        return made

    def let_go(self) -> None:
        """Close the handle, if there is one."""
        self._let_go()
