"""YAML with its lines: whoever reads a complaint finds the place."""

from pathlib import Path

import pytest

from config.lines import load_model, read_yaml
from config.problems import ConfigurationError
from config.types import Configuration

TEXT = """\
# a comment
name: Example
roles:
  on_call: [a, b]
  second:
    rotations:
      - people: [a]
        every: 7 d
      - people: [b]
common: &common
  detail: full
channels:
  phone: {<<: *common, url: "json://x"}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ((), 2),
        (("name",), 2),
        (("roles", "on_call"), 4),
        (("roles", "on_call", 1), 4),
        (("roles", "second", "rotations", 0, "every"), 8),
        (("roles", "second", "rotations", 1), 9),
        (("channels", "phone", "url"), 13),
        (("channels", "phone", "detail"), 11),
    ],
)
def test_every_key_has_its_line(path: Path, key: tuple[str | int, ...], line: int) -> None:
    assert read_yaml(path).line(key) == line


def test_what_is_not_written_has_the_line_of_what_is_around_it(path: Path) -> None:
    document = read_yaml(path)
    assert document.line(("roles", "second", "rotations", 1, "every")) == 9
    assert document.line(("time_zone",)) == 2


def test_the_content_is_that_of_the_file(path: Path) -> None:
    assert read_yaml(path).data["channels"]["phone"] == {"detail": "full", "url": "json://x"}


def refused(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(path)
    return str(caught.value).replace(str(path), "site.yaml")


class Form(Configuration):
    a: int
    b: dict[str, int]


def test_a_key_that_stands_twice_is_refused_as_one_would_be_lost(path: Path) -> None:
    """Beside whatever else is wrong."""
    path.write_text("a: 1\nb:\n  c: x\n  c: y\na: 3\n")
    with pytest.raises(ConfigurationError) as caught:
        load_model(Form, path)
    twice, more, last = str(caught.value).replace(str(path), "site.yaml").splitlines()
    assert twice == "site.yaml:4: b.c: stands twice: take one out"
    assert more.startswith("site.yaml:4: b.c: Input should be a valid integer")
    assert last == "site.yaml:5: a: stands twice: take one out"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [1\nb: 2\n", "site.yaml:2: not YAML: "),
        ("a: 1\n\tb: 2\n", "site.yaml:2: not YAML: "),
        ("a: 1\n---\nb: 2\n", "site.yaml:2: not YAML: "),
        ("at: 2026-13-45 10:00:00\n", "site.yaml: not YAML: "),
        ("a: !!python/object:os.system x\n", "site.yaml:1: not YAML: "),
        (b"a: \xff\n", "site.yaml: not UTF-8"),
        (b"a: \x00\n", "site.yaml: not YAML: "),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(path: Path, content: str | bytes, said: str) -> None:
    assert refused(path, content).startswith(said)


def test_an_empty_file_has_no_keys(path: Path) -> None:
    path.write_text("# nothing yet\n")
    assert read_yaml(path).data == {}


def test_a_file_as_windows_writes_it_is_read(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read_yaml(path)
    assert (document.data, document.line(("b",))) == ({"a": 1, "b": 2}, 2)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "absent.yaml")


def test_a_knot_of_references_ends(path: Path) -> None:
    path.write_text("a: &a\n  b: *a\n")
    assert read_yaml(path).line(("a", "b")) == 2
