"""The meaning of codes: `codes.csv` and a site's own maps."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from config.problems import ConfigurationError, Problem
from config.tables import read_rows
from config.vocabulary import DRUGS, PRODUCTS, READINGS

TEXT = "text"
"""The system under which `codes.csv` lists the words for values of coded readings."""

SYSTEMS: Mapping[str, str] = {
    **dict.fromkeys(("LN", "LOINC", "urn:oid:2.16.840.1.113883.6.1"), "http://loinc.org"),
    **dict.fromkeys(("SCT", "SNOMED-CT", "urn:oid:2.16.840.1.113883.6.96"), "http://snomed.info/sct"),
    **dict.fromkeys(("MDC", "urn:oid:2.16.840.1.113883.6.24"), "urn:iso:std:iso:11073:10101"),
    **dict.fromkeys(
        ("RXNORM", "RxNorm", "urn:oid:2.16.840.1.113883.6.88"), "http://www.nlm.nih.gov/research/umls/rxnorm"
    ),
    **dict.fromkeys(("ATC", "WC", "urn:oid:2.16.840.1.113883.6.73"), "http://www.whocc.no/atc"),
}
"""Other names of the code systems: HL7 table 0396, and object identifiers."""

COLUMNS = ("reading", "system", "code", "display", "use", "value", "by", "note")

GLASGOW = "gcs"
DRUG = "drug:"
PRODUCT = "product:"
INFUSION = "infusion"
IGNORED = "ignore"


MEANINGS = frozenset(
    (
        *READINGS,
        *(f"{DRUG}{name}" for name in DRUGS),
        *(f"{PRODUCT}{name}" for name in PRODUCTS),
        *(GLASGOW, INFUSION, IGNORED),
    )
)
"""Every meaning a code may have."""


class Code(NamedTuple):
    """The meaning of one (system, code) pair.

    `reading` is a reading, `drug:NAME`, `product:NAME`, `infusion` (of CAR-T cells) or `gcs`. `use`: the code is
    accepted (`accept`), only groups others (`panel`), is refused by name (`exclude`, `unverified`, `policy`) or is not
    wanted (`ignore`). `note`: the reason.
    """

    reading: str
    use: str
    value: str = ""
    by: str = ""
    note: str = ""
    local: bool = False


Codes = Mapping[tuple[str, str], Code]
SiteMap = dict[str, dict[str, str]]


def check_map(codes: SiteMap) -> SiteMap:
    """Return a site map if all of its readings are known.

    Raises:
        ValueError: names system, code and the reading that is not known.
    """
    for system, readings in codes.items():
        for code, reading in readings.items():
            if reading not in MEANINGS:
                raise ValueError(
                    f"{system}.{code}: {reading!r} is no reading of docs/integrators/messages.md, no drug:NAME,"
                    f" no product:NAME and neither {INFUSION!r} nor {IGNORED!r}"
                )
    return codes


def read_codes(path: Path) -> dict[tuple[str, str], Code]:
    """The codes of a `codes.csv`.

    Raises:
        ConfigurationError: names every line that cannot be used.
    """
    codes: dict[tuple[str, str], Code] = {}
    problems = []
    for number, row in read_rows(path, COLUMNS):
        code = Code(row["reading"], row["use"], row["value"], row["by"], row["note"])
        try:
            if code.use == "accept":
                check_map({row["system"]: {row["code"]: code.reading}})
        except ValueError as error:
            problems.append(Problem(str(path), number, (), f"not a row of codes: {error}"))
        if row["system"] == TEXT:
            codes[f"{TEXT} {code.reading}", row["code"].casefold()] = code
            continue
        for name in (row["code"], *re.findall(r"\bMDC_\w+", row["display"])):
            codes[row["system"], name] = code
    if problems:
        raise ConfigurationError(*problems)
    return codes


def local_codes(codes: SiteMap) -> dict[tuple[str, str], Code]:
    """A site map as codes."""
    return {
        (system, code): Code(reading, IGNORED if reading == IGNORED else "accept", local=True)
        for system, readings in codes.items()
        for code, reading in readings.items()
    }


def value_words(values: dict[str, dict[str, str]]) -> dict[tuple[str, str], Code]:
    """A site's words for the values of coded readings, as codes."""
    return {
        (f"{TEXT} {reading}", word.casefold()): Code(reading, "accept", value, local=True)
        for reading, words in values.items()
        for word, value in words.items()
    }
