"""The lock files: everything pinned and hashed, and from wherever the installing machine gets its packages."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "tests/requirements.lock")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock: str) -> list[str]:
    """The logical lines of a lock file: one requirement with all its hashes each."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def requirement(entry: str) -> Requirement:
    return Requirement(entry.partition("--hash")[0])


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pin in map(requirement, entries(lock)):
        found.setdefault(canonicalize_name(pin.name), set()).add(str(pin.specifier))
    return found


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_to_one_version(lock: str) -> None:
    assert len(entries(lock)) > 20
    assert [entry for entry in entries(lock) if not re.match(r"==[^,*]+$", str(requirement(entry).specifier))] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_hashes_and_nothing_but_hashes(lock: str) -> None:
    for entry in entries(lock):
        options = entry.split()[entry.split().index(next(part for part in entry.split() if part[:2] == "--")) :]
        assert options, entry
        assert [option for option in options if not HASH.fullmatch(option)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_index_host_or_url_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"(?m)^\s*(-i|-f|--(extra-)?index.url|--find-links|--trusted-host)\b", text)
    assert [entry for entry in entries(lock) if requirement(entry).url] == []


def test_the_lock_file_has_every_declared_dependency() -> None:
    assert declared("build") - set(pins("requirements.lock")) == set()


def test_the_tests_lock_file_has_those_of_the_tests_and_checks_too() -> None:
    assert declared("build", "ical", "test", "check") - set(pins("tests/requirements.lock")) == set()


def test_the_tests_run_with_the_versions_that_are_shipped() -> None:
    shipped, tested = pins("requirements.lock"), pins("tests/requirements.lock")
    assert {name: tested.get(name) for name in shipped} == shipped
