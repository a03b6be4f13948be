"""The colours of grades and urgencies: told apart by the colour-blind, and never the only sign."""

from typing import NamedTuple


class Tint(NamedTuple):
    """A fill and the ink that can be read on it."""

    fill: str
    ink: str


GRADES = {
    0: Tint("#e3e7ec", "#3c4650"),
    1: Tint("#fee391", "#3c2f00"),
    2: Tint("#fb9a29", "#2b1600"),
    3: Tint("#c2410c", "#ffffff"),
    4: Tint("#6b1f0a", "#ffffff"),
    5: Tint("#1a1a1a", "#ffffff"),
}
"""Darker is worse (a ramp after ColorBrewer's YlOrBr, safe for the colour-blind)."""

UNDETERMINED = Tint("#ffffff", "#6b7680")


class Mark(NamedTuple):
    """A colour and the shape drawn in it."""

    colour: str
    shape: str


URGENCIES = {
    "critical": Mark("#b3001b", "D"),
    "high": Mark("#d55e00", "^"),
    "medium": Mark("#b8860b", "s"),
    "low": Mark("#0072b2", "o"),
    "technical": Mark("#5d6770", "X"),
}
"""Most urgent first; shapes differ, so that print in grey still tells them apart."""


def tint(grade: int | None) -> Tint:
    """The colours of a grade; of an undetermined one where it is None."""
    return UNDETERMINED if grade is None else GRADES[min(max(grade, 0), 5)]
