"""`python -m tests.containers.idle`: the processor time a minute of the compose file while nobody sends.

CHAOS_IMAGE names an image of ours that is built already; CHAOS_COPIES is how many containers of what pages there are.
The figures contain what health checks do in the containers, not what the engine itself spends on starting them.
"""

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.chaos.compose import Composed, run, until
from tests.chaos.containers import built

SETTLES_SECONDS = 60.0
MINUTES = 3
SOCKET = "/var/run/docker.sock"


def spent(container: str) -> float:
    """The processor time of a container since it was started, with whatever was run in it (s)."""
    url = f"http://engine/containers/{container}/stats?stream=false&one-shot=true"
    found = json.loads(run("curl", "--silent", "--unix-socket", SOCKET, url))
    return float(found["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def main() -> None:
    """Start it, wait, measure, print."""
    with tempfile.TemporaryDirectory(prefix="cartwatch-idle-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        stand = Path(folder) / "stand"
        stand.mkdir()
        with Composed(stand, f"idle{os.getpid()}", built(), int(os.environ.get("CHAOS_COPIES", 2))) as composed:
            until(composed.is_well, "every container runs and every worker ticks")
            time.sleep(SETTLES_SECONDS)
            project = composed.project
            containers = [(one, service) for service in project.services() for one in project.containers(service)]
            before = {one: spent(one) for one, _ in containers}
            time.sleep(60.0 * MINUTES)
            cost: defaultdict[str, float] = defaultdict(float)
            for one, service in containers:
                cost[service] += (spent(one) - before[one]) / MINUTES
    for service, seconds in cost.items():
        sys.stdout.write(f"{service:24}{seconds:6.2f} s a minute\n")
    sys.stdout.write(f"{'all':24}{sum(cost.values()):6.2f} s a minute, load average {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
