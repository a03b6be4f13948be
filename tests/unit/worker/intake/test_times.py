"""Times: an offset or a zone, a day at least, and never a guess."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from worker.intake import times

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("text", "shown", "at"),
    [
        ("2024-06-14T08:00:00+02:00", "2024-06-14T08:00:00+02:00", datetime(2024, 6, 14, 6, tzinfo=UTC)),
        ("2024-06-14T06:00:00Z", "2024-06-14T06:00:00Z", datetime(2024, 6, 14, 6, tzinfo=UTC)),
        ("2020-06-30T09:50:55.300Z", "2020-06-30T09:50:55.300Z", datetime(2020, 6, 30, 9, 50, 55, 300_000, UTC)),
    ],
)
def test_fhir_instants(text: str, shown: str, at: datetime) -> None:
    when = times.fhir(text, ROME)
    assert (when.shown, when.at, when.day) == (shown, at, False)


def test_a_fhir_day_begins_in_the_zone_of_the_source() -> None:
    when = times.fhir("2024-06-14", ROME)
    assert (when.shown, when.day) == ("2024-06-14", True)
    assert when.at == datetime(2024, 6, 13, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2014-10-09T14:58:00",
        "1970-01-01T12:00:00.123",
        "2024",
        "2024-06",
        "2024-13-01",
        "2024-02-30T00:00:00Z",
        "",
        "x",
    ],
)
def test_fhir_times_that_are_none(text: str) -> None:
    when = times.fhir(text, ROME)
    assert when.at is None
    assert when.why


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("20240614080000+0200", "2024-06-14T08:00:00+02:00"),
        ("202406140800-0500", "2024-06-14T08:00:00-05:00"),
        ("20240614080000.5+0000", "2024-06-14T08:00:00.500Z"),
        ("20240614080000", "2024-06-14T08:00:00+02:00"),
        ("20241214080000", "2024-12-14T08:00:00+01:00"),
    ],
)
def test_hl7_times_with_an_offset_or_in_the_zone_of_the_source(text: str, shown: str) -> None:
    assert times.hl7(text, ROME).shown == shown


@pytest.mark.parametrize("text", ["2024", "202406", "20241301", "2024061425", "20240614080000+9999", "%s", "x" * 99])
def test_hl7_times_that_are_none(text: str) -> None:
    when = times.hl7(text, ROME)
    assert when.at is None
    assert when.why


def test_without_offset_and_without_zone_there_is_no_time() -> None:
    when = times.hl7("20240614080000", None)
    assert when.at is None
    assert "time_zone" in when.why
    assert times.hl7("20240614080000+0200", None).at is not None


@pytest.mark.parametrize("read", [times.fhir, times.hl7])
def test_a_text_far_too_long_for_a_time_is_none_and_is_not_kept(read: Callable[[str, tzinfo], times.When]) -> None:
    text = "2" * 100_000
    before = sys.getrefcount(text)
    assert read(text, ROME).at is None
    assert sys.getrefcount(text) == before
