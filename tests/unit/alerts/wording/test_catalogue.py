"""The rows themselves: both languages, the same braces, each sentence once; and what the rest of the code relies on."""

from collections import Counter
from datetime import datetime
from string import Formatter
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel

from alerts.episodes.delivery_log import DeliveryState, Reason
from alerts.grading.bands import ReferenceLimit
from alerts.grading.icans import CODED_ROWS
from alerts.pages.reminders import REMINDERS
from alerts.wording.catalogue import KEYS, ROWS, SAID, SENTENCES, italian, say, translate
from alerts.wording.template import KINDS, Row, kind
from config.conventions import Conventions
from config.site import URGENCIES, Language
from config.types import EXAMPLE, Convention
from config.vocabulary import DRUGS, READINGS, STATEMENTS, label
from tests.support.charts import SITE


def braces(text: str) -> Counter[str]:
    return Counter(name for _, name, _, _ in Formatter().parse(text) if name)


def bases(model: BaseModel) -> list[str]:
    """Every basis text of a configuration, however deep."""
    if isinstance(model, Convention):
        return [model.basis]
    values = (getattr(model, name) for name in type(model).model_fields)
    members = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    return [basis for member in members if isinstance(member, BaseModel) for basis in bases(member)]


# -- the rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_both_languages_with_the_same_braces(row: Row) -> None:
    english, other = row
    assert english.strip() == english != ""
    assert other.strip() == other != ""
    assert braces(english) == braces(other)
    assert max(braces(english).values(), default=1) == 1


def test_no_sentence_stands_twice() -> None:
    assert [text for text, times in Counter(english for english, _ in ROWS).items() if times > 1] == []


def test_every_brace_of_a_sentence_is_of_a_known_kind() -> None:
    assert {kind(name) for english, _ in SENTENCES for name in braces(english)} <= set(KINDS)


def test_the_keys_name_rows() -> None:
    assert set(KEYS.values()) <= {english for english, _ in ROWS}


# -- what must be in it ----------------------------------------------------------------------------

NAMED = (*READINGS, *STATEMENTS, *DRUGS)


@pytest.mark.parametrize("name", NAMED)
def test_every_reading_statement_and_drug_has_a_name(name: str) -> None:
    for written in (name, label(name), name.replace("_", " ")):
        assert italian(written).known


@pytest.mark.parametrize(("name", "code"), [(kind.name, code) for kind in READINGS.values() for code in kind.codes])
def test_every_code_has_a_name(name: str, code: str) -> None:
    assert italian(f"{label(name)} {label(code)}").known


@pytest.mark.parametrize("cell", [cell.row for cells in CODED_ROWS.values() for cell in cells.values()])
def test_every_cell_of_the_icans_table_has_a_row(cell: str) -> None:
    assert cell in dict(ROWS)


@pytest.mark.parametrize("basis", sorted(set(bases(SITE.conventions))))
def test_every_shipped_convention_has_a_row_of_its_own(basis: str) -> None:
    assert (EXAMPLE if basis.startswith("placeholder") else basis) in dict(ROWS)


def test_the_bases_of_all_conventions_are_looked_at() -> None:
    assert isinstance(SITE.conventions, Conventions)
    assert len(bases(SITE.conventions)) > 40


@pytest.mark.parametrize("reminder", REMINDERS.values())
def test_every_protocol_line_and_its_source_have_a_row(reminder: object) -> None:
    text, source, _ = reminder  # type: ignore[misc]
    assert {text, source} <= set(dict(ROWS))


@pytest.mark.parametrize("word", [*URGENCIES, *get_args(Reason), *get_args(DeliveryState)])
def test_every_urgency_reason_and_state_can_be_said(word: str) -> None:
    assert "_" not in say(word, "en")
    assert say(word, "it") != say(word, "en")


@pytest.mark.parametrize("limit", list(ReferenceLimit))
def test_the_laboratorys_limits_have_names(limit: str) -> None:
    assert italian(f"alt: {limit}").known


# -- translate -------------------------------------------------------------------------------------


@given(st.text())
def test_english_is_as_it_was_said(text: str) -> None:
    assume(not any(name in text for name in (*READINGS, *STATEMENTS, *DRUGS)))
    assert translate(text, "en") == text


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_name_in_code_is_named_as_a_person_names_it(language: Language) -> None:
    assert "icp_sign" not in translate("icp_sign", language)


