"""Reading a configuration folder: everything that cannot be used is said at once, with file, line, key and fix."""

from pathlib import Path

import pytest

from config.problems import ConfigurationError
from config.rota import Hours, Role
from config.site import DEFAULTS, load_site
from tests.support.configuration import folder, line_of

SCHEDULE = """\
roles:
  on_call:
    rotations:
      - people: [haematologist-1, [haematologist-2, consultant-1]]
        from: 2026-01-05T08:00
        every: 7 d
        days: [mon, tue]
        hours: "20:00-08:00"
    overrides:
      - {from: 2026-12-24 20:00, until: 2026-12-25T08:00, people: consultant-1, why: Christmas}
    always: consultant-1
"""
PLAIN = "roles:\n  on_call: [haematologist-1]\n"


def refused(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_site(path)
    return str(caught.value).replace(f"{path}/", "").splitlines()


def test_a_schedule_is_read_beside_plain_lists(tmp_path: Path) -> None:
    roles = load_site(folder(tmp_path, (PLAIN, SCHEDULE))).on_call.roles
    [rotation] = roles["on_call"].rotations
    assert rotation.people == (("haematologist-1",), ("haematologist-2", "consultant-1"))
    assert rotation.hours == Hours(20 * 60, 8 * 60)
    assert roles["on_call"].overrides[0].people == roles["on_call"].always == ("consultant-1",)
    assert roles["consultant"].always == ("consultant-1",)


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        (
            "from: 2026-01-05T08:00",
            "from: 2026-01-05",
            "rotations.0.from",
            "'2026-01-05' is not a time: write date and hour",
        ),
        ("from: 2026-01-05T08:00", "from: monday 8:00", "rotations.0.from", "'monday 8:00' is not a time"),
        ("from: 2026-01-05T08:00", "from: 2026-01-05T08:00+01:00", "rotations.0.from", "has an offset"),
        ("from: 2026-01-05T08:00", "from: 2026-01-05T08:00:00Z", "rotations.0.from", "has an offset"),
        ("every: 7 d", "every: weekly", "rotations.0.every", "'weekly' is not a duration: write a number"),
        ("every: 7 d", "every: 0 d", "rotations.0.every", "a turn lasts at least 1 min"),
        ("[mon, tue]", "[mon, Tuesday]", "rotations.0.days.1", "Input should be 'mon', 'tue'"),
        ("[mon, tue]", "[]", "rotations.0.days", "at least 1 item"),
        ('"20:00-08:00"', '"20-8"', "rotations.0.hours", "'20-8' are not hours: write them as in 20:00-08:00"),
        ('"20:00-08:00"', '"20:00-25:00"', "rotations.0.hours", "are not hours"),
        ('"20:00-08:00"', '"20:60-08:00"', "rotations.0.hours", "are not hours"),
        ("until: 2026-12-25T08:00", "until: 2026-12-24T20:00", "overrides.0", "`until` must be later than `from`"),
        (", why: Christmas", "", "overrides.0.why", "Field required: add it"),
        ("every: 7 d", "evry: 7 d", "rotations.0.evry", "unknown key: write `every`, or take it out"),
        ("[haematologist-1, [", "[[], [", "rotations.0.people.0", "at least 1 item"),
        (
            "always: consultant-1",
            "always: [consltant-1]",
            "always.0",
            "'consltant-1' is not under people: is it consultant-1?",
        ),
    ],
)
def test_what_a_schedule_may_not_say(tmp_path: Path, old: str, new: str, key: str, said: str) -> None:
    path = folder(tmp_path, (PLAIN, SCHEDULE), (old, new))
    complaints = refused(path)
    assert len([line for line in complaints if f": roles.on_call.{key}: " in line and said in line]) == 1, complaints


def test_a_role_nobody_ever_holds_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, (PLAIN, "roles:\n  on_call: []\n"))
    line = line_of(path / "site.yaml", "on_call: []")
    assert refused(path) == [
        f"site.yaml:{line}: roles.on_call: nobody ever holds it: write a list of people, or a schedule"
    ]


