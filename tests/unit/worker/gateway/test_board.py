"""The ward board: signing in, what it shows, who may act, and that it ends."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.support.desk import PERSON, Desk, site_with, words
from tests.support.stored_ward import KEYS, Clock, everything, reading, registration, waiting
from worker.gateway import snapshot as module
from worker.gateway.board import _events
from worker.gateway.rate_limit import LiveBoards
from worker.gateway.sessions import Session, Sessions
from worker.links import BadLink
from worker.store.shard import Store

# -- signing in --------------------------------------------------------------------------------------


def test_without_a_session_nothing_of_the_ward_is_shown(desk: Desk) -> None:
    episode = desk.fall_ill()
    before = everything(desk.redis)
    for path in ("/board", "/board/events", f"/board/patient/{desk.links.opaque('P1')}"):
        shown = desk.get(path)
        assert shown.status_code == 401
        assert "HAEM-2" not in shown.text
    assert desk.post(f"/board/episode/{episode.id}/have-it").status_code == 401
    assert everything(desk.redis) == before


def test_a_personal_link_signs_in_once(desk: Desk) -> None:
    path = desk.links.sign_in(PERSON, desk.clock.now()).removeprefix(desk.links.public_url)
    assert "Sign in as Haematologist on call" in words(desk.get(path))
    assert desk.get("/board").status_code == 401, "opening the link signs nobody in"
    assert desk.post(path).status_code == 303
    assert desk.get("/board").status_code == 200
    again = desk.post(path)
    assert again.status_code == 410
    assert "This link was used already" in words(again)


def test_a_personal_link_lasts_a_quarter_of_an_hour(desk: Desk) -> None:
    path = desk.links.sign_in(PERSON, desk.clock.now()).removeprefix(desk.links.public_url)
    desk.clock.forward(minutes=15, seconds=1)
    assert desk.get(path).status_code == 410
    assert desk.post(path).status_code == 410


def test_the_link_of_a_page_signs_nobody_in(desk: Desk) -> None:
    token = desk.link(desk.fall_ill()).removeprefix("/p/")
    assert desk.post(f"/sign-in/{token}").status_code == 403
    with pytest.raises(BadLink):
        desk.links.read(desk.links.sign_in(PERSON, desk.clock.now()).rpartition("/")[2], desk.clock.now())


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(desk: Desk) -> None:
    cookie = desk.sign_in().headers["set-cookie"]
    assert cookie.startswith("__Host-cartwatch=")
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= set(cookie.lower().split("; "))


def test_on_plain_http_the_cookie_is_not_marked_secure(redis: Redis, store: Store, clock: Clock) -> None:
    with Desk(redis, store, clock, https=False) as desk:
        cookie = desk.sign_in().headers["set-cookie"].lower()
    assert "secure" not in cookie
    assert "httponly" in cookie


def test_the_store_does_not_know_what_the_cookie_holds(desk: Desk) -> None:
    desk.sign_in()
    value = next(iter(desk.browser.cookies().values())).encode()
    assert all(value not in packed for packed in everything(desk.redis).values())


def test_a_session_ends_after_an_hour_without_anybody(desk: Desk) -> None:
    desk.sign_in()
    desk.clock.forward(minutes=59)
    assert desk.get("/board").status_code == 200
    desk.clock.forward(minutes=59)
    assert desk.get("/board").status_code == 200
    desk.clock.forward(minutes=60)
    assert desk.get("/board").status_code == 401


def test_a_board_that_reloads_itself_is_nobody(desk: Desk) -> None:
    desk.sign_in()
    for _ in range(2):
        desk.clock.forward(minutes=30)
        answered = desk.get("/board?refresh=1")
    assert answered.status_code == 401


def test_a_session_ends_after_twelve_hours_however_busy(desk: Desk) -> None:
    desk.sign_in()
    for _ in range(23):
        desk.clock.forward(minutes=30)
        assert desk.get("/board").status_code == 200
    desk.clock.forward(minutes=30)
    assert desk.get("/board").status_code == 401


def test_signing_out_ends_it(desk: Desk) -> None:
    desk.sign_in()
    session = desk.links.session(next(iter(desk.browser.cookies().values()))) or ""
    assert desk.gateway.sessions.find(session, desk.clock.now()) is not None
    assert desk.post("/sign-out").status_code == 303
    assert desk.gateway.sessions.find(session, desk.clock.now()) is None
    assert desk.get("/board").status_code == 401


def test_sessions_are_ended_from_anywhere(desk: Desk) -> None:
    desk.sign_in()
    sessions = Sessions(desk.redis, desk.store.keys)
    assert sessions.end_all("consultant-1") == 0
    assert sessions.end_all(PERSON) == 1
    assert desk.get("/board").status_code == 401


# -- what it shows -----------------------------------------------------------------------------------


def test_it_shows_every_patient_with_grades_and_who_has_what(desk: Desk) -> None:
    desk.fall_ill("P1")
    desk.send(registration("P2", desk.clock.now(), bed="7"), reading("temperature", "36.8", "P2"))
    desk.sign_in()
    shown = words(desk.get("/board"))
    assert "HAEM-2 / 12 P1 D+2 ≥2" in shown
    assert "high CRS grade 2: fever plus hypotension Nobody has it yet" in shown
    assert "HAEM-2 / 7 P2" in shown
    assert shown.index("HAEM-2 / 12") < shown.index("HAEM-2 / 7"), "the most urgent first"
    assert "1 unanswered" in shown


def test_it_shows_until_when_somebody_has_it(desk: Desk) -> None:
    episode = desk.fall_ill()
    desk.press(desk.link(episode), "have-it")
    desk.work()
    desk.sign_in("consultant-1")
    assert "Haematologist on call has it since 10:00" in words(desk.get("/board"))


def test_it_shows_that_the_service_is_ill(desk: Desk) -> None:
    desk.sign_in()
    assert re.search(r"Service: FAULT \(.*workers", words(desk.get("/board")))


def test_no_patient_stands_in_any_address(desk: Desk) -> None:
    desk.fall_ill("patient-4711")
    desk.sign_in()
    for path in ("/board", f"/board/patient/{desk.links.opaque('patient-4711')}", desk.link(desk.crs("patient-4711"))):
        shown = desk.get(path)
        assert "patient-4711" in words(shown)
        addresses = re.findall(r'(?:href|action|src)="([^"]*)"', shown.text)
        assert addresses
        assert not [address for address in (*addresses, path) if "4711" in address]
        assert not [value for value in shown.headers.values() if "4711" in value]


def test_one_patient_with_course_and_explanation(desk: Desk) -> None:
    desk.fall_ill()
    desk.sign_in()
    shown = desk.get(f"/board/patient/{desk.links.opaque('P1')}")
    assert "<svg" in shown.text
    assert "Why the grades are as they are" in words(shown)
    assert "What would change it" in words(shown)
    assert desk.get("/board/patient/P1").status_code == 404


# -- acting ------------------------------------------------------------------------------------------


@pytest.fixture
def viewer(redis: Redis, store: Store, clock: Clock) -> Iterator[Desk]:
    with Desk(redis, store, clock, site_with(consultant_1={"may": "view"})) as made:
        yield made


def test_who_may_act_takes_an_episode_from_the_board(desk: Desk) -> None:
    episode = desk.fall_ill()
    desk.sign_in("consultant-1")
    answered = desk.post(f"/board/episode/{episode.id}/have-it", data=desk.board_form(episode))
    assert answered.status_code == 303
    desk.work()
    assert desk.crs().acknowledged_by == "consultant-1"
    assert "You have it since 10:00" in words(desk.get(answered.headers["location"]))


def test_who_may_view_sees_no_button_and_cannot_act(viewer: Desk) -> None:
    episode = viewer.fall_ill()
    viewer.sign_in("consultant-1")
    assert "I have it" not in words(viewer.get("/board"))
    assert "I have it" not in words(viewer.get(f"/board/patient/{viewer.links.opaque('P1')}"))
    cookie = next(iter(viewer.browser.cookies().values()))
    proof = viewer.links.proof(cookie)
    answered = viewer.post(f"/board/episode/{episode.id}/have-it", data={"proof": proof})
    assert answered.status_code == 403
    assert "You may look, not answer" in words(answered)
    assert waiting(viewer.store) == 0


@pytest.mark.parametrize("proof", ["", "0" * 32, None])
def test_a_form_without_the_session_s_proof_is_refused(desk: Desk, proof: str | None) -> None:
    episode = desk.fall_ill()
    desk.sign_in()
    form = {"mark": "1"} | ({} if proof is None else {"proof": proof})
    assert desk.post(f"/board/episode/{episode.id}/have-it", data=form).status_code == 403
    assert waiting(desk.store) == 0


def test_the_proof_of_another_session_is_refused(desk: Desk) -> None:
    episode = desk.fall_ill()
    desk.sign_in()
    form = desk.board_form(episode)
    desk.post("/sign-out")
    desk.sign_in()
    assert desk.post(f"/board/episode/{episode.id}/have-it", data=form).status_code == 403


def test_a_board_from_before_a_worsening_takes_nothing(desk: Desk) -> None:
    episode = desk.fall_ill()
    desk.sign_in()
    form = desk.board_form(episode)
    at = desk.clock.forward(minutes=1).isoformat()
    pressor = {"type": "treatment", "id": "n", "source": "emar", "patient": "P1", "drug": "norepinephrine"}
    desk.send(pressor | {"effective": at, "action": "started"})
    assert desk.post(f"/board/episode/{episode.id}/have-it", data=form).headers["location"] == "/board"
    desk.work()
    assert desk.crs().acknowledged_by == ""


def test_an_answer_from_the_patient_s_course_leads_back_there(desk: Desk) -> None:
    episode = desk.fall_ill()
    desk.sign_in()
    course = f"/board/patient/{desk.links.opaque('P1')}"
    form = desk.board_form(episode, course)
    answered = desk.post(f"/board/episode/{episode.id}/silence", data=form | {"hours": "1", "why": "in theatre"})
    assert answered.headers["location"].startswith(course)
    desk.work()
    assert "Silenced until 11:00" in words(desk.get(answered.headers["location"]))


# -- live --------------------------------------------------------------------------------------------


class Listener:
    """Somebody whose board is open."""

    def __init__(self, desk: Desk, runner: asyncio.Runner) -> None:
        session = desk.links.session(next(iter(desk.browser.cookies().values()))) or ""
        self._runner = runner
        self.boards = LiveBoards()
        self._events = _events(desk.gateway, desk.app.state.live, Session(session, PERSON), self.boards)

    def next(self) -> str:
        return self._runner.run(anext(self._events)).decode()

    def ended(self) -> bool:
        try:
            self.next()
        except StopAsyncIteration:
            return True
        return False


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def test_the_board_comes_again_when_something_has_changed(desk: Desk, runner: asyncio.Runner) -> None:
    desk.sign_in()
    listener = Listener(desk, runner)
    assert "No patient is watched" in listener.next()
    desk.fall_ill()
    event = listener.next()
    assert event.startswith("event: board\ndata: ")
    assert "CRS grade 2" in event
    assert event.endswith("\n\n")


def test_whoever_has_just_signed_in_is_not_sent_away(
    desk: Desk, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.app.state.live, "every", 60)
    runner.run(desk.app.state.live.ward())
    desk.sign_in()
    assert Listener(desk, runner).next().startswith("event: board")


def test_it_ends_with_the_session(desk: Desk, runner: asyncio.Runner) -> None:
    desk.sign_in()
    listener = Listener(desk, runner)
    listener.next()
    desk.post("/sign-out")
    assert listener.next() == "event: end\ndata: \n\n"
    assert listener.ended()


def test_it_ends_when_the_gateway_stops(desk: Desk, runner: asyncio.Runner) -> None:
    desk.sign_in()
    listener = Listener(desk, runner)
    listener.next()
    desk.app.state.live.closing.set()
    assert listener.ended()


def test_looking_does_not_keep_a_session_alive(desk: Desk, runner: asyncio.Runner) -> None:
    desk.sign_in()
    listener = Listener(desk, runner)
    listener.next()
    desk.clock.forward(minutes=61)
    assert listener.next().startswith("event: end")


def test_all_listeners_share_one_look_at_the_store(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    live = desk.app.state.live
    looks = []
    monkeypatch.setattr(live, "_look", lambda: looks.append(1))
    monkeypatch.setattr(live, "every", 60)

    async def everybody() -> None:
        await asyncio.gather(*(live.ward() for _ in range(50)))

    asyncio.run(everybody())
    assert len(looks) == 1


def test_a_board_whose_look_takes_long_shows_the_last_one_for_a_while_and_then_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = desk.app.state.live
    desk.sign_in()
    shown = desk.get("/board")
    may_end = threading.Event()
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(live, "_look", lambda: may_end.wait(30))
    try:
        again = desk.get("/board")
        assert again.status_code == 200
        assert "Last update 10:00" in words(shown)
        assert "Last update 10:00" in words(again)
        assert desk.get("/healthz").json() == {"well": False, "parts": [{"part": "store", "well": False}]}
        monkeypatch.setattr(live, "_ticks", lambda: time.monotonic() + module.STALE_SECONDS)
        assert desk.get("/board").status_code == 503
    finally:
        may_end.set()


def test_a_session_may_not_open_any_number_of_live_boards(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sign_in()
    monkeypatch.setattr(LiveBoards, "OF_ONE", 0)
    refused = desk.get("/board/events")
    assert refused.status_code == 429
    assert "Too many live boards" in words(refused)


def test_a_live_board_counts_while_it_is_open(desk: Desk, runner: asyncio.Runner) -> None:
    desk.sign_in()
    listener = Listener(desk, runner)
    listener.next()
    assert listener.boards._open.total() == 1
    desk.post("/sign-out")
    listener.next()
    assert listener.ended()
    assert listener.boards._open.total() == 0


def test_it_names_the_patients_whose_stored_state_cannot_be_read(desk: Desk) -> None:
    desk.fall_ill("P1")
    desk.fall_ill("P2")
    desk.redis.hset(KEYS.of("P1").key("states"), "P1", b"damaged")
    desk.sign_in()
    shown = words(desk.get("/board"))
    assert "Not watched, because their stored data cannot be read: P1" in shown
    assert "P2 D+2" in shown
