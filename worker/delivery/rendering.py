"""The text of a page, cut to the size limit of its channel: title, readings, reply hint, then as many lines as fit.

The parts of a title and the lines of a page stand in order of importance and are kept whole; `...` marks omitted lines.
A link appears whole or not at all. It follows the first paragraph, which has the readings; if the service has a field
for the link, the text omits it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from alerts.pages.title import JOINT, Title
from alerts.wording.catalogue import say
from config.site import URGENCIES, Language
from worker.delivery.gsm import gsm7
from worker.delivery.providers import SizeLimit

CUT = "..."
BREAK = 2
"""Characters that Apprise puts between title and text if a service has no title."""

TITLE_LEAST = 30
"""The least of a title that is shown: a link that leaves less is omitted."""

CAPTION_MOST = 1000
"""Telegram takes 1024 letters under a picture; nobody reads more on a phone."""


SMS_JOINT = " - "
"""Between the parts of a title in the GSM alphabet."""


class Rendered(NamedTuple):
    """A message as it is sent."""

    title: str
    text: str


class ReplyHint(NamedTuple):
    """How to answer a page: by a link, else by a command. Either may be empty."""

    link: str = ""
    command: str = ""


def wants_reply(page: Page) -> bool:
    """Whether a page asks for a reply. A page about no episode cannot be answered."""
    return bool(page.episodes) and page.urgency != "low" and page.reason not in ENDED


def reply_hint(page: Page, link: str) -> ReplyHint:
    """How to answer a page. A page that asks for no reply still has its link, which shows it."""
    if not wants_reply(page):
        return ReplyHint(link)
    command = f"cartwatch ack {page.episode} --by {page.to} --page {page.id}"
    return ReplyHint(link, say("To answer: {command}", page.language, command=command))


def with_number(hint: ReplyHint, number: str, language: Language) -> ReplyHint:
    """The same hint with the number by which a text message is answered. The number alone where not both fit."""
    words = say("Reply {number}: I have it", language, number=number)
    return ReplyHint(f"{hint.link}\n{words}" if hint.link else words, words)


def answer_label(language: Language) -> str:
    """The label of a button that acknowledges the page."""
    return say("I have it", language)


def link_label(language: Language) -> str:
    """The label of a button that opens the link. The link only shows the page."""
    return say("To answer: {link}", language, link="").strip(" :")


def render(page: Page, hint: ReplyHint, limit: SizeLimit) -> Rendered:
    """One page within the size limit of its channel."""
    lead, _, rest = page.text.partition("\n\n")
    return _fit(page.heading, hint, lead.splitlines(), rest.splitlines(), limit)


def render_bundle(pages: Sequence[Page], hints: Sequence[ReplyHint], limit: SizeLimit) -> Rendered:
    """Several pages that waited, as one message: the title of the first, then title and reply hint of each other one.

    Pages that do not fit are counted.
    """
    others = zip(pages[1:], hints[1:], strict=True)
    entries = ["\n".join(filter(None, (page.title, hint.link or hint.command))) for page, hint in others]

    def marker(left: int) -> str:
        return f"{CUT} {say('and {count} more', pages[0].language, count=left)}"

    return _fit(pages[0].heading, hints[0], [], entries, limit, marker)


def caption(words: Rendered, limit: SizeLimit) -> Rendered:
    """The caption of a picture: a title if the service has one, and as many whole lines as fit."""
    most = min(limit.text, CAPTION_MOST)
    lines = words.text.splitlines() if limit.title else [words.title, *words.text.splitlines()]
    title = _cut(words.title, limit.title, limit) if limit.title else ""
    return Rendered(title, _text("", [], lines, most, limit, lambda _: CUT))


def in_order(pages: Iterable[Page]) -> list[Page]:
    """The order of pages in a bundle: the most urgent first, then the oldest."""
    return sorted(pages, key=lambda page: (-URGENCIES.index(page.urgency), page.at, page.id))


def _fit(
    heading: Title,
    hint: ReplyHint,
    lead: Sequence[str],
    lines: Sequence[str],
    limit: SizeLimit,
    marker: Callable[[int], str] = lambda _: CUT,
) -> Rendered:
    way = _that_fits(hint, limit)
    if limit.sms:
        lead, lines = [gsm7(line) for line in lead], [gsm7(line) for line in lines]
    if limit.title:
        title, is_whole = _title(heading, limit.title, limit)
        return Rendered(
            title, _text(way, lead if is_whole else [str(heading), *lead], lines, limit.text, limit, marker)
        )
    least = [*([way] if way else ()), *([marker(len(lines))] if lines else ())]
    title, _ = _title(heading, limit.text - limit.size("\n".join(least)) - BREAK, limit)
    return Rendered(title, _text(way, lead, lines, limit.text - limit.size(title) - BREAK, limit, marker))


def _title(heading: Title, most: int, limit: SizeLimit) -> tuple[str, bool]:
    """As many parts of a title as fit, and whether the required parts do."""
    letters = (lambda words: gsm7(words.replace(JOINT, SMS_JOINT))) if limit.sms else str
    title = letters(heading.within(lambda words: limit.size(letters(words)) <= most))
    return _cut(title, most, limit), limit.size(title) <= most


def _that_fits(hint: ReplyHint, limit: SizeLimit) -> str:
    least = 0 if limit.title else TITLE_LEAST + BREAK
    ways = (gsm7(way) if limit.sms else way for way in hint)
    return next((way for way in ways if way and limit.size(way) + least <= limit.text), "")


def _cut(words: str, most: int, limit: SizeLimit) -> str:
    if limit.size(words) <= most:
        return words
    while words and limit.size(words) + len(CUT) > most:
        words = words[:-1]
    return words.rstrip() + CUT


def _text(
    way: str, lead: Sequence[str], lines: Sequence[str], most: int, limit: SizeLimit, marker: Callable[[int], str]
) -> str:
    """As many lines as fit with the mark of omitted lines; the reply hint follows the lead."""
    every = [*lead, *lines]
    for count in range(len(every), -1, -1):
        left = len(every) - count
        shown, spot = every[:count], min(count, len(lead))
        parts = [*shown[:spot], *([way] if way else []), *shown[spot:], *([marker(left)] if left else [])]
        text = "\n".join(parts)
        if limit.size(text) <= most:
            return text
    return way
