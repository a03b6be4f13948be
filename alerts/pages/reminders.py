"""Protocol lines quoted on a page, each with its source; a reminder, never an order."""

from typing import NamedTuple


class Reminder(NamedTuple):
    """One protocol line. `tocilizumab`: it concerns that drug, so the page adds the remaining doses by the ledger."""

    text: str
    source: str
    tocilizumab: bool = False


_ASCO = "ASCO guideline, pocket edition"

REMINDERS = {
    ("crs", 1): Reminder(
        "antipyretic, fluids; cultures, chest film; antibiotics as for neutropenic fever; "
        "lasting more than 3 days: manage as grade 2",
        _ASCO,
    ),
    ("crs", 2): Reminder(
        "tocilizumab 8 mg/kg (at most 800 mg), may repeat after 8 h, at most 3 in 24 h and 4 in all; "
        "fluids, oxygen; no response: dexamethasone 10 mg",
        _ASCO,
        tocilizumab=True,
    ),
    ("crs", 3): Reminder(
        "ICU; tocilizumab if doses remain, plus dexamethasone 10 mg every 6 h", _ASCO, tocilizumab=True
    ),
    ("crs", 4): Reminder(
        "as grade 3, with organ support; methylprednisolone 500 mg every 12 h for 3 days",
        _ASCO,
        tocilizumab=True,
    ),
    ("icans", 1): Reminder(
        "aspiration precautions, neurology, ICE at least twice a day, consider levetiracetam; "
        "tocilizumab only with concurrent CRS",
        _ASCO,
        tocilizumab=True,
    ),
    ("icans", 2): Reminder(
        "dexamethasone 10 mg, reassess; EEG, imaging; ICU to be considered with CRS >= 2",
        _ASCO,
    ),
    ("icans", 3): Reminder("ICU; dexamethasone 10 mg every 6-12 h; EEG, imaging", _ASCO),
    ("icans", 4): Reminder(
        "ICU, airway; methylprednisolone 1000 mg/day; seizure and pressure management",
        "EBMT/EHA 2022",
    ),
}
"""By (condition, grade)."""
