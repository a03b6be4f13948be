"""Every catalogue has every text that is said, with the same braces, and no other; a third language is one file."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
import yaml
from jinja2 import Environment, nodes

from alerts.episodes.delivery_log import DeliveryState, Reason
from alerts.wording.catalogue import KEYS, render, say
from alerts.wording.phrase import At, Phrase, phrase
from config import languages
from config.site import DEFAULTS, URGENCIES, Person
from config.types import EXAMPLE
from config.vocabulary import DRUGS, ICE_ITEMS, READINGS, STATEMENTS, label
from tests.support.italian_reader import entries, has_words

ROOT = Path(__file__).parents[4]
TEMPLATES = ROOT / "worker" / "gateway" / "templates"
OTHERS = languages.languages()[1:]

SPEAKING = {"phrase", "Phrase", "plural", "say"}
"""Calls whose first argument is a text of the catalogue."""

PROGRAM = {"run.py", "service.py"}
"""Modules whose `say` prints to the terminal of whoever starts a program, in English."""


# -- what is said --------------------------------------------------------------------------------------


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    paths = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in ("alerts", "worker", "config"))
    return tuple((path.name, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(paths))


def literals(tree: ast.AST) -> set[str]:
    """Every text of a piece of source that is whole: no docstring, no piece of an f-string."""
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    pieces = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in remarks | pieces)
    return {node.value for node in texts if isinstance(node.value, str)}


def called(node: ast.AST) -> str:
    """The name of what a call calls; empty for anything else."""
    return getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""


def speaks(tree: ast.Module) -> bool:
    """Whether a module makes phrases of its own."""
    return any(isinstance(node, ast.ImportFrom) and node.module == "alerts.wording.phrase" for node in ast.walk(tree))


@cache
def said() -> set[str]:
    """Every text that the code and the templates hand to the catalogue."""
    found: set[str] = set()
    for name, tree in modules():
        for node in ast.walk(tree):
            if called(node) in SPEAKING and name not in PROGRAM and isinstance(node, ast.Call) and node.args:
                chosen = [node.args[0]] if not isinstance(node.args[0], ast.IfExp) else [*ast.walk(node.args[0])]
                found |= {one.value for one in chosen if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        if speaks(tree):
            found |= {text for text in literals(tree) if re.search(r"\{[a-z]+\d?\}", text)}
    for made in _template_calls():
        found |= {held.value for held in (made.args[0], *made.args[0].find_all(nodes.Const)) if _is_text(held)}
    return {text for text in found if has_words(text)} | named()


@cache
def named() -> set[str]:
    """Names that are said though no call holds them."""
    labels = {label(name) for name in (*READINGS, *STATEMENTS, *DRUGS)}
    states = {KEYS.get(name, name) for name in (*URGENCIES, *get_args(Reason), *get_args(DeliveryState))}
    return {text for text in labels | states if has_words(text)}


def _template_calls() -> Iterator[nodes.Call]:
    for path in TEMPLATES.glob("*.j2"):
        for made in Environment(autoescape=True).parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(made.node, nodes.Name) and made.node.name == "say":
                yield made


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


@cache
def written() -> set[str]:
    """Every text of the source, the templates, the vocabulary and the shipped configuration."""
    found = set().union(*(literals(tree) for _, tree in modules()))
    for path in TEMPLATES.glob("*.j2"):
        tree = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
        found |= {node.value for node in tree.find_all(nodes.Const) if _is_text(node)}
    codes = {code for kind in READINGS.values() for code in kind.codes}
    found |= {label(name) for name in (*READINGS, *STATEMENTS, *DRUGS, *codes, *ICE_ITEMS, *FOUND_BY)}
    found |= {name.upper().replace("_", " ") for name in found if re.fullmatch("[a-z_]+", name)}
    found |= {f"{datetime(2024, month, 1, tzinfo=UTC):%b}" for month in range(1, 13)} | {EXAMPLE}
    shipped = yaml.safe_load((DEFAULTS / "conventions.yaml").read_text(encoding="utf-8"))
    tables = (DEFAULTS / "units.csv").read_text(encoding="utf-8")
    return found | set(_texts(shipped)) | {cell.strip('"') for cell in re.split(r"[,\n]", tables)}


FOUND_BY = ("person", "cuff", "arterial_line", "monitor", "patch", "device", "laboratory")


def _texts(held: object) -> Iterator[str]:
    """Every text that stands in what was read, however deep."""
    if isinstance(held, str):
        yield held
    elif isinstance(held, dict | list):
        for member in held.values() if isinstance(held, dict) else held:
            yield from _texts(member)


# -- the catalogues ------------------------------------------------------------------------------------


def braces(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(text) if name))


def test_the_walk_finds_the_texts() -> None:
    assert len(said()) > 600
    assert "hypoxia observed ({what}), on room air: at least grade {n}" in said()
    assert "Silence it" in said()


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_text_that_is_said(language: str) -> None:
    known = {*entries(language), *(message.id[1] for message in entries(language).values() if message.pluralizable)}
    assert sorted(said() - known) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_no_text_that_nobody_says(language: str) -> None:
    assert sorted(set(entries(language)) - written()) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_the_bases_of_every_shipped_convention(language: str) -> None:
    shipped = yaml.safe_load((DEFAULTS / "conventions.yaml").read_text(encoding="utf-8"))
    bases = {member["basis"] for member in _conventions(shipped)} | {EXAMPLE}
    assert len(bases) > 40
    assert sorted(base for base in bases - set(entries(language)) if not base.startswith("placeholder")) == []


def _conventions(held: object) -> Iterator[dict[str, str]]:
    if isinstance(held, dict):
        if "basis" in held:
            yield held
        for member in held.values():
            yield from _conventions(member)
    elif isinstance(held, list):
        for member in held:
            yield from _conventions(member)


@pytest.mark.parametrize("language", OTHERS)
def test_every_entry_is_translated_with_the_same_braces(language: str) -> None:
    for text, message in entries(language).items():
        ids = message.id if message.pluralizable else (message.id,)
        strings = message.string if message.pluralizable else (message.string,)
        assert not message.fuzzy, text
        for string in strings:
            assert string == string.strip() != "", text
            assert set(braces(string)) in [set(braces(one)) for one in ids], text


def test_the_arguments_of_a_phrase_come_in_the_order_of_its_braces() -> None:
    wrong = []
    for name, tree in modules():
        for node in ast.walk(tree):
            if called(node) in ("phrase", "plural") and isinstance(node, ast.Call) and node.args:
                text = node.args[1 if called(node) == "plural" else 0] if len(node.args) > 1 else node.args[0]
                keywords = tuple(keyword.arg for keyword in node.keywords)
                if isinstance(text, ast.Constant) and None not in keywords and braces(text.value) != keywords:
                    wrong.append((name, text.value, keywords))
    assert wrong == []


def test_a_phrase_has_as_many_arguments_as_braces() -> None:
    with pytest.raises(ValueError, match="zip"):
        render(Phrase("{what} at {at}", ("one",)), "en", UTC)


# -- a third language ----------------------------------------------------------------------------------


@pytest.fixture
def klingon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A language made of one file: every text with its letters in capitals."""
    head = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\nPlural-Forms: nplurals=2; plural=(n != 1);\\n"\n'
    )
    parts = [head]
    for text in ("Ward board", "since {time}", "Jun", "systolic pressure", "{what} given", "tocilizumab"):
        capitals = re.sub(r"[a-z]+(?![a-z]*\})", lambda found: found[0].upper(), text)
        parts.append(f'msgid "{text}"\nmsgstr "{capitals}"\n')
    (tmp_path / "tlh.po").write_text("\n".join(parts), encoding="utf-8")
    monkeypatch.setattr(languages, "LOCALES", tmp_path)
    languages.languages.cache_clear()
    yield
    languages.languages.cache_clear()
    languages.translations.cache_clear()


