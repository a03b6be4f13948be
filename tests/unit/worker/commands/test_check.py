"""`cartwatch check`: what is wrong and what is doubtful, each with its line and the fix."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.site import load_site
from tests.support.alert_manager import managed
from tests.support.configuration import folder, line_of
from worker.cli import main
from worker.config_check.ladders import check_ladders
from worker.delivery.addresses import is_valid_url

PLAIN = "  on_call: [haematologist-1]\n"
ADDRESSES = [
    (f"{{receiver}}/{name}?", f"json://127.0.0.1/{name}?")
    for name in ("phone-1", "phone-2", "phone-3", "phone-4", "worklist")
]


def check(path: Path, *arguments: str) -> Result:
    options = ["check", "--config", str(path), "--from", "2026-01-05", *arguments]
    return CliRunner().invoke(main, options, catch_exceptions=False)


def clean(path: Path, *changes: tuple[str, str], **files: str) -> Path:
    """The shipped configuration with addresses that reach somebody: nothing to remark."""
    return folder(path, *ADDRESSES, *changes, **files)


def remarks(path: Path, *arguments: str) -> list[str]:
    said = check(path, *arguments)
    return [line.replace(f"{path}/", "") for line in said.stderr.splitlines()]


def at(path: Path, text: str, key: str) -> str:
    return f"site.yaml:{line_of(path / 'site.yaml', text)}: {key}: "


def test_a_configuration_without_fault_is_said_to_be_usable(tmp_path: Path) -> None:
    said = check(clean(tmp_path))
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == "Example hospital: configuration is usable; time zone Europe/Rome\n"


def test_the_shipped_example_is_usable_and_says_that_it_reaches_nobody() -> None:
    said = CliRunner().invoke(main, ["check"], catch_exceptions=False)
    assert said.exit_code == 0
    [warning] = said.stderr.splitlines()
    assert warning.startswith("warning: ")
    assert "channels: phone-1, phone-2, phone-3, phone-4, worklist: {receiver} only prints pages" in warning


def test_faults_of_every_file_are_said_at_once(tmp_path: Path) -> None:
    path = clean(
        tmp_path,
        ("time_zone: Europe/Rome", "time_zone: Rome"),
        ("channels: [phone-1]", "channels: [fone-1]"),
        conventions_yaml="ctcae_version: '7.0'\n",
        limits_csv="reading\ncrp\n",
        intake_yaml="sources:\n  lab:\n    time_zone: Rome\n",
    )
    said = check(path)
    assert said.exit_code == 1
    for complaint in (
        "site.yaml:2: time_zone: 'Rome' is not a time zone",
        "people.haematologist-1.channels.0: 'fone-1' is not under channels",
        "conventions.yaml:1: ctcae_version: Input should be '5.0' or '6.0'",
        "conventions.yaml:1: crs: Field required: add it",
        "limits.csv:1: no column canonical",
        "intake.yaml:3: sources.lab.time_zone: 'Rome' is not a time zone",
    ):
        assert said.stderr.count(complaint) == 1, complaint


def empty(path: Path) -> Path:
    return path


def absent(path: Path) -> Path:
    return path / "absent"


def without_site(path: Path) -> Path:
    folder(path, limits_csv="reading\ncrp\n")
    (path / "site.yaml").unlink()
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (empty, ["site.yaml: is missing"]),
        (absent, ["absent: is not a folder that can be read"]),
        (without_site, ["site.yaml: is missing", "limits.csv:1: no column canonical"]),
    ],
)
def test_a_folder_without_a_site_is_an_error(
    tmp_path: Path, make: Callable[[Path], Path], says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    for said in (check(path), _by_environment(path, monkeypatch)):
        assert said.exit_code == 1
        assert "usable" not in said.stdout
        for complaint in says:
            assert said.stderr.count(complaint) == 1


def _by_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("CARTWATCH_CONFIG_DIR", str(path))
    return CliRunner().invoke(main, ["check"], catch_exceptions=False)


def test_what_is_wrong_with_one_file_hides_nothing_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTWATCH_FHIR_BASE", "nowhere")
    path = clean(
        tmp_path,
        ("time_zone: Europe/Rome", "time_zone: Rome\nname: twice"),
        ("json://127.0.0.1/phone-2", "nonsense"),
        conventions_yaml="a: [\n",
        units_csv="nonsense\n",
        intake_yaml="codes: {L: {X: crpp}}\n",
        codes_csv="reading,system,code,display,use,value,by,note\ncrpp,L,1,,accept,,,\ncrqq,L,2,,accept,,,\n",
    )
    said = check(path)
    for complaint in (
        "name: stands twice",
        "time_zone: 'Rome' is not a time zone",
        "channels.phone-2.url: is not an address that Apprise accepts",
        "conventions.yaml:2: not YAML",
        "units.csv:1: no column",
        "intake.yaml:1: codes: L.X: 'crpp'",
        "codes.csv:2: not a row of codes",
        "codes.csv:3: not a row of codes",
        "CARTWATCH_FHIR_BASE",
    ):
        assert said.stderr.count(complaint) == 1, complaint
    assert said.stderr.endswith(" error(s), 1 warning(s)\n")


# -- as JSON ---------------------------------------------------------------------------------------


def as_json(path: Path) -> dict[str, Any]:
    said = check(path, "--json")
    assert said.stderr == ""
    found: dict[str, Any] = json.loads(said.stdout)
    assert said.exit_code == (0 if found["usable"] else 1)
    return found


def test_what_a_program_reads(tmp_path: Path) -> None:
    found = as_json(clean(tmp_path, ("name: Example hospital", "name: St. Anna")))
    assert found == {"usable": True, "name": "St. Anna", "time_zone": "Europe/Rome", "problems": []}


def test_a_program_reads_where_each_problem_is(tmp_path: Path) -> None:
    path = clean(tmp_path, ("time_zone: Europe/Rome", "time_zone: Rome"))
    found = as_json(path)
    assert (found["usable"], found["name"]) == (False, None)
    [problem] = found["problems"]
    assert problem.pop("what").startswith("'Rome' is not a time zone")
    assert problem == {"severity": "error", "file": str(path / "site.yaml"), "line": 2, "key": "time_zone"}


def test_a_program_reads_warnings_of_what_is_usable(tmp_path: Path) -> None:
    found = as_json(folder(tmp_path))
    assert found["usable"]
    assert {problem["severity"] for problem in found["problems"]} == {"warning"}


# -- rota ------------------------------------------------------------------------------------------

WORKDAYS = """\
  on_call:
    rotations:
      - people: [haematologist-1, haematologist-2]
        from: 2026-01-05T08:00
        every: 7 d
        days: [mon, tue, wed, thu, fri]
