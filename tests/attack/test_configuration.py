"""A configuration that never ends is refused with file and reason, and the one before stays in force."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.configuration import folder
from worker.cli import main
from worker.intake.watched_config import WatchedIntakeConfig

pytestmark = pytest.mark.timeout(60)

Attack = Callable[[Path], object]

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)

ROTATION = "  on_call:\n    rotations: [{people: [haematologist-1], from: 0001-01-01T00:00, every: 7 d}]\n"
CALENDAR = ("  on_call: [haematologist-1]\n", "  on_call: {calendar: roster.ics, always: [haematologist-1]}\n")


def event(start: str, rule: str, end: str = "") -> str:
    """A calendar of one event."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", "UID:1", "SUMMARY:haematologist-1"]
    lines += [f"DTSTART:{start}", f"DTEND:{end}" if end else "DURATION:PT1S", *([rule] if rule else [])]
    return "\r\n".join([*lines, "END:VEVENT", "END:VCALENDAR", ""])


def appended(name: str, text: str) -> Attack:
    def attack(path: Path) -> None:
        file = path / name
        file.write_text((file.read_text(encoding="utf-8") if file.exists() else "") + text, encoding="utf-8")

    return attack


def replaced(name: str, make: Callable[[Path], object]) -> Attack:
    def attack(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        make(path / name)

    return attack


def roster(text: str) -> Attack:
    return lambda path: folder(path, CALENDAR, roster_ics=text)


ATTACKS: dict[str, tuple[Attack, str]] = {
    "an alias bomb": (appended("site.yaml", BOMB), "site.yaml:"),
    "an alias bomb in the intake": (appended("intake.yaml", BOMB), "intake.yaml:"),
    "20 000 brackets": (appended("site.yaml", "feeds_: " + "[" * 20_000), "site.yaml:"),
    "20 000 closed brackets": (appended("intake.yaml", "x: " + "[" * 20_000 + "]" * 20_000), "is nested too deeply"),
    "a pipe": (replaced("site.yaml", os.mkfifo), "site.yaml: is not a plain file"),
    "a pipe for a table": (replaced("limits.csv", os.mkfifo), "limits.csv: is not a plain file"),
    "a pipe for codes": (replaced("codes.csv", os.mkfifo), "codes.csv: is not a plain file"),
    "a device": (replaced("site.yaml", lambda path: path.symlink_to("/dev/zero")), "site.yaml: is not a plain file"),
    "a device for a table": (
        replaced("units.csv", lambda path: path.symlink_to("/dev/zero")),
        "units.csv: is not a plain file",
    ),
    "ten gigabytes": (
        replaced("site.yaml", lambda path: (path.touch(), os.truncate(path, 10**10))),
        "site.yaml: is larger than",
    ),
    "a rotation of year 1": (
        lambda path: folder(path, ("  on_call: [haematologist-1]\n", ROTATION)),
        "1 is no year of a rota",
    ),
    "a duration without end": (
        lambda path: folder(path, ("repeat_every: 15 min", f"repeat_every: {'9' * 400} d")),
        "is longer than",
    ),
    "a factor of a billion digits": (
        lambda path: folder(path, units_csv="group,alias,canonical,factor,offset,note\ncrp,x,mg/L,1E999999999,,\n"),
        "units.csv:2: factor",
    ),
    "a limit of a billion digits": (
        lambda path: folder(
            path,
            limits_csv="reading,canonical,reject_below,reject_above,confirm_below,confirm_above\n"
            "crp,mg/L,,1E+999999999,,\n",
        ),
        "limits.csv:2: reject_above",
    ),
    "each second": (roster(event("20260105T080000Z", "RRULE:FREQ=SECONDLY")), "recurs SECONDLY"),
    "each minute": (roster(event("20260105T080000Z", "RRULE:FREQ=MINUTELY")), "recurs MINUTELY"),
    "each second of a day": (
        roster(
            event(
                "20260105T080000Z",
                "RRULE:FREQ=DAILY;"
                + ";".join(
                    f"{part}={','.join(map(str, range(most)))}"
                    for part, most in (("BYHOUR", 24), ("BYMINUTE", 60), ("BYSECOND", 60))
                ),
            )
        ),
        "recurs DAILY, 86400 times",
    ),
    "a day that never comes": (
        roster(event("20260105T080000Z", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")),
        "recurs DAILY with BYMONTHDAY",
    ),
    "a fifth of one day": (
        roster(event("20260105T080000Z", "RRULE:FREQ=DAILY;BYSETPOS=5")),
        "recurs DAILY with BYSETPOS",
    ),
    "a folded rule": (roster(event("20260105T080000Z", "RRULE:FREQ=SEC\r\n ONDLY")), "recurs SECONDLY"),
    "a time zone that is turned each second": (
        roster(
            event("20260105T080000Z", "").replace(
                "BEGIN:VEVENT",
                "BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n"
                "TZOFFSETTO:+0200\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
            )
        ),
        "recurs SECONDLY",
    ),
    "a thousand days that never come": (
        roster(
            event("19700105T080000Z", "RRULE:FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30").replace(
                "BEGIN:VEVENT",
                "".join(
                    f"BEGIN:VEVENT\r\nUID:n{n}\r\nSUMMARY:x\r\nDTSTART:19700105T080000Z\r\nDURATION:PT1H\r\n"
                    "RRULE:FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30\r\nEND:VEVENT\r\n"
                    for n in range(1000)
                )
                + "BEGIN:VEVENT",
            )
        ),
        "takes more than 5 s to work out",
    ),
    "an event of year 1": (roster(event("00010101T000000Z", "RRULE:FREQ=DAILY")), "is of the year 1"),
    "an event until year 9999": (roster(event("20260105T080000Z", "", "99991231T235959Z")), "is of the year 9999"),
    "a pipe for a calendar": (
        lambda path: os.mkfifo(folder(path, CALENDAR) / "roster.ics"),
        "roster.ics is not a plain file",
    ),
}


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> tuple[Attack, str]:
    return ATTACKS[request.param]


def test_check_refuses_it_with_the_reason(attack: tuple[Attack, str], tmp_path: Path) -> None:
    make, reason = attack
    make(folder(tmp_path))
    said = CliRunner().invoke(main, ["check", "--config", str(tmp_path)], catch_exceptions=False)
    assert said.exit_code == 1
    assert reason in said.stderr.replace(f"{tmp_path}/", "")


def test_a_running_process_keeps_the_one_before(attack: tuple[Attack, str], tmp_path: Path) -> None:
    make, reason = attack
    in_force = WatchedIntakeConfig(folder(tmp_path), wall=lambda: time.time() + 60)
    before = in_force.value
    make(tmp_path)
    in_force.refresh(at_once=True)
    assert in_force.value is before
    assert reason in in_force.refused.replace(f"{tmp_path}/", "")


def test_what_a_hospital_writes_is_far_below_the_bounds(tmp_path: Path) -> None:
    """Three thousand local codes, and a roster of ten years."""
    codes = "codes:\n  LAB:\n" + "".join(f"    LOCAL-CODE-{n}: crp\n" for n in range(3000))
    shifts = event("20200101T080000Z", "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYHOUR=8,20", "20200101T200000Z")
    path = folder(tmp_path, CALENDAR, roster_ics=shifts, intake_yaml=codes)
    said = CliRunner().invoke(main, ["check", "--config", str(path)], catch_exceptions=False)
    assert said.exit_code == 0, said.stderr
