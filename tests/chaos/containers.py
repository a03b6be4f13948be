"""`python -m tests.chaos.containers`: every container of the compose file in turn, and a table of what it cost.

CHAOS_IMAGE names an image of ours that is built already; CHAOS_COPIES how many containers of what pages there are;
CHAOS_SERVICES and CHAOS_BLOWS name some of the containers and the first words of some blows; CHAOS_RATE is the
messages a second; CHAOS_BUSY how many processes of `nice` work run beside it (one a core by default); CHAOS_ENGINE is
a command that restarts the engine, which is done last, and only where it is given; CHAOS_CGROUP a
control group of yours in which the containers run, where others use the machine as well; CHAOS_WRITE is a document
whose part is written anew.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import report
from tests.chaos.against_containers import PROBES, Order, Struck, fight
from tests.chaos.campaign import Plan, Result
from tests.chaos.compose import PAGES
from worker.standalone.child_process import die_with_parent

BUILT = "cartwatch:chaos"
SPIN = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes of `nice` work beside what is measured."""
    command = ["nice", "-n", "19", sys.executable, "-c", SPIN]
    started = [subprocess.Popen(command, preexec_fn=die_with_parent()) for _ in range(processes)]  # noqa: S603
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


class Load:
    """The load average of this machine, looked at each ten seconds; a context manager."""

    def __init__(self) -> None:
        self.seen: list[float] = [os.getloadavg()[0]]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.wait(10):
            self.seen.append(os.getloadavg()[0])

    def __str__(self) -> str:
        return f"load average {min(self.seen):.1f} to {max(self.seen):.1f}"


def built() -> str:
    """The image to run: that of CHAOS_IMAGE, or ours as the tree is now."""
    image = os.environ.get("CHAOS_IMAGE", BUILT)
    if image == BUILT:
        subprocess.run(["docker", "build", "--network", "host", "--tag", image, "."], check=True)  # noqa: S603, S607
    return image


def command(environment: Mapping[str, str], program: str) -> str:
    """How it is run once more."""
    given = {name: value for name, value in environment.items() if name.startswith("CHAOS_")}
    kept = {name: value for name, value in given.items() if name not in ("CHAOS_WRITE", "CHAOS_KEEP", "CHAOS_IMAGE")}
    return " ".join([*(f"{name}={value}" for name, value in sorted(kept.items())), program])


def table(struck: Sequence[Struck]) -> str:
    """Markdown: a row a blow."""
    ways = list(struck[0].gaps) if struck else []
    heads = [
        "container",
        "blow",
        "first page",
        "last page",
        "the trouble lasted",
        *(f"no {way} accepted" for way in ways),
    ]
    rows = [heads, ["---", "---", *["---:"] * (len(heads) - 2)]]
    for one in struck:
        figures = (one.fastest, one.slowest, one.trouble, *one.gaps.values())
        rows.append([one.service, one.blow, *(f"{figure:.1f}" for figure in figures)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def section(copies: int, given: str, load: str, plan: Plan, result: Result, struck: Sequence[Struck]) -> str:
    """The part of the document."""
    judged = report.table([("", plan, result)]).splitlines()
    kept = [row for row in judged if not row.startswith(("| length", "| seed", "| processes killed", "| other blows"))]
    pages = "one container of each kind" if copies == 1 else f"{copies} each of {', '.join(PAGES)}"
    return f"""`{given}`: {pages}; {report.machine()}; {load}.

Seconds from the blow until the critical page about the first and the last of {PROBES} patients stands at the phone.

{table(struck)}

The checker, about all of it:

{chr(10).join(kept)}
"""


def main() -> int:
    """What `make chaos-containers` does."""
    names = [tuple(filter(None, os.environ.get(f"CHAOS_{what}", "").split(","))) for what in ("SERVICES", "BLOWS")]
    order = Order(*names, os.environ.get("CHAOS_ENGINE", ""))
    return carry_out(order, "make chaos-containers", f"copies {os.environ.get('CHAOS_COPIES', 2)}")


def carry_out(order: Order, program: str, part: str) -> int:
    """Carry it out, print, write the part of the document; 1 where something was lost."""
    environment = dict(os.environ)
    copies, rate = int(environment.get("CHAOS_COPIES", 2)), float(environment.get("CHAOS_RATE", 10))
    image = built()
    seconds = float(environment.get("CHAOS_SECONDS", 2400))
    plan = Plan(seconds, 0, int(seconds * rate), int(environment.get("CHAOS_SEED", 1)))
    with (
        tempfile.TemporaryDirectory(prefix="cartwatch-containers-", ignore_cleanup_errors=True) as folder,
        Load() as load,
        busy(int(environment.get("CHAOS_BUSY", os.cpu_count() or 1))),
    ):
        Path(folder).chmod(0o755)
        name = f"chaos{os.getpid()}"
        result, struck, starts = fight(plan, Path(folder) / "stand", name, image, copies, order, _say)
    text = section(copies, command(environment, program), str(load), plan, result, struck)
    sys.stdout.write(f"\n{text}\n{report.examples([('', plan, result)])}\nstarted again: {starts}\n")
    if target := environment.get("CHAOS_WRITE"):
        report.rewrite(Path(target), part, text)
    return int(not result.settled or any(result.verdict.faults.values()))


def _say(one: Struck) -> None:
    gaps = ", ".join(f"{way} {gap:.1f} s" for way, gap in one.gaps.items())
    sys.stdout.write(
        f"{one.service}: {one.blow}: {one.fastest:.1f} to {one.slowest:.1f} s (trouble {one.trouble:.1f} s,"
        f" nothing accepted for: {gaps}; load {os.getloadavg()[0]:.1f})\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
