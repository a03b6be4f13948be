"""The health file: a process touches it while it works, and the healthcheck of its container checks its age.

It does not cover other processes: for the service there are `cartwatch health` and `/healthz`. A shell reads it,
because a Python process for each check would cost more processor time than the whole idle service.
"""

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def touch(path: Path | None) -> None:
    """Show that this process works, if a file is configured. If it cannot be written, only the healthcheck fails."""
    if path is None:
        return
    try:
        path.touch()
    except OSError as error:
        log.warning("the health file %s cannot be written (%s)", path, error.strerror)
