"""`intake.yaml`: what can be used, and what is said of the rest."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.intake import load_intake, read_map, with_map
from config.problems import ConfigurationError
from config.site import DEFAULTS
from tests.support.configuration import folder as shipped


def written(folder: Path, text: str) -> Path:
    shipped(folder)
    (folder / "intake.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_file_reads_whoever_sends_in_the_zone_of_the_site() -> None:
    intake = load_intake()
    source = intake.source("anything")
    assert source is not None
    assert (source.name, source.zone, source.policy.processing) == ("anything", ZoneInfo("Europe/Rome"), ("P",))
    assert load_intake(DEFAULTS).sources == {}


def test_sources_by_name_and_by_what_they_send(tmp_path: Path) -> None:
    intake = load_intake(
        written(
            tmp_path,
            "sources:\n"
            "  icu: {type: monitor, time_zone: Europe/London, allow_from: [10.0.0.0/8],\n"
            "    senders: [{application: GATE, facility: ICU}]}\n"
            "  lab: {time_zone: null, senders: [{facility: LAB}], codes: {L: {CRP1: crp}}}\n"
            "unlisted: null\n"
            "codes: {L: {HB: hemoglobin}}\n"
            "values: {consciousness: {Pain: vigorous_touch}}\n",
        )
    )
    icu, lab = intake.hl7("GATE", "ICU"), intake.hl7("ANY", "LAB")
    assert icu is not None
    assert lab is not None
    assert (icu.name, icu.zone, icu.takes_unverified) == ("icu", ZoneInfo("Europe/London"), True)
    assert (lab.name, lab.zone, lab.takes_unverified) == ("lab", None, False)
    assert lab.codes["L", "CRP1"].reading == "crp"
    assert ("L", "CRP1") not in icu.codes
    assert icu.codes["L", "HB"].reading == "hemoglobin"
    assert icu.codes["text consciousness", "pain"].value == "vigorous_touch"
    assert (icu.allows("10.1.2.3"), icu.allows("192.168.0.1"), icu.allows("x"), lab.allows("x")) == (
        True,
        False,
        False,
        True,
    )
    assert (intake.hl7("ANY", "X"), intake.source("other")) == (None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources: {icu: {tpye: monitor}}", "sources.icu.tpye"),
        ("sources: {icu: {time_zone: Mars/Base}}", "'Mars/Base' is not a time zone"),
        ("sources: {icu: {type: pump}}", "sources.icu.type"),
        ("sources: {icu: {identifiers: [{type: AN}]}}", "AN names a visit or an account"),
        ("sources: {icu: {identifiers: []}}", "sources.icu.identifiers"),
        ("sources: {icu: {allow_from: [here]}}", "sources.icu.allow_from"),
        ("sources: {'a\tb': {}}", "a source's name is letters"),
        ("codes: {L: {X: crpp}}", "L.X: 'crpp' is no reading"),
        ("codes: {L: {X: 'drug:aspirin'}}", "L.X: 'drug:aspirin'"),
        ("values: {crp: {high: much}}", "'crp' is not a reading whose values are codes"),
        ("values: {consciousness: {Pain: hurt}}", "consciousness.Pain: 'hurt' is not one of"),
        ("listeners: {a: {port: 2575}, b: {port: 2575}}", "a and b have the same port"),
        ("- 1", ""),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_intake(written(tmp_path, text))
    assert says in str(refused.value)
    assert "intake.yaml" in str(refused.value)


def test_a_row_of_codes_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(
        "reading,system,code,display,use,value,by,note\ncrpp,http://loinc.org,1988-5,CRP,accept,,,\n", encoding="utf-8"
    )
    with pytest.raises(ConfigurationError, match=r"codes\.csv:2"):
        load_intake(tmp_path)


@pytest.mark.parametrize(("name", "text"), [("map.json", '{"L": {"1": "crp"}}'), ("map.yaml", 'L: {"1": crp}')])
def test_a_site_map_of_its_own_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    source = with_map(load_intake(), read_map(path)).source("any")
    assert source is not None
    assert source.codes["L", "1"].reading == "crp"


@pytest.mark.parametrize("text", ["L: [1]", "L: {X: crpp}", "{", "7"])
def test_a_site_map_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"map\.yaml"):
        read_map(path)
