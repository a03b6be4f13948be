"""No page names a higher grade than the newest assessment gives, over the published case."""

import re
from datetime import timedelta
from typing import Any

import pytest

from alerts.message_json import read_message
from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from config.site import DEFAULTS
from tests.support.ward import Ward

LINES = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()
SYSTEMS = {"crs": "CRS", "icans": "ICANS"}


def played(answer_after: timedelta | None) -> Ward:
    ward = Ward(day=-8)
    ward.play([read_message(line) for line in LINES], answer_after=answer_after)
    return ward


@pytest.fixture(scope="module", params=[None, timedelta(minutes=5)], ids=["unanswered", "answered after 5 min"])
def case(request: pytest.FixtureRequest) -> Ward:
    return played(request.param)


def in_force(case: Ward, page: Page, system: str) -> Any:
    """The grade that stood last when a page was written, by the journal."""
    journal = case.events[: next(at for at, event in enumerate(case.events) if event.get("page") == page.id)]
    grades = [event for event in journal if event["kind"] == "grade" and event["system"] == system]
    return grades[-1]["grade"]


def named(page: Page, system: str) -> int | None:
    """The grade that a title names as it is now."""
    found = re.search(rf"\b{SYSTEMS[system]} (?:now )?(\d)", page.title)
    return int(found[1]) if found else None


def test_every_page_carries_the_grade_in_force_and_its_title_names_it(case: Ward) -> None:
    checked = 0
    for page in case.pages:
        levels = dict(page.levels)
        for system in set(levels) & set(SYSTEMS):
            assert levels[system] == in_force(case, page, system), page.title
            assert named(page, system) == levels[system], page.title
            checked += 1
    assert checked >= 4


def test_no_page_reminds_of_what_its_grade_in_force_does_not_call_for(case: Ward) -> None:
    for page in case.pages:
        if "tocilizumab 8 mg/kg" in page.text:
            assert dict(page.levels)["crs"] == 2
        if page.reason in ENDED:
            assert "Protocol reminder" not in page.text


def test_no_question_is_an_emergency(case: Ward) -> None:
    assert "critical" not in {page.urgency for page in case.pages if page.reason == "still_on_it"}


def test_a_title_follows_a_grade_that_fell_while_nobody_answered() -> None:
    ward = Ward()
    ward.normal(temp=38.5, sbp=84)
    ward.jump(minutes=5)
    ward.normal(temp=38.5, sbp=120)
    ward.jump(minutes=5)
    later = [page for page in ward.pages if page.reason == "repeat"][-1]
    assert "CRS now 1 (was 2)" in later.title
    assert later.title.startswith("[MEDIUM]")
    assert later.text.splitlines()[1].startswith("was 2, now 1, since ")
    assert "tocilizumab 8 mg/kg" not in later.text
