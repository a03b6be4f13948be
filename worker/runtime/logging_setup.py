"""Log lines: time, level, place, words. Never a patient, never a value."""

import logging
import sys

from alerts.message_fields import visible

DECIDED = "worker_cancel_long_running_tasks_on_connection_loss"
"""Celery advises about it at each lost connection; what it is set to, and why, stands in `worker/app.py`."""


class _Discreet(logging.Filter):
    """Celery reports a message it cannot use with its whole body, and requests with their arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave the first line of such a report, without what it was to be filled with; nothing of old advice."""
        if record.name == "py.warnings" and DECIDED in record.getMessage():
            return False
        text = str(record.msg)
        if record.name.startswith("celery") and ("body" in text or "request %r" in text):
            record.msg, record.args, record.exc_info = text.partition("\n")[0].partition("%")[0], (), None
        return True


class _OneLine(logging.Formatter):
    """A line of the log is one line: names that senders choose begin none of their own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line, with what nobody sees written out; a traceback follows it as it is."""
        return visible(super().formatMessage(record).rstrip())


def configure(level: str) -> None:
    """Send this process's log lines to standard error.

    Apprise prints payloads at DEBUG, and what a provider answered at WARNING. The delivery reads the answer from there
    (`worker/delivery/channel.py`), so that level has to stay open; it is only not printed.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_Discreet())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.pool", "kombu", "matplotlib", "httpx"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    apprise = logging.getLogger("apprise")
    apprise.setLevel(logging.WARNING)
    apprise.propagate = False
    apprise.addHandler(logging.NullHandler())