def test_everything_is_said_at_once_in_order_of_lines_and_files(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        ("time_zone: Europe/Rome", "time_zone: Mars/Olympus"),
        ("channels: [phone-1]", "channels: [fone-1]"),
        ("consultant: [consultant-1]", "consultant: [professor]"),
        ("notify: [second_on_call]", "notify: [third_on_call]"),
        ("last_resort: [consultant-1]", "last_resort: [nobody]"),
        ("undeliverable_after: 10 min", "undeliverable_after: soon"),
        units_csv="group,alias,canonical,factor,offset,note\ncrp,mg/L,mg/L,x,0,\n",
    )
    file = path / "site.yaml"
    expected = [
        ("Mars/Olympus", "time_zone: 'Mars/Olympus' is not a time zone: write one such as Europe/Rome"),
        ("fone-1", "people.haematologist-1.channels.0: 'fone-1' is not under channels: is it phone-1?"),
        ("professor", "roles.consultant.0: 'professor' is not under people: add it there, or name one that is"),
        ("nobody]", "last_resort.0: 'nobody' is not under people: add it there, or name one that is"),
        ("third_on_call", "ladders.critical.steps.2.notify.0: 'third_on_call' is not under roles: is it on_call?"),
        ("soon", "delivery.undeliverable_after: 'soon' is not a duration: write a number and one of s, min, h, d"),
    ]
    found = refused(path)
    assert len(found) == 7
    for line, (where, what) in zip(found, expected, strict=False):
        assert line.startswith(f"site.yaml:{line_of(file, where)}: {what}")
    assert found[-1] == "units.csv:2: factor: 'x' is not a number: write 0.1, 1E-9 or 5/9"


def test_an_address_belongs_to_one_person(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        ("channels: [phone-1]", "channels: [phone-1]\n    email: Ward@example.org"),
        ("channels: [phone-2]", "channels: [phone-2]\n    email: ward@example.org"),
    )
    [complaint] = refused(path)
    assert complaint.endswith(
        "people.haematologist-2.email: haematologist-1 has the same address: each needs an own one"
    )


def test_a_channel_whose_failures_would_not_be_seen_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, ("phone-1?+X", "phone-1?optional=yes&+X"))
    [complaint] = refused(path)
    assert ": channels.phone-1.url: take `optional=` out" in complaint


def test_a_missing_ladder_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path, ("  low:\n    steps:\n      - {after: 0 s, notify: [worklist]}\n", ""))
    [complaint] = refused(path)
    assert "no ladder for low: add one" in complaint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("repeat_every: 15 min", "repeat_every: 0 s"),
        ("confirm_within: 5 min", "confirm_within: 0 s"),
        ("silence_at_most: 24 h", "silence_at_most: 0 h"),
    ],
)
def test_times_that_leave_nobody_time_are_refused(tmp_path: Path, old: str, new: str) -> None:
    [complaint] = refused(folder(tmp_path, (old, new)))
    assert line_of(tmp_path / "site.yaml", new) == int(complaint.split(":")[1])


@pytest.mark.parametrize("content", ["", "[]", "name"])
def test_a_file_without_keys_is_refused_and_not_taken_for_the_shipped_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "site.yaml").write_text(content)
    assert refused(tmp_path)


def test_a_folder_that_is_not_there_is_refused_and_not_taken_for_the_shipped_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder"):
        load_site(tmp_path / "absent")


def test_a_folder_without_a_site_is_refused_and_not_taken_for_the_shipped_one(tmp_path: Path) -> None:
    """The shipped example pages nobody."""
    (tmp_path / "limits.csv").write_text("nonsense\n")
    with pytest.raises(ConfigurationError, match=r"site\.yaml: is missing"):
        load_site(tmp_path)


def test_an_absent_file_is_the_shipped_one(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "limits.csv").write_text(
        "reading,canonical,reject_below,reject_above,confirm_below,confirm_above\ncrp,mg/L,0,900,,\n"
    )
    site, shipped = load_site(tmp_path), load_site()
    assert (site.on_call, site.conventions, site.tables.units) == (
        shipped.on_call,
        shipped.conventions,
        shipped.tables.units,
    )
    assert list(site.tables.limits) == ["crp"]


def test_the_shipped_configuration_has_plain_roles() -> None:
    assert all(role == Role(always=role.always) for role in load_site(DEFAULTS).on_call.roles.values())