@pytest.mark.parametrize(
    "text",
    [
        "a sentence that nobody has written yet",
        "a sentence: with a joint; and {braces} (and brackets",
        "platelets 20 ×10⁹/L (17 Jun 10:00): something of a later version",
        "grade 3 in a sentence that has no row",
        "{",
        "",
    ],
)
def test_an_unknown_sentence_is_shown_as_it_is(text: str) -> None:
    assert translate(text, "it") == text


@given(st.text(alphabet="ghjkqwz {}():;,.0123456789", max_size=80))
def test_nothing_that_is_written_is_ever_dropped(text: str) -> None:
    assert [letter for letter in text if letter.isalnum()] == [
        letter for letter in translate(text, "it") if letter.isalnum()
    ]


FILLINGS = {
    "at": "17 Jun 2024 10:00",
    "n": "3.75",
    "amount": "<0.1 ×10⁹/L",
    "sign": ">=",
    "cell": "0.75 - 0.5",
    "span": "7 d",
    "what": "platelets",
    "list": "platelets, crp (not done)",
    "own": "words of this site",
    "free": "lab-7",
    "note": "zz; zz, zz",
    "who": "zz, zz",
    "sent": "12 mg",
    "formula": "320 U/L x 8.5 mg/dL / 45 ×10⁹/L",
}
IN_ITALIAN = {
    **FILLINGS,
    "at": "17 giu 2024 10:00",
    "span": "7 gg",
    "what": "piastrine",
    "list": "piastrine, PCR (non eseguito)",
}


@pytest.mark.parametrize("row", [row for row in SENTENCES if "{" in row[0]])
def test_a_sentence_of_a_row_is_recognised_and_what_stands_in_its_braces_is_kept(row: Row) -> None:
    names = braces(row[0])
    said = row[0].format(**{name: FILLINGS[kind(name)] for name in names})
    assert italian(said) == (row[1].format(**{name: IN_ITALIAN[kind(name)] for name in names}), True)


def test_a_sites_own_words_are_shown_as_written_in_a_sentence_that_is_known() -> None:
    assert translate("threshold basis: our 2023 cohort (n = 41)", "it") == (
        "origine della soglia: our 2023 cohort (n = 41)"
    )


def test_parts_that_are_known_make_a_whole_that_is() -> None:
    assert translate("spo2 (last 17 Jun 10:00, more than 12 h ago)", "it") == (
        "SpO2 (ultimo dato 17 giu 10:00, da oltre 12 h)"
    )
    assert translate("ferritin 900 µg/L (17 Jun 10:00) > 2 x ULN (600); fever", "it") == (
        "ferritina 900 µg/L (17 giu 10:00) > 2 x ULN (600); febbre"
    )


@pytest.mark.parametrize("month", range(1, 13))
def test_months_are_named_in_the_readers_language(month: int) -> None:
    shown = translate(datetime(2024, month, 9, 3, 5).strftime("%d %b %Y %H:%M"), "it")  # noqa: DTZ001
    assert shown.split()[1] in ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"]


# -- say -------------------------------------------------------------------------------------------


def test_a_row_is_said_with_its_braces_filled_in() -> None:
    assert say("{person} has it since {time}", "en", person="Dr Q", time="03:10") == "Dr Q has it since 03:10"
    assert say("{person} has it since {time}", "it", person="Dr {Q}", time="03:10") == "In carico a Dr {Q} dalle 03:10"


def test_states_and_reasons_are_said_by_the_names_that_code_uses() -> None:
    assert (say("undeliverable", "en"), say("undeliverable", "it")) == ("failed for good", "non consegnabile")
    assert (say("still_on_it", "en"), say("still_on_it", "it")) == ("still on it?", "ancora in carico?")


@pytest.mark.parametrize("words", ["ward_lead", "Dr {Q}"])
def test_words_that_the_catalogue_lacks_are_said_as_they_are(words: str) -> None:
    assert say(words, "it") == words


@pytest.mark.parametrize(("english", "other"), SAID)
def test_every_row_can_be_said(english: str, other: str) -> None:
    values = dict.fromkeys(braces(english), "7")
    assert say(english, "it", **values) == other.format(**values)
    assert say(english, "en", **values) == english.format(**values)
