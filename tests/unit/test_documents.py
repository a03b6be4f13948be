"""The documents: what they name exists, what they show can be run, and each says its fact in the field's words."""

import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from alerts.state import PatientState
from config.intake import load_intake
from config.settings import Settings
from tests.support.configuration import folder
from worker.cli import main

ROOT = Path(__file__).parents[2]
ROOMS = {"worker", "alerts", "config", "tests", "docs", "benchmarks"}


def tracked() -> list[str]:
    """The files of the project: what git lists; without git, what lies in its folders."""
    if (ROOT / ".git").exists() and (git := shutil.which("git")):
        listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
        return [name for name in listed.stdout.split() if (ROOT / name).exists()]
    found = (path for name in ("", *ROOMS) for path in ROOT.joinpath(name).glob("**/*" if name else "*"))
    return sorted(str(path.relative_to(ROOT)) for path in found if path.is_file() and "__pycache__" not in path.parts)


TRACKED = tracked()
DOCUMENTS = sorted(name for name in TRACKED if name.endswith(".md"))
PLACEHOLDER = re.compile("NAME|SUBJECT|FORMAT|LANGUAGE")
TEXTS = (".css", ".html", ".j2", ".js", ".lua", ".py", ".sh", ".toml", ".yaml", ".yml")
OLD_WORDS = re.compile(
    r"\b(sets? aside|setting aside|hand(ed|ing|s)? on|deaf|torn|tidings|shaken|(?<!out-of-)office|judgement|ails|"
    r"ailing|told|tells|telling|(take|taken|takes|taking|took) back|proxies|record system|under fire|auditor|"
    r"mends?|mended|noted|round trip seconds|take turns|whose turn)\b",
    re.IGNORECASE,
)
"""What the glossary replaced, with spaces for the underscores of names."""

every_document = pytest.mark.parametrize("document", DOCUMENTS)


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    language: str
    text: str


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    found = [
        Block(document, language, text)
        for document in DOCUMENTS
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", read(document), re.M | re.S)
    ]
    return [block for block in found if block.language in languages]


def code(document: str) -> Iterator[str]:
    """Everything a document sets in code: inline, and line by line in its blocks of shell."""
    text = read(document)
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S):
        yield from block.replace("\\\n", " ").splitlines()


