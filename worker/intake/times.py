"""Times in FHIR and HL7. A time less exact than a day cannot be used."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

_FHIR = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_HL7 = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)


_LONGEST = 100
"""The most characters of a time. A longer text is no time, and is not cached."""


class When(NamedTuple):
    """A parsed time. `shown`: in ISO 8601. `at`: the moment, or the start of the `day`; else `why` there is none."""

    shown: str | None
    at: datetime | None
    day: bool = False
    why: str = ""


NEVER = When(None, None, why="no time of its own: neither when it was observed nor when it was reported")


def fhir(text: str, zone: tzinfo | None) -> When:
    """Parse a FHIR date, dateTime or instant. `zone` places the start of a day if only the date is given."""
    return _fhir(text[:_LONGEST], zone)


@lru_cache(maxsize=512)
def _fhir(text: str, zone: tzinfo | None) -> When:
    match = _FHIR.fullmatch(text)
    if match is None:
        return When(text[:40], None, why=f"{text[:40]!r} is no FHIR dateTime; write 2024-06-14T08:00:00+02:00")
    if match[4] and not match[8]:
        return When(text[:40], None, why=f"{text} has no offset from UTC; write it, as in {text}+02:00")
    return _placed(match, match[8] or "", zone, text)


def hl7(text: str, zone: tzinfo | None) -> When:
    """Parse an HL7 timestamp. One without an offset is in `zone`; without a zone it cannot be placed."""
    return _hl7(text.strip()[:_LONGEST], zone)


@lru_cache(maxsize=512)
def _hl7(text: str, zone: tzinfo | None) -> When:
    match = _HL7.fullmatch(text)
    if match is None:
        return When(text[:40], None, why=f"{text[:40]!r} is no HL7 time; write YYYYMMDDHHMM[SS][+ZZZZ]")
    offset = f"{match[8][:3]}:{match[8][3:]}" if match[8] else ""
    return _placed(match, offset, zone, text)


def _placed(match: re.Match[str], offset: str, zone: tzinfo | None, text: str) -> When:
    year, month, day, hour, minute, second, fraction = match.groups()[:7]
    if not day:
        return When(text, None, why=f"{text} says no day")
    try:
        microsecond = int((fraction or "0").ljust(6, "0")[:6])
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            microsecond,
            _fixed(offset),
        )
    except (ValueError, OverflowError):
        return When(text, None, why=f"{text} is no moment of the calendar")
    if local.tzinfo is None:
        if zone is None:
            return When(text, None, why=f"{text} has no offset and the source no time zone; set its `time_zone`")
        local = local.replace(tzinfo=zone)
    if not hour:
        return When(local.date().isoformat(), local, day=True)
    return When(_written(local), local)


@lru_cache(maxsize=64)
def _fixed(offset: str) -> tzinfo | None:
    if not offset:
        return None
    if offset == "Z":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))


def _written(at: datetime) -> str:
    text = at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text
