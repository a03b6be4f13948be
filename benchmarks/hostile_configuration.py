"""What the largest `site.yaml` of each hostile shape costs to read: processor time and memory, each in its own process.

`python benchmarks/hostile_configuration.py`. The alternative, a process apart for each of the readers of a changed
configuration, costs the start of a Python that imports the configuration: the last line.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from config.bounded import OTHERWISE
from config.problems import ConfigurationError
from config.site import DEFAULTS, load_site

SHAPES: dict[str, str | Callable[[int], str]] = {
    "keys": lambda n: f"  k{n}: v\n",
    "anchors": lambda n: f"  - &a{n} {{b: 1}}\n" if n else "  - &m {a: 1}\n",
    "merges": lambda n: "  - {<<: *m}\n" if n else "  - &m {a: 1}\n",
    "numbers to base 60": "  - 59:59:59:59:59:59:59\n",
    "times": "  - 2001-12-14t21:59:43.10-05:00\n",
    "long lists": "  - [a, a, a, a, a, a, a, a, a, a]\n",
    "a text of many lines": lambda n: "  - |\n    x\n" if not n else "    x\n",
}


def hostile(folder: Path, line: str | Callable[[int], str]) -> None:
    """The shipped configuration, its `site.yaml` filled up to the largest size."""
    for path in DEFAULTS.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    room = OTHERWISE - (folder / "site.yaml").stat().st_size - 10
    lines, number = [], 0
    while (room := room - len(text := line if isinstance(line, str) else line(number))) > 0:
        lines.append(text)
        number += 1
    with (folder / "site.yaml").open("a", encoding="utf-8") as file:
        file.write("more:\n" + "".join(lines))


def read(folder: Path) -> str:
    """Load it, and say what that took."""
    with suppress(ConfigurationError):
        load_site(folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return f"{used.ru_utime + used.ru_stime:.1f} s, {used.ru_maxrss // 1024} MiB"


def main() -> None:
    """Every shape, and the start of a process that would read it apart."""
    for name, line in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            hostile(Path(folder), line)
            command = [sys.executable, __file__, folder]
            print(f"{name}: {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()}")  # noqa: S603, T201
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import config.site"], check=True)
    print(f"a process apart, before it reads: {time.perf_counter() - began:.2f} s")  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(read(Path(sys.argv[1])))  # noqa: T201
    else:
        main()
