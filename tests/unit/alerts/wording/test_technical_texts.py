"""Every technical text that a page can carry is known in Italian, found by walking the source."""

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from alerts.wording.catalogue import italian
from tests.support.italian_reader import ENGLISH

ROOT = Path(__file__).parents[4]
MODULES = (
    "alerts/step/system_faults.py",
    "worker/processing/advance.py",
    "worker/processing/incoming.py",
    "worker/processing/poison.py",
    "worker/monitoring/emergency_page.py",
    "worker/monitoring/watchdog.py",
    "worker/monitoring/clock_jump.py",
    "worker/monitoring/silent_feeds.py",
    "worker/store/requirements.py",
    "worker/store/inbox.py",
    "worker/runtime/reload.py",
    "worker/store/wrong_types.py",
    "worker/store/unreadable.py",
    "worker/fhir_export/export.py",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "worker" / "delivery").glob("*.py")),
)
"""Who writes what a technical page says."""

CARRIED = {"fault": 1, "Attempt": 1, "Violation": 1}
"""Calls, and from which argument on they carry such a text."""

FILLED = ("zz", "7", "17 Jun 10:00")
"""What may stand in a brace."""

Pieces = tuple[str | None, ...]


def pieces(node: ast.expr) -> Iterator[Pieces]:
    """The texts an expression may be, with None for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield (node.value,)
    elif isinstance(node, ast.JoinedStr):
        yield tuple(str(part.value) if isinstance(part, ast.Constant) else None for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from pieces(node.body)
        yield from pieces(node.orelse)


def carried(tree: ast.AST) -> Iterator[ast.expr]:
    """What is given to a fault, an attempt or a violation, and what is named `what` or put among what was found."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first = CARRIED.get(getattr(node.func, "id", ""))
            yield from node.args[first:] if first is not None else ()
        elif isinstance(node, ast.Assign):
            named = {
                getattr(target, "id", getattr(getattr(target, "value", None), "id", "")) for target in node.targets
            }
            if named & {"what", "fix", "found"}:
                yield node.value


def texts() -> Iterator[Pieces]:
    for module in MODULES:
        for node in carried(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            yield from (text for text in pieces(node) if " " in "".join(filter(None, text)).strip())


def said(text: Pieces) -> Iterator[str]:
    """The text with its braces filled in, in each way."""
    for values in product(FILLED, repeat=text.count(None)):
        filled = iter(values)
        yield "".join(next(filled) if piece is None else piece for piece in text)


IDS = (
    "intake ",
    "channel ",
    "rota ",
    "evaluation ",
    "feed ",
    "silent ",
    "seen ",
    "watchdog ",
    "configuration ",
    "store key ",
)
"""How the ids and the conditions of faults begin, which nobody reads."""


@pytest.mark.parametrize("text", sorted(set(texts()), key=str), ids=lambda text: "".join(p or "{}" for p in text)[:60])
def test_every_technical_text_is_known_in_italian(text: Pieces) -> None:
    if (text[0] or "").startswith(IDS) or (text[0] is None and (text[1] or "").strip().count(" ") < 1):
        return
    found = [italian(one) for one in said(text)]
    assert any(one.known and not ENGLISH.search(one.text) for one in found), text


def test_the_walk_finds_the_texts() -> None:
    found = {"".join(piece or "{}" for piece in text) for text in texts()}
    assert len(found) > 35
    assert "the channel is no longer configured" in found
    assert "pages do not get through on channel {}: {}" in found
