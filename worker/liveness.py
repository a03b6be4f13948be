"""Whether the process that holds something is still there. What a killed process held need not wait to run out.

A token names its process by machine, number and the moment it began, so that neither another machine, nor another
container on this one, nor a later process of the same number is taken for it. Of a process of another machine nothing
can be known here, nor without Linux: what it held runs out.
"""

import hashlib
import os
import secrets
from functools import cache
from pathlib import Path

_STATE, _BEGAN = 0, 19
"""Fields of /proc/PID/stat after the name, which stands in brackets."""

_ENDED = ("Z", "X")


def token() -> str:
    """A new token of this process."""
    number = os.getpid()
    return f"{_machine()}-{number}-{_began(number)}-{secrets.token_hex(8)}"


def is_gone(token: bytes) -> bool:
    """Whether the process of a token has ended, as far as can be known here."""
    try:
        machine, number, began, _ = token.decode().split("-")
        return machine == _machine() != "" and _began(int(number)) != began
    except ValueError:
        return False


def lives(token: bytes) -> bool:
    """Whether the process of a token runs on this machine now. Without Linux any process of its number will do."""
    try:
        machine, number, began, _ = token.decode().split("-")
        if machine != _machine():
            return False
        if machine:
            return _began(int(number)) == began
        os.kill(int(number), 0)
    except (ValueError, OSError):
        return False
    return True


@cache
def _machine() -> str:
    """This boot of this machine, as its processes see each other; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return hashlib.blake2s(boot + os.readlink("/proc/self/ns/pid").encode(), digest_size=6).hexdigest()
    except OSError:
        return ""


def _began(number: int) -> str:
    """When a process began, in the kernel's own count; empty where it has ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in _ENDED else fields[_BEGAN]
