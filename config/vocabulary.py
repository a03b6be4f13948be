"""The vocabulary: every name of a reading, a statement or a treatment, in one table."""

from datetime import datetime, tzinfo
from enum import StrEnum
from typing import NamedTuple


class Sort(StrEnum):
    """The kind of a reading's value."""

    VITAL = "vital sign"
    LABORATORY = "laboratory value"
    SCORE = "bedside score"
    CODE = "code"


class Kind(NamedTuple):
    """One kind of reading.

    `unit`: the canonical unit (UCUM). `units`: the group of its spellings in `units.csv`; empty if a value has no unit.
    `codes`: the only values of a coded kind.
    """

    name: str
    sort: Sort
    unit: str
    units: str
    label: str
    codes: tuple[str, ...] = ()


def _table(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}


OXYGEN_DEVICES = (
    "none",
    "nasal_cannula",
    "blow_by",
    "high_flow_nasal_cannula",
    "face_mask",
    "venturi_mask",
    "nonrebreather_mask",
    "cpap",
    "bipap",
    "invasive_ventilation",
)
CONSCIOUSNESS = ("spontaneous", "voice", "touch", "vigorous_touch", "unarousable")
SEIZURE = ("none", "brief", "nonconvulsive_resolving", "prolonged", "repetitive")
MOTOR_WEAKNESS = ("none", "deep_focal")
CEREBRAL_EDEMA = ("none", "focal", "diffuse")
ICP_SIGN = ("none", "posturing", "cn6_palsy", "papilledema", "cushing")

READINGS = _table(
    Kind("temperature", Sort.VITAL, "Cel", "temperature", "temperature"),
    Kind("systolic_bp", Sort.VITAL, "mm[Hg]", "pressure", "systolic pressure"),
    Kind("diastolic_bp", Sort.VITAL, "mm[Hg]", "pressure", "diastolic pressure"),
    Kind("mean_bp", Sort.VITAL, "mm[Hg]", "pressure", "mean pressure"),
    Kind("heart_rate", Sort.VITAL, "/min", "heart_rate", "heart rate"),
    Kind("respiratory_rate", Sort.VITAL, "/min", "respiratory_rate", "respiratory rate"),
    Kind("spo2", Sort.VITAL, "%", "spo2", "SpO2"),
    Kind("fio2", Sort.VITAL, "%", "fio2", "FiO2"),
    Kind("oxygen_flow", Sort.VITAL, "L/min", "oxygen_flow", "oxygen flow"),
    Kind("weight", Sort.VITAL, "kg", "weight", "weight"),
    Kind("oxygen_device", Sort.CODE, "", "", "oxygen device", OXYGEN_DEVICES),
    Kind("ice", Sort.SCORE, "", "", "ICE"),
    Kind("capd", Sort.SCORE, "", "", "CAPD"),
    Kind("consciousness", Sort.CODE, "", "", "consciousness", CONSCIOUSNESS),
    Kind("seizure", Sort.CODE, "", "", "seizure", SEIZURE),
    Kind("motor_weakness", Sort.CODE, "", "", "motor weakness", MOTOR_WEAKNESS),
    Kind("cerebral_edema", Sort.CODE, "", "", "cerebral oedema", CEREBRAL_EDEMA),
    Kind("icp_sign", Sort.CODE, "", "", "sign of raised intracranial pressure", ICP_SIGN),
    Kind("ldh", Sort.LABORATORY, "U/L", "enzyme", "LDH"),
    Kind("alt", Sort.LABORATORY, "U/L", "enzyme", "ALT"),
    Kind("ast", Sort.LABORATORY, "U/L", "enzyme", "AST"),
    Kind("crp", Sort.LABORATORY, "mg/L", "crp", "CRP"),
    Kind("platelets", Sort.LABORATORY, "10*9/L", "cell_count", "platelets"),
    Kind("neutrophils", Sort.LABORATORY, "10*9/L", "cell_count", "neutrophils"),
    Kind("white_cells", Sort.LABORATORY, "10*9/L", "cell_count", "white cells"),
    Kind("lymphocytes", Sort.LABORATORY, "10*9/L", "cell_count", "lymphocytes"),
    Kind("hemoglobin", Sort.LABORATORY, "g/dL", "hemoglobin", "haemoglobin"),
    Kind("ferritin", Sort.LABORATORY, "ug/L", "ferritin", "ferritin"),
    Kind("creatinine", Sort.LABORATORY, "mg/dL", "creatinine", "creatinine"),
    Kind("bilirubin", Sort.LABORATORY, "mg/dL", "bilirubin", "bilirubin"),
    Kind("fibrinogen", Sort.LABORATORY, "mg/dL", "fibrinogen", "fibrinogen"),
    Kind("inr", Sort.LABORATORY, "1", "inr", "INR"),
    Kind("igg", Sort.LABORATORY, "mg/dL", "igg", "IgG"),
    Kind("car_t_cells", Sort.LABORATORY, "/uL", "car_t_cells", "CAR-T cells"),
)

DELAYED_NEUROTOXICITY = ("cranial_nerve_palsy", "parkinsonism", "handwriting_change")
"""Signs that a clinician states; they come weeks after the infusion, most of them after a BCMA product."""

EXAMINATIONS = ("eeg_done", "mri_done", "lumbar_puncture_done")
"""Examinations that a clinician states as done."""

STATEMENTS = (
    *DELAYED_NEUROTOXICITY,
    *EXAMINATIONS,
    "culture_positive",
    "infection_imaging",
    "diarrhea",
    "hypotension",
    "hypoxia",
    "fever_other_cause",
    "hypotension_other_cause",
    "hypoxia_other_cause",
    "consciousness_other_cause",
    "airway_support_not_for_hypoxia",
    "anticoagulated",
    "anemia_life_threatening",
    "febrile_neutropenia_life_threatening",
    "died_of_crs",
    "died_of_icans",
    "new_confusion",
    "hypercapnic_failure",
)

