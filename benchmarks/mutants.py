"""Mutation testing of `alerts/grading/`: every small fault put into a grader should fail one of its own tests.

The faults are those of Cosmic Ray: a number one higher or lower, another comparison, `and` for `or`, a condition
turned round, a decorator left out and so on. A session of Cosmic Ray starts a new Python for each of them, two
seconds, so only its operators are used: here a process that has the libraries loaded forks for each mutant, in a copy
of the tree, and the child imports the mutated source in place of the file. No file of the working tree is changed.

A comparison is put with its bound the other way, and turned round; an arithmetic operator becomes its opposite. Other
swaps are mostly type errors, which every test kills. `|` stands in type hints alone and is left as it is.

Prints the mutants, the killed and the survivors of each module. `docs/evidence/mutation.md` has the last run.
Run: make mutants, or with Cosmic Ray on the path
    .venv/bin/python benchmarks/mutants.py [N] [module or module:line ...]
where N is for every Nth mutant only.
"""

import gc
import importlib.util
import io
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
COPIED = ("alerts", "config", "tests", "worker", "pyproject.toml")
GRADING = "alerts/grading"
UNIT = "tests/unit/alerts/grading"

CRS = (
    *(f"{UNIT}/test_crs_words.py", f"{UNIT}/test_crs.py", f"{UNIT}/test_crs_followed.py"),
    f"{UNIT}/test_crs_infusion.py",
    *("tests/behaviour/test_crs_ends.py", "tests/behaviour/test_crs_course.py", f"{UNIT}/test_iec_hs.py"),
)
STATEMENTS = (f"{UNIT}/test_statements.py", "tests/behaviour/test_statements.py")
CTCAE = (
    *(f"{UNIT}/test_ctcae.py", f"{UNIT}/test_ctcae_chemistry.py", f"{UNIT}/test_ctcae_fever.py"),
    f"{UNIT}/test_boundaries_ctcae.py",
)
TESTS: dict[str, tuple[str, ...]] = {
    "axis": CRS,
    "bands": (f"{UNIT}/test_bands.py", *CTCAE, f"{UNIT}/test_icans.py"),
    "dependencies": (f"{UNIT}/test_dependencies.py",),
    "crs": CRS,
    "ctcae": (*CTCAE, f"{UNIT}/test_ctcae_version.py"),
    "ctcae_chemistry": (f"{UNIT}/test_ctcae_chemistry.py", f"{UNIT}/test_ctcae.py"),
    "ctcae_counts": (f"{UNIT}/test_ctcae.py", f"{UNIT}/test_ctcae_version.py"),
    "ctcae_fever": (f"{UNIT}/test_ctcae_fever.py", f"{UNIT}/test_ctcae.py"),
    "ctcae_rows": CTCAE,
    "easix": (f"{UNIT}/test_easix.py",),
    "fever": (f"{UNIT}/test_fever.py", f"{UNIT}/test_crs_words.py", f"{UNIT}/test_crs.py", *STATEMENTS),
    "hematotox": (f"{UNIT}/test_hematotox.py",),
    "hypotension": (f"{UNIT}/test_hypotension.py", f"{UNIT}/test_crs.py", *STATEMENTS),
    "hypoxia": (f"{UNIT}/test_hypoxia.py", f"{UNIT}/test_crs.py", *STATEMENTS),
    "icaht": (f"{UNIT}/test_icaht.py",),
    "icans": (f"{UNIT}/test_icans.py", *STATEMENTS),
    "ice": (f"{UNIT}/test_icans.py",),
    "iec_hs": (f"{UNIT}/test_iec_hs.py", f"{UNIT}/test_result.py"),
    "iec_hs_organs": (f"{UNIT}/test_iec_hs.py",),
    "inputs": (f"{UNIT}/test_inputs.py", f"{UNIT}/test_easix.py"),
    "news2": (f"{UNIT}/test_news2.py", f"{UNIT}/test_result.py", "tests/behaviour/test_before_infusion.py"),
    "pressures": (f"{UNIT}/test_pressures.py", f"{UNIT}/test_hypotension.py", "tests/behaviour/test_pressures.py"),
    "result": (f"{UNIT}/test_result.py",),
    "statements": STATEMENTS,
}
"""The tests that must notice a fault in a module: its own."""

OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no")
PROCESSES = 2
SECONDS = 60
"""Of processor time for one mutant; one that takes longer, which a broken loop does, is killed."""

PRELOADED = (
    "hypothesis",
    "redis",
    "xml.etree.ElementTree",
    "worker.standalone.embedded_redis",
    "tests.support.charts",
)
"""What takes long to import and imports no grader."""

OPPOSITES = {"Add": "Sub", "Sub": "Add", "Mul": "Div", "Div": "Mul", "FloorDiv": "Mul", "Mod": "FloorDiv"}
COMPARISONS = {
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
}
"""Each with its bound the other way, and turned round."""


