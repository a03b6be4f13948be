"""Shifts from an iCalendar file: recurrences, all-day and floating events, both daylight-saving switches."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerts.episodes.rota import gaps, holders, next_change
from config.ical import read_shifts
from config.problems import ConfigurationError
from config.site import OnCall, load_site
from tests.support.configuration import folder, line_of

ROME = ZoneInfo("Europe/Rome")
PLAIN = "  on_call: [haematologist-1]\n"
ONE, TWO = "haematologist-1", "haematologist-2"

FRAME = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//roster//EN\r\n{}END:VCALENDAR\r\n"


def calendar(*events: str) -> str:
    """A calendar of events, each given as lines."""
    body = "".join(
        f"BEGIN:VEVENT\r\nUID:e{number}\r\nDTSTAMP:20260101T000000Z\r\n{event.strip()}\r\nEND:VEVENT\r\n"
        for number, event in enumerate(events)
    )
    return FRAME.format(body.replace("\r\n", "\n").replace("\n", "\r\n"))


def event(summary: str, start: str, end: str, *more: str) -> str:
    """An event on the clock of Rome."""
    head = [f"SUMMARY:{summary}", f"DTSTART;TZID=Europe/Rome:{start}", f"DTEND;TZID=Europe/Rome:{end}"]
    return "\n".join([*head, *more])


def site(path: Path, *events: str, role: str = "  on_call: {calendar: on_call.ics}\n") -> OnCall:
    return load_site(
        folder(
            path,
            (PLAIN, role),
            ("channels: [phone-2]", "channels: [phone-2]\n    email: Second@Example.org"),
            on_call_ics=calendar(*events),
        )
    ).on_call


def at(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ROME, fold=fold)


def test_the_summary_names_whoever_is_on_duty_up_to_the_end(tmp_path: Path) -> None:
    on_call = site(tmp_path, event(ONE, "20260105T080000", "20260105T200000"))
    found = [holders(on_call, "on_call", at(f"2026-01-05T{hour}")) for hour in ("07:59", "08:00", "19:59", "20:00")]
    assert found == [(), (ONE,), (ONE,), ()]


def test_an_invitation_names_people_by_their_address(tmp_path: Path) -> None:
    invited = ("ATTENDEE;CN=Second:mailto:second@example.org", "ATTENDEE:MAILTO:desk@example.org")
    on_call = site(tmp_path, event("On call", "20260105T080000", "20260105T200000", *invited))
    assert holders(on_call, "on_call", at("2026-01-05T12:00")) == (TWO,)


@pytest.mark.parametrize("day", ["2026-01-12", "2026-03-30", "2026-06-01", "2026-10-26"])
def test_a_recurrence_keeps_its_hour_through_daylight_saving(tmp_path: Path, day: str) -> None:
    on_call = site(tmp_path, event(ONE, "20260105T080000", "20260105T200000", "RRULE:FREQ=WEEKLY"))
    found = [holders(on_call, "on_call", at(f"{day}T{hour}")) for hour in ("07:59", "08:00", "19:59", "20:00")]
    assert found == [(), (ONE,), (ONE,), ()]


@pytest.mark.parametrize("eve", ["2026-03-28", "2026-10-24", "2026-05-05"])
def test_a_night_ends_in_the_morning_whatever_the_clock_did(tmp_path: Path, eve: str) -> None:
    on_call = site(tmp_path, event(ONE, "20260105T200000", "20260106T080000", "RRULE:FREQ=DAILY"))
    start = at(f"{eve}T20:00")
    end = next_change(on_call, "on_call", start)
    assert end is not None
    assert end.astimezone(ROME).strftime("%H:%M") == "08:00"


def test_an_exception_and_a_moved_shift_are_kept(tmp_path: Path) -> None:
    moved = event(TWO, "20260112T120000", "20260112T200000", "RECURRENCE-ID;TZID=Europe/Rome:20260112T080000")
    series = event(
        ONE, "20260105T080000", "20260105T200000", "RRULE:FREQ=WEEKLY", "EXDATE;TZID=Europe/Rome:20260119T080000"
    )
    text = calendar(series, moved).replace("UID:e1", "UID:e0")
    path = folder(tmp_path, (PLAIN, "  on_call: {calendar: on_call.ics}\n"), on_call_ics=text)
    on_call = load_site(path).on_call
    days = ("2026-01-05T10:00", "2026-01-12T10:00", "2026-01-12T13:00", "2026-01-19T10:00", "2026-01-26T10:00")
    assert [holders(on_call, "on_call", at(day)) for day in days] == [(ONE,), (), (TWO,), (), (ONE,)]


def test_whole_days_and_times_without_zone_are_on_the_wall_clock(tmp_path: Path) -> None:
    whole = f"SUMMARY:{ONE}\nDTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107"
    floating = f"SUMMARY:{TWO}\nDTSTART:20260710T080000\nDTEND:20260710T200000"
    on_call = site(tmp_path, whole, floating)
    days = ("2026-01-04T23:59", "2026-01-05T00:00", "2026-01-06T23:59", "2026-01-07T00:00", "2026-07-10T08:00")
    assert [holders(on_call, "on_call", at(day)) for day in days] == [(), (ONE,), (ONE,), (), (TWO,)]


def test_a_shift_across_the_end_of_the_month_is_one(tmp_path: Path) -> None:
    on_call = site(tmp_path, event(ONE, "20251220T080000", "20260310T080000"))
    for day in ("2025-12-31T23:59", "2026-01-01T00:00", "2026-02-15T00:00", "2026-03-10T07:59"):
        assert holders(on_call, "on_call", at(day)) == (ONE,)
    assert next_change(on_call, "on_call", at("2025-12-25T00:00")) == at("2026-03-10T08:00")


def test_a_cancelled_shift_is_none(tmp_path: Path) -> None:
    on_call = site(tmp_path, event(ONE, "20260105T080000", "20260105T200000", "STATUS:CANCELLED"))
    assert holders(on_call, "on_call", at("2026-01-05T12:00")) == ()


def test_an_event_that_names_nobody_puts_nobody_on_duty(tmp_path: Path) -> None:
    role = "  on_call: {calendar: on_call.ics, always: [consultant-1]}\n"
    on_call = site(tmp_path, event("Lunch", "20260105T080000", "20260105T200000"), role=role)
    assert holders(on_call, "on_call", at("2026-01-05T12:00")) == ("consultant-1",)


def test_calendar_and_rotation_are_on_duty_together_and_an_override_stands_above(tmp_path: Path) -> None:
    role = """\
  on_call:
    calendar: on_call.ics
    rotations: [{people: [haematologist-2], from: 2026-01-01T00:00, every: 1 d}]
    overrides: [{from: 2026-01-05T10:00, until: 2026-01-05T11:00, people: [consultant-1], why: swap}]
