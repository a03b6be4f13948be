"""The clock on the wall: it never runs back, and every time on it stands for one moment."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.wall_clock import moment, shown

ROME = ZoneInfo("Europe/Rome")
ZONES = [ZoneInfo(name) for name in ("Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC")]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "at"),
    [
        ("2026-01-05T08:00", "2026-01-05T07:00"),
        ("2026-07-05T08:00", "2026-07-05T06:00"),
        # turned forward on 29 March at 01:00 UTC: 02:00 becomes 03:00
        ("2026-03-29T01:59", "2026-03-29T00:59"),
        ("2026-03-29T02:00", "2026-03-29T01:00"),
        ("2026-03-29T02:30", "2026-03-29T01:00"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-03-29T03:01", "2026-03-29T01:01"),
        # turned back on 25 October at 01:00 UTC: 03:00 becomes 02:00
        ("2026-10-25T02:00", "2026-10-25T00:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30"),
        ("2026-10-25T03:00", "2026-10-25T02:00"),
    ],
)
def test_a_time_on_the_wall_is_the_first_moment_it_is_shown_or_passed(wall: str, at: str) -> None:
    assert moment(datetime.fromisoformat(wall), ROME) == utc(at)


@pytest.mark.parametrize(
    ("at", "wall"),
    [
        ("2026-03-29T00:59:59", "2026-03-29T01:59:59"),
        ("2026-03-29T01:00:00", "2026-03-29T03:00:00"),
        ("2026-10-25T00:59:59", "2026-10-25T02:59:59"),
        ("2026-10-25T01:00:00", "2026-10-25T02:59:59.999999"),
        ("2026-10-25T01:59:59", "2026-10-25T02:59:59.999999"),
        ("2026-10-25T02:00:00", "2026-10-25T03:00:00"),
    ],
)
def test_what_the_wall_has_shown(at: str, wall: str) -> None:
    assert shown(utc(at), ROME) == datetime.fromisoformat(wall)


walls = st.datetimes(datetime.fromisoformat("2011-01-01"), datetime.fromisoformat("2027-01-01"))
moments = walls.map(lambda at: at.replace(tzinfo=UTC))
waits = st.timedeltas(timedelta(0), timedelta(hours=30))


@given(moments, waits, st.sampled_from(ZONES))
def test_it_never_runs_back(at: datetime, wait: timedelta, zone: ZoneInfo) -> None:
    assert shown(at, zone) <= shown(at + wait, zone)


@given(walls, st.sampled_from(ZONES))
def test_a_moment_is_the_first_at_which_the_time_is_shown(wall: datetime, zone: ZoneInfo) -> None:
    at = moment(wall, zone)
    assert shown(at, zone) >= wall
    assert shown(at - timedelta(microseconds=1), zone) < wall


@given(moments, st.sampled_from(ZONES))
def test_it_is_asked_in_any_zone(at: datetime, zone: ZoneInfo) -> None:
    assert shown(at.astimezone(ROME), zone) == shown(at, zone)
