"""Codes are matched as pairs; what is refused is refused by name; a site's map outranks the tables."""

import csv

import pytest

from config.codes import MEANINGS
from config.site import DEFAULTS
from config.vocabulary import READINGS
from tests.support.feeds import LOINC, MDC, RXNORM, SNOMED, source
from worker.intake.codes import SentCode, called, find, find_drug, value_of

CODES = source().codes


def found(*codings: tuple[str, str]) -> str:
    code = find(CODES, [SentCode(system, code, "") for system, code in codings]).code
    return code.reading if code is not None else ""


@pytest.mark.parametrize("code", ["2160-0", "1988-5", "1920-8", "1742-6"])
def test_a_code_without_its_system_means_nothing(code: str) -> None:
    assert found((LOINC, code)) in ("creatinine", "crp", "ast", "alt")
    assert found(("urn:oid:2.16.840.1.113883.6.238", code)) == ""
    assert found(("", code)) == ""


@pytest.mark.parametrize("system", [LOINC, "LN", "LOINC", "urn:oid:2.16.840.1.113883.6.1"])
def test_a_code_system_is_known_under_all_its_names(system: str) -> None:
    assert found((system, "1988-5")) == "crp"


def test_mdc_codes_are_known_by_number_and_by_reference_id() -> None:
    assert found((MDC, "150456")) == found(("MDC", "MDC_PULS_OXIM_SAT_O2")) == "spo2"


def test_several_codes_of_one_value_are_one_meaning() -> None:
    assert found((LOINC, "2708-6"), (LOINC, "59408-5"), (MDC, "150456")) == "spo2"


def test_a_known_code_may_stand_behind_unknown_ones() -> None:
    assert found(("urn:local", "T"), (SNOMED, "1"), (LOINC, "8310-5")) == "temperature"


def test_codes_that_disagree_are_trouble() -> None:
    both = find(CODES, [SentCode(LOINC, "8867-4", ""), SentCode(LOINC, "8310-5", "")])
    assert (both.code, both.trouble) == (None, True)
    assert "disagree" in both.why


@pytest.mark.parametrize(
    ("system", "code", "why"),
    [
        (LOINC, "770-8", "percentage"),
        (LOINC, "26511-6", "percentage"),
        (LOINC, "23761-0", "percentage"),
        (LOINC, "96607-7", "average over days"),
        (LOINC, "96608-5", "average over days"),
        (LOINC, "11156-7", "morphology"),
        (MDC, "150087", "central venous"),
        (MDC, "196616", "alarm"),
        (LOINC, "9267-6", "part of the Glasgow coma score"),
        (LOINC, "11289-6", "not confirmed"),
        (LOINC, "2713-6", "calculated"),
    ],
)
def test_look_alikes_are_refused_by_name(system: str, code: str, why: str) -> None:
    refused = find(CODES, [SentCode(system, code, "")])
    assert refused.code is None
    assert why in refused.why
    assert refused.unmapped is None


def test_a_refused_code_outweighs_an_accepted_one() -> None:
    assert found((LOINC, "751-8"), (LOINC, "770-8")) == ""


def test_what_is_not_mapped_is_counted_with_an_example() -> None:
    unmapped = find(CODES, [SentCode("LAB", "X1", "C reactive protein")]).unmapped
    assert unmapped == ("code", "LAB", "X1", "C reactive protein")


def test_a_sites_map_is_asked_first_and_can_say_that_a_code_is_not_wanted() -> None:
    codes = source(codes={"LAB": {"X1": "crp", "X2": "ignore"}, "LOINC": {"2713-6": "spo2"}}).codes
    mapped = find(codes, [SentCode("LAB", "X1", "")]).code
    assert mapped is not None
    assert mapped.reading == "crp"
    assert find(codes, [SentCode("LAB", "X2", "")]).why == "X2 is not wanted by this site"
    policy = find(codes, [SentCode("LOINC", "2713-6", "")]).code
    assert policy is not None
    assert policy.reading == "spo2"


def test_a_drug_needs_code_and_name_to_agree() -> None:
    tocilizumab = find_drug(CODES, [SentCode(RXNORM, "612865", "Tocilizumab 400 mg infusion")])
    assert tocilizumab.code is not None
    assert tocilizumab.code.reading == "drug:tocilizumab"
    other = find_drug(CODES, [SentCode(RXNORM, "612865", "anakinra")])
    assert (other.code, other.trouble) == (None, True)
    unnamed = find_drug(CODES, [SentCode(RXNORM, "612865", "")])
    assert (unnamed.code, unnamed.trouble) == (None, True)


def test_a_drugs_name_under_an_unknown_code_is_trouble_not_a_guess() -> None:
    guess = find_drug(CODES, [SentCode("LAB", "T9", "TOCILIZUMAB 400MG")])
    assert (guess.code, guess.trouble) == (None, True)
    assert "map its code" in guess.why


def test_a_site_that_maps_a_drug_vouches_for_its_name() -> None:
    codes = source(codes={"PHARM": {"77": "drug:tocilizumab"}}).codes
    mapped = find_drug(codes, [SentCode("PHARM", "77", "RoActemra vial")])
    assert mapped.code is not None
    assert mapped.code.reading == "drug:tocilizumab"


@pytest.mark.parametrize(
    ("name", "drug", "is_it"),
    [
        ("Noradrenaline 4 mg", "norepinephrine", True),
        ("Noradrenaline 4 mg", "epinephrine", False),
        ("Acetaminophen 500 MG", "paracetamol", True),
        ("pegfilgrastim", "filgrastim", False),
        ("DEXAMETHASONE-SODIUM", "dexamethasone", True),
    ],
)
def test_a_drugs_name_is_a_word_of_its_own(name: str, drug: str, is_it: bool) -> None:
    assert called(name, drug) is is_it


def test_words_and_codes_of_a_coded_reading() -> None:
    assert value_of(CODES, "consciousness", [], "ALERT") == "spontaneous"
    assert value_of(CODES, "oxygen_device", [SentCode(SNOMED, "428285009", "")], "") == "venturi_mask"
    assert value_of(CODES, "oxygen_device", [SentCode(SNOMED, "129121000", "Tracheostomy tube")], "") == ""
    assert value_of(CODES, "consciousness", [], "Pain") == ""


def test_every_row_of_the_table_can_be_used() -> None:
    with (DEFAULTS / "codes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["use"] for row in rows} == {"accept", "panel", "exclude", "unverified", "policy"}
    for row in rows:
        if row["use"] == "accept":
            name = row["reading"]
            assert name in MEANINGS, row
            assert not row["value"] or row["value"] in READINGS[name].codes, row
        elif row["use"] != "panel":
            assert row["note"], row
    pairs = [(row["reading"] if row["system"] == "text" else "", row["system"], row["code"]) for row in rows]
    assert len(pairs) == len(set(pairs))
