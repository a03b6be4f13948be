"""All measures of speed in one run: ratios first, each with its aim, and the machine they were taken on.

Run: .venv/bin/python benchmarks/run.py [--only NAME]... [--fsync everysec] [--tiny] [--write DOCUMENT]
Everything is started here, listens on loopback only and ends with the run. `--write` replaces the table between the
two markers of a document. With `--fsync everysec` Redis answers before it has written to disk: what the programs cost
is then seen without what the disk does.
"""

import argparse
import importlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness import FULL, TINY, Row, Size, machine, say

MEASURES = ("whole_way", "judging", "single_tasks", "page_latency", "page_rate", "growth", "starts", "round_trips")
HEAD = ("measure", "ratio or figure", "aim", "", "seen")
BEGIN, END = "<!-- begin: benchmarks/run.py -->", "<!-- end: benchmarks/run.py -->"


def rows_of(name: str, size: Size) -> list[Row]:
    """One measure, from its module; how long it took is said."""
    began = time.monotonic()
    rows: list[Row] = importlib.import_module(name).measure(size)
    for row in rows:
        say(f"{row.ratio:>10}  {row.measure} (aim {row.aim}): {row.seen}")
    say(f"{'':>10}  {name}: {time.monotonic() - began:.0f} s")
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def written(text: str, section: str) -> str:
    """A document with the section between its markers replaced.

    Raises:
        ValueError: it has no such markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{section}\n{END}{after}"


def main() -> None:
    """Measure, print, and write where asked."""
    arguments = _arguments()
    size = (TINY if arguments.tiny else FULL)._replace(fsync=arguments.fsync)
    taken_on, names = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}", arguments.only or MEASURES
    say(taken_on)
    rows = [row for name in names for row in rows_of(name, size)]
    only = "".join(f" --only {name}" for name in arguments.only or ())
    fsync = "" if arguments.fsync == "always" else f" --fsync {arguments.fsync}"
    command = f"benchmarks/run.py{only}{fsync}{' --tiny' if arguments.tiny else ''}"
    section = f"`.venv/bin/python {command}`, {taken_on}\n\n{table(rows)}"
    say(f"\n{section}")
    if arguments.write is not None:
        document = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(written(document, section), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=MEASURES, help="a single measure; may be given again")
    parser.add_argument("--tiny", action="store_true", help="see that it runs; the figures mean nothing")
    parser.add_argument("--fsync", choices=("always", "everysec"), default="always", help="when Redis writes to disk")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT", help="replace the table between its markers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
