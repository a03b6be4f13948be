"""The fuzzing harnesses themselves: each runs on what it starts from, and on nothing."""

import pytest

from tests.fuzz.targets import SEEDS, TARGETS, bounded


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_takes_its_seeds_and_nothing(name: str) -> None:
    for data in (*SEEDS[name], b"", b"\0\xff"):
        bounded(TARGETS[name])(data)
