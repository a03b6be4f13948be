"""How long a server asks to wait (HTTP `Retry-After`)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def retry_after(text: str, now: datetime) -> timedelta | None:
    """The wait that a Retry-After asks for. It contains seconds or a date."""
    if text.isdecimal() and len(text) <= len(str(timedelta.max.days)):
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now, timedelta(0))
