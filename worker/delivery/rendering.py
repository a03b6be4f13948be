"""The words of a page, cut to what its channel takes: title first, then how to answer, then as many lines as fit.

The lines of a page stand in order of importance and are taken whole; `...` says that some were left out. A link is
there whole or not at all.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from alerts.page import Page
from alerts.wording.catalogue import say
from config.site import URGENCIES, Language
from worker.delivery.gsm import gsm7, septets

CUT = "..."
BREAK = 2
"""What Apprise puts between title and text where a service has no title."""

TITLE_LEAST = 30
"""Of a title this much is shown at least: a link that leaves less room is left out."""

CAPTION_MOST = 1000
"""Telegram takes 1024 letters under a picture; nobody reads more on a phone."""

ENDS = ("resolved", "retracted")


class Room(NamedTuple):
    """How much a channel takes. `title` 0: title and text are one. `sms`: in the letters of a text message."""

    title: int
    text: int
    sms: bool = False
    octets: bool = False

    def size(self, words: str) -> int:
        """How much of the room words take."""
        if self.sms:
            return septets(words)
        return len(words.encode()) if self.octets else len(words)


class Words(NamedTuple):
    """What is sent."""

    title: str
    text: str


class Answer(NamedTuple):
    """How a page is answered: by a link, and where there is none by a command. Either may be empty."""

    link: str = ""
    command: str = ""


def asks(page: Page) -> bool:
    """Whether a page wants an answer. One about no episode cannot be answered."""
    return bool(page.episodes) and page.urgency != "low" and page.reason not in ENDS


def answer(page: Page, link: str) -> Answer:
    """How a page is answered. One that wants no answer still has its link, which shows it."""
    if not asks(page):
        return Answer(link)
    command = f"cartwatch ack {page.episode} --by {page.to} --page {page.id}"
    return Answer(link, say("To answer: {command}", page.language, command=command))


def link_label(language: Language) -> str:
    """What stands on a button that opens the link. The link shows the page; it takes nothing."""
    return say("To answer: {link}", language, link="").strip(" :")


def render(page: Page, how: Answer, room: Room) -> Words:
    """One page in the room of its channel."""
    return _fit(page.title, how, page.text.splitlines(), room)


def render_bundle(pages: Sequence[Page], answers: Sequence[Answer], room: Room) -> Words:
    """Several pages that had to wait, as one message: the first as it is without its text, then title and way to answer
    of each other one. Those that do not fit are counted.
    """
    others = zip(pages[1:], answers[1:], strict=True)
    entries = ["\n".join(filter(None, (page.title, how.link or how.command))) for page, how in others]

    def marker(left: int) -> str:
        return f"{CUT} {say('and {count} more', pages[0].language, count=left)}"

    return _fit(pages[0].title, answers[0], entries, room, marker)


def caption(words: Words, room: Room) -> Words:
    """The words of a picture: a title where there is one, as many whole lines as fit, and never many."""
    most = min(room.text, CAPTION_MOST)
    lines = words.text.splitlines() if room.title else [words.title, *words.text.splitlines()]
    title = _cut(words.title, room.title, room) if room.title else ""
    return Words(title, _text("", lines, most, room, lambda _: CUT))


def in_order(pages: Iterable[Page]) -> list[Page]:
    """The most urgent first, then the oldest: the order in which a bundle tells them."""
    return sorted(pages, key=lambda page: (-URGENCIES.index(page.urgency), page.at, page.id))


def _fit(
    title: str, how: Answer, lines: Sequence[str], room: Room, marker: Callable[[int], str] = lambda _: CUT
) -> Words:
    if room.sms:
        title, lines = gsm7(title), [gsm7(line) for line in lines]
    way = _that_fits(how, room)
    if room.title:
        short = _cut(title, room.title, room)
        return Words(short, _text(way, lines if short == title else [title, *lines], room.text, room, marker))
    least = [*([way] if way else ()), *([marker(len(lines))] if lines else ())]
    title = _cut(title, room.text - room.size("\n".join(least)) - BREAK, room)
    left = room.text - room.size(title) - BREAK
    return Words(title, _text(way, lines, left, room, marker))


def _that_fits(how: Answer, room: Room) -> str:
    least = 0 if room.title else TITLE_LEAST + BREAK
    ways = (gsm7(way) if room.sms else way for way in how)
    return next((way for way in ways if way and room.size(way) + least <= room.text), "")


def _cut(words: str, most: int, room: Room) -> str:
    if room.size(words) <= most:
        return words
    while words and room.size(words) + len(CUT) > most:
        words = words[:-1]
    return words.rstrip() + CUT


def _text(way: str, lines: Sequence[str], most: int, room: Room, marker: Callable[[int], str]) -> str:
    """The way to answer, then as many lines as fit together with the mark of those left out."""
    first = [way] if way else []
    for taken in range(len(lines), -1, -1):
        left = len(lines) - taken
        text = "\n".join([*first, *lines[:taken], *([marker(left)] if left else [])])
        if room.size(text) <= most:
            return text
    return way