class Mutant(NamedTuple):
    """A module with one fault: its source, and where and by which operator it differs."""

    module: str
    line: int
    operator: str
    before: str
    after: str
    source: str


class Mutated(SourceFileLoader):
    """Loads a module from a source that is not in its file."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self.source = source

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        """The code of the mutated source, never one that was cached."""
        del fullname
        return compile(self.source, self.path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Finds the mutated module before its file is found."""

    def __init__(self, loader: Mutated) -> None:
        self.loader = loader

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The mutated module; None for every other."""
        del path, target
        loader: Loader = self.loader
        return (
            importlib.util.spec_from_file_location(name, self.loader.path, loader=loader)
            if (name == self.loader.name)
            else None
        )


def operators() -> list[str]:
    """The operators of Cosmic Ray that are used."""
    return [name for name in operator_names() if _used(name.removeprefix("core/"))]


def _used(name: str) -> bool:
    if name in ("VariableReplacer", "VariableInserter"):
        return False
    if binary := re.fullmatch(r"ReplaceBinaryOperator_(\w+)_(\w+)", name):
        return OPPOSITES.get(binary[1]) == binary[2]
    if comparison := re.fullmatch(r"ReplaceComparisonOperator_(\w+)_(\w+)", name):
        return comparison[2] in COMPARISONS[comparison[1]]
    return True


def mutants(module: str, every: int = 1) -> Iterator[Mutant]:
    """Every mutant of a module, or every so many, that compiles and differs from those before it."""
    source = Path(GRADING, f"{module}.py").read_text(encoding="utf-8")
    seen = {source}
    turn = count()
    nodes = list(ast_nodes(get_ast(source)))
    for name in operators():
        operator = get_operator(name)()
        for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes)):
            if next(turn) % every:
                continue
            mutated = mutate_code(source, operator, occurrence)
            if not mutated or mutated in seen or not _compiles(mutated):
                continue
            seen.add(mutated)
            pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
            line, (before, after) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
            yield Mutant(module, line, name.removeprefix("core/"), before.strip(), after.strip(), mutated)


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def survives(mutant: Mutant, tests: Sequence[str]) -> int:
    """Fork a child that runs the tests on the mutant, and answer with its id; it ends with 0 where they all pass.

    What is there before the fork is frozen: pytest collects garbage several times, and would look at it all.
    """
    gc.freeze()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        name = f"{GRADING}/{mutant.module}".replace("/", ".")
        sys.meta_path.insert(0, Finder(Mutated(name, f"{GRADING}/{mutant.module}.py", mutant.source)))
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            status = int(pytest.main([*OPTIONS, *tests]))
    finally:
        os._exit(status)


def run(found: Iterable[Mutant]) -> tuple[int, list[Mutant]]:
    """How many mutants there are, and those that survive their tests; some at a time."""
    tried = 0
    survivors: list[Mutant] = []
    running: dict[int, Mutant] = {}

    def wait() -> None:
        child, status = os.wait()
        mutant = running.pop(child)
        if status == 0:
            survivors.append(mutant)

    for mutant in found:
        tried += 1
        if len(running) == PROCESSES:
            wait()
        running[survives(mutant, TESTS[mutant.module])] = mutant
    while running:
        wait()
    return tried, sorted(survivors, key=lambda mutant: (mutant.line, mutant.operator, mutant.after))


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    """Mutate the modules named, or all, and print the table; 1 where the tests fail without any mutant."""
    every = next((int(word) for word in arguments if word.isdigit()), 1)
    modules = [word for word in arguments if not word.isdigit()]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, Path(folder) / name)
        os.chdir(folder)
        sys.path.insert(0, folder)
        for name in PRELOADED:
            importlib.import_module(name)
        assert "alerts.grading" not in sys.modules
        gc.disable()
        rows: list[tuple[str, int, int]] = []
        for wanted in modules or TESTS:
            module, _, line = wanted.partition(":")
            source = Path(GRADING, f"{module}.py").read_text(encoding="utf-8")
            unchanged = Mutant(module, 0, "", "", "", source)
            if not run([unchanged])[1]:
                say(f"{module}: its tests fail without any mutant")
                return 1
            tried, alive = run(mutant for mutant in mutants(module, every) if line in ("", str(mutant.line)))
            rows.append((module, tried, len(alive)))
            for mutant in alive:
                place = f"{GRADING}/{module}.py:{mutant.line}"
                say(f"{place} {mutant.operator}\n    {mutant.before}\n    {mutant.after}")
            say(row(*rows[-1]))
    say("\nmodule              mutants    killed  survived")
    for each in rows:
        say(row(*each))
    say(row("all", sum(tried for _, tried, _ in rows), sum(alive for *_, alive in rows)))
    say(f"in {(time.monotonic() - began) / 60:.0f} min")
    return 0


def row(module: str, tried: int, alive: int) -> str:
    """A row of the table."""
    share = f"{100 * (tried - alive) / tried:.1f} %" if tried else "-"
    return f"{module:18} {tried:8} {tried - alive:9} {alive:9}   {share}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
