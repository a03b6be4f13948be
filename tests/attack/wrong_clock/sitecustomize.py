"""A machine whose clock is wrong: what Python reads of it is moved by WRONG_CLOCK_SECONDS.

Python runs a module of this name in every process whose PYTHONPATH has its folder.
"""

import ctypes
import gc
import os
import time
from datetime import UTC, datetime, timedelta, tzinfo

_read, _read_ns, _now = time.time, time.time_ns, datetime.now
_SECONDS = float(os.environ.get("WRONG_CLOCK_SECONDS", "0"))


def _later(_: type[datetime], tz: tzinfo | None = None) -> datetime:
    return _now(tz) + timedelta(seconds=_SECONDS)


def _later_without_zone(_: type[datetime]) -> datetime:
    return (_now(UTC) + timedelta(seconds=_SECONDS)).replace(tzinfo=None)


if _SECONDS:
    time.time = lambda: _read() + _SECONDS
    time.time_ns = lambda: _read_ns() + int(_SECONDS * 1e9)
    # A type written in C takes no assignment; its dictionary does, and msgspec and pydantic go on knowing the type.
    [_methods] = [found for found in gc.get_referents(datetime.__dict__) if isinstance(found, dict)]
    _methods["now"], _methods["utcnow"] = classmethod(_later), classmethod(_later_without_zone)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))
