"""A ward with an alert manager: what it is reported of each episode, and who escalates."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.pages.page import Page
from config.site import OnCall
from tests.support.alert_manager import managed
from tests.support.ward import PATIENT, SITE, Ward, message

MANAGER, CHANNEL = "haematologist-1", "phone-1"
PERSON = "h1"


def ward_with(escalates: str) -> Ward:
    ward = Ward(day=1, clock="10:00", site=managed(SITE, escalates))
    ward.admit()
    ward.seen_an_hour_ago()
    return ward


@pytest.fixture(params=["cartwatch", "manager"])
def either(request: pytest.FixtureRequest) -> Ward:
    return ward_with(request.param)


@pytest.fixture
def theirs() -> Ward:
    """The manager escalates."""
    return ward_with("manager")


@pytest.fixture
def ours() -> Ward:
    """Cartwatch escalates."""
    return ward_with("cartwatch")


def reported(ward: Ward) -> list[tuple[str, str]]:
    """What the manager was given since the last look: the condition and the reason."""
    return [(page.condition, page.reason) for page in ward.new_pages() if page.to == MANAGER]


def answer(ward: Ward, page: Page, type_: str = "acknowledgement", **fields: Any) -> None:
    """A person's answer at the manager, which names the page by which the alert started."""
    body = {"patient": PATIENT, "source": "manager", "episode": page.episode, "page": page.id, "by": PERSON}
    ward.send(message(type_, ward.now, via=CHANNEL, **body, **fields))


def test_an_episode_from_its_start_to_its_end(either: Ward) -> None:
    either.normal(temp=38.4)
    start = either.page()
    assert (start.condition, start.reason, start.to) == ("crs", "new", MANAGER)
    either.receipt(start, "sent")
    either.jump(minutes=2)
    answer(either, start)
    assert reported(either) == [("crs", "acknowledged")]
    either.jump(minutes=10)
    either.normal(temp=38.6, sbp=84)
    assert reported(either) == [("crs", "worse")]
    for _ in range(8):
        either.jump(hours=8)
        either.normal()
    ends = [entry for entry in reported(either) if entry[0] == "crs"]
    assert ends[-1] == ("crs", "resolved")
    assert "crs" not in either.state().episodes


def test_a_report_is_about_one_episode(ours: Ward) -> None:
    ours.send(ours.vital("temp", 38.6), ours.vital("sbp", 84), message("reading", ours.now, reading="ice", value=2))
    pages = [page for page in ours.new_pages() if page.to == MANAGER]
    assert len(pages) >= 2
    assert all(page.episodes == (page.episode,) for page in pages)
    assert {page.condition for page in pages} >= {"crs", "icans"}
    assert len({page.id for page in pages}) == len(pages)


def test_a_report_names_the_place_and_who_has_it(ours: Ward) -> None:
    ours.normal(temp=38.4)
    start = ours.page()
    answer(ours, start)
    (update,) = [page for page in ours.new_pages() if page.to == MANAGER]
    assert start.alert is not None
    assert update.alert is not None
    assert (start.alert.ward, start.alert.bed, start.alert.level) == ("HAEM-2", "12", 1)
    assert (start.alert.acknowledged_by, update.alert.acknowledged_by) == ("", PERSON)


def test_an_end_that_pages_nobody_is_reported_to_the_manager(either: Ward) -> None:
    either.normal(temp=38.4)
    either.receipt(page := either.page(), "sent")
    either.close(page)
    assert reported(either) == [("crs", "resolved")]


def test_a_page_to_a_person_names_no_alert() -> None:
    ward = Ward(day=1, clock="10:00")
    ward.admit()
    ward.normal(temp=38.4)
    assert ward.page().alert is None


# -- who escalates -----------------------------------------------------------------------------------


def test_where_the_manager_escalates_cartwatch_pages_nobody_else(theirs: Ward) -> None:
    theirs.normal(temp=38.6, sbp=84)
    theirs.receipt(theirs.page(), "sent")
    theirs.jump(hours=3)
    assert {page.to for page in theirs.pages if page.condition == "crs"} == {MANAGER}
    assert reported(theirs) == []


