"""A page within the size limit of its channel: title, reply hint, and as many whole lines as fit."""

from datetime import timedelta

import pytest

from alerts.pages.page import Page
from alerts.pages.title import Title
from tests.support.pages import page
from tests.support.stored_ward import NOW
from worker.delivery.gsm import BASIC, EXTENDED, gsm7
from worker.delivery.providers import SizeLimit, size_limit_of
from worker.delivery.rendering import (
    Rendered,
    ReplyHint,
    caption,
    in_order,
    link_label,
    render,
    render_bundle,
    reply_hint,
    wants_reply,
)

LINES = [f"line {number}: " + "x" * 40 for number in range(40)]
LEAD = "T 38.9 °C, SBP 84 mmHg"
LONG = page(text=f"{LEAD}\n\n" + "\n".join(LINES))
LINK = "https://cartwatch.example/p/" + "t" * 40
WITH_LINK = ReplyHint(LINK)

SMS = size_limit_of("twilio", 0, 160)
PUSHOVER = size_limit_of("pover", 250, 1024)
PAGERDUTY = size_limit_of("pagerduty", 0, 1024)
TEAMS = size_limit_of("workflows", 250, 1000)
TELEGRAM = size_limit_of("tgram", 0, 4096)
NTFY = size_limit_of("ntfy", 200, 7800)
SPLUNK = size_limit_of("splunk", 60, 400)
JSON = size_limit_of("json", 250, 32768)
ROOMS = [SMS, PUSHOVER, PAGERDUTY, TEAMS, TELEGRAM, NTFY, SPLUNK, JSON]


def whole(words: Rendered, limit: SizeLimit) -> str:
    """What the provider gets as one text, where it takes no title."""
    return words.text if limit.title else f"{words.title}\r\n{words.text}"


@pytest.mark.parametrize(
    ("limit", "title", "text"),
    [(SMS, 0, 160), (PUSHOVER, 250, 1024), (PAGERDUTY, 0, 1024), (TEAMS, 250, 1000), (TELEGRAM, 0, 4096)],
)
def test_the_size_limits_are_those_of_the_providers(limit: SizeLimit, title: int, text: int) -> None:
    assert (limit.title, limit.text) == (title, text)


def test_services_that_take_less_than_apprise_says_get_less() -> None:
    assert NTFY.text == 4096
    assert NTFY.octets
    assert size_limit_of("opsgenie", 250, 15000).title == 130
    assert size_limit_of("octopush", 0, 1224).text == 160


@pytest.mark.parametrize("limit", ROOMS)
@pytest.mark.parametrize("shown", [LONG, page(title="T" * 900, text="\n".join(LINES)), page(text="ä€≥" * 3000), page()])
def test_nothing_is_longer_than_its_room(limit: SizeLimit, shown: Page) -> None:
    for hint in (WITH_LINK, reply_hint(shown, ""), ReplyHint()):
        words = render(shown, hint, limit)
        assert limit.size(whole(words, limit)) <= limit.text
        assert not limit.title or limit.size(words.title) <= limit.title


@pytest.mark.parametrize("limit", ROOMS)
def test_the_link_is_whole_and_comes_after_the_readings(limit: SizeLimit) -> None:
    words = render(LONG, WITH_LINK, limit)
    assert words.text.splitlines()[:2] == [gsm7(LEAD) if limit.sms else LEAD, LINK]
    assert words.title.startswith("[HIGH]")


@pytest.mark.parametrize("limit", [PUSHOVER, PAGERDUTY, TEAMS])
def test_lines_are_whole_and_the_cut_is_marked(limit: SizeLimit) -> None:
    _, _, *lines, last = render(LONG, WITH_LINK, limit).text.splitlines()
    assert lines == LINES[: len(lines)]
    assert len(lines) > 10
    assert last == "..."


def test_what_fits_is_not_marked() -> None:
    words = render(page(), WITH_LINK, JSON)
    assert words == Rendered(page().title, f"T 38.9\n{LINK}\nbecause fever 38.9 °C (>= 38.0)")


def test_one_more_line_would_not_have_fitted() -> None:
    words = render(LONG, WITH_LINK, PUSHOVER)
    assert len(words.text) + len(LINES[0]) + 1 > PUSHOVER.text


def test_a_link_too_long_for_a_text_message_gives_way_to_the_command() -> None:
    words = render(page(), ReplyHint("https://x/" + "t" * 150, "To answer: cartwatch ack e7 --by a --page e7.1"), SMS)
    assert "https" not in words.text
    assert "To answer: cartwatch ack e7" in words.text


