"""Registering a patient on the board."""

import re
from typing import Any

import pytest
from redis import Redis

from tests.support.desk import PERSON, Desk, site_with, words
from tests.support.stored_ward import Clock, everything, reading
from worker.store.shard import Store

PATH = "/board/register"
TYPED = {"patient": "P1", "infused": "2024-06-12T10:00", "product": "axicabtagene", "born": "1955-05-01"}


def form(desk: Desk, **typed: str) -> dict[str, str]:
    """The form as the page gives it, filled in."""
    shown = desk.get(PATH).text
    hidden = dict(re.findall(r'name="(proof|mark)" value="([^"]+)"', shown))
    return {**hidden, **TYPED, **typed}


def at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes what it is woken for at once."""
    monkeypatch.setattr(desk.client, "wake", lambda _: desk.work())


def test_a_registration_takes_effect_and_shows_the_patient(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sign_in()
    desk.send(reading("temperature", 39), reading("systolic_bp", 84))
    episode = desk.crs()
    assert "P1" in words(desk.get(PATH)), "who waits for a registration is offered"
    at_once(desk, monkeypatch)
    answered = desk.post(PATH, data=form(desk, ward="HAEM-2", bed="12", team="cart", allergies="latex"))
    assert answered.status_code == 303
    shown = words(desk.get(answered.headers["location"]))
    for text in ("HAEM-2", "axicabtagene ciloleucel", "day +2", "CRS grade 2", "allergies: latex"):
        assert text in shown
    state = desk.store.state("P1")
    assert state is not None
    admission = state.chart.admission
    assert admission is not None
    assert (str(admission.infused), str(admission.born)) == ("2024-06-12 08:00:00+00:00", "1955-05-01")
    assert admission.team == "cart"
    assert desk.crs().id == episode.id


def test_a_form_that_is_sent_twice_is_one_registration(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sign_in()
    at_once(desk, monkeypatch)
    filled = form(desk)
    for _ in range(2):
        assert desk.post(PATH, data=filled).status_code == 303
    state = desk.store.state("P1")
    assert state is not None
    assert len(state.chart.registrations) == 1


def test_until_a_worker_has_taken_it_it_says_that_it_is_stored(desk: Desk) -> None:
    desk.sign_in()
    answered = desk.post(PATH, data=form(desk))
    assert answered.headers["location"] == f"{PATH}?stored=1"
    assert "The registration is saved" in words(desk.get(answered.headers["location"]))


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"patient": " "}, "Patient: write the id"),
        ({"patient": "~site"}, "does not begin with ~"),
        ({"infused": "2024-06-12"}, "Infusion: write day and hour"),
        ({"infused": "yesterday"}, "Infusion: write day and hour"),
        ({"infused": "2025-06-12T10:00"}, "Infusion: too far ahead"),
        ({"born": "1.5.1955"}, "Date of birth: write it as in"),
        ({"born": "2055-05-01"}, "Date of birth: write it as in"),
        ({"ward": "x" * 201}, "A field has at most 200 characters"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_its_fix(desk: Desk, typed: dict[str, str], why: str) -> None:
    desk.sign_in()
    filled = form(desk, **typed)
    before = everything(desk.redis)
    answered = desk.post(PATH, data=filled)
    assert answered.status_code == 400
    assert why in words(answered)
    assert everything(desk.redis) == before


@pytest.mark.parametrize("taken_away", ["proof", "mark"])
def test_a_form_of_somebody_else_registers_nobody(desk: Desk, taken_away: str) -> None:
    desk.sign_in()
    filled = form(desk)
    before = everything(desk.redis)
    assert desk.post(PATH, data=filled | {taken_away: "0"}).status_code in (400, 403)
    assert desk.post(PATH, data=filled, headers={"origin": "https://elsewhere.test"}).status_code == 403
    assert everything(desk.redis) == before


def test_without_a_session_nothing_is_shown_or_taken(desk: Desk) -> None:
    assert desk.get(PATH).status_code == 401
    assert desk.post(PATH, data=TYPED).status_code == 401


def test_who_may_only_look_registers_nobody(redis: Redis, store: Store, clock: Clock) -> None:
    viewing: dict[str, Any] = {PERSON.replace("-", "_"): {"may": "view"}}
    with Desk(redis, store, clock, site_with(**viewing)) as desk:
        desk.sign_in()
        assert "Register a patient" not in words(desk.get("/board"))
        assert desk.get(PATH).status_code == 403
        assert desk.post(PATH, data=TYPED).status_code == 403


def test_the_form_and_its_refusals_are_in_the_readers_language(redis: Redis, store: Store, clock: Clock) -> None:
    with Desk(redis, store, clock, site_with(haematologist_1={"language": "it"})) as desk:
        desk.sign_in()
        assert "Registra un paziente" in words(desk.get("/board"))
        shown = words(desk.get(PATH))
        for text in ("Infusione, giorno e ora", "Data di nascita", "Prodotto", "Reparto", "Letto"):
            assert text in shown
        assert "Infusione: scrivere giorno e ora" in words(desk.post(PATH, data=form(desk, infused="x")))


def test_the_board_counts_who_is_not_registered_and_shows_only_who_pages(desk: Desk) -> None:
    desk.sign_in()
    desk.send(reading("temperature", 37, "P2"), reading("temperature", 39), reading("systolic_bp", 84))
    shown = words(desk.get("/board"))
    assert "Not registered: 2, since 10:00, from monitor-7" in shown
    assert "P1" in shown
    assert "would be CRS grade 2" in shown
    assert "P2" not in shown
