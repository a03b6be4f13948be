"""What `make test` does not run is imported at least, so that a missed rename fails; and names mean one thing."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported(folder: str, *modules: str) -> subprocess.CompletedProcess[str]:
    line = f"import sys; sys.path[:0] = [{folder!r}, '.']\nimport {', '.join(modules)}"
    return subprocess.run([sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603


def test_each_benchmark_can_be_imported() -> None:
    found = {path.stem for path in ROOT.joinpath("benchmarks").glob("*.py")}
    ended = imported("benchmarks", *sorted(found - {"mutants"}))  # its tool is installed for its run only
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_each_test_on_real_servers_can_be_imported() -> None:
    folders = ("integration", "attack", "chaos")
    files = [path for folder in folders for path in sorted(ROOT.joinpath("tests", folder).glob("test_*.py"))]
    ended = imported(".", *(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files))
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_each_class_name_means_one_thing() -> None:
    named = Counter[str]()
    for folder in ("config", "alerts", "worker"):
        for path in ROOT.joinpath(folder).glob("**/*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            named.update(node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert named
    assert [name for name, times in named.items() if times > 1] == []
