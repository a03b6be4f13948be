"""`python -m tests.chaos`: a campaign, its table, and with CHAOS_WRITE a page of the documentation.

CHAOS_SECONDS, CHAOS_KILLS, CHAOS_MESSAGES, CHAOS_SEED say how long, how hard and how many; CHAOS_ONLY names the
campaigns (`cartwatch`, `clock`, `bare`, `rabbitmq`; the last where this machine has a RabbitMQ), CHAOS_AT_ONCE how many
of them run at the same time; CHAOS_KEEP a folder to keep the logs in; CHAOS_WRITE a file for the results.
"""

import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import against_bare, against_cartwatch, report
from tests.chaos.campaign import Plan, Result
from tests.chaos.rabbit import find_rabbit
from worker.standalone.embedded_redis import find_server

SHORTER = 10
"""The campaign with clock jumps and the one with RabbitMQ are this much shorter."""

Run = Callable[[Plan, Path], Result]


def plans(environment: dict[str, str]) -> dict[str, tuple[Plan, Run]]:
    """The campaigns that are asked for."""
    plan = Plan(
        seconds=float(environment.get("CHAOS_SECONDS", 2700)),
        kills=int(environment.get("CHAOS_KILLS", 200)),
        messages=int(environment.get("CHAOS_MESSAGES", 100_000)),
        seed=int(environment.get("CHAOS_SEED", 1)),
    )
    short = plan._replace(
        seconds=max(60.0, plan.seconds / SHORTER), kills=plan.kills // SHORTER, messages=plan.messages // SHORTER
    )
    found: dict[str, tuple[Plan, Run]] = {
        "cartwatch": (plan, against_cartwatch.run),
        "bare Celery": (plan, against_bare.run),
        "clock jumps": (short._replace(clock="simulated"), against_cartwatch.run),
    }
    if find_rabbit() is not None:
        found["RabbitMQ"] = (short, against_cartwatch.run_with_rabbit)
    only = environment.get("CHAOS_ONLY", "").split(",")
    return {name: found[name] for name in found if not only[0] or name.partition(" ")[0].lower() in only}


def main() -> int:
    """Run them, print, and say by the exit code whether anything was lost."""
    campaigns = plans(dict(os.environ))
    at_once = int(os.environ.get("CHAOS_AT_ONCE", 1))
    # A process each: the children of a campaign end with the thread that started them.
    with (
        tempfile.TemporaryDirectory(prefix="cartwatch-chaos-") as temporary,
        ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes,
    ):
        folder = Path(os.environ.get("CHAOS_KEEP", temporary))
        under_way = {
            name: processes.submit(run, plan, folder / name.replace(" ", "-"))
            for name, (plan, run) in campaigns.items()
        }
        for name, (plan, _) in campaigns.items():
            sys.stdout.write(f"{name}: {plan.messages} messages, {plan.kills} kills in {plan.seconds:.0f} s\n")
        sys.stdout.flush()
        columns: list[report.Column] = []
        for name, (plan, _) in campaigns.items():
            if error := under_way[name].exception():
                # What the others found is worth its hours all the same.
                traceback.print_exception(error)
            else:
                columns.append((name, plan, under_way[name].result()))
    sys.stdout.write(f"\n{report.table(columns)}\n\n{report.blows(columns)}\n\n{report.examples(columns)}\n")
    if target := os.environ.get("CHAOS_WRITE"):
        command = find_server() or ["redis-server"]
        server = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
        version = server.stdout.strip().partition(" sha=")[0]
        Path(target).write_text(report.document(columns, version, at_once), encoding="utf-8")
    ours = [result for name, _, result in columns if not name.startswith("bare")]
    return int(
        len(columns) < len(campaigns)
        or any(not result.settled or any(result.verdict.faults.values()) for result in ours)
    )


if __name__ == "__main__":
    sys.exit(main())
