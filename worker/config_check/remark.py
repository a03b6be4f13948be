"""A result of a check of the on-call configuration."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.problems import Key


class Remark(NamedTuple):
    """A problem with a key of `site.yaml`, and its fix. A warning does not keep the file from being used."""

    key: Key
    what: str
    warning: bool = True


def error(key: Key, what: str) -> Remark:
    """A remark that makes `cartwatch check` fail."""
    return Remark(key, what, warning=False)


def time_range(start: datetime, until: datetime, zone: ZoneInfo) -> str:
    """A time span in words, in the hospital's time zone."""
    begin, end = (moment.astimezone(zone).strftime("%a %d %b %Y %H:%M") for moment in (start, until))
    return f"from {begin} to {end}"
