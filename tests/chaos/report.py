"""The table of a campaign."""

import os
import platform
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median

from tests.chaos.campaign import Plan, Result
from tests.chaos.schedule import KILLS

Column = tuple[str, Plan, Result]


def table(columns: Sequence[Column]) -> str:
    """Markdown: one column a campaign."""
    rows = [["", *(name for name, _, _ in columns)], ["---", *("---:" for _ in columns)]]
    rows += [[label, *(cell(plan, result) for _, plan, result in columns)] for label, cell in _ROWS]
    faults = dict.fromkeys(name for _, _, result in columns for name in result.verdict.faults)
    rows += [[name, *(str(len(result.verdict.faults.get(name, ()))) for _, _, result in columns)] for name in faults]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_ROWS = (
    ("length", lambda plan, _: str(timedelta(seconds=round(plan.seconds)))),
    ("seed", lambda plan, _: str(plan.seed)),
    ("processes killed with SIGKILL", lambda _, result: str(result.kills)),
    ("other blows", lambda _, result: str(sum(result.blows.values()) - result.kills)),
    ("messages accepted", lambda _, result: str(result.verdict.accepted)),
    ("sent again by their sender", lambda _, result: str(result.sent_again)),
    ("pages owed by the stories", lambda _, result: str(result.verdict.owed)),
    ("pages received", lambda _, result: str(result.verdict.received)),
    ("received more than once, per 1 000", lambda _, result: f"{result.verdict.duplicates_per_1000:.2f}"),
    ("accepted to received, median", lambda _, result: _seconds(result.verdict.delays, "median")),
    ("accepted to received, longest", lambda _, result: _seconds(result.verdict.delays, "max")),
    ("came to rest", lambda _, result: "yes" if result.settled else "NO"),
)


def _seconds(delays: Sequence[float], which: str) -> str:
    if not delays:
        return "-"
    return f"{median(delays) if which == 'median' else max(delays):.2f} s"


def blows(columns: Sequence[Column]) -> str:
    """Markdown: what fell how often."""
    kinds = sorted(
        {kind for _, _, result in columns for kind in result.blows}, key=lambda kind: (kind not in KILLS, kind)
    )
    rows = [["blow", *(name for name, _, _ in columns)], ["---", *("---:" for _ in columns)]]
    rows += [[kind, *(str(result.blows[kind]) for _, _, result in columns)] for kind in kinds]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def examples(columns: Sequence[Column], most: int = 5) -> str:
    """Some of what must not be, for whoever looks for the cause."""
    lines = []
    for name, _, result in columns:
        for fault, found in result.verdict.faults.items():
            lines += [f"{name}: {fault}: {item}" for item in sorted(found)[:most]]
    return "\n".join(lines)


def machine() -> str:
    """What it ran on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def command(plan: Plan, at_once: int) -> str:
    """How it is run once more."""
    given = {"SECONDS": f"{plan.seconds:.0f}", "KILLS": plan.kills, "MESSAGES": plan.messages, "SEED": plan.seed}
    return " ".join(f"CHAOS_{name}={value}" for name, value in {**given, "AT_ONCE": at_once}.items()) + " make chaos"


def document(columns: Sequence[Column], server: str, at_once: int) -> str:
    """docs/evidence/chaos.md."""
    return f"""# Chaos tests

`make chaos` sends messages in bad order, late and twice, while processes are killed, paused and starved.
They come in three ways: the Python client, HTTP, and MLLP from a monitor that sends again until it is answered.
Then a checker, which knows only the stories of the patients, what was accepted and what the phone received, looks
for losses (`tests/chaos/checker.py`).
"Bare Celery" is the same job as one Celery task a reading, written with care (`benchmarks/bare.py`), under the same
schedule.

`{command(columns[0][1], at_once)}`: {machine()}; {server}.

{table(columns)}

"Accepted" means: the append to the inbox returned, or the gateway answered 2xx; with bare Celery, that the broker
accepted the task. What is owed includes every person on the ladder of whoever nobody answers; bare Celery owes the
first page alone.

{blows(columns)}
"""


def rewrite(file: Path, name: str, text: str) -> None:
    """Write the part of a document between its two marks anew.

    Raises:
        ValueError: the document has no such part.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    head, found, rest = file.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{file.name} has no part {name}")
    file.write_text(f"{head}{begin}{text}{end}{tail}", encoding="utf-8")
