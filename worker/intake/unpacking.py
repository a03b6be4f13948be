"""Unpacking of a body that was packed by gzip, up to a limit: a small body may unpack to gigabytes."""

import zlib

GZIP = 16 + zlib.MAX_WBITS


class TooLargeError(ValueError):
    """The unpacked body is larger than the limit."""


class BadPackingError(ValueError):
    """The body is not packed by gzip, or ends early."""


def unpacked(body: bytes, largest: int) -> bytes:
    """The content of a gzip body of one or several members. Never more than `largest` bytes are unpacked.

    Raises:
        TooLargeError, BadPackingError: it cannot be used.
    """
    parts: list[bytes] = []
    room = largest
    while body:
        member = zlib.decompressobj(GZIP)
        try:
            part = member.decompress(body, room + 1)
        except zlib.error as error:
            raise BadPackingError from error
        room -= len(part)
        if room < 0:
            raise TooLargeError
        if not member.eof:
            raise BadPackingError
        parts.append(part)
        body = member.unused_data
    if not parts:
        raise BadPackingError
    return b"".join(parts)