def test_where_cartwatch_escalates_its_ladder_goes_on(ours: Ward) -> None:
    ours.normal(temp=38.6, sbp=84)
    ours.receipt(ours.page(), "sent")
    ours.jump(minutes=25)
    assert "haematologist-2" in {page.to for page in ours.new_pages()}


@pytest.mark.parametrize("after", ["failed", "sent"])
def test_what_the_manager_cannot_deliver_reaches_the_last_resort(theirs: Ward, after: str) -> None:
    """Also if it had accepted the report before."""
    theirs.normal(temp=38.6, sbp=84)
    page = theirs.page()
    theirs.receipt(page, after)
    if after == "sent":
        assert theirs.new_pages() == []
        theirs.jump(minutes=1)
        theirs.receipt(page, "undeliverable")
    assert [one.to for one in theirs.new_pages() if one.condition == "crs"] == ["consultant-1"]


def test_a_person_who_rejects_hands_over_where_cartwatch_escalates(ours: Ward) -> None:
    ours.normal(temp=38.6, sbp=84)
    answer(ours, ours.page(), "hand_over")
    assert [page.to for page in ours.new_pages() if page.reason == "handed_over"] != []


def test_where_the_manager_escalates_it_finds_the_next_person(theirs: Ward) -> None:
    theirs.normal(temp=38.6, sbp=84)
    answer(theirs, theirs.page(), "hand_over")
    assert theirs.new_pages() == []


@pytest.mark.parametrize(
    "ladder",
    [
        {"repeat_every": "15 min"},
        {"steps": [{"after": "0 s", "notify": ["on_call"]}, {"after": "5 min", "notify": ["on_call"]}]},
        {"steps": [{"after": "0 s", "notify": ["on_call", "consultant"]}]},
    ],
)
def test_both_are_refused(ladder: dict[str, object]) -> None:
    on_call = managed(SITE, "manager").on_call.model_dump()
    on_call["ladders"]["critical"] |= ladder
    with pytest.raises(ValueError, match=r"ladders.critical: cartwatch and the alert manager would both escalate"):
        OnCall.model_validate(on_call)


@pytest.mark.parametrize(("url", "escalates"), [("pcd04://127.0.0.1:9", None), ("json://127.0.0.1:9", "manager")])
def test_the_site_says_who_escalates(url: str, escalates: str | None) -> None:
    on_call = SITE.on_call.model_dump()
    on_call["channels"]["phone-1"] |= {"url": url, "escalates": escalates}
    with pytest.raises(ValueError, match="escalate"):
        OnCall.model_validate(on_call)


# -- what an answer is about ---------------------------------------------------------------------------


def test_an_answer_is_to_the_newest_report_that_the_manager_had(ours: Ward) -> None:
    ours.normal(temp=38.4)
    ours.receipt(start := ours.page(), "sent")
    ours.jump(minutes=5)
    ours.normal(temp=38.6, sbp=84)
    worse = ours.page()
    answer(ours, start)
    assert ours.episode("crs").acknowledged_by == "", "the manager did not have the worsening yet"
    ours.receipt(worse, "sent")
    ours.jump(minutes=1)
    answer(ours, start)
    assert ours.episode("crs").acknowledged_by == PERSON


def test_a_verdict_closes_nothing_that_worsened_since(ours: Ward) -> None:
    ours.normal(temp=38.4)
    ours.receipt(start := ours.page(), "sent")
    ours.jump(minutes=5)
    ours.normal(temp=38.6, sbp=84)
    ours.new_pages()
    answer(ours, start, "closure", verdict="false_alarm", why="ACCEPTEDFALSE")
    assert ours.episode("crs").level == 2
    ours.jump(minutes=1)
    ours.receipt(next(page for page in ours.pages if page.reason == "worse"), "sent")
    ours.jump(minutes=1)
    answer(ours, start, "closure", verdict="false_alarm", why="ACCEPTEDFALSE")
    assert "crs" not in ours.state().episodes


def test_reports_are_made_again_in_a_replay(ours: Ward) -> None:
    again = ward_with("cartwatch")
    for ward in (ours, again):
        ward.normal(temp=38.6, sbp=84)
        ward.jump(hours=1)
        ward.ack(ward.pages[0], at=ward.now - timedelta(minutes=1))
    assert [(page.at, page.reason, page.condition) for page in ours.pages] == [
        (page.at, page.reason, page.condition) for page in again.pages
    ]
