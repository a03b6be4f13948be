"""MLLP framing without input or output: from bytes to frames.

A frame is VT, body, FS, CR. The reader is as tolerant as senders require. It skips bytes before a VT and accepts a
missing CR. A VT before a header inside a frame begins a new frame, because its sender has abandoned the one before.
"""

import math
import re
from typing import NamedTuple

VT, FS, CR = b"\x0b", b"\x1c", b"\r"

MOST_BYTES = 4 * 1024 * 1024
"""The most bytes of a body. A longer one is no message of a monitor or laboratory: it is answered AE, and
the connection closes."""

BEGINNING = 64 * 1024
"""The bytes kept of a body that is too long: enough to name it in the answer."""

_BEGIN = re.compile(rb"\x0b(?=(?:\xef\xbb\xbf)?(?:MSH|FHS|BHS))")
_LONGEST_BEGIN = 7


class Frame(NamedTuple):
    """One body. If it is `too_long`, only its beginning."""

    body: bytes
    too_long: bool = False


def wrap(body: bytes) -> bytes:
    """A body in its frame."""
    return VT + body + FS + CR


class FrameReader:
    """A parser that buffers an incomplete frame: at most one body of the longest size and one feed.

    It returns at most `most_frames` frames of one feed, plus one that shows the excess. `skipped` counts bytes outside
    frames, `broken` abandoned frames.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, most_frames: float = math.inf) -> None:
        self._most = most_bytes
        self._most_frames = most_frames
        self._buffer = bytearray()
        self._scanned = 0
        self._inside = False
        self._over = False
        self.skipped = 0
        self.broken = 0

    @property
    def buffered(self) -> int:
        """The bytes of an incomplete frame."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. After one that is too long, or too many, it reads no more."""
        frames: list[Frame] = []
        if self._over:
            return frames
        self._buffer += data
        begin = 0
        while not self._over:
            if not self._inside:
                begin = self._enter(begin)
            if not self._inside:
                break
            begin, found = self._leave(begin)
            if found is None:
                break
            frames.append(found)
            self._over = self._over or len(frames) > self._most_frames
        del self._buffer[:begin]
        self._scanned = max(0, self._scanned - begin)
        return frames

    def _enter(self, begin: int) -> int:
        """Advance to the first byte after the next VT, or to the end."""
        at = self._buffer.find(VT, begin)
        end = len(self._buffer) if at < 0 else at
        self.skipped += len(self._buffer[begin:end].translate(None, b"\r\n"))
        self._inside = at >= 0
        self._scanned = end + 1 if self._inside else end
        return self._scanned

    def _leave(self, begin: int) -> tuple[int, Frame | None]:
        """Advance behind the FS of this frame; if none has arrived, stay at the start of the frame."""
        found = self._buffer.find(FS, self._scanned)
        end = found if found >= 0 else len(self._buffer)
        begin, known = self._resynchronised(begin, end)
        if end - begin > self._most:
            self._over, self._inside = True, False
            frame = Frame(bytes(self._buffer[begin : begin + BEGINNING]), too_long=True)
            return len(self._buffer), frame
        if found < 0:
            self._scanned = known
            return begin, None
        self._inside = False
        return end + 1, Frame(bytes(self._buffer[begin:end]))

    def _resynchronised(self, begin: int, end: int) -> tuple[int, int]:
        """The true start of the frame, and the position up to which its bytes are known to be text.

        A VT in the middle of free text, as word processors write it, is text.
        """
        for match in _BEGIN.finditer(self._buffer, self._scanned, end):
            self.broken += match.start() > begin
            begin = match.start() + 1
        # The last bytes may be the beginning of such a VT and header.
        return begin, max(begin, end - _LONGEST_BEGIN + 1)
