"""A configuration folder for the tests: the shipped one, with what a test changes."""

import re
from pathlib import Path

from config.site import DEFAULTS


def folder(path: Path, *changes: tuple[str, str], **files: str) -> Path:
    """A copy of the shipped `site.yaml`, without its comments, with texts replaced, and other files beside it
    (`conventions_yaml="..."`)."""
    text = re.sub("^ *#.*\n", "", (DEFAULTS / "site.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    (path / "site.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (path / re.sub("_(?=[a-z]+$)", ".", name)).write_text(content, encoding="utf-8")
    return path


def line_of(path: Path, text: str) -> int:
    """The line of a file in which a text first stands."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)
