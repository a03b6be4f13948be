"""An Italian reader finds no English text of the catalogue, whatever is shown: page, board, answers, refusals."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from string import Formatter
from typing import Any

import httpx
import pytest
from redis import Redis
from starlette.exceptions import HTTPException
from starlette.requests import Request

from config.site import Feed
from config.vocabulary import ICE_ITEMS
from tests.support.desk import PERSON, Desk, site_with, words
from tests.support.italian_reader import ENGLISH, entries
from tests.support.stored_ward import SITE, Clock, crs2, reading
from worker.gateway import error_pages
from worker.gateway.board import _events
from worker.gateway.context import refusal
from worker.gateway.error_pages import Refusal, Refused, unusable
from worker.gateway.rate_limit import LiveBoards
from worker.gateway.sessions import Session
from worker.store.shard import Store

NAMES = {
    "haematologist_1": "Anna Rossi",
    "haematologist_2": "Bruno Bianchi",
    "consultant_1": "Carla Neri",
    "technician_1": "Dario Verdi",
    "worklist": "Elenco",
}
SPOKEN = ("aria-label", "alt", "title", "placeholder", "data-live", "data-down", "data-name")
"""Attributes that somebody reads or hears."""

UNITS = {"ldh": "U/L", "platelets": "10*9/L", "neutrophils": "10*9/L", "ferritin": "ug/L", "spo2": "%"}
ROWS = [(text, one.string) for text, one in entries().items() if isinstance(one.string, str) and text not in ICE_ITEMS]
ITALIAN = " ".join(italian for _, italian in ROWS)


def english_texts() -> Iterator[re.Pattern[str]]:
    """What stands in no Italian text: a row without braces, and what is long enough of one that has some."""
    for english, italian in ROWS:
        for literal, _, _, _ in Formatter().parse(english):
            text = literal.strip(" ,;:.()")
            whole = "{" not in english
            if text and english != italian and (whole or len(text.split()) > 1):
                pattern = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
                if not pattern.search(ITALIAN):
                    yield pattern


TEXTS = tuple(english_texts())


class Shown(HTMLParser):
    """Everything of a page that somebody reads or hears, line by line."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.lines += [line for name, value in attrs if name in SPOKEN and value for line in value.splitlines()]

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script") and data.strip():
            self.lines.append(" ".join(data.split()))


CODES = re.compile(r"\b[a-z_]+\.[a-z_]+\b|cartwatch \S+( --?\w+)*")
"""Names of conventions and systems, and commands."""


def english_left(text: str) -> list[str]:
    """The lines of a page in which English was left."""
    lines = [CODES.sub("", line) for line in Shown(text).lines]
    return [line for line in lines if ENGLISH.search(line) or any(pattern.search(line) for pattern in TEXTS)]


@pytest.fixture
def desk(redis: Redis, store: Store, clock: Clock) -> Iterator[Desk]:
    """A ward of which everybody reads Italian, with one feed that is silent and one that is not."""
    site = site_with(**{key: {"language": "it", "name": name} for key, name in NAMES.items()})
    feeds = {"monitor-7": Feed(silent_after=timedelta(minutes=5)), "lis": Feed(silent_after=timedelta(hours=90))}
    with Desk(redis, store, clock, site._replace(on_call=site.on_call.model_copy(update={"feeds": feeds}))) as made:
        yield made


def ill(desk: Desk) -> str:
    """A patient with CRS and ICANS, with doses, codes and laboratory values; the link of its page."""
    at = desk.clock.now()
    lab = dict(zip(UNITS, ("320", "45", "0.3", "900", "89"), strict=True))
    doses = (("tocilizumab", "given", "480"), ("dexamethasone", "given", "10"), ("norepinephrine", "started", "0.1"))
    common = {"type": "treatment", "source": "emar", "patient": "P1", "effective": at.isoformat()}
    given = [{"id": drug, "drug": drug, "action": did, **common} | dosed(dose, did) for drug, did, dose in doses]
    ended = {"id": "end", "drug": "levetiracetam", "action": "stopped", **common}
    coded = [("seizure", "brief"), ("consciousness", "vigorous_touch"), ("motor_weakness", "deep_focal")]
    more = [("cerebral_edema", "none"), ("oxygen_device", "nasal_cannula"), ("ice", 4), ("crp", "85")]
    desk.send(
        *crs2("P1", at),
        *(reading(kind, value, at=at, source="lis", by="laboratory", unit=UNITS[kind]) for kind, value in lab.items()),
        *(reading(kind, value, at=at) for kind, value in (*coded, *more)),
        *given,
        ended,
    )
    return desk.link(desk.crs())


