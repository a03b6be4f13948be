"""CTCAE: anaemia and the blood counts.

Common Terminology Criteria for Adverse Events, National Cancer Institute; version 5.0 of 27 November 2017:

    term                 1            2            3            4
    anaemia, g/dL        <LLN - 10.0  <10.0 - 8.0  <8.0         life-threatening (clinical)
    platelets, 10^9/L    <LLN - 75    <75 - 50     <50 - 25     <25
    neutrophils          <LLN - 1.5   <1.5 - 1.0   <1.0 - 0.5   <0.5
    white cells          <LLN - 3.0   <3.0 - 2.0   <2.0 - 1.0   <1.0
    lymphocytes          <LLN - 0.8   <0.8 - 0.5   <0.5 - 0.2   <0.2

Version 6.0 differs in two rows:

    platelets, 10^9/L    <LLN - 75    <75 - 50     <50 - 10     <10
    neutrophils          <LLN - 1.0   <1.0 - 0.5   <0.5 - 0.1   <0.1

Grade 1 begins at the laboratory's own lower limit (LLN); from the second band on the printed numbers decide.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.grading.axis import Axis
from alerts.grading.bands import Cut, ReferenceLimit
from alerts.grading.ctcae_rows import latest, no_result, read, stated
from config.site import Site


class CountRow(NamedTuple):
    """One term: the reading it grades, its cells, and the statement that alone makes it grade 4."""

    kind: str
    cuts: tuple[Cut, ...]
    life_threatening: str = ""


def _below_limit(text: str) -> Cut:
    return Cut(1, "<", Decimal(1), text, ReferenceLimit.LOW)


def _below(level: int, bound: str, text: str) -> Cut:
    return Cut(level, "<", Decimal(bound), text)


ROWS = {
    "anemia": CountRow(
        "hemoglobin",
        (_below_limit("<LLN - 10.0"), _below(2, "10.0", "<10.0 - 8.0"), _below(3, "8.0", "<8.0")),
        life_threatening="anemia_life_threatening",
    ),
    "platelets": CountRow(
        "platelets",
        (
            _below_limit("<LLN - 75"),
            _below(2, "75", "<75 - 50"),
            _below(3, "50", "<50 - 25"),
            _below(4, "25", "<25"),
        ),
    ),
    "neutrophils": CountRow(
        "neutrophils",
        (
            _below_limit("<LLN - 1.5"),
            _below(2, "1.5", "<1.5 - 1.0"),
            _below(3, "1.0", "<1.0 - 0.5"),
            _below(4, "0.5", "<0.5"),
        ),
    ),
    "white_cells": CountRow(
        "white_cells",
        (
            _below_limit("<LLN - 3.0"),
            _below(2, "3.0", "<3.0 - 2.0"),
            _below(3, "2.0", "<2.0 - 1.0"),
            _below(4, "1.0", "<1.0"),
        ),
    ),
    "lymphocytes": CountRow(
        "lymphocytes",
        (
            _below_limit("<LLN - 0.8"),
            _below(2, "0.8", "<0.8 - 0.5"),
            _below(3, "0.5", "<0.5 - 0.2"),
            _below(4, "0.2", "<0.2"),
        ),
    ),
}
"""Version 5.0: g/dL for haemoglobin, 10^9/L for the others."""

ROWS_6 = {
    "platelets": CountRow(
        "platelets",
        (
            _below_limit("<LLN - 75"),
            _below(2, "75", "<75 - 50"),
            _below(3, "50", "<50 - 10"),
            _below(4, "10", "<10"),
        ),
    ),
    "neutrophils": CountRow(
        "neutrophils",
        (
            _below_limit("<LLN - 1.0"),
            _below(2, "1.0", "<1.0 - 0.5"),
            _below(3, "0.5", "<0.5 - 0.1"),
            _below(4, "0.1", "<0.1"),
        ),
    ),
}
"""The rows in which version 6.0 differs, in 10^9/L."""

TABLES: Mapping[str, Mapping[str, CountRow]] = {"5.0": ROWS, "6.0": {**ROWS, **ROWS_6}}

TERMS = tuple(ROWS)


def row(term: str, site: Site) -> CountRow:
    """The cells of a count in the version that the site uses."""
    return TABLES[site.conventions.ctcae_version][term]


def count(term: str, chart: Chart, at: datetime, site: Site) -> Axis:
    """The grade of one of `TERMS`, by the latest valid result or by a clinician's statement."""
    kind, cuts, life_threatening = row(term, site)
    said = stated(life_threatening, chart, at)
    if said is not None:
        return said
    entry = latest(kind, chart, at, site)
    return no_result(kind, chart, at, site) if entry is None else read(kind, entry, cuts, chart, at)