"""


def test_a_gap_in_the_rota_is_an_error_with_its_first_time_and_how_often(tmp_path: Path) -> None:
    path = clean(tmp_path, (PLAIN, WORKDAYS), ("second_on_call: [haematologist-2]", "second_on_call: [technician-1]"))
    said = check(path)
    assert said.exit_code == 1
    when = "from Mon 05 Jan 2026 00:00 to Mon 05 Jan 2026 08:00"
    gap = f"error: {at(path, '  on_call:', 'roles.on_call')}nobody holds it {when}, and 13 times more until"
    assert any(line.startswith(gap) for line in remarks(path))
    assert f"ladders.critical.steps.0: would page nobody {when}" in said.stderr
    assert "so that the last resort (consultant-1) is paged: fill the gap in on_call" in said.stderr


def test_it_looks_ninety_days_ahead_or_as_far_as_is_said(tmp_path: Path) -> None:
    override = "{from: 2026-01-01T00:00, until: 2026-06-01T00:00, people: [haematologist-1], why: until summer}"
    path = clean(tmp_path, (PLAIN, f"  on_call:\n    overrides: [{override}]\n"))
    assert remarks(path) == []
    assert "nobody holds it from Mon 01 Jun 2026 00:00" in check(path, "--days", "200").stderr


def test_a_role_with_a_fallback_has_no_gap(tmp_path: Path) -> None:
    path = clean(tmp_path, (PLAIN, WORKDAYS + "    always: [technician-1]\n"))
    assert not any("nobody holds it" in line for line in remarks(path))


def test_turns_that_change_within_a_shift_are_doubtful(tmp_path: Path) -> None:
    nights = '{people: [haematologist-1, technician-1], from: 2026-01-01T00:00, every: 1 d, hours: "20:00-08:00"}'
    path = clean(tmp_path, (PLAIN, f"  on_call:\n    rotations: [{nights}]\n    always: [haematologist-1]\n"))
    key = at(path, "rotations:", "roles.on_call.rotations.0.from")
    assert (
        f"warning: {key}shifts change in the middle of `hours`: let `from` be the hour at which these begin"
        in remarks(path)
    )
    fixed = nights.replace("T00:00", "T20:00")
    path = clean(tmp_path, (PLAIN, f"  on_call:\n    rotations: [{fixed}]\n    always: [haematologist-1]\n"))
    assert not any("turns change" in line for line in remarks(path))


def test_overrides_that_overlap_are_doubtful(tmp_path: Path) -> None:
    role = """\
  on_call:
    overrides:
      - {from: 2026-02-01T08:00, until: 2026-02-03T08:00, people: [technician-1], why: congress}
      - {from: 2026-02-02T08:00, until: 2026-02-04T08:00, people: [haematologist-1], why: swap}
    always: [haematologist-1]
