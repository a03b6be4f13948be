"""The CSV tables: every line that cannot be used is named."""

from pathlib import Path

import pytest

from config.problems import ConfigurationError
from config.site import DEFAULTS
from config.tables import load_tables

UNITS = "group,alias,canonical,factor,offset,note\n"
LIMITS = "reading,canonical,reject_below,reject_above,confirm_below,confirm_above,notes\n"


def refused(path: Path, name: str, content: str | bytes) -> list[str]:
    (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        load_tables(path, DEFAULTS)
    return str(caught.value).replace(f"{path}/", "").splitlines()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("crp,mg/dL,mg/L,ten,0,\n", "units.csv:2: factor: 'ten' is not a number: write 0.1, 1E-9 or 5/9"),
        ("crp,mg/dL,mg/L,1/0,0,\n", "units.csv:2: factor: '1/0' is not a number: write 0.1, 1E-9 or 5/9"),
        (
            "crp,mg/dL,mg/L,0,0,\n",
            "units.csv:2: factor: 0 is not above 0: leave it empty where nothing is to be converted",
        ),
        ("crp,mg/dL,,10,0,\n", "units.csv:2: canonical: is empty: name the unit it becomes"),
        ("crp,a,mg/L,1,0,\ncrp,a,mg/L,2,0,\n", "units.csv:3: ('crp', 'a') stands twice: take one line out"),
    ],
)
def test_a_unit_that_cannot_be_used(tmp_path: Path, rows: str, said: str) -> None:
    assert refused(tmp_path, "units.csv", UNITS + rows) == [said]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("crp,mg/L,low,,,,\n", "limits.csv:2: reject_below: 'low' is not a number: write it with a point, as in 41.5"),
        ("crp,mg/L,,NaN,,,\n", "limits.csv:2: reject_above: 'NaN' is not a number that can be compared"),
        ("crp,mg/L,9,5,,,\n", "limits.csv:2: 9 does not lie below 5: correct one of them"),
        ("crp,mg/L,,,5,5,\n", "limits.csv:2: 5 does not lie below 5: correct one of them"),
    ],
)
def test_limits_that_cannot_be_used(tmp_path: Path, row: str, said: str) -> None:
    assert refused(tmp_path, "limits.csv", LIMITS + row) == [said]


WITH_ALIKE = LIMITS.replace("notes", "lowest_from,alike_unit,alike_from,alike_to,looks_like,notes")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "crp,mg/L,,,,,,mg/L,,,,\n",
            "limits.csv:2: alike_unit, looks_like: name both units, or neither",
        ),
        ("crp,mg/L,,,,,,mg/L,9,5,mg/dL,\n", "limits.csv:2: 9 does not lie below 5: correct one of them"),
        ("fio2,%,21,,,,22,,,,,\n", "limits.csv:2: 22 does not lie below 21: correct one of them"),
    ],
)
def test_what_looks_alike_and_cannot_be_used(tmp_path: Path, row: str, said: str) -> None:
    assert refused(tmp_path, "limits.csv", WITH_ALIKE + row) == [said]


def test_a_table_may_come_without_what_looks_alike(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text(LIMITS + "crp,mg/L,0,9,,,\n")
    assert load_tables(tmp_path, DEFAULTS).limits["crp"].alike is None


def test_all_lines_of_both_files_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text(UNITS + "crp,a,,1,0,\ncrp,b,,1,0,\n")
    said = refused(tmp_path, "limits.csv", LIMITS + "crp,mg/L,x,,,,\n")
    assert [line.partition(": ")[0] for line in said] == ["units.csv:2", "units.csv:3", "limits.csv:2"]


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, "units.csv", "group,alias\n") == [
        "units.csv:1: no column canonical, factor, offset, note: add it"
    ]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    [said] = refused(tmp_path, "limits.csv", LIMITS.encode() + b"crp,\xb5g/L,,,,,\n")
    assert said.startswith("limits.csv: not UTF-8")


def test_a_file_as_windows_writes_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_bytes(b"\xef\xbb\xbf" + LIMITS.encode() + b"crp,mg/L,0,900,,,\r\n")
    assert list(load_tables(tmp_path, DEFAULTS).limits) == ["crp"]