def anchors(document: Path) -> set[str]:
    """The fragments by which the headings of a document are reached, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- links and paths ---------------------------------------------------------------------------------


@every_document
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", read(document)):
        name, _, anchor = target.partition("#")
        if name.startswith(("http:", "https:")):
            continue
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@every_document
def test_every_path_exists(document: str) -> None:
    for text in code(document):
        for path in re.findall(r"(?<![\w/.{-])((?:[a-z_]+/)+[\w.-]*)", text):
            if path.partition("/")[0] in ROOMS and not PLACEHOLDER.search(path):
                assert (ROOT / path).exists(), path


def test_every_document_is_reached_from_the_readme() -> None:
    reached, todo = set[str](), ["README.md"]
    while todo:
        document = todo.pop()
        reached.add(document)
        for target in re.findall(r"\]\(([^)#\s]+\.md)", read(document)):
            name = os.path.normpath(Path(document).parent / target)
            if name not in reached and not target.startswith("http"):
                todo.append(name)
    assert set(DOCUMENTS) <= reached


# -- commands ----------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[list[str]]:
    """The `cartwatch` commands of a line, as words; what is a placeholder or a comment stays a word."""
    for found in re.findall(r"(?<![\w/-])(?:\.venv/bin/)?cartwatch ([a-z][^|;&)<]*)", text):
        try:
            yield shlex.split(found, comments=True)
        except ValueError:  # an apostrophe in prose
            yield found.split()


@every_document
def test_every_command_and_every_option_of_it_exists(document: str) -> None:
    for text in code(document):
        for name, *words in commands(text):
            command = main.get_command(click.Context(main), name)
            assert command is not None, f"cartwatch {name}"
            while isinstance(command, click.Group) and words and not words[0].startswith("-"):
                inner = command.get_command(click.Context(command), words[0])
                assert inner is not None or command.invoke_without_command, f"cartwatch {name} {words[0]}"
                command, words = inner or command, words[1:]
            known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
            for word in (word.strip("[]") for word in words):
                if word.startswith("--"):
                    assert word.partition("=")[0] in {*known, "--help"}, f"cartwatch {name} {word}"


@every_document
def test_every_target_of_make_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read_makefile(), re.M))
    for text in code(document):
        for line in re.findall(r"(?:^|[ ;])make ([a-z -]+)", text.partition("#")[0]):
            assert set(line.split()) <= targets, line


def read_makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", blocks("sh"), ids=lambda block: f"{block.document} {block.text[:20]!r}")
def test_every_block_of_shell_is_shell(block: Block) -> None:
    ended = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)  # noqa: S607
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.document)
def test_every_block_of_python_compiles(block: Block) -> None:
    compile(block.text, block.document, "exec")


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: f"{block.document} {block.text[:20]!r}")
def test_every_block_of_yaml_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("document", ["docs/integrators/intake.md", "docs/integrators/hl7.md"])
def test_what_is_shown_of_intake_yaml_is_one(document: str, tmp_path: Path) -> None:
    parts = [block.text for block in blocks("yaml") if block.document in (document, "docs/integrators/intake.md")]
    loaded = load_intake(folder(tmp_path, intake_yaml="\n".join(dict.fromkeys(parts))))
    assert "icu-monitors" in loaded.sources


# -- settings ----------------------------------------------------------------------------------------

VARIABLES = {f"CARTWATCH_{name.upper()}" for name in Settings.model_fields}


@every_document
def test_every_variable_is_a_setting(document: str) -> None:
    files = ["docker-compose.yml", *(name for name in TRACKED if name.startswith("worker/") and name.endswith(".py"))]
    known = VARIABLES.union(*(re.findall(r"CARTWATCH_\w+", read(name)) for name in files))
    for name in re.findall(r"CARTWATCH_[A-Z_]*[A-Z]", read(document)):
        assert name in known or any(other.startswith(name) for other in known), name


def test_the_schema_of_a_state_names_each_of_its_fields() -> None:
    table = read("docs/developers/stored_data.md").partition("## The state of a patient")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert named == set(PatientState.__struct_fields__) - {"patient"}


# -- the map -----------------------------------------------------------------------------------------


def test_the_map_names_each_room() -> None:
    text = read("docs/developers/map.md")
    for tree in ("worker", "alerts"):
        rooms = {name.split("/")[1] for name in TRACKED if name.startswith(f"{tree}/")} - {"__init__.py"}
        for room in rooms:
            assert f"`{room}`" in text or f"`{room}/`" in text, f"{tree}/{room}"


def test_the_walk_enters_no_room_twice_and_reads_no_file_twice() -> None:
    walk = read("docs/developers/map.md").partition("## A stranger's walk")[2]
    files: list[Path] = []
    room = Path()
    for line in walk.splitlines():
        for name in re.findall(r"`([\w/]+\.py|[\w/]+/)`", line):
            if name.endswith("/"):
                room = ROOT / name
                assert line.startswith("**"), line
            else:
                path = ROOT / name if "/" in name else room / name
                room = path.parent
                files.append(path)
    assert [path for path in files if not path.exists()] == []
    assert [path for path, times in Counter(files).items() if times > 1] == []
    rooms = [path.parent for path in files if path.parent.parent != ROOT]
    entered = [here for before, here in zip([None, *rooms], rooms, strict=False) if here != before]
    assert [here for here, times in Counter(entered).items() if times > 1] == []


# -- words -------------------------------------------------------------------------------------------


@every_document
def test_the_words_are_those_of_the_glossary(document: str) -> None:
    text = re.sub(r"`[^`\n]*`", "", read(document))
    assert [found[0] for found in OLD_WORDS.finditer(text)] == []


@pytest.mark.parametrize("room", sorted(ROOMS - {"docs"}))
def test_code_and_tests_use_the_words_of_the_glossary(room: str) -> None:
    here = Path(__file__).relative_to(ROOT).as_posix()
    names = [name for name in TRACKED if name.startswith(f"{room}/") and name.endswith(TEXTS) and name != here]
    assert names
    found = {name: [old[0] for old in OLD_WORDS.finditer(read(name).replace("_", " "))] for name in names}
    assert {name: old for name, old in found.items() if old} == {}


@every_document
def test_a_line_is_a_sentence_or_wrapped(document: str) -> None:
    prose = re.sub(r"^```.*?^```$|^<!-- .*?^<!-- end.*?$", "", read(document), flags=re.M | re.S)
    for line in prose.splitlines():
        if len(line) > 105 and not line.lstrip().startswith(("|", "#", "![", "    ")):
            plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"^ *\d+\.|`[^`]*`", "x", line))
            assert not re.search(r"[.!?](?:\*\*)? +(?=[A-Z`*\"\[(])", plain), line


def test_the_glossary_has_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+) \|", read("docs/developers/glossary.md"), re.M)
    assert [word for word, times in Counter(words).items() if times > 1 and word not in ("word", "---")] == []


@pytest.mark.parametrize("document", ["docs/clinicians/guide.md", "docs/clinicians/guida.md"])
def test_a_guide_names_the_buttons_as_the_page_does(document: str) -> None:
    table = read(document).partition("|---|---|\n")[2]
    named = re.findall(r"^\| \*\*(.+?)\*\* \|", read(document), re.M)
    assert len(named) == 6, table
    sources = [read(name) for name in TRACKED if name.startswith(("alerts/wording/", "config/locales/"))]
    for label in named:
        assert any(f'"{label}"' in source for source in sources), label


@pytest.mark.parametrize("document", ["docs/clinicians/guide.md", "docs/clinicians/guida.md"])
def test_the_pictures_of_a_guide_are_small(document: str) -> None:
    for name in re.findall(r"\]\((screenshots/[^)]+)\)", read(document)):
        assert (ROOT / document).parent.joinpath(name).stat().st_size < 60_000, name
