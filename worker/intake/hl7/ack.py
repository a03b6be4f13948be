"""The acknowledgement of a message: AA or AE, in enhanced mode CA or CE. Never AR: engines do not retry after it."""

import hashlib
from datetime import UTC, datetime

from worker.intake.hl7.header import Header

OUR_NAME = "CARTWATCH"

_LONGEST_TEXT = 200
_INTERNAL_ERROR = ("207", "Application internal error", "HL70357")
_ERR_SINCE = (2, 5)
_UNKNOWN = Header._make(["|", "^~\\&", *[""] * 6, "P", "2.5.1", *[""] * 3, "utf-8"])


def acknowledge(header: Header | None, good: bool, now: datetime, why: str = "") -> bytes:
    """The one acknowledgement of a message.

    `good`: the message is stored. `why` is shown to the sender and contains nothing of the message. Without a header
    the acknowledgement names no message, and reports one message as refused.
    """
    to = header or _UNKNOWN
    lines = [_msh(to, now), _msa(to, _code(to, good), why)]
    if not good and _version(to) >= _ERR_SINCE:
        lines.append(_err(to, why))
    return "".join(f"{line}\r" for line in lines).encode(to.codec, errors="replace")


def asked_for(header: Header | None, good: bool) -> bool:
    """Whether MSH-15 and MSH-16 request an acknowledgement. A message without these fields is always acknowledged."""
    if header is None or not (header.accept_when or header.application_when):
        return True
    return _wanted(header.accept_when, good) or _wanted(header.application_when, good)


def _code(to: Header, good: bool) -> str:
    """The accept code if MSH-15 requests one, else the code of original mode.

    If both are requested, we send the accept code. We accept for safe keeping; what follows of a message is paged to
    people, not answered to machines.
    """
    kind = "C" if _wanted(to.accept_when, good) else "A"
    return f"{kind}A" if good else f"{kind}E"


def _wanted(when: str, good: bool) -> bool:
    when = when.strip().upper()
    if when in ("", "NE"):
        return False
    return good if when == "SU" else not good if when == "ER" else True


def _msh(to: Header, now: datetime) -> str:
    stamp = now.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
    own_id = hashlib.sha256(f"{to.control_id} {now.isoformat()}".encode("utf-8", "replace")).hexdigest()[:20]
    fields = [
        *("MSH", to.encoding, to.receiving_application or OUR_NAME, to.receiving_facility),
        *(to.sending_application, to.sending_facility, stamp, "", _type(to)),
        *(own_id, to.processing_id or "P", to.version or "2.5.1", "", "", "", "", "", to.character_set),
    ]
    return to.separator.join(fields).rstrip(to.separator)


def _type(to: Header) -> str:
    _, *more = to.message_type.split(to.component)
    trigger, structure = (more[0] if more else "", len(more) > 1)
    parts = ["ACK", *([trigger] if trigger else []), *(["ACK"] if trigger and structure else [])]
    return to.component.join(parts)


def _msa(to: Header, code: str, why: str) -> str:
    return to.separator.join(["MSA", code, to.control_id, _clean(to, why)]).rstrip(to.separator)


def _err(to: Header, why: str) -> str:
    return to.separator.join(["ERR", "", "", to.component.join(_INTERNAL_ERROR), "E", "", "", "", _clean(to, why)])


def _clean(to: Header, text: str) -> str:
    """Remove the characters that would need an escape."""
    signs = {to.separator, *to.encoding}
    return "".join(" " if sign in signs or not sign.isprintable() else sign for sign in text[:_LONGEST_TEXT])


def _version(to: Header) -> tuple[int, ...]:
    numbers = to.version.partition(to.component)[0].split(".")
    return tuple(int(number) if number.isdecimal() and number.isascii() else 0 for number in numbers[:2])
