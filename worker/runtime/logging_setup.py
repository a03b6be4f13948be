"""Log lines: time, level, module, text, and as JSON the fields of a fact. They contain no patient and no value."""

import logging
import sys

from alerts.message_fields import visible
from config.settings import Settings

DECIDED = "worker_cancel_long_running_tasks_on_connection_loss"
"""Celery warns about this setting at each lost connection; `worker/app.py` sets it and says why."""


class _Discreet(logging.Filter):
    """Removes data of patients: Celery logs the body of a message that it cannot use, and the arguments of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the first line of such a record, without its arguments; drop the warnings about `DECIDED`."""
        if record.name == "py.warnings" and DECIDED in record.getMessage():
            return False
        text = str(record.msg)
        if record.name.startswith("celery") and ("body" in text or "request %r" in text):
            record.msg, record.args, record.exc_info = text.partition("\n")[0].partition("%")[0], (), None
        return True


class _OneLine(logging.Formatter):
    """A log record is one line: a name that a sender chose cannot begin another."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line, with invisible characters escaped; a traceback follows it unchanged."""
        return visible(super().formatMessage(record).rstrip())


def _as_json() -> logging.Formatter:
    """One JSON object a line: `timestamp` (UTC), `level`, `logger`, `event`, and the fields of a fact."""
    import structlog  # only where it is asked for: a worker starts sooner without it

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def configure(settings: Settings) -> None:
    """Send this process's log lines to standard error, as text or as JSON.

    Apprise logs payloads at DEBUG and a provider's reply at WARNING. The delivery reads the reply from these records
    (`worker/delivery/channel.py`), so the level stays enabled, but the records are not printed.
    """
    handler = logging.StreamHandler(sys.stderr)
    text = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(_as_json() if settings.log_format == "json" else _OneLine(text))
    handler.addFilter(_Discreet())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.pool", "kombu", "matplotlib", "httpx"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    apprise = logging.getLogger("apprise")
    apprise.setLevel(logging.WARNING)
    apprise.propagate = False
    apprise.addHandler(logging.NullHandler())
