"""What the senders call things, and the `intake.yaml` of a site that knows them."""

import shutil
from pathlib import Path

import yaml

from config.site import DEFAULTS

LOINC = {
    "temperature": "8310-5",
    "systolic_bp": "8480-6",
    "diastolic_bp": "8462-4",
    "heart_rate": "8867-4",
    "respiratory_rate": "9279-1",
    "spo2": "59408-5",
    "oxygen_flow": "3151-8",
    "consciousness": "80288-4",
    "hemoglobin": "718-7",
    "platelets": "777-3",
    "white_cells": "6690-2",
    "neutrophils": "751-8",
    "lymphocytes": "731-0",
    "ldh": "2532-0",
    "crp": "1988-5",
    "ferritin": "2276-4",
    "creatinine": "2160-0",
    "bilirubin": "1975-2",
    "alt": "1742-6",
    "ast": "1920-8",
    "fibrinogen": "3255-7",
    "inr": "6301-6",
    "igg": "2465-3",
}
BLOOD_PRESSURE = "85354-9"

LOCAL = {"ice": "ICE", "oxygen_device": "O2DEV", "car_t_cells": "CARTQ"}
"""Readings without a public code, by the site's own."""

RXNORM = {"paracetamol": "161", "tocilizumab": "612865", "dexamethasone": "3264", "levetiracetam": "114477"}
PRODUCTS = {
    "filgrastim": "GCSF",
    "immunoglobulin": "IVIG",
    "platelet_transfusion": "PLT",
    "red_cell_transfusion": "RBC",
}
"""Drugs and blood products by the site's own code."""

WORDS = {"none": "Room air", "nasal_cannula": "Nasal cannula", "spontaneous": "Eyes open by themselves"}
"""How the wards say the values of coded readings."""

SITE = "SITE"
PATIENTS = "HOSP"
SOURCES = ("lab", "ward-vitals", "ward", "emar", "ehr")


def configure(folder: Path, registers: str) -> Path:
    """Write the site's `intake.yaml`; `registers` is the ward whose patients the EHR registers, or `*`."""
    sources: dict[str, dict[str, object]] = {
        name: {"senders": [{"application": name.upper(), "facility": PATIENTS}]} for name in SOURCES
    }
    sources["lab"]["type"] = "laboratory"
    sources["ehr"]["registers"] = [registers]
    for name in ("ward", "ward-vitals"):
        sources[name]["by"] = "person"
    drugs = {code: f"drug:{drug}" for drug, code in PRODUCTS.items()}
    body = {
        "sources": sources,
        "unlisted": None,
        "codes": {SITE: {code: reading for reading, code in LOCAL.items()} | drugs},
        "values": {"consciousness": {WORDS["spontaneous"]: "spontaneous"}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(DEFAULTS / "site.yaml", folder)
    (folder / "intake.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
    return folder