def dosed(dose: str, action: str) -> dict[str, str]:
    return {"dose": dose, "unit": "ug/kg/min" if action == "started" else "mg"}


def is_italian(shown: httpx.Response, status: int = 200) -> str:
    """That a page is Italian throughout; what it says."""
    assert shown.status_code == status
    assert '<html lang="it">' in shown.text
    assert english_left(shown.text) == []
    return words(shown)


def test_english_would_be_found() -> None:
    assert len(TEXTS) > 500
    for text in ("<p>I have it</p>", '<svg aria-label="Trend from 14 giu"></svg>', "<td>480 mg given</td>"):
        assert len(english_left(text)) == 1
    assert english_left("<style>.the{}</style><p>Lo prendo in carico</p>") == []


# -- the page ----------------------------------------------------------------------------------------


def test_a_page_with_everything_charted(desk: Desk) -> None:
    said = is_italian(desk.get(ill(desk)))
    for text in (
        "Nessuno l'ha ancora preso in carico",
        "480 mg, somministrazione",
        "0.1 µg/kg/min, inizio",
        "risvegliabile solo a stimolo vigoroso",
        "temperatura: ultimo valore 38.9 °C (14 giu 10:00)",
        "Andamento",
        "pressione mmHg",
        "PAS",
        "desametas.",
        "G+2",
    ):
        assert text in said


def test_a_page_of_another_day(desk: Desk) -> None:
    path = ill(desk)
    desk.clock.forward(hours=20)
    assert "dalle 10:00 (14 giu)" in is_italian(desk.get(path))


def later(desk: Desk) -> None:
    """The patient gets worse."""
    at = desk.clock.forward(minutes=1)
    desk.send(reading("ice", 0, at=at), *({**item, "id": f"b{item['id']}"} for item in pressors(at.isoformat())))


def pressors(at: str) -> list[dict[str, Any]]:
    common = {"type": "treatment", "source": "emar", "patient": "P1", "effective": at, "action": "started"}
    return [{"id": drug, "drug": drug, **common} for drug in ("epinephrine", "vasopressin", "dopamine")]


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("have-it", {}, "È in carico a lei dalle 10:00"),
        ("hand-over", {"to": "consultant-1"}, "Passato a Carla Neri, avvisato alle 10:00; passato da Anna Rossi"),
        ("hand-over", {}, "passato da Anna Rossi"),
        ("silence", {"hours": "2", "why": "liquidi in corso"}, "Silenziato fino alle 12:00"),
    ],
)
def test_every_answer_and_what_stands_after_it(desk: Desk, action: str, fields: dict[str, str], said: str) -> None:
    path = ill(desk)
    there = desk.press(path, action, **fields).headers["location"]
    assert "In corso…" in is_italian(desk.get(there))
    desk.work()
    assert said in is_italian(desk.get(there))


