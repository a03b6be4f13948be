"""The memory budget of a listener for frames that are not answered yet."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

MOST_BUFFERED = 64 * 1024 * 1024
"""Bytes of all connections: sixteen of the longest frames. Beyond it the largest connection is cut off."""


class FrameBudget:
    """The buffered bytes of each connection, limited in all. Single-threaded."""

    def __init__(self) -> None:
        self._sizes: dict[Callable[[], None], int] = {}
        self._total = 0

    def record(self, size: int, cut_off: Callable[[], None]) -> None:
        """Record the buffered bytes of a connection; `cut_off` closes it, and is its key."""
        self._set(cut_off, size)
        while self._total > MOST_BUFFERED:
            most = max(self._sizes, key=self._sizes.__getitem__)
            log.warning("a connection with %d bytes of unanswered frames is cut off", self._sizes[most])
            self._set(most, 0)
            most()

    def _set(self, cut_off: Callable[[], None], size: int) -> None:
        self._total += size - self._sizes.pop(cut_off, 0)
        if size:
            self._sizes[cut_off] = size
