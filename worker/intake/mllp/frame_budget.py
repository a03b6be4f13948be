"""What the connections of a listener hold of frames that are not answered yet; all together are bounded."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

MOST_HELD = 64 * 1024 * 1024
"""Bytes of all connections, sixteen of the longest frames. Beyond, whoever holds most is cut off."""


class Held:
    """Bytes by connection. Used from one thread."""

    def __init__(self) -> None:
        self._sizes: dict[Callable[[], None], int] = {}
        self._total = 0

    def hold(self, size: int, cut_off: Callable[[], None]) -> None:
        """A connection holds so many bytes now; `cut_off` ends it, and stands for it."""
        self._set(cut_off, size)
        while self._total > MOST_HELD:
            most = max(self._sizes, key=self._sizes.__getitem__)
            log.warning("a connection with %d bytes of unanswered frames is cut off", self._sizes[most])
            self._set(most, 0)
            most()

    def _set(self, cut_off: Callable[[], None], size: int) -> None:
        self._total += size - self._sizes.pop(cut_off, 0)
        if size:
            self._sizes[cut_off] = size
