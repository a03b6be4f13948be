"""What happens when: drawn from a seed, the same each time."""

import random
from typing import NamedTuple

KILLS = {
    "evaluating worker": 6,
    "delivering worker": 4,
    "main process alone": 3,
    "evaluating child": 6,
    "delivering child": 6,
    "gateway": 3,
    "listener": 3,
    "store": 4,
    "store, last write truncated": 2,
}
"""What dies by SIGKILL, and how often in proportion."""

TROUBLES = {
    "evaluating worker stands still": 3,
    "delivering worker stands still": 2,
    "store stands still": 1,
    "queues emptied": 3,
    "store full": 2,
    "phone answers 500": 2,
    "phone answers 429": 1,
    "phone answers 302": 1,
    "phone hangs": 2,
    "phone hangs up": 2,
}
"""What goes wrong without anybody dying."""

JUMPS = {"clock jumps ahead": 1, "clock jumps back": 1}
"""Beside the troubles, where the time is simulated: nothing else in these tests can set the clock of the machine."""

TROUBLES_A_KILL = 0.4


class Blow(NamedTuple):
    """One thing that happens, so many seconds after the beginning; `dice` decides what the kind leaves open."""

    at: float
    kind: str
    dice: random.Random


def schedule(seed: int, seconds: float, kills: int, *, clock_jumps: bool = False) -> list[Blow]:
    """All blows of a campaign, in order of time. Each kind of kill comes once before any is drawn by its weight."""
    dice = random.Random(seed)
    kinds = _draw(dice, KILLS, kills) + _draw(dice, TROUBLES, round(kills * TROUBLES_A_KILL))
    kinds += _draw(dice, JUMPS, round(kills * TROUBLES_A_KILL)) if clock_jumps else []
    dice.shuffle(kinds)
    between = seconds / (len(kinds) + 1)
    return [
        Blow(between * (place + 1) + dice.uniform(-0.3, 0.3) * between, kind, random.Random(f"{seed} {place}"))
        for place, kind in enumerate(kinds)
    ]


def _draw(dice: random.Random, weights: dict[str, int], number: int) -> list[str]:
    once = list(weights)
    dice.shuffle(once)
    more = dice.choices(list(weights), list(weights.values()), k=max(0, number - len(once)))
    return (once + more)[:number]