PRESSURES = ("systolic_bp", "diastolic_bp", "mean_bp")
"""Values measured together: those of one source, time and way of measuring form one set."""

ANTIPYRETICS = ("paracetamol",)
ANTICYTOKINE_DRUGS = ("tocilizumab", "siltuximab", "anakinra")
STEROIDS = ("dexamethasone", "methylprednisolone")
VASOPRESSORS = ("norepinephrine", "epinephrine", "phenylephrine", "dopamine", "dobutamine")
VASOPRESSIN = "vasopressin"
DRUGS = (
    *ANTICYTOKINE_DRUGS,
    *STEROIDS,
    *ANTIPYRETICS,
    "levetiracetam",
    *VASOPRESSORS,
    VASOPRESSIN,
    "filgrastim",
    "platelet_transfusion",
    "red_cell_transfusion",
    "immunoglobulin",
    "antibiotic",
    "fluid_bolus",
)

PRODUCTS = {
    "axicabtagene": "axicabtagene ciloleucel",
    "tisagenlecleucel": "tisagenlecleucel",
    "lisocabtagene": "lisocabtagene maraleucel",
    "brexucabtagene": "brexucabtagene autoleucel",
    "idecabtagene": "idecabtagene vicleucel",
    "ciltacabtagene": "ciltacabtagene autoleucel",
    "obecabtagene": "obecabtagene autoleucel",
}
"""The CAR-T products by code, each with its international nonproprietary name."""

BCMA_PRODUCTS = ("idecabtagene", "ciltacabtagene")
"""The products against BCMA, by code."""

TRADE_NAMES = {
    "axicabtagene": "yescarta",
    "tisagenlecleucel": "kymriah",
    "lisocabtagene": "breyanzi",
    "brexucabtagene": "tecartus",
    "idecabtagene": "abecma",
    "ciltacabtagene": "carvykti",
    "obecabtagene": "aucatzyl",
}

ICE_ITEMS = {
    "year": 1,
    "month": 1,
    "city": 1,
    "hospital": 1,
    "naming": 3,
    "command": 1,
    "writing": 1,
    "attention": 1,
}
"""The ICE items and the most points each can give (ASTCT 2019): 10 in all."""


SCORE_HIGHEST = {"ice": sum(ICE_ITEMS.values()), "capd": 32}
"""The most points a bedside score can have."""


def product_code(text: str) -> str:
    """The code of a CAR-T product by its code, its name or its trade name; empty for any other text."""
    word = text.strip().casefold()
    return next((code for code, name in PRODUCTS.items() if word in (code, name, TRADE_NAMES[code])), "")


CLINICAL_NAMES = {
    "handwriting_change": "change of handwriting",
    "infection_imaging": "infection on imaging",
    "diarrhea": "diarrhoea",
    "eeg_done": "EEG done",
    "mri_done": "MRI done",
    "anemia": "anaemia",
    "anemia_life_threatening": "life-threatening anaemia",
    "febrile_neutropenia_life_threatening": "life-threatening febrile neutropenia",
    "fever_other_cause": "fever of another cause",
    "hypotension_other_cause": "hypotension of another cause",
    "hypoxia_other_cause": "hypoxia of another cause",
    "consciousness_other_cause": "altered consciousness of another cause",
    "died_of_crs": "death due to CRS",
    "died_of_icans": "death due to ICANS",
    "hypercapnic_failure": "hypercapnic respiratory failure",
    "cn6_palsy": "sixth nerve palsy",
    "papilledema": "papilloedema",
    "cushing": "Cushing's triad",
    "cpap": "CPAP",
    "bipap": "BiPAP",
    "nonrebreather_mask": "non-rebreather mask",
    "venturi_mask": "Venturi mask",
    "high_flow_nasal_cannula": "high-flow nasal cannula",
    "blow_by": "blow-by oxygen",
    "nonconvulsive_resolving": "non-convulsive, resolving",
    "deep_focal": "deep focal",
}
"""The names of statements, codes and terms for people, if they differ from those in code."""

_UNITS = (
    ("Cel", "°C"),
    ("[degF]", "°F"),
    ("mm[Hg]", "mmHg"),
    ("10*", "×10^"),
    ("^9/", "⁹/"),
    ("^3/", "³/"),
    ("^6/", "⁶/"),
    ("^12/", "¹²/"),
    ("ug", "µg"),
    ("mcg", "µg"),
    ("uL", "µL"),
    ("umol", "µmol"),
    ("[IU]", "IU"),
    ("[iU]", "IU"),
)
"""UCUM as sent, and as people write it."""


def label(name: str) -> str:
    """The name of a reading, statement, drug or code for people."""
    kind = READINGS.get(name)
    return kind.label if kind else CLINICAL_NAMES.get(name) or name.replace("_", " ")


def unit_label(unit: str) -> str:
    """A unit for people: `Cel` is `°C`, `10*9/L` is `×10⁹/L`, `ug/kg/min` is `µg/kg/min`."""
    for sent, written in _UNITS:
        unit = unit.replace(sent, written)
    return "" if unit == "1" else unit


def shown_unit(name: str) -> str:
    """The canonical unit of a reading, for people."""
    kind = READINGS.get(name)
    return unit_label(kind.unit) if kind else ""


def moment(at: datetime, zone: tzinfo) -> str:
    """A time on the hospital's clock, in the format of every page and screen: `17 Jun 10:00`."""
    return at.astimezone(zone).strftime("%d %b %H:%M")
