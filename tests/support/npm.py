"""Packages of npm that a test installs for its run."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = (20, 19)
"""The oldest Node that they run on."""


def installed(folder: Path, into: Path) -> str:
    """Copy a folder with its `package.json`, and install what that names; return the command `node`.

    The test is skipped where there is no Node, no npm, or no registry that npm reaches.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("no `node` and `npm` on PATH")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    if tuple(map(int, version.strip("v\n").split(".")[:2])) < NODE:
        pytest.skip(f"Node {version.strip()} is older than {'.'.join(map(str, NODE))}")
    shutil.copytree(folder, into, dirs_exist_ok=True)
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run(install, cwd=into, capture_output=True, text=True, timeout=150, check=False)  # noqa: S603
    if done.returncode:
        pytest.skip(f"npm could not install what {folder.name} needs: {done.stderr.splitlines()[-1:]}")
    return node
