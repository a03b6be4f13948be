"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz` runs every target, each in a process of its own.

`python -m tests.fuzz NAME ...` runs those named. FUZZ_SECONDS (60) is how long each may search; what breaks one is
written to a file whose name is printed, and `python -m tests.fuzz NAME FILE` runs it again. Needs the extra `fuzz`.
"""

import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS, bounded


def main(arguments: list[str]) -> int:
    """Run what is named; how many targets broke."""
    if len(arguments) == 2 and arguments[0] in TARGETS and arguments[1] not in TARGETS:
        bounded(TARGETS[arguments[0]])(Path(arguments[1]).read_bytes())
        return 0
    if unknown := sorted(set(arguments) - set(TARGETS)):
        sys.exit(f"{', '.join(unknown)}: not one of {', '.join(TARGETS)}")
    broken = 0
    for name in arguments or TARGETS:
        print(f"== {name}", flush=True)  # noqa: T201
        command = [sys.executable, "-m", "tests.fuzz.search", name]
        broken += subprocess.run(command, check=False).returncode != 0  # noqa: S603 - our own command
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
