"""`python -m tests.chaos.sentinels`: failovers under load, with two copies and with one, and a table of both.

CHAOS_KILLS is the number of failovers, CHAOS_RATE the messages a second, CHAOS_SEED the seed; CHAOS_COPIES names the
numbers of copies, CHAOS_BLOWS the kinds of failover, CHAOS_KEEP a folder to keep the logs in; CHAOS_WRITE is a document
whose part is written anew.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.chaos import report
from tests.chaos.against_sentinels import Outcome, run, table
from tests.chaos.campaign import Plan

FAILOVER_SECONDS = 30.0
"""About how long one takes, with the rest before it; the load ends with the last."""


def main() -> int:
    """Carry them out, print, and say by the exit code whether two copies lost anything."""
    kills, rate = int(os.environ.get("CHAOS_KILLS", 150)), float(os.environ.get("CHAOS_RATE", 100))
    seconds = kills * FAILOVER_SECONDS
    plan = Plan(seconds, kills, int(seconds * rate), int(os.environ.get("CHAOS_SEED", 1)))
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="cartwatch-chaos-") as temporary:
        folder = Path(os.environ.get("CHAOS_KEEP", temporary))
        for copies in map(int, os.environ.get("CHAOS_COPIES", "2,1").split(",")):
            outcomes.append(run(plan, folder / f"copies-{copies}", copies))
            sys.stdout.write(f"{table(outcomes[-1:])}\n{outcomes[-1].failovers}\n")
            examples = report.examples([(f"COPIES={copies}", plan, outcomes[-1].result)])
            sys.stdout.write(f"{examples}\n")
            sys.stdout.flush()
    command = f"CHAOS_KILLS={kills} CHAOS_RATE={rate:g} CHAOS_SEED={plan.seed} make chaos-sentinel"
    found = f"`{command}`: {report.machine()}.\n\n{table(outcomes)}\n"
    sys.stdout.write(f"\n{found}")
    if target := os.environ.get("CHAOS_WRITE"):
        report.rewrite(Path(target), "sentinel", found)
    safe = [one.result for one in outcomes if one.copies > 1]
    return int(any(not one.settled or any(one.verdict.faults.values()) for one in safe))


if __name__ == "__main__":
    sys.exit(main())