@pytest.mark.usefixtures("klingon")
def test_a_third_language_is_one_file() -> None:
    assert languages.languages() == ("en", "tlh")
    assert Person(name="Q", channels=("phone",), language="tlh").language == "tlh"
    assert say("since {time}", "tlh", time="03:10") == "SINCE 03:10"
    given = phrase("{what} given", what=Phrase("tocilizumab"))
    assert render(given, "tlh", UTC) == "TOCILIZUMAB GIVEN"
    assert render(phrase("{at}", at=At(datetime(2024, 6, 17, 8, tzinfo=UTC))), "tlh", UTC) == "17 JUN 08:00"


def test_a_language_without_a_catalogue_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="write one of en, it"):
        Person(name="Q", channels=("phone",), language="tlh")


def test_what_a_catalogue_lacks_is_said_in_english() -> None:
    assert say("a sentence of a later version, with {braces}", "it", braces="7") == (
        "a sentence of a later version, with 7"
    )
    assert render(Phrase("words of this site (n = {41"), "it", UTC) == "words of this site (n = {41"


# -- rendering -----------------------------------------------------------------------------------------


def test_states_and_reasons_are_said_by_the_names_that_code_uses() -> None:
    assert (say("undeliverable", "en"), say("undeliverable", "it")) == ("failed for good", "non consegnabile")
    assert (say("still_on_it", "en"), say("still_on_it", "it")) == ("still on it?", "ancora in carico?")


def test_what_stands_in_braces_is_never_read_as_a_text_of_its_own() -> None:
    assert say("{person} has it since {time}", "it", person="Dr {Q}", time="03:10") == "In carico a Dr {Q} dalle 03:10"


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=200)])
def test_a_time_is_read_on_the_hospitals_clock(ahead: timedelta) -> None:
    shown = render(phrase("{at}", at=At(datetime(2024, 6, 17, 8, tzinfo=UTC) + ahead)), "it", UTC)
    assert shown == ("17 giu 08:00" if not ahead else "03 gen 08:00")
