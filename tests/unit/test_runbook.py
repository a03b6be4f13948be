"""The runbook: a section for every technical page and every alert rule, and none besides."""

import ast
import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/operators/runbook.md").read_text(encoding="utf-8")
PAGES, RULES = RUNBOOK.split("\n# Technical pages\n")[1].split("\n# Alert rules\n")
RULE_FILE = ROOT / "config/containers/rules.yml"
FOUND_ELSEWHERE = {"store copies", "store replicas", "Sentinels", "overdue", "no worker", "flood of", "clock drift"}
FOUND_ELSEWHERE |= {"dead letters", "the site's shard", "store set back", "store clock", "FHIR base", "unreadable"}
FOUND_ELSEWHERE |= {"unregistered patients", "not watched", "audit", "backup", "subscription"}
"""Conditions that a function of the watchdog yields, or that stand in a variable."""

WITHOUT_CONDITION = {"cartwatch cannot page"}


def sections(text: str) -> list[str]:
    return re.findall(r"(?m)^## (.+)$", text)


def beginning(argument: ast.expr, module: str) -> str | None:
    """The condition that an expression makes, up to its first variable part; None if only running it would tell."""
    match argument:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text.strip()
        case ast.Name(id=name) if name.isupper():
            value = getattr(importlib.import_module(module), name)
            return value if isinstance(value, str) else None
    return None


def conditions() -> Iterator[str]:
    """The condition of every technical page that the code makes."""
    for room in ("alerts", "worker"):
        for path in (ROOT / room).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Name(id="fault" | "Violation"), args=[condition, *_]):
                        if found := beginning(condition, module):
                            yield found


def test_every_technical_page_has_a_section() -> None:
    known = sections(PAGES)
    made = set(conditions()) | FOUND_ELSEWHERE
    assert len(made) > 25
    assert {one for one in made if not any(one.startswith(section) for section in known)} == set()


def test_no_section_is_about_a_page_that_nothing_makes() -> None:
    made = set(conditions()) | FOUND_ELSEWHERE | WITHOUT_CONDITION
    assert {section for section in sections(PAGES) if not any(one.startswith(section) for one in made)} == set()


def test_every_section_says_what_it_means_what_to_do_and_when_it_is_over() -> None:
    for part in re.split(r"(?m)^## ", PAGES + RULES.partition("\n# Other signs")[0])[1:]:
        name = part.partition("\n")[0]
        for heading in ("**It means**: ", "**Do**: ", "**Over when**: "):
            assert part.count(heading) == 1, f"{name}: {heading}"


def test_every_alert_rule_leads_to_its_section() -> None:
    rules = yaml.safe_load(RULE_FILE.read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert sections(RULES) == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/operators/runbook.md#{rule['alert'].lower()}"


def test_promtool_finds_the_rules_right() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    command = [promtool, "test", "rules", "rules_test.yml"]
    done = subprocess.run(command, cwd=RULE_FILE.parent, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
