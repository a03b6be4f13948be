"""The release: a wheel made from the source distribution has all that the commands need, and knows its version."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = "3.1.4"

pytestmark = pytest.mark.server


def run(*command: str | Path, folder: Path, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    line = [*map(str, command)]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cartwatch` of a wheel in an environment of its own, which has the dependencies and nothing of this tree."""
    folder = tmp_path_factory.mktemp("release")
    tree = folder / "tree"
    tree.mkdir()
    listed = run("git", "ls-files", "-coz", "--exclude-standard", folder=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    build = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    run(*build, "-t", "sdist", folder=tree, SETUPTOOLS_SCM_PRETEND_VERSION=VERSION)
    with tarfile.open(folder / f"cartwatch-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    run(*build, "-t", "wheel", folder=folder / f"cartwatch-{VERSION}")
    venv.create(folder / "venv", with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies), encoding="utf-8")
    wheel = folder / f"cartwatch-{VERSION}-py3-none-any.whl"
    pip = [sys.executable, "-m", "pip", "--python", folder / "venv/bin/python"]
    run(*pip, "install", "--no-deps", "--no-index", wheel, folder=folder)
    return folder / "venv/bin/cartwatch"


def test_the_demo_runs_from_a_wheel_alone(program: Path, tmp_path: Path) -> None:
    run(program, "demo", "--output", tmp_path / "output", folder=tmp_path)
    assert list((tmp_path / "output").rglob("*.png"))


def test_the_version_is_that_of_the_tag(program: Path, tmp_path: Path) -> None:
    assert re.search(rf"(?m)^cartwatch +{re.escape(VERSION)}$", run(program, "version", folder=tmp_path))
