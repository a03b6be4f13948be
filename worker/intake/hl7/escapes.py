r"""HL7's escapes in the text of a field: `\T\` for `&`, `\.br\` for a line end, `\X0D\` for a byte.

Text that is no escape stays unchanged: a backslash of a Windows path is no reason to lose a result.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from worker.intake.hl7.charsets import decode_piece

_FORMATTING = {"br": "\n", "sp": "\n", "ce": "\n", "sk": " ", "in": "", "ti": "", "fi": "", "nf": ""}
"""Formatting commands. Their distances are ignored, so that no escape becomes longer."""

_COMMAND = re.compile(r"\.(br|sp|ce|sk|in|ti|fi|nf)\s*[+-]?\d{0,9}", re.IGNORECASE)
_NOTHING = re.compile(r"[HN]|Z.{0,20}|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4,6}")
"""Highlighting, local escapes, and changes of the character set. The decoding has followed the last already."""


def unescape(text: str, escape: str, meanings: Mapping[str, str], codec: str) -> str:
    """Replace the escapes of a text. `meanings`: the separator of each of the letters F, S, T, R, E."""
    return _pattern(escape).sub(lambda match: _meaning(match, meanings, codec), text)


@lru_cache(maxsize=64)
def _pattern(escape: str) -> re.Pattern[str]:
    sign = re.escape(escape)
    return re.compile(f"{sign}([^{sign}\r\n]*){sign}")


def _meaning(match: re.Match[str], meanings: Mapping[str, str], codec: str) -> str:
    inside = match[1]
    if inside in meanings:
        return meanings[inside]
    if inside[:1] == "X" and (found := _bytes(inside[1:])) is not None:
        return decode_piece(found, codec)
    if command := _COMMAND.fullmatch(inside):
        return _FORMATTING[command[1].lower()]
    return "" if _NOTHING.fullmatch(inside) else match[0]


def _bytes(digits: str) -> bytes | None:
    try:
        return bytes.fromhex(digits) if digits else None
    except ValueError:
        return None
