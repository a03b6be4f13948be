"""The MSH of a message. It is parsed so leniently that we can acknowledge a message whose body is unreadable."""

import hashlib
import re
from typing import NamedTuple

from worker.intake.hl7.charsets import decode

_LINE_END = re.compile(r"\r\n|\r|\n")
_LONGEST = 64 * 1024
_KEY_DIGITS = 24
_USUAL = "^~\\&"


class Header(NamedTuple):
    """The MSH fields for an acknowledgement, as written, and their codec.

    `encoding`: MSH-2, or a usable one if that of the message is not.
    """

    separator: str
    encoding: str
    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    message_type: str
    control_id: str
    processing_id: str
    version: str
    accept_when: str
    application_when: str
    character_set: str
    codec: str

    @property
    def component(self) -> str:
        """The component separator."""
        return self.encoding[:1]

    @property
    def kind(self) -> str:
        """The message type alone: ORU, ADT, ACK ..."""
        return self.message_type.partition(self.component)[0]


def read_header(raw: bytes) -> Header | None:
    """The MSH of a message; None if the message does not begin with one."""
    text, codec = decode(raw[:_LONGEST])
    line = _LINE_END.split(text.lstrip("\x0b\r\n\t \ufeff"), maxsplit=1)[0]
    separator = line[3:4]
    if not line.startswith("MSH") or not separator or separator.isalnum() or separator.isspace():
        return None
    fields = line.split(separator)
    fields += [""] * (18 - len(fields))
    return Header._make([separator, _usable(fields[1]), *fields[2:6], *fields[8:12], *fields[14:16], fields[17], codec])


def _usable(encoding: str) -> str:
    if not encoding or any(sign.isalnum() or sign.isspace() for sign in encoding):
        return _USUAL
    return "".join(dict.fromkeys(encoding))[:5]


def message_key(raw: bytes) -> str:
    """The idempotency key of a message: MSH-3, MSH-4, MSH-10 and a hash of the whole message.

    The control id alone is not unique: some monitors send the same one in every message.
    """
    header = read_header(raw)
    names = (header.sending_application, header.sending_facility, header.control_id) if header else ()
    digest = hashlib.sha256(raw.strip(b"\x0b\x1c\r\n\t "))
    digest.update("\x00".join(names).encode("utf-8", "replace"))
    return digest.hexdigest()[:_KEY_DIGITS]