"""
    path = clean(tmp_path, (PLAIN, role))
    key = at(path, "why: swap", "roles.on_call.overrides.1")
    assert f"warning: {key}overlaps with 'congress': both hold the role then" in remarks(path)


def test_an_event_of_a_calendar_that_names_nobody_is_doubtful(tmp_path: Path) -> None:
    event = (
        "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Rossi\r\nDTSTART:20260106T080000\r\nDTEND:20260106T200000\r\nEND:VEVENT\r\n"
    )
    path = clean(
        tmp_path,
        (PLAIN, "  on_call: {calendar: on_call.ics, always: [haematologist-1]}\n"),
        on_call_ics=f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}END:VCALENDAR\r\n",
    )
    key = at(path, "calendar:", "roles.on_call.calendar")
    [warning] = remarks(path)
    assert warning.startswith(
        f"warning: {key}the event 'Rossi' from Tue 06 Jan 2026 08:00 to Tue 06 Jan 2026 20:00 names nobody: "
    )


def test_a_role_no_ladder_notifies_is_doubtful(tmp_path: Path) -> None:
    path = clean(tmp_path, (PLAIN, PLAIN + "  porter: [technician-1]\n"))
    assert remarks(path) == [
        f"warning: {at(path, 'porter', 'roles.porter')}no ladder notifies this role: name it in a step, or remove it"
    ]


# -- ladders ---------------------------------------------------------------------------------------


def test_a_later_step_that_notifies_nobody_new_is_doubtful(tmp_path: Path) -> None:
    turn = "{people: [haematologist-2, haematologist-1], from: 2026-01-05T00:00, every: 7 d}"
    second = f"  second_on_call:\n    rotations: [{turn}]\n"
    path = clean(tmp_path, ("  second_on_call: [haematologist-2]\n", second))
    key = at(path, "notify: [second_on_call]", "ladders.critical.steps.2")
    when = "from Mon 12 Jan 2026 00:00 to Mon 19 Jan 2026 00:00"
    assert f"warning: {key}notifies nobody new {when}: an earlier step notified haematologist-1" in remarks(path)


@pytest.mark.parametrize(
    ("change", "kind", "key", "what"),
    [
        (
            ("ack_timeout: 4 h", "ack_timeout: 3 min"),
            "error",
            "ack_timeout",
            "is shorter than `confirm_within`",
        ),
        (("    ack_timeout: 4 h\n", ""), "warning", "", "whoever acknowledges it is never asked again"),
        (("    repeat_every: 15 min\n", ""), "warning", "", "ends with its last step even if nobody answers"),
        (
            ("notify: [consultant]", "notify: [technician]"),
            "warning",
            "steps.3",
            "the last step does not reach the last resort",
        ),
    ],
)
def test_a_critical_ladder_that_could_leave_somebody_untold(
    tmp_path: Path, change: tuple[str, str], kind: str, key: str, what: str
) -> None:
    said = check(clean(tmp_path, change))
    assert said.exit_code == (1 if kind == "error" else 0)
    where = ".".join(part for part in ("ladders.critical", key) if part)
    assert any(line.startswith(f"{kind}: ") and f"{where}: {what}" in line for line in said.stderr.splitlines())


def test_a_silence_that_may_last_long_is_doubtful(tmp_path: Path) -> None:
    path = clean(tmp_path, ("silence_at_most: 24 h", "silence_at_most: 7 d"))
    assert remarks(path)[0].startswith(f"warning: {at(path, 'silence_at_most', 'silence_at_most')}")


# -- channels and people ---------------------------------------------------------------------------


def test_an_address_apprise_does_not_take_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    path = clean(tmp_path, ("json://127.0.0.1/phone-1", "smoke://secret-token/phone-1"))
    said = check(path)
    assert said.exit_code == 1
    assert remarks(path)[0].startswith(
        f"error: {at(path, 'smoke', 'channels.phone-1.url')}is not an address that Apprise accepts"
    )
    assert "secret-token" not in said.output


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("{receiver}/phone?+X-Page-Id={page_id}", True),
        ("ntfys://ntfy.sh/topic", True),
        ("pover://user", False),
        ("phone-1", False),
        ("", False),
    ],
)
def test_which_addresses_apprise_takes(url: str, taken: bool) -> None:
    assert is_valid_url(url) == taken


def test_a_channel_nobody_uses_is_doubtful(tmp_path: Path) -> None:
    path = clean(tmp_path, ("channels:\n  phone-1", 'channels:\n  old: {url: "json://x"}\n  phone-1'))
    assert remarks(path) == [
        f"warning: {at(path, 'old:', 'channels.old')}nobody uses it: give it to a person, or remove it"
    ]


def test_somebody_who_is_never_notified_is_doubtful(tmp_path: Path) -> None:
    path = clean(tmp_path, ("people:\n", "people:\n  spare: {name: Spare, channels: [phone-1]}\n"))
    assert remarks(path) == [
        f"warning: {at(path, 'spare', 'people.spare')}is never notified: add them to a role, or remove them"
    ]


def test_somebody_paged_of_patients_by_minimal_channels_alone_is_doubtful(tmp_path: Path) -> None:
    path = clean(tmp_path, ("detail: full", "detail: minimal"))
    [warning] = remarks(path)
    key = at(path, "channels: [phone-1]", "people.haematologist-1.channels")
    assert warning.startswith(f"warning: {key}is notified on `minimal` channels only")


def test_readings_that_do_not_exist_in_the_tables_are_doubtful(tmp_path: Path) -> None:
    path = clean(
        tmp_path,
        limits_csv="reading,canonical,reject_below,reject_above,confirm_below,confirm_above\ncpr,mg/L,0,900,,\n",
        units_csv="group,alias,canonical,factor,offset,note\ncpr,mg/L,mg/L,1,0,\n",
    )
    assert [line.partition(": no reading")[0] for line in remarks(path)] == [
        "warning: limits.csv:2: reading",
        "warning: units.csv:2: group",
    ]


def test_errors_are_said_before_warnings_and_counted(tmp_path: Path) -> None:
    path = folder(tmp_path, ("ack_timeout: 4 h", "ack_timeout: 3 min"))
    kinds = [line.partition(":")[0] for line in remarks(path)]
    assert kinds == ["error", "warning", "1 error(s), 1 warning(s)"]


@pytest.mark.parametrize(
    ("url", "forced"),
    [
        ("ntfy://ntfy.example/rossi?priority=max", "priority=max"),
        ("pagerduty://key@routing?severity=critical", "severity=critical"),
        ("bark://bark.example/device?Level=critical", "Level=critical"),
        ("pinglets://key@pinglet.example/acme/ward?priority=urgent", "priority=urgent"),
        ("mailtos://a:b@mail.example?+Importance=high", "+Importance=high"),
        ("ntfy://ntfy.example/rossi?tags=cart", None),
        ("json://127.0.0.1/phone-1?priority=max", None),
    ],
)
def test_an_address_that_gives_every_page_one_urgency_is_remarked(tmp_path: Path, url: str, forced: str | None) -> None:
    path = clean(tmp_path, ("json://127.0.0.1/phone-1?+X-Page-Id={page_id}", url))
    said = [line for line in remarks(path) if "gives every page this priority" in line]
    assert [line.partition("`")[2].partition("`")[0] for line in said] == ([forced] if forced else [])
    assert all(line.startswith(f"warning: {at(path, url, 'channels.phone-1.url')}") for line in said)
    assert all("remove it" in line for line in said)


def test_the_receiver_is_spoken_of_only_where_a_channel_uses_it(tmp_path: Path) -> None:
    path = clean(tmp_path, ("json://127.0.0.1/phone-2?", "{receiver}/phone-2?"))
    [warning] = remarks(path)
    assert "channels: phone-2: {receiver} only prints pages" in warning


def test_a_technical_ladder_that_wakes_whoever_is_paged_for_patients_is_doubtful(tmp_path: Path) -> None:
    path = clean(tmp_path, ("- {after: 0 s, notify: [technician]}", "- {after: 0 s, notify: [on_call, technician]}"))
    what = "wakes on_call, who is paged for patients: name a technician, such as `notify: [technician]`"
    line = at(path, "- {after: 0 s, notify: [on_call, technician]}", "ladders.technical.steps.0")
    assert remarks(path) == [f"warning: {line}{what}"]


MANAGER = (
    'phone-1: {url: "{receiver}/phone-1?+X-Page-Id={page_id}", detail: full}',
    "phone-1: {url: 'pcd04://10.0.0.5:2575', escalates: manager}",
)


def test_two_that_escalate_are_an_error(tmp_path: Path) -> None:
    answer = check(folder(tmp_path, MANAGER))
    assert answer.exit_code != 0
    assert "cartwatch and the alert manager would both escalate" in answer.output


def test_where_the_manager_escalates_nothing_asks_for_a_ladder() -> None:
    site = managed(load_site(), "manager", "pcd04://10.0.0.5:2575")
    start = datetime(2026, 1, 5, tzinfo=site.zone)
    remarks = [remark.what for remark in check_ladders(site.on_call, start, start + timedelta(days=1))]
    assert not [what for what in remarks if "repeat_every" in what or "last resort" in what]
