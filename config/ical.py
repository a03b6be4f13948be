"""Shifts kept in an iCalendar file (RFC 5545), as a roster program or a calendar server writes it.

The file is read once. Recurrences are worked out a month at a time and kept, so that asking who is on duty costs a
search in a short list. Needs the optional extra `[ical]`.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import prod
from pathlib import Path
from time import thread_time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from config.bounded import read_text
from config.problems import ConfigurationError
from config.wall_clock import moment

MONTHS_KEPT = 36

EARLIEST_YEAR, LATEST_YEAR = 1970, 2200

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
MOST_A_DAY = 24

MOST_SECONDS = 5
"""Seconds of a processor. A roster of 3000 shifts takes one."""


class Shift(NamedTuple):
    """One event: its moments in UTC, its summary, and the mail addresses of those invited."""

    begin: datetime
    end: datetime
    summary: str
    mails: tuple[str, ...]


class _Month(NamedTuple):
    """The people on duty from each of the `edges` on, up to the next one; the first edge is the start of the month."""

    edges: list[datetime]
    on_duty: list[tuple[Shift, ...]]


class Shifts:
    """The events of a calendar, as a value that answers by time. All-day and floating events are on the wall clock."""

    def __init__(self, query: Any, name: str) -> None:
        self.name = name
        self._query = query
        self._month = lru_cache(maxsize=MONTHS_KEPT)(self._work_out)

    def at(self, at: datetime, zone: ZoneInfo) -> tuple[Shift, ...]:
        """The events that cover a moment, in order of their beginning."""
        at = at.astimezone(UTC)
        month = self._month(at.year, at.month, zone)
        return month.on_duty[bisect_right(month.edges, at) - 1]

    def edge_after(self, at: datetime, zone: ZoneInfo) -> datetime:
        """The next moment at which an event may begin or end: never past it, perhaps before it."""
        at = at.astimezone(UTC)
        month = self._month(at.year, at.month, zone)
        index = bisect_right(month.edges, at)
        return month.edges[index] if index < len(month.edges) else _following(at.year, at.month)

    def between(self, start: datetime, until: datetime, zone: ZoneInfo) -> Iterator[Shift]:
        """Every event that covers some of a time, once, in order."""
        seen: set[Shift] = set()
        while start < until:
            for shift in self.at(start, zone):
                if shift not in seen:
                    seen.add(shift)
                    yield shift
            start = self.edge_after(start, zone)

    def _work_out(self, year: int, month: int, zone: ZoneInfo) -> _Month:
        first, last = datetime(year, month, 1, tzinfo=UTC), _following(year, month)
        # A day to either side: floating events are compared by their wall time, which may lie in another month.
        found = self._query.between(first - timedelta(days=1), last + timedelta(days=1))
        shifts = sorted({shift for event in found if (shift := _shift(event, zone)) is not None})
        inside = {edge for shift in shifts for edge in (shift.begin, shift.end) if first < edge < last}
        edges = [first, *sorted(inside)]
        return _Month(edges, [tuple(s for s in shifts if s.begin <= edge < s.end) for edge in edges])


def _following(year: int, month: int) -> datetime:
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def _shift(event: Any, zone: ZoneInfo) -> Shift | None:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    attendees = event.get("ATTENDEE", [])
    listed = attendees if isinstance(attendees, list) else [attendees]
    mails = tuple(str(one).lower().removeprefix("mailto:") for one in listed)
    begin, end = (_moment(event[key].dt, zone) for key in ("DTSTART", "DTEND"))
    return Shift(begin, end, str(event.get("SUMMARY", "")).strip(), mails)


def _moment(at: date, zone: ZoneInfo) -> datetime:
    if not isinstance(at, datetime):
        return moment(datetime(at.year, at.month, at.day), zone)  # noqa: DTZ001
    return moment(at, zone) if at.tzinfo is None else at.astimezone(UTC)


def read_shifts(path: Path) -> Shifts:
    """Read an iCalendar file.

    Raises:
        ValueError: the extra is not installed, or the file cannot be read or is not iCalendar.
    """
    try:
        import icalendar
        import recurring_ical_events  # type: ignore[import-untyped]
    except ImportError as error:
        raise ValueError("reading a calendar needs the extra: pip install 'cartwatch[ical]'") from error
    try:
        text = read_text(path)
        _refuse_endless_rules(text)
        calendar: Any = icalendar.Calendar.from_ical(text)
        spent = _Spent()
        for event in calendar.walk("VEVENT"):
            _refuse_far(event)
            if "RRULE" in event:
                # Alone, so that many that are slow together are noticed one by one.
                alone = icalendar.Calendar()
                alone.add_component(event)
                recurring_ical_events.of(alone).at(event["DTSTART"].dt)
                spent.refuse_more()
        shifts = Shifts(recurring_ical_events.of(calendar), path.name)
        # What is malformed inside an event comes to light when its times are worked out.
        for event in calendar.walk("VEVENT"):
            _refuse_without_length(event)
            shifts.at(_moment(event["DTSTART"].dt, ZoneInfo("UTC")), ZoneInfo("UTC"))
            spent.refuse_more()
    except ConfigurationError as error:
        raise ValueError("; ".join(f"{path.name} {problem.what}" for problem in error.problems)) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a calendar that can be read: {' '.join(str(error).split())}") from error
    return shifts


class _Spent:
    """The processor time that one calendar takes."""

    def __init__(self) -> None:
        self._since = thread_time()

    def refuse_more(self) -> None:
        if thread_time() - self._since > MOST_SECONDS:
            raise ValueError(f"takes more than {MOST_SECONDS} s to work out: take past events and odd rules out")


_RULE = re.compile(r"^(?:RRULE|EXRULE)[^:\n]*:(.*)$", re.MULTILINE | re.IGNORECASE)

PARTS: Mapping[str, tuple[str, ...]] = {
    "BYMONTHDAY": ("MONTHLY", "YEARLY"),
    "BYSETPOS": ("MONTHLY", "YEARLY"),
    "BYYEARDAY": ("YEARLY",),
    "BYWEEKNO": ("YEARLY",),
}
"""With another frequency they may name days that never come, for which each day until the year 9999 is looked at."""


def _refuse_endless_rules(text: str) -> None:
    """Refuse rules that recur within a day, in events and in time zones, before anything is worked out."""
    for rule in _RULE.findall(re.sub(r"\r?\n[ \t]", "", text)):
        parts = dict(part.partition("=")[::2] for part in rule.strip().upper().split(";"))
        often = parts.get("FREQ", "").strip()
        times = prod(part.count(",") + 1 for name in ("BYHOUR", "BYMINUTE", "BYSECOND") if (part := parts.get(name)))
        if often not in FREQUENCIES or times > MOST_A_DAY:
            raise ValueError(
                f"an event recurs {often or 'as nobody says'}, {times} times: a shift recurs DAILY or less"
            )
        for part, allowed in PARTS.items():
            if part in parts and often not in allowed:
                raise ValueError(f"an event recurs {often} with {part}: let it recur {allowed[0]}")


def _refuse_far(event: Any) -> None:
    """Refuse an event of no time of ours."""
    for key in ("DTSTART", "DTEND"):
        if key in event and not EARLIEST_YEAR <= event[key].dt.year <= LATEST_YEAR:
            whose = f"the event {str(event.get('SUMMARY', ''))!r}"
            raise ValueError(f"{whose}: {key} is of the year {event[key].dt.year}: correct it")


def _refuse_without_length(event: Any) -> None:
    begin = event["DTSTART"].dt
    whose = f"the event {str(event.get('SUMMARY', ''))!r} of {begin}"
    if "DTEND" in event:
        if event["DTEND"].dt <= begin:
            raise ValueError(f"{whose} ends before it begins: correct it")
    elif isinstance(begin, datetime) and "DURATION" not in event:
        raise ValueError(f"{whose} has no end: give it one")
