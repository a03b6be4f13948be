"""Every row is used by somebody, and every text that is asked for has a row."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
import yaml
from jinja2 import Environment, nodes

from alerts.episodes.delivery_log import DeliveryState, Reason
from alerts.wording.catalogue import KEYS, ROWS, SAID
from alerts.wording.template import Row
from config.site import DEFAULTS, URGENCIES

ROOT = Path(__file__).parents[4]
TEMPLATES = ROOT / "worker" / "gateway" / "templates"
NAMED = {*URGENCIES, *get_args(Reason), *get_args(DeliveryState)}
"""Names of code that are said as they come."""

TILES = 5
"""A grader may put a sentence together from so many pieces between two braces."""


def modules() -> Iterator[ast.Module]:
    """All of the source but the catalogue itself."""
    for folder in ("alerts", "worker", "config"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent != ROOT / "alerts" / "wording":
                yield ast.parse(path.read_text(encoding="utf-8"))


def literals(tree: ast.AST) -> set[str]:
    """Every text in a piece of source, pieces of f-strings among them; no docstring."""
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in remarks)
    return {node.value for node in texts if isinstance(node.value, str)}


def is_say(call: ast.AST) -> bool:
    """Whether this is `say(...)` or `something.say(...)`."""
    return isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) == "say"


@cache
def asked_for() -> set[str]:
    """Every text that is written as the first argument of a `say`, in the source and in the templates."""
    found: set[str] = set()
    for tree in modules():
        if "alerts.wording.catalogue" not in {
            node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }:
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and is_say(call) and isinstance(call.args[0], ast.Constant):
                found.add(str(call.args[0].value))
    for path in TEMPLATES.glob("*.j2"):
        for made in Environment(autoescape=True).parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(made.node, nodes.Name) and made.node.name == "say":
                found |= {held.value for held in (made.args[0], *made.args[0].find_all(nodes.Const)) if is_text(held)}
    return found


def is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


@cache
def written() -> set[str]:
    """Every text of the source and of the templates: what is said may come from a table."""
    found = set().union(*map(literals, modules()))
    for path in TEMPLATES.glob("*.j2"):
        tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
        found |= {node.value for node in tree.find_all(nodes.Const) if is_text(node)}
    return found


def plain(text: str) -> str:
    """The words of a text, each with a space on both sides, without what stands between them."""
    return f" {' '.join(re.sub(r'[_,;:()]', ' ', text).lower().split())} "


@cache
def source() -> str:
    """All texts of the source, and of the shipped conventions."""
    conventions = yaml.safe_load((DEFAULTS / "conventions.yaml").read_text(encoding="utf-8"))
    return "|".join(map(plain, [*sorted(written()), *values(conventions)]))


def values(held: object) -> Iterator[str]:
    """Every text that stands in what was read, however deep."""
    if isinstance(held, str):
        yield held
    elif isinstance(held, dict | list):
        for member in held.values() if isinstance(held, dict) else held:
            yield from values(member)


def tiles(piece: str) -> int:
    """From how few runs of words that stand in the source a piece of a sentence can be put together; 0: it cannot."""
    words, begin, count = plain(piece).split(), 0, 0
    while begin < len(words):
        runs = (end for end in range(len(words), begin, -1) if f" {' '.join(words[begin:end])} " in source())
        end = next(runs, begin)
        # A number may come from a table.
        if end == begin and not re.search(r"\d", words[begin]):
            return 0
        begin, count = max(end, begin + 1), count + (end > begin)
    return count


def pieces(english: str) -> list[str]:
    """What stands between the braces of a row."""
    return [literal for literal, _, _, _ in Formatter().parse(english) if plain(literal).strip()]


def test_whatever_is_said_has_a_row() -> None:
    assert len(asked_for()) > 120
    assert asked_for() - {english for english, _ in ROWS} - set(KEYS) == set()


@pytest.mark.parametrize("row", SAID)
def test_what_can_be_said_is_said_somewhere(row: Row) -> None:
    assert row[0] in written() | NAMED | {english for name, english in KEYS.items() if name in NAMED}


def test_every_key_is_a_name_of_code() -> None:
    assert set(KEYS) <= NAMED
