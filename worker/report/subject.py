"""What a page is about, as the trend shows it: the laboratory values and scores its conditions rest on."""

from collections.abc import Iterable

from alerts.episodes.episode import Episode
from alerts.grading.easix import M_EASIX
from config.vocabulary import label, shown_unit

SCORE = "m_easix"
"""The one score that is drawn; all other names are readings."""

OF_TERM = {"anemia": "hemoglobin"}
"""CTCAE terms that are named otherwise than their reading."""

OF_CONDITION: dict[str, tuple[str, ...]] = {
    "febrile_neutropenia": ("neutrophils",),
    "low_igg": ("igg",),
    "m_easix": (SCORE, *M_EASIX.inputs),
    "hematotox": ("platelets", "neutrophils", "hemoglobin", "crp", "ferritin"),
    "iec_hs": ("ferritin", "platelets", "fibrinogen"),
}
"""CRS and ICANS rest on signs that every trend shows."""

NAMES = {
    SCORE: "m-EASIX",
    "neutrophils": "neutroph.",
    "lymphocytes": "lymphoc.",
    "hemoglobin": "haemogl.",
}
"""Shorter names than those of the vocabulary, for a panel."""


def subjects(episodes: Iterable[Episode]) -> tuple[str, ...]:
    """What is drawn besides the signs for some episodes, each once."""
    return tuple(dict.fromkeys(kind for episode in episodes for kind in _of(episode)))


def _of(episode: Episode) -> tuple[str, ...]:
    if episode.condition == "cytopenia":
        return tuple(OF_TERM.get(term, term) for term in episode.members)
    return OF_CONDITION.get(episode.condition, ())


def name(kind: str) -> str:
    """How a sentence names a subject."""
    return NAMES[SCORE] if kind == SCORE else label(kind)


def heading(kind: str) -> str:
    """How a panel names it."""
    return NAMES.get(kind, label(kind))


def unit(kind: str) -> str:
    """The unit as a person writes it; a score has none."""
    return "" if kind == SCORE else shown_unit(kind)
