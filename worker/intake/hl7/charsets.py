"""Character sets: from bytes to text by MSH-18, with a fallback for lines that violate it.

No byte sequence is refused. A line that is invalid in the declared set is read alone, as UTF-8, else as Windows-1252.
"""

import codecs
import re

from worker.intake.budget import Budget

_NAMED = {
    "": "utf-8",
    "ASCII": "utf-8",
    "USASCII": "utf-8",
    "ISOIR6": "utf-8",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
    "UNICODEUTF32": "utf-32",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "WINDOWS1250": "cp1250",
    "CP1250": "cp1250",
    "ISOIR100": "iso8859-1",
    "ISOIR101": "iso8859-2",
    "ISOIR13": "shift_jis",
    "ISOIR14": "iso2022_jp",
    "ISOIR87": "iso2022_jp",
    "ISOIR159": "iso2022_jp_1",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "KSX1001": "euc_kr",
    "CNS116431992": "big5",
    "BIG5": "big5",
}
"""HL7 table 0211 without spaces and signs, and other spellings that feeds use. ASCII is read as UTF-8."""

_LATIN = re.compile(r"(?:ISO)?8859([1-9]|1[013-6])")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ASCII_COMPATIBLE_WIDE = ((b"M\0S\0H\0", "utf-16-le"), (b"\0M\0S\0H", "utf-16-be"))
_SIGNS = re.compile(r"[^A-Z0-9]")
_LINE_ENDS = re.compile(rb"(\r\n|\r|\n)")
_LONGEST_NAME = 40
_LONGEST_NAMES = 400
_AROUND = b"\x00\x0b\r\n\t "


def codec_named(name: str) -> str:
    """Python's codec for an entry of MSH-18; UTF-8 if the entry is unknown."""
    short = _SIGNS.sub("", name[:_LONGEST_NAME].upper())
    if latin := _LATIN.fullmatch(short):
        return f"iso8859-{latin[1]}"
    return _NAMED.get(short, "utf-8")


def decode(raw: bytes, budget: Budget | None = None) -> tuple[str, str]:
    """Decode a message; return its text and codec. Every valid line is kept unchanged.

    Raises:
        OverBudget: to read it costs too much. Nothing else.
    """
    budget = budget or Budget()
    raw, marked = _without_mark(raw)
    codec = marked or codec_named(_declared(raw))
    try:
        return raw.decode(codec), codec
    except UnicodeError:
        if codec.startswith(("utf-16", "utf-32")):
            return (
                (raw.decode(codec, errors="replace"), codec)
                if marked
                else (_line_by_line(raw, "utf-8", budget), "utf-8")
            )
        return _line_by_line(raw, codec, budget), codec


def decode_piece(raw: bytes, codec: str) -> str:
    """Decode a few bytes, such as those of an escape. Never fails."""
    for candidate in (codec, "utf-8", "cp1252"):
        try:
            return raw.decode(candidate)
        except UnicodeError:
            continue
    return raw.decode("latin-1")


def _line_by_line(raw: bytes, codec: str, budget: Budget) -> str:
    return "".join(decode_piece(line, codec) for line in budget.during(_LINE_ENDS.split(raw)))


def _without_mark(raw: bytes) -> tuple[bytes, str | None]:
    for mark, codec in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :], codec
    for begin, codec in _ASCII_COMPATIBLE_WIDE:
        if raw.startswith(begin):
            return raw, codec
    return raw, None


def _declared(raw: bytes) -> str:
    """The character set of MSH-18. Of several repetitions the last one wider than ASCII counts."""
    header = _LINE_ENDS.split(raw.lstrip(_AROUND), 1)[0].decode("latin-1")
    fields = header.split(header[3]) if len(header) > 3 else []
    if len(fields) <= 17:
        return ""
    repetition = fields[1][1:2] or "~"
    names = [name.strip() for name in fields[17][:_LONGEST_NAMES].split(repetition)]
    return next((name for name in reversed(names) if codec_named(name) != "utf-8"), names[0])
