"""Work counted instead of timed: calls of functions, and bytes hashed. Twice the message may cost twice the work."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple, TypeVar

import pytest

_T = TypeVar("_T")


class Work(NamedTuple):
    """What something cost."""

    calls: int
    hashed: int

    def is_within(self, times: float, other: "Work") -> bool:
        """Whether it is at most so many times another."""
        return self.calls <= times * other.calls and self.hashed <= times * other.hashed


class CountingHash:
    """SHA-256 that says how many bytes it was given."""

    def __init__(self, counted: list[int], inner: Any) -> None:
        self._counted = counted
        self._inner = inner

    def update(self, data: bytes) -> None:
        self._counted.append(len(data))
        self._inner.update(data)

    def copy(self) -> "CountingHash":
        return CountingHash(self._counted, self._inner.copy())

    def hexdigest(self) -> str:
        return str(self._inner.hexdigest())


@contextmanager
def counting(patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of all that is hashed meanwhile."""
    counted: list[int] = []
    real = hashlib.sha256

    def sha256(data: bytes = b"") -> CountingHash:
        counted.append(len(data))
        return CountingHash(counted, real(data))

    with patch.context() as within:
        within.setattr(hashlib, "sha256", sha256)
        yield counted


def work_of(patch: pytest.MonkeyPatch, do: Callable[[_T], object], of: _T) -> Work:
    """What a call costs; it is made once before, so that caches are filled alike."""
    do(of)
    calls = 0

    def note(_frame: FrameType, event: str, _of: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    with counting(patch) as hashed:
        sys.setprofile(note)
        try:
            do(of)
        finally:
            sys.setprofile(None)
    return Work(calls, sum(hashed))


class Clock:
    """Seconds that pass only by being asked for: one each time, as if all work took that long."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now