def test_a_text_message_is_in_letters_of_a_text_message() -> None:
    heading = Title("[HIGH] P1", ("SpO2 ≤ 90\u00a0%",))
    shown = page(heading=heading, text="temp ≥ 38.0 °C – twice\n\nbecause")
    words = render(shown, WITH_LINK, SMS)
    assert words == Rendered("[HIGH] P1 - SpO2 <= 90 %", f"temp >= 38.0 C - twice\n{LINK}\nbecause")
    assert set(whole(words, SMS)) <= BASIC | EXTENDED


def test_a_title_that_had_to_be_cut_stands_whole_in_the_text() -> None:
    shown = page(title="[HIGH] " + "t" * 80)
    words = render(shown, WITH_LINK, SPLUNK)
    assert words.title.endswith("...")
    assert words.text.splitlines()[0] == shown.title


def test_a_title_is_shortened_by_whole_parts_to_the_room_of_its_channel() -> None:
    heading = Title("[CRITICAL] HAEM-2/12 P1 D+2", ("ICANS 3", "CRS 2", "febrile neutropenia 3"), ("ICE 1", "T 38.9"))
    shown = page(heading=heading)
    assert render(shown, WITH_LINK, JSON).title == str(heading)
    assert render(shown, WITH_LINK, SPLUNK).title == "[CRITICAL] HAEM-2/12 P1 D+2 · ICANS 3, CRS 2 +1"
    assert "febrile neutropenia 3 - ICE 1" in render(shown, ReplyHint(), SMS).title


# -- the reply hint ------------------------------------------------------------------------------


def test_without_a_link_there_is_a_command() -> None:
    hint = reply_hint(page(), "")
    assert hint.command == "To answer: cartwatch ack e7 --by haematologist-1 --page e7.1"
    assert render(page(), hint, JSON).text.splitlines()[1] == hint.command


def test_in_the_recipients_language() -> None:
    assert reply_hint(page(language="it"), "").command.startswith("Per rispondere: cartwatch ack e7")
    assert (link_label("en"), link_label("it")) == ("To answer", "Per rispondere")


@pytest.mark.parametrize(("urgency", "reason"), [("low", "new"), ("high", "resolved"), ("critical", "retracted")])
def test_a_page_that_wants_no_answer_has_no_command_but_its_link(urgency: str, reason: str) -> None:
    shown = page(urgency=urgency, reason=reason)
    assert not wants_reply(shown)
    assert reply_hint(shown, LINK) == ReplyHint(LINK)
    assert reply_hint(shown, "").command == ""
    assert render(shown, reply_hint(shown, ""), JSON).text == shown.text.replace("\n\n", "\n")


@pytest.mark.parametrize(("limit", "most"), [(TELEGRAM, 1000), (SPLUNK, 400)])
def test_the_words_under_a_picture_are_few(limit: SizeLimit, most: int) -> None:
    words = caption(Rendered("Trend", "\n".join(LINES)), limit)
    assert words.title == "Trend"[: limit.title]
    assert most - 60 < len(words.text) <= most
    assert words.text.endswith("\n...")


# -- several at once -------------------------------------------------------------------------------


PAGES = in_order(page(f"e{number}.1", title=f"[LOW] bed {number}", urgency="low") for number in range(30))


def test_the_most_urgent_is_named_first_then_the_oldest() -> None:
    pages = [page("a.1", urgency="low"), page("b.1", at=NOW + timedelta(1)), page("c.1"), page("d.1", urgency="medium")]
    assert [item.id for item in in_order(pages)] == ["c.1", "b.1", "d.1", "a.1"]


def test_each_page_of_a_bundle_has_its_title_and_its_link() -> None:
    words = render_bundle(PAGES, [ReplyHint(f"https://x/{item.id}") for item in PAGES], JSON)
    assert words.title == PAGES[0].title
    assert words.text.splitlines()[0] == f"https://x/{PAGES[0].id}"
    for item in PAGES[1:]:
        assert f"{item.title}\nhttps://x/{item.id}" in words.text


def test_pages_of_a_bundle_without_a_link_are_answered_by_command() -> None:
    asked = [page("a.1"), page("b.1")]
    assert "--page b.1" in render_bundle(asked, [reply_hint(item, "") for item in asked], JSON).text


@pytest.mark.parametrize("limit", ROOMS)
def test_a_bundle_that_does_not_fit_counts_what_it_leaves_out(limit: SizeLimit) -> None:
    many = [page(f"e{number}.1", title=f"[HIGH] bed {number} " + "t" * 150) for number in range(300)]
    words = render_bundle(many, [WITH_LINK] * len(many), limit)
    assert limit.size(whole(words, limit)) <= limit.text
    assert words.text.splitlines()[-1].startswith("... and ")


def test_the_count_of_a_bundle_is_of_those_left_out() -> None:
    many = [page(f"e{number}.1", title=f"bed {number} " + "t" * 90) for number in range(300)]
    lines = render_bundle(many, [ReplyHint()] * len(many), PUSHOVER).text.splitlines()
    assert lines[-1] == f"... and {len(many) - len(lines)} more"