"""
    on_call = site(tmp_path, event(ONE, "20260105T080000", "20260105T200000"), role=role)
    found = [holders(on_call, "on_call", at(f"2026-01-05T{hour}")) for hour in ("09:00", "10:00", "11:00")]
    assert found == [(TWO, ONE), ("consultant-1",), (TWO, ONE)]


def test_gaps_between_shifts_are_found(tmp_path: Path) -> None:
    on_call = site(tmp_path, event(ONE, "20260105T080000", "20260105T200000", "RRULE:FREQ=DAILY;COUNT=2"))
    found = gaps(on_call, "on_call", at("2026-01-05T08:00"), at("2026-01-08T00:00"))
    assert found == [(at("2026-01-05T20:00"), at("2026-01-06T08:00")), (at("2026-01-06T20:00"), at("2026-01-08T00:00"))]


def test_a_zone_named_as_windows_does_is_understood(tmp_path: Path) -> None:
    named = event(ONE, "20260705T080000", "20260705T200000").replace("Europe/Rome", "W. Europe Standard Time")
    assert holders(site(tmp_path, named), "on_call", at("2026-07-05T08:00")) == (ONE,)


def test_a_month_is_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.ics").write_text(calendar(event(ONE, "20260105T080000", "20260105T200000", "RRULE:FREQ=DAILY")))
    shifts = read_shifts(tmp_path / "a.ics")
    moment = datetime(2026, 6, 1, 12, tzinfo=UTC)
    expected = shifts.at(moment, ROME)
    monkeypatch.setattr(shifts, "_query", None)
    assert shifts.at(moment + timedelta(hours=1), ROME) == expected


# -- what is refused -------------------------------------------------------------------------------


def refused(path: Path, content: str | None, name: str = "on_call.ics") -> str:
    files = {"on_call_ics": content} if content is not None else {}
    folder(path, (PLAIN, f"  on_call: {{calendar: {name}}}\n"), **files)
    with pytest.raises(ConfigurationError) as caught:
        load_site(path)
    line = line_of(path / "site.yaml", "calendar:")
    return str(caught.value).removeprefix(f"{path}/site.yaml:{line}: roles.on_call.calendar: ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "on_call.ics cannot be read: No such file or directory"),
        ("not a calendar", "on_call.ics is not a calendar that can be read"),
        ("", "on_call.ics is not a calendar that can be read"),
        (calendar(f"SUMMARY:{ONE}\nDTEND:20260105T200000Z"), "on_call.ics is not a calendar that can be read"),
        (
            calendar(f"SUMMARY:{ONE}\nDTSTART:20260105T080000Z"),
            "on_call.ics is not a calendar that can be read: the event 'haematologist-1' of 2026-01-05 08:00:00+00:00 "
            "has no end: give it one",
        ),
        (calendar(event(ONE, "20260105T080000", "20260104T080000")), "on_call.ics is not a calendar that can be read"),
        (
            calendar(event(ONE, "20260105T080000", "20260105T200000", "RRULE:FREQ=NEVER")),
            "on_call.ics is not a calendar that can be read",
        ),
    ],
)
def test_a_calendar_that_cannot_be_used_is_refused_at_its_key(tmp_path: Path, content: str | None, said: str) -> None:
    assert refused(tmp_path, content).startswith(said)


def test_a_calendar_elsewhere_is_refused_as_its_changes_would_not_be_seen(tmp_path: Path) -> None:
    assert "must stand beside site.yaml" in refused(tmp_path, calendar(), name="../on_call.ics")


def test_without_the_extra_the_way_to_get_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "recurring_ical_events", None)
    assert refused(tmp_path, calendar()) == "reading a calendar needs the extra: pip install 'cartwatch[ical]'"
