"""What a check of the on-call configuration answers with."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.problems import Key


class Remark(NamedTuple):
    """Something about a key of `site.yaml`, with the mend. A warning does not keep the file from being used."""

    key: Key
    what: str
    warning: bool = True


def error(key: Key, what: str) -> Remark:
    """A remark that makes `cartwatch check` fail."""
    return Remark(key, what, warning=False)


def time_range(start: datetime, until: datetime, zone: ZoneInfo) -> str:
    """A time in words, on the clock of the hospital."""
    begin, end = (moment.astimezone(zone).strftime("%a %d %b %Y %H:%M") for moment in (start, until))
    return f"from {begin} to {end}"
