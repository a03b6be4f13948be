"""The words of a page, cut to what its channel takes: title, readings, how to answer, then as many lines as fit.

The parts of a title and the lines of a page stand in order of importance and are taken whole; `...` says that lines
were left out. A link is there whole or not at all; it stands after the first paragraph, which has the readings, and is
no part of the text where the service has a field for it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from alerts.pages.title import JOINT, Title
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


SMS_JOINT = " - "
"""Between the parts of a title in the letters of a text message."""


class SizeLimit(NamedTuple):
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


class Rendered(NamedTuple):
    """What is sent."""

    title: str
    text: str


class ReplyHint(NamedTuple):
    """How a page is answered: by a link, and where there is none by a command. Either may be empty."""

    link: str = ""
    command: str = ""


def wants_reply(page: Page) -> bool:
    """Whether a page wants an answer. One about no episode cannot be answered."""
    return bool(page.episodes) and page.urgency != "low" and page.reason not in ENDED


def answer(page: Page, link: str) -> ReplyHint:
    """How a page is answered. One that wants no answer still has its link, which shows it."""
    if not wants_reply(page):
        return ReplyHint(link)
    command = f"cartwatch ack {page.episode} --by {page.to} --page {page.id}"
    return ReplyHint(link, say("To answer: {command}", page.language, command=command))


def link_label(language: Language) -> str:
    """What stands on a button that opens the link. The link shows the page; it takes nothing."""
    return say("To answer: {link}", language, link="").strip(" :")


def render(page: Page, how: ReplyHint, room: SizeLimit) -> Rendered:
    """One page in the room of its channel."""
    lead, _, rest = page.text.partition("\n\n")
    return _fit(page.heading, how, lead.splitlines(), rest.splitlines(), room)


def render_bundle(pages: Sequence[Page], answers: Sequence[ReplyHint], room: SizeLimit) -> Rendered:
    """Several pages that had to wait, as one message: the first as it is without its text, then title and way to answer
    of each other one. Those that do not fit are counted.
    """
    others = zip(pages[1:], answers[1:], strict=True)
    entries = ["\n".join(filter(None, (page.title, how.link or how.command))) for page, how in others]

    def marker(left: int) -> str:
        return f"{CUT} {say('and {count} more', pages[0].language, count=left)}"

    return _fit(pages[0].heading, answers[0], [], entries, room, marker)


def caption(words: Rendered, room: SizeLimit) -> Rendered:
    """The words of a picture: a title where there is one, as many whole lines as fit, and never many."""
    most = min(room.text, CAPTION_MOST)
    lines = words.text.splitlines() if room.title else [words.title, *words.text.splitlines()]
    title = _cut(words.title, room.title, room) if room.title else ""
    return Rendered(title, _text("", [], lines, most, room, lambda _: CUT))


def in_order(pages: Iterable[Page]) -> list[Page]:
    """The most urgent first, then the oldest: the order in which a bundle tells them."""
    return sorted(pages, key=lambda page: (-URGENCIES.index(page.urgency), page.at, page.id))


def _fit(
    heading: Title,
    how: ReplyHint,
    lead: Sequence[str],
    lines: Sequence[str],
    room: SizeLimit,
    marker: Callable[[int], str] = lambda _: CUT,
) -> Rendered:
    way = _that_fits(how, room)
    if room.sms:
        lead, lines = [gsm7(line) for line in lead], [gsm7(line) for line in lines]
    if room.title:
        title, is_whole = _title(heading, room.title, room)
        return Rendered(title, _text(way, lead if is_whole else [str(heading), *lead], lines, room.text, room, marker))
    least = [*([way] if way else ()), *([marker(len(lines))] if lines else ())]
    title, _ = _title(heading, room.text - room.size("\n".join(least)) - BREAK, room)
    return Rendered(title, _text(way, lead, lines, room.text - room.size(title) - BREAK, room, marker))


def _title(heading: Title, most: int, room: SizeLimit) -> tuple[str, bool]:
    """As many parts of a title as fit, and whether those that must be there do."""
    letters = (lambda words: gsm7(words.replace(JOINT, SMS_JOINT))) if room.sms else str
    title = letters(heading.within(lambda words: room.size(letters(words)) <= most))
    return _cut(title, most, room), room.size(title) <= most


def _that_fits(how: ReplyHint, room: SizeLimit) -> str:
    least = 0 if room.title else TITLE_LEAST + BREAK
    ways = (gsm7(way) if room.sms else way for way in how)
    return next((way for way in ways if way and room.size(way) + least <= room.text), "")


def _cut(words: str, most: int, room: SizeLimit) -> str:
    if room.size(words) <= most:
        return words
    while words and room.size(words) + len(CUT) > most:
        words = words[:-1]
    return words.rstrip() + CUT


def _text(
    way: str, lead: Sequence[str], lines: Sequence[str], most: int, room: SizeLimit, marker: Callable[[int], str]
) -> str:
    """As many lines as fit together with the mark of those left out, and after those of the lead the way to answer."""
    every = [*lead, *lines]
    for taken in range(len(every), -1, -1):
        left = len(every) - taken
        shown, spot = every[:taken], min(taken, len(lead))
        parts = [*shown[:spot], *([way] if way else []), *shown[spot:], *([marker(left)] if left else [])]
        text = "\n".join(parts)
        if room.size(text) <= most:
            return text
    return way
