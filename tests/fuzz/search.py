"""Fuzz one target until its time is up or something breaks: `python -m tests.fuzz.search NAME`, in its own process."""

import os
import sys
import tempfile
from pathlib import Path

LARGEST = 8192
SLOWEST_SECONDS = 10


def search(name: str, seconds: str) -> None:
    """Never returns: libFuzzer ends the process, badly where something broke."""
    import atheris

    # Only what is ours: everything else would take longer to prepare than to fuzz.
    with atheris.instrument_imports(include=["alerts", "config", "worker"]):
        from tests.fuzz.targets import SEEDS, TARGETS, bounded
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[name]):
            (Path(folder) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", f"-timeout={SLOWEST_SECONDS}"]
        atheris.Setup([sys.argv[0], *options, "-verbosity=0", "-print_final_stats=1", folder], bounded(TARGETS[name]))
        atheris.Fuzz()


if __name__ == "__main__":
    search(sys.argv[1], os.environ.get("FUZZ_SECONDS", "60"))
