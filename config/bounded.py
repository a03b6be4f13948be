"""Bounded reading of configuration files: it ends, whatever a file contains."""

import os
import stat
from pathlib import Path

from config.problems import ConfigurationError, Problem, cannot_be_read

KIB = 1024

LARGEST = {".csv": 4096 * KIB, ".ics": 4096 * KIB}
"""The most bytes of a file by its kind: many times a hospital's need, and read within seconds."""

OTHERWISE = 512 * KIB


def read_text(path: Path) -> str:
    """A plain file in UTF-8, with or without the mark that Windows puts before it.

    Raises:
        ConfigurationError: it cannot be read, is not a plain file (a pipe or a device may never end) or is too large.
    """
    try:
        return _read(path, LARGEST.get(path.suffix.lower(), OTHERWISE)).decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(cannot_be_read(path, error)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(Problem(str(path), None, (), "not UTF-8: save it as UTF-8")) from error


def _read(path: Path, most: int) -> bytes:
    # Opening a pipe would otherwise wait for its writer.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigurationError(Problem(str(path), None, (), "is not a plain file: put one in its place"))
        content = file.read(most + 1)
    if len(content) > most:
        what = f"is larger than {most // KIB} KiB: take out what is not needed"
        raise ConfigurationError(Problem(str(path), None, (), what))
    return content
