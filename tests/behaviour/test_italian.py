"""The published case with everybody on call reading Italian."""

import re
from datetime import timedelta

import pytest

from alerts.message_json import read_message
from config.rota import always
from config.site import DEFAULTS, Site
from tests.support.italian_reader import ENGLISH
from tests.support.ward import SITE, Ward

LINES = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()
NAMES_IN_CODE = re.compile(r"\([a-z_]+\.[a-z_]+\)")


def italian_site() -> Site:
    people = {name: person.model_copy(update={"language": "it"}) for name, person in SITE.on_call.people.items()}
    return SITE._replace(on_call=SITE.on_call.model_copy(update={"people": people}))


@pytest.fixture(scope="module")
def case() -> Ward:
    ward = Ward(day=-8, site=italian_site())
    ward.play([read_message(line) for line in LINES], answer_after=timedelta(minutes=4))
    return ward


def test_no_page_of_the_case_holds_a_word_of_english(case: Ward) -> None:
    for page in case.pages:
        assert page.language == "it"
        for line in (page.title, *page.text.splitlines()):
            assert not ENGLISH.search(NAMES_IN_CODE.sub("", line)), line


def test_on_day_2_the_page_says_fever_plus_hypotension(case: Ward) -> None:
    page = next(page for page in case.pages if page.day == 2)
    assert page.title == "[ALTO] HAEM-2/12 REF-1 G+2 · CRS 2 (era 1) · T 38.9 · PAS 84 · SpO2 95"
    assert "ipotensione osservata (sistolica 84 < 90)" in page.text
    assert "tocilizumab 8 mg/kg" in page.text


def test_what_is_remembered_and_journalled_as_graded_stays_english(case: Ward) -> None:
    reasons = {text for event in case.events if event["kind"] == "grade" for text in event["because"]}
    assert "fever 38.3 °C (>= 38.0)" in reasons


def test_people_of_one_ladder_each_read_their_own_language() -> None:
    people = dict(SITE.on_call.people)
    people["technician-1"] = people["technician-1"].model_copy(update={"language": "it", "channels": ("phone-1",)})
    roles = {**SITE.on_call.roles, "technician": always("haematologist-1", "technician-1")}
    ward = Ward(site=SITE._replace(on_call=SITE.on_call.model_copy(update={"people": people, "roles": roles})))
    ward.fault("no worker runs")
    titles = {page.to: page.title for page in ward.new_pages()}
    assert titles["haematologist-1"].endswith("no worker runs")
    assert titles["technician-1"].endswith("nessun worker è in funzione")
