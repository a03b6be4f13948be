"""The HTML page: complete in itself, and safe whatever came in."""

from base64 import b64encode
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from alerts.messages import MESSAGE, AnyMessage
from tests.support.replayed_case import ROME, acknowledged, moment, page
from worker.report.course import Course, course_from
from worker.report.page import day_name, describe, listed_pages, render, waited

PNG = b"\x89PNG\r\n\x1a\n picture"
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Collects tags and refuses what is closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def note(text: str, patient: str = "P1", by: str = "ward") -> AnyMessage:
    base = {"type": "note", "id": "n1", "source": "ehr", "effective": moment(1, "08:00")}
    return MESSAGE.validate_python({**base, "patient": patient, "text": text, "by": by})


@pytest.fixture(scope="module")
def reader(course: Course) -> Reader:
    return read(render(course, PNG))


def test_the_page_says_first_what_it_is_not(reader: Reader) -> None:
    assert reader.text.index("Decision support, not a medical device") < reader.text.index("axicabtagene")


def test_the_page_needs_no_script_and_no_other_file(reader: Reader) -> None:
    tags = {tag for tag, _ in reader.tags}
    assert not tags & {"script", "link", "iframe"}
    assert not any(name in attrs for _, attrs in reader.tags for name in ("onclick", "onload", "href"))


def test_the_picture_is_inside_with_words_for_who_cannot_see_it(reader: Reader) -> None:
    (image,) = [attrs for tag, attrs in reader.tags if tag == "img"]
    assert image["src"] == "data:image/png;base64," + b64encode(PNG).decode()
    assert "worst ICANS grade 3" in (image["alt"] or "")


def test_the_page_fits_a_phone(reader: Reader) -> None:
    viewport = [attrs for tag, attrs in reader.tags if tag == "meta" and attrs.get("name") == "viewport"]
    assert viewport[0]["content"] == "width=device-width, initial-scale=1"
    assert "prefers-color-scheme: dark" in reader.text


def test_the_head_names_the_treatment_and_never_the_patient(reader: Reader) -> None:
    assert "axicabtagene ciloleucel, infused 12 June 2024; 69 years; ward HAEM-2, bed 12" in reader.text
    assert "1955" not in reader.text


def test_each_day_stands_beside_the_report(reader: Reader) -> None:
    assert "D+2 14 Jun 2 → 0 0 2 1 1 45.4 Low blood pressure joins the fever" in reader.text
    assert "D+5 17 Jun 2 3 → 2 3 3 4 30.2* Second CRS" in reader.text
    assert "✗" not in reader.text


def test_each_page_says_who_answered_and_after_how_long(reader: Reader) -> None:
    assert "D+2, 14 Jun 08:00 high worse, to haematologist-1 CRS grade 2" in reader.text
    assert "Acknowledged by haematologist-1 after 9 min." in reader.text
    assert reader.text.count("Not acknowledged.") == 1
    assert "m-EASIX 61.2 What the page said" in reader.text


def test_the_ledger_stands_on_the_page(reader: Reader) -> None:
    assert "tocilizumab 2 960 mg D+2" in reader.text
    assert "dexamethasone 20 170 mg D+5 to D+11" in reader.text
    assert "immunoglobulin 1 not charted D+10" in reader.text


def test_the_page_says_how_much_was_made_up(reader: Reader, course: Course) -> None:
    assert f"{course.provenance['synthesised']} synthesised" in reader.text
    assert f"{course.provenance['reported']} reported" in reader.text


def test_whatever_came_in_is_escaped() -> None:
    evil = "<script>alert('x')</script>"
    events = [page(1, "08:00", patient=evil, title=evil, text=evil, to=evil, urgency='"><b>', reason=evil)]
    html = render(course_from([note(evil, patient=evil, by=evil)], events, ROME), PNG)
    tags = {tag for tag, _ in read(html).tags}
    assert not tags & {"script", "b"}
    assert html.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") >= 6


def test_a_course_without_pages_grades_or_infusion_is_still_a_page() -> None:
    text = read(render(course_from([note("quiet")], [], ROME), PNG)).text
    assert "no infusion charted" in text
    assert "None was sent." in text
    assert "Published report" not in text
    assert "Dose ledger" not in text
    assert "1 without a mark" in text


def test_repeats_stand_under_the_page_they_repeat() -> None:
    again = {"reason": "repeat", "title": "CRS grade 2 (repeat)"}
    events = [page(2, "08:00"), page(2, "08:10", **again), page(2, "08:20", **again, to="haematologist-2")]
    (entry,) = listed_pages(course_from([note("x", "REF-1")], events, ROME))
    assert [again.to for again in entry.again] == ["haematologist-1", "haematologist-2"]


def test_a_page_that_nobody_answers_for_long_does_not_fill_the_report() -> None:
    events = [page(2, f"08:{minute:02}", reason="repeat" if minute else "new") for minute in range(31)]
    text = read(render(course_from([note("x", "REF-1")], events, ROME), PNG)).text
    assert "31 sent, 1 different." in text
    assert "Sent 30 more times" in text
    assert "and 10 more until 14 Jun 08:30" in text


def test_one_page_to_two_people_is_one_entry() -> None:
    events = [page(2, "08:00"), page(2, "08:00", to="technician-1")]
    (entry,) = listed_pages(course_from([note("x", "REF-1")], events, ROME))
    assert [again.to for again in entry.again] == ["technician-1"]


def test_a_worse_page_and_the_same_words_after_it_are_entries_of_their_own() -> None:
    events = [page(2, "08:00"), page(2, "09:00", title="CRS grade 3"), page(2, "10:00")]
    assert len(listed_pages(course_from([note("x", "REF-1")], events, ROME))) == 3


def test_a_page_sent_again_after_an_answer_keeps_the_first_answer() -> None:
    events = [page(2, "08:00"), acknowledged(2, "08:05", "e1", "a"), page(2, "09:00")]
    (entry,) = listed_pages(course_from([note("x", "REF-1")], events, ROME))
    assert entry.first.answered_after == timedelta(minutes=5)
    assert entry.again[0].answered_after is None


def test_the_description_leaves_out_what_was_never_graded() -> None:
    assert "worst" not in describe(course_from([note("x")], [], ROME))


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=40), "40 s"),
        (timedelta(minutes=9, seconds=59), "9 min"),
        (timedelta(hours=1, minutes=5), "1 h 05 min"),
        (timedelta(days=2, hours=3), "2 d 3 h"),
    ],
)
def test_a_wait_is_said_as_people_say_it(span: timedelta, words: str) -> None:
    assert waited(span) == words


@pytest.mark.parametrize(("day", "name"), [(-7, "D−7"), (0, "D0"), (5, "D+5")])
def test_a_day_is_named_as_clinicians_do(day: int, name: str) -> None:
    assert day_name(day) == name
