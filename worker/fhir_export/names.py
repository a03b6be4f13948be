"""The identifiers and codes of exported resources. These grades and scores have no public codes."""

from config.settings import Settings

GRADE = "urn:cartwatch:grade"
"""Identifiers of grades: one for each computed grade, which a repetition shares."""

PAGE = "urn:cartwatch:page"
"""Identifiers of pages."""

EPISODE = "urn:cartwatch:episode"
"""Identifiers of episodes."""

FLAG_CATEGORY = "http://terminology.hl7.org/CodeSystem/flag-category"

MESSAGE = "urn:cartwatch:message"
"""Identifiers of received messages: the source, a bar, and the id that its source gave it."""

PERSON = "urn:cartwatch:person"
"""Identifiers of people of the rota, as `site.yaml` has them."""

SYSTEM = "urn:cartwatch:system"
"""Codes of grading systems and scores, as journals and native answers name them."""

RULES = "urn:cartwatch:rules"
"""Codes of published rule sets: the system, a bar, and the version of its publication."""

UCUM = "http://unitsofmeasure.org"

SHOWN = {
    "crs": "Cytokine release syndrome grade",
    "icans": "Immune effector cell-associated neurotoxicity syndrome grade",
    "ice": "ICE score",
    "m_easix": "m-EASIX",
    "hematotox": "CAR-HEMATOTOX score",
    "icaht.early": "Early immune effector cell-associated haematotoxicity grade",
    "icaht.late": "Late immune effector cell-associated haematotoxicity grade",
    "iec_hs": "Screen for IEC-HS",
    "news2": "NEWS2 score",
}

_CTCAE = "ctcae."


def shown(system: str) -> str:
    """The display text of a system."""
    if system.startswith(_CTCAE):
        return f"CTCAE grade, {system.removeprefix(_CTCAE).replace('_', ' ')}"
    return SHOWN.get(system, system)


def concept(system: str, code: str, text: str) -> dict[str, object]:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def logical(kind: str, system: str, value: str, **more: str) -> dict[str, object]:
    """A reference by identifier alone."""
    return {"type": kind, "identifier": {"system": system, "value": value}, **more}


def subject(patient: str, settings: Settings) -> dict[str, object]:
    """The patient, by the identifier with which results arrive."""
    named = {"system": settings.fhir_system} if settings.fhir_system else {}
    return {"type": "Patient", "identifier": {**named, "value": patient}}
