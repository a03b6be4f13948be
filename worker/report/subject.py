"""The subjects of a page in the trend: the laboratory values and scores on which its conditions rest."""

from collections.abc import Iterable

from alerts.episodes.episode import Episode
from alerts.grading.easix import M_EASIX
from config.vocabulary import label, shown_unit

SCORE = "m_easix"
"""The one drawn score. All other names are readings."""

OF_TERM = {"anemia": "hemoglobin"}
"""CTCAE terms whose reading has another name."""

OF_CONDITION: dict[str, tuple[str, ...]] = {
    "febrile_neutropenia": ("neutrophils",),
    "low_igg": ("igg",),
    "m_easix": (SCORE, *M_EASIX.inputs),
    "hematotox": ("platelets", "neutrophils", "hemoglobin", "crp", "ferritin"),
    "iec_hs": ("ferritin", "platelets", "fibrinogen"),
}
"""Subjects of conditions. CRS and ICANS rest on signs that every trend shows."""

NAMES = {
    SCORE: "m-EASIX",
    "neutrophils": "neutroph.",
    "lymphocytes": "lymphoc.",
    "hemoglobin": "haemogl.",
}
"""Names for a panel, shorter than those of the vocabulary."""


def subjects(episodes: Iterable[Episode]) -> tuple[str, ...]:
    """The subjects of some episodes, besides the signs, each once."""
    return tuple(dict.fromkeys(kind for episode in episodes for kind in _of(episode)))


def _of(episode: Episode) -> tuple[str, ...]:
    if episode.condition == "cytopenia":
        return tuple(OF_TERM.get(term, term) for term in episode.members)
    return OF_CONDITION.get(episode.condition, ())


def name(kind: str) -> str:
    """The name of a subject in a sentence."""
    return NAMES[SCORE] if kind == SCORE else label(kind)


def heading(kind: str) -> str:
    """The heading of a subject's panel."""
    return NAMES.get(kind, label(kind))


def unit(kind: str) -> str:
    """The unit for a person; a score has none."""
    return "" if kind == SCORE else shown_unit(kind)