def test_a_page_of_what_is_over_and_of_what_was_retracted(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    desk.press(path, "false-alarm", why="bracciale")
    desk.work()
    assert "È concluso dalle 10:00" in is_italian(desk.get(path))
    other = desk.link(desk.fall_ill("P2"))
    wrong = reading("temperature", "38.9", "P2", desk.clock.now())
    desk.send(wrong | {"id": "right", "value": "36.9", "supersedes": wrong["id"]})
    assert "Ritirato alle 10:00" in is_italian(desk.get(other))


def test_a_page_that_somebody_else_has_and_one_that_is_asked_for_again(desk: Desk) -> None:
    ill(desk)
    desk.clock.forward(minutes=21)
    desk.work()
    first, second = desk.link(desk.crs()), desk.link(desk.crs(), "haematologist-2")
    desk.press(first, "have-it")
    desk.work()
    assert "In carico a Anna Rossi dalle 10:21" in is_italian(desk.get(second))
    desk.clock.forward(hours=12)
    desk.work()
    assert "È ancora in carico a lei?" in is_italian(desk.get(desk.link(desk.crs())))


def test_a_page_that_has_been_overtaken(desk: Desk) -> None:
    path = ill(desk)
    there = desk.press(path, "have-it").headers["location"]
    later(desk)
    assert "È peggiorato dopo questo avviso" in is_italian(desk.get(path))
    assert "non ha cambiato nulla" in is_italian(desk.get(f"{desk.link(desk.crs())}?press={there[-24:]}"))


def test_a_technical_page(desk: Desk) -> None:
    desk.send(reading("temperature", "12", unit="parsec"))
    state = desk.store.state("~site")
    assert state is not None
    assert "tecnico" in is_italian(desk.get(desk.link(next(iter(state.episodes.values())), "technician-1")))


# -- the board ---------------------------------------------------------------------------------------


def signed_in(desk: Desk) -> None:
    path = desk.links.sign_in(PERSON, desk.clock.now()).removeprefix(desk.links.public_url)
    assert "Accedi come Anna Rossi" in is_italian(desk.get(path))
    desk.sign_in()


@pytest.mark.parametrize("before", [lambda _: None, ill, later], ids=["nobody", "ill", "worse"])
def test_the_board(desk: Desk, before: Callable[[Desk], object]) -> None:
    before(desk)
    desk.send(reading("temperature", "12", unit="parsec"))
    desk.clock.forward(minutes=10)
    signed_in(desk)
    said = is_italian(desk.get("/board"))
    assert "GUASTO (worker)" in said
    assert "monitor-7 SILENTE dalle" in said or "lis ultimo dato" in said


def test_the_board_as_it_comes_again(desk: Desk) -> None:
    import asyncio

    ill(desk)
    signed_in(desk)
    session = desk.links.session(next(iter(desk.browser.cookies().values()))) or ""
    with asyncio.Runner() as runner:
        events = _events(desk.gateway, desk.app.state.live, Session(session, PERSON), LiveBoards())
        event = runner.run(anext(events)).decode()
    assert "Lo prendo in carico" in event
    assert english_left(event.replace("event: board\n", "").replace("data: ", "")) == []


def test_one_patient_with_every_explanation(desk: Desk) -> None:
    ill(desk)
    signed_in(desk)
    said = is_italian(desk.get(f"/board/patient/{desk.links.opaque('P1')}"))
    assert "Che cosa lo cambierebbe" in said


def test_a_patient_of_whom_nothing_is_open(desk: Desk) -> None:
    at = desk.clock.now().isoformat()
    discharge = {"type": "discharge", "id": "d", "source": "ehr", "patient": "P2", "effective": at}
    desk.send(crs2("P2", desk.clock.now())[0], discharge)
    signed_in(desk)
    assert "P2 dimesso" in is_italian(desk.get("/board"))
    assert "Nessun episodio aperto" in is_italian(desk.get(f"/board/patient/{desk.links.opaque('P2')}"))


# -- refusals ----------------------------------------------------------------------------------------

REFUSALS = [known for known in vars(error_pages).values() if isinstance(known, Refusal)]
WHYS = ("This answer is not known here", "Choose somebody from the list", "Choose for how long", "Say why")


@pytest.mark.parametrize("why", [*REFUSALS, *map(unusable, WHYS)])
def test_every_refusal(why: Refusal) -> None:
    request = Request({"type": "http", "path": "/", "headers": []})
    assert english_left(bytes(refusal(request, Refused(why, "it")).body).decode()) == []


def test_a_refusal_to_nobody_known_is_in_the_browsers_language(desk: Desk) -> None:
    is_italian(desk.get("/nowhere", accept_language="it-IT,it;q=0.9"), 404)
    is_italian(desk.get("/board", accept_language="it"), 401)
    assert refusal(Request({"type": "http", "path": "/", "headers": []}), HTTPException(405)).status_code == 405


def test_whose_link_has_expired_reads_it_in_their_own_language(desk: Desk) -> None:
    path = ill(desk)
    personal = desk.links.sign_in(PERSON, desk.clock.now()).removeprefix(desk.links.public_url)
    desk.clock.forward(hours=25)
    assert "è scaduto" in is_italian(desk.get(path, accept_language="de"), 410)
    assert "è scaduto" in is_italian(desk.get(personal, accept_language="de"), 410)


@pytest.mark.parametrize(
    ("header", "language"), [("", "en"), ("it", "it"), ("it-CH,fr;q=0.5", "it"), ("de,it;q=0.8", "en")]
)
def test_a_browser_s_first_language(desk: Desk, header: str, language: str) -> None:
    assert f'<html lang="{language}">' in desk.get("/p/x", accept_language=header).text


def test_the_shipped_people_read_english() -> None:
    assert {person.language for person in SITE.on_call.people.values()} == {"en"}
