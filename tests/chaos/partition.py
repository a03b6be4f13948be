"""A cut in the network of this machine's loopback: packets between two groups of addresses vanish, in both directions.

It needs root and iptables. Connections stay open, and nobody is refused: it is silence, as of a broken switch.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from itertools import product


def can_cut() -> bool:
    """Whether this machine allows it."""
    if os.geteuid() != 0 or shutil.which("iptables") is None:
        return False
    return subprocess.run(["iptables", "-w", "-S", "INPUT"], capture_output=True, check=False).returncode == 0  # noqa: S607


class Cut:
    """The packets between two groups of hosts vanish until it is healed."""

    def __init__(self, some: Iterable[str], others: Iterable[str]) -> None:
        pairs = list(product(some, others))
        self._pairs = pairs + [(there, here) for here, there in pairs]
        for pair in self._pairs:
            _rule("--insert", *pair)

    def heal(self) -> None:
        """Let them pass again."""
        while self._pairs:
            _rule("--delete", *self._pairs.pop())


def _rule(action: str, source: str, destination: str) -> None:
    command = [
        "iptables",
        "--wait",
        action,
        "INPUT",
        "--source",
        source,
        "--destination",
        destination,
        "--jump",
        "DROP",
    ]
    subprocess.run(command, check=True)  # noqa: S603
