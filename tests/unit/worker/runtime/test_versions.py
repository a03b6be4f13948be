"""Versions: the rules' digest is that of their text, and the conventions' that of the site."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import alerts
from alerts.grading import easix
from tests.support.stored_ward import SITE
from worker.cli import main
from worker.runtime import versions as module
from worker.runtime.versions import versions
from worker.store import schema


def test_the_published_definitions_are_named_in_their_versions() -> None:
    found = versions(SITE)
    assert {"ASTCT 2019", "CTCAE v5.0", "RCP 2017", easix.EASIX.version, easix.M_EASIX.version} <= set(
        found.definitions
    )
    assert found.stored_data == schema.VERSION


def test_a_changed_rule_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crs.py").write_text("FEVER = 38.0")
    monkeypatch.setattr(alerts, "__path__", [str(tmp_path)])
    before = versions(SITE)
    (tmp_path / "crs.py").write_text("FEVER = 38.5")
    after = versions(SITE)
    assert before.rules != after.rules
    assert before.conventions == after.conventions


def test_a_changed_convention_changes_that_version_alone() -> None:
    grace = SITE.conventions.unregistered.page_after
    other = grace.model_copy(update={"value": grace.value * 2})
    unregistered = SITE.conventions.unregistered.model_copy(update={"page_after": other})
    changed = SITE._replace(conventions=SITE.conventions.model_copy(update={"unregistered": unregistered}))
    assert versions(changed).conventions != versions(SITE).conventions
    assert versions(changed).rules == versions(SITE).rules


def test_the_command_prints_each_of_them() -> None:
    said = CliRunner().invoke(main, ["version"])
    assert said.exit_code == 0
    for name in module.Versions._fields:
        assert name.replace("_", " ") in said.output
