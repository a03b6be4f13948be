"""`python -m tests.chaos.sentinels`: failovers under load, with two copies and with one, and a table of both.

CHAOS_KILLS is the number of failovers, in rounds of CHAOS_ROUND, each with a new store; CHAOS_RATE the messages a
second, CHAOS_SEED the seed; CHAOS_COPIES names the numbers of copies, CHAOS_BLOWS the kinds of failover, CHAOS_KEEP a
folder to keep the logs in; CHAOS_WRITE is a document whose part is written anew after each round. If CHAOS_KILLS is a
list, its numbers are those for each of CHAOS_COPIES. Partitions need root and iptables.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.chaos import report
from tests.chaos.against_sentinels import Outcome, kinds_in_turn, run, table
from tests.chaos.campaign import Plan

FAILOVER_SECONDS = 24.0
"""About how long one takes, with the rest before it; the load ends with the last."""


def main() -> int:
    """Carry them out, print, and say by the exit code whether two copies lost anything."""
    given = {name: os.environ.get(f"CHAOS_{name}", text) for name, text in _DEFAULTS.items()}
    several = [int(kills) for kills in given["KILLS"].split(",")]
    copies = [int(number) for number in given["COPIES"].split(",")]
    outcomes: dict[int, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="cartwatch-chaos-") as temporary:
        folder = Path(os.environ.get("CHAOS_KEEP", temporary))
        for number, kills in zip(copies, several * len(copies), strict=False):
            for outcome in _rounds(given, kills, number, folder / f"copies-{number}"):
                outcomes[number] = outcomes[number].with_another(outcome) if number in outcomes else outcome
                _show(given, list(outcomes.values()))
    safe = [one.result for one in outcomes.values() if one.copies > 1]
    return int(any(not one.settled or any(one.verdict.faults.values()) for one in safe))


_DEFAULTS = {"KILLS": "200", "ROUND": "50", "RATE": "100", "SEED": "1", "COPIES": "2,1"}


def _rounds(given: dict[str, str], kills: int, copies: int, folder: Path) -> Iterator[Outcome]:
    """A campaign in rounds: what a chart and a store keep of one stays as it is on a ward."""
    order, size = kinds_in_turn(), int(given["ROUND"])
    for number, done in enumerate(range(0, kills, size)):
        planned = min(size, kills - done)
        seconds = planned * FAILOVER_SECONDS
        plan = Plan(seconds, planned, int(seconds * float(given["RATE"])), int(given["SEED"]) + number)
        outcome = run(plan, folder / str(number), copies, order)
        sys.stdout.write(f"{report.examples([(f'COPIES={copies}', plan, outcome.result)])}\n{outcome.failovers}\n")
        yield outcome


def _show(given: dict[str, str], outcomes: list[Outcome]) -> None:
    command = " ".join(f"CHAOS_{name}={text}" for name, text in given.items() if text != _DEFAULTS[name])
    found = f"`{command} make chaos-sentinel`: {report.machine()}.\n\n{table(outcomes)}\n"
    sys.stdout.write(f"\n{found}")
    sys.stdout.flush()
    if target := os.environ.get("CHAOS_WRITE"):
        report.rewrite(Path(target), "sentinel", found)


if __name__ == "__main__":
    sys.exit(main())
