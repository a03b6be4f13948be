"""The words around the findings: every key in both languages, and nothing that the catalogue lacks."""

import re
from typing import get_args

import pytest

from alerts.paging import DeliveryState, Reason
from config.site import URGENCIES
from worker.gateway.web import FOLDER
from worker.gateway.words import CATALOGUED, OWN, preferred, say_in

USED = re.compile(r'say\("([^"]+)"')


def test_what_stands_in_the_catalogue_has_its_italian_there() -> None:
    values = dict.fromkeys(("at", "page", "person", "time"), "x")
    assert [key for key in CATALOGUED if say_in("it")(key, **values) == say_in("en")(key, **values)] == []


@pytest.mark.parametrize("word", [*URGENCIES, *get_args(Reason), *get_args(DeliveryState)])
def test_every_urgency_reason_and_state_is_said_in_italian(word: str) -> None:
    assert say_in("it")(word) != say_in("en")(word) or word in OWN


def test_both_languages_fill_in_the_same() -> None:
    for english, other in OWN.values():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", other))


def test_every_word_of_a_template_is_known() -> None:
    said = {key for path in FOLDER.glob("templates/*.j2") for key in USED.findall(path.read_text(encoding="utf-8"))}
    assert len(said) > 50
    assert [key for key in said if key not in OWN and key not in CATALOGUED and say_in("it")(key) == key] == []


def test_no_word_is_left_over() -> None:
    files = (*FOLDER.glob("templates/*.j2"), *(path for path in FOLDER.glob("*.py") if path.name != "words.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    said = [key for key in (*OWN, *CATALOGUED) if f'"{key}"' in text or f'"{key.removesuffix("_more")}"' in text]
    assert set(said) == {*OWN, *CATALOGUED} - set(get_args(DeliveryState))


@pytest.mark.parametrize(
    ("header", "language"), [("", "en"), ("it", "it"), ("it-CH,fr;q=0.5", "it"), ("de,it;q=0.8", "en")]
)
def test_a_browser_s_first_language(header: str, language: str) -> None:
    assert preferred(header) == language
