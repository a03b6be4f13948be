"""Several messages in one body: FHS and BHS batches, and messages that follow each other without an envelope."""

import re
from typing import NamedTuple

from worker.intake.budget import Budget
from worker.intake.hl7.charsets import decode

_LINE_END = re.compile(rb"\r\n|\r|\n")
_AROUND = b"\x00\x0b\x1c\r\n\t \xef\xbb\xbf"
_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")


class Hl7Batch(NamedTuple):
    """The messages of a body in order. `count_mismatch`: how their number differs from the stated count, if it does.

    A piece without MSH is included. `tokens.read` refuses it with the reason, so that it becomes a dead letter.
    """

    messages: list[bytes]
    count_mismatch: str = ""


def split(raw: bytes, budget: Budget | None = None) -> Hl7Batch:
    """Split a body into messages. A single message is returned unchanged, and only empty envelopes are dropped.

    Raises:
        OverBudget: it costs too much.
    """
    budget = budget or Budget()
    if raw.startswith(b"MSH") and raw.count(b"MSH") == 1 and not any(name in raw for name in _ENVELOPE):
        return Hl7Batch([raw])
    if b"\0" in raw[:8]:
        raw = _narrowed(raw, budget)
    messages: list[list[bytes]] = []
    counts: list[bytes] = []
    outside = True
    for line in budget.during(_LINE_END.split(raw)):
        bare = line.strip(_AROUND)
        name = b"" if bare[3:4].isalnum() or bare[3:4] == b" " else bare[:3]
        if name in _ENVELOPE:
            outside = True
            counts += [bare] if name == b"BTS" else []
        elif name == b"MSH" or (outside and bare):
            messages.append([line])
            outside = False

        elif bare:
            messages[-1].append(line)
    return Hl7Batch([b"\r".join(lines) for lines in messages], _count_mismatch(counts, len(messages)))


def _count_mismatch(trailers: list[bytes], came: int) -> str:
    """Compare the counts of the BTS segments, if any, with the number of messages."""
    said = [re.split(rb"[^0-9A-Za-z]", trailer[4:], maxsplit=1)[0] for trailer in trailers]
    if not said or not all(number.isdigit() and len(number) < 9 for number in said):
        return ""
    total = sum(int(number) for number in said)
    return f"the batch is said to hold {total} message(s) and holds {came}" if total != came else ""


def _narrowed(raw: bytes, budget: Budget) -> bytes:
    """The same text in UTF-8. A byte order mark outranks MSH-18."""
    text, _ = decode(raw, budget)
    marked = re.sub(r"(?m)(?<![^\r\n\ufeff])MSH", "\ufeffMSH", text.lstrip("\ufeff"))
    return marked.encode("utf-8", errors="replace")
