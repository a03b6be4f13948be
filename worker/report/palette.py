"""The colours of grades and urgencies. They are distinct for the colour-blind, and never the only sign."""

from typing import NamedTuple


class Tint(NamedTuple):
    """A fill colour, and an ink colour that is readable on it."""

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


NIGHT_GRADES = {
    0: Tint("#26313b", "#aebbc6"),
    1: Tint("#fee391", "#3c2f00"),
    2: Tint("#fb9a29", "#2b1600"),
    3: Tint("#e2420f", "#ffffff"),
    4: Tint("#c4005a", "#ffffff"),
    5: Tint("#ffffff", "#000000"),
}
"""For a dark ground, on which a darker colour would stand out less. The worst differ by hue and number."""


class Theme(NamedTuple):
    """The colours of the trend picture."""

    ground: str
    ink: str
    soft: str
    hairline: str
    fever: str
    temperature: str
    systolic: str
    mean: str
    saturation: str
    ice: str
    treatment: str
    grades: dict[int, Tint]


NIGHT = Theme(
    ground="#0f151b",
    ink="#eef3f7",
    soft="#a9b6c1",
    hairline="#2c3842",
    fever="#ff8f70",
    temperature="#ffb199",
    systolic="#7cc4ff",
    mean="#c9a6ff",
    saturation="#6fe0b8",
    ice="#ffd166",
    treatment="#8ecdf5",
    grades=NIGHT_GRADES,
)
DAY = Theme(
    ground="#ffffff",
    ink="#1f2933",
    soft="#56616b",
    hairline="#d9dfe4",
    fever="#c2410c",
    temperature="#a8320a",
    systolic="#0b5394",
    mean="#6a3fa0",
    saturation="#00795a",
    ice="#8a5a00",
    treatment="#0072b2",
    grades=GRADES,
)


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
"""The most urgent first. The shapes differ, so that they are distinct in grey print."""


def tint(grade: int | None) -> Tint:
    """The colours of a grade; None means undetermined."""
    return UNDETERMINED if grade is None else GRADES[min(max(grade, 0), 5)]
