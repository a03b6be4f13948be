"""Log lines: time, level, place, words. Never a patient, never a value."""

import logging
import sys


def configure(level: str) -> None:
    """Send this process's log lines to standard error.

    Apprise prints payloads at DEBUG and reasons at WARNING; the delivery keeps the reasons itself.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("apprise", "celery.worker.strategy", "celery.app.trace", "matplotlib"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("apprise").setLevel(logging.ERROR)
