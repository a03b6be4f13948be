"""The ward board: a signed-in person sees every patient, live, and with permission responds from it."""

import asyncio
import hmac
import re
import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, NamedTuple

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from alerts.explain import explain
from alerts.handover import duty_text, handover_sheet
from alerts.message_fields import visible
from alerts.state import PatientState
from config.site import Language
from worker.gateway import view
from worker.gateway.ack_status import NoSuchEpisode, ack_status, episode_of
from worker.gateway.board_view import board
from worker.gateway.context import Gateway, form_of, html, press_of, templates
from worker.gateway.error_pages import NO_SUCH, NOT_OURS, TOO_MANY_BOARDS, VIEW_ONLY, Refused
from worker.gateway.page import submit
from worker.gateway.rate_limit import LiveBoards
from worker.gateway.responses import ButtonPress, lengths, receivers
from worker.gateway.sessions import Session, digest
from worker.gateway.sign_in import cookie_of, session_of
from worker.gateway.snapshot import HEARTBEAT_SECONDS, Ward, WardSnapshots
from worker.gateway.trend import trend
from worker.gateway.view import Reader
from worker.links import LinkClaims

PAGE_ID = re.compile(r"[\w.~:-]{1,100}")


def routes(gateway: Gateway, live: WardSnapshots) -> list[Route]:
    """The routes of the board, its live events, one patient, and responses."""

    run = gateway.threads.board.run
    boards = LiveBoards()

    async def show(request: Request) -> Response:
        cookie_of(gateway, request)
        return await run(_show, gateway, request, await live.ward(fresh=bool(press_of(request))), live)

    async def events(request: Request) -> Response:
        cookie_of(gateway, request)
        session = await run(partial(session_of, gateway, request, active=False))
        if boards.is_full(session.id):
            raise Refused(TOO_MANY_BOARDS)
        headers = {"x-accel-buffering": "no"}
        events = _events(gateway, live, session, boards)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def patient(request: Request) -> Response:
        cookie_of(gateway, request)
        fresh = bool(press_of(request)) or "registered" in request.query_params
        return await run(_patient, gateway, request, await live.ward(fresh=fresh))

    async def answer(request: Request) -> Response:
        cookie_of(gateway, request)
        form = await form_of(request)
        return await run(_answer, gateway, request, form)

    async def sheet(request: Request) -> Response:
        cookie_of(gateway, request)
        return await run(_handover, gateway, request, await live.ward(fresh=True))

    return [
        Route("/board", show, methods=["GET"]),
        Route("/board/handover", sheet, methods=["GET"]),
        Route("/board/events", events, methods=["GET"]),
        Route("/board/patient/{opaque}", patient, methods=["GET"]),
        Route("/board/episode/{episode}/{action}", answer, methods=["POST"]),
    ]


def _show(gateway: Gateway, request: Request, ward: Ward, live: WardSnapshots) -> Response:
    # An automatic refresh does not count as activity.
    session = session_of(gateway, request, active="refresh" not in request.query_params)
    values = _board_values(gateway, live, session, ward)
    return html("board.html.j2", values["reader"].language, values)


def _handover(gateway: Gateway, request: Request, ward: Ward) -> Response:
    """The sheet of a shift handover, to be read together or printed."""
    reader = gateway.reader(session_of(gateway, request).person)
    sheet = handover_sheet(ward.states, reader.now, reader.site, reader.language)
    duties = [duty_text(duty, reader.language) for duty in sheet.duties]
    return html("handover.html.j2", reader.language, {"reader": reader, "sheet": sheet, "duties": duties})


def _board_values(gateway: Gateway, live: WardSnapshots, session: Session, ward: Ward) -> dict[str, Any]:
    reader = gateway.reader(session.person)
    return {
        "reader": reader,
        "unregistered": ward.unregistered,
        "unreadable": [visible(patient) for patient in ward.unreadable],
        "board": board(live.overviews(ward), ward.feeds, ward.checks, reader, gateway.links),
        "at": ward.at,
        "may_act": gateway.may_act(session.person),
        "proof": gateway.links.proof(session.id),
        "mark": secrets.token_hex(8),
    }


# -- live --------------------------------------------------------------------------------------------


class Event(NamedTuple):
    """An event for a live board; `version` is that of the ward it shows, or None."""

    name: str
    text: str = ""
    version: int | None = None


async def _events(gateway: Gateway, live: WardSnapshots, session: Session, boards: LiveBoards) -> AsyncIterator[bytes]:
    """The board after each change, a heartbeat in between, and `end` when the session has ended."""
    shown: int | None = None
    spoke = time.monotonic()
    with boards.one(session.id):
        while not live.closing.is_set():
            event = await _event(gateway, live, session, shown)
            if event is not None:
                yield _sent(event.name, event.text)
                spoke, shown = time.monotonic(), event.version
                if event.name == "end":
                    return
            elif time.monotonic() - spoke > HEARTBEAT_SECONDS:
                yield _sent("still", "")
                spoke = time.monotonic()
            await asyncio.sleep(live.every)


async def _event(gateway: Gateway, live: WardSnapshots, session: Session, shown: int | None) -> Event | None:
    """The next event after the shown version; None while nothing has changed."""
    try:
        ward = await live.ward()
        if digest(session.id) not in ward.sessions:
            # Somebody may have signed in after the ward was last read.
            ward = await live.ward(fresh=True)
        if digest(session.id) not in ward.sessions:
            return Event("end")
        # If the site no longer lists the person, that is another version.
        return None if ward.version == shown else await gateway.threads.board.run(_drawn, gateway, live, session, ward)
    except RedisError:
        return Event("down")


def _drawn(gateway: Gateway, live: WardSnapshots, session: Session, ward: Ward) -> Event:
    if session.person not in gateway.site.on_call.people:
        return Event("end")
    values = _board_values(gateway, live, session, ward)
    say = values["reader"].say
    text = templates().get_template("ward.html.j2").render(say=say, **values | {"mark": "live"})
    return Event("board", text, ward.version)


def _sent(name: str, text: str) -> bytes:
    data = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"event: {name}\n{data}\n".encode()


# -- one patient -------------------------------------------------------------------------------------


def _patient(gateway: Gateway, request: Request, ward: Ward) -> Response:
    session = session_of(gateway, request)
    press = press_of(request)
    reader = gateway.reader(session.person)
    state = _by_opaque(gateway, ward, request.path_params["opaque"], reader.language)
    values = {
        "reader": reader,
        "patient": view.patient(state, reader),
        "acks": {item.id: ack_status(item, reader.person, reader.now) for item in state.episodes.values()},
        "trend": trend(state.chart, reader, state.episodes.values()),
        "explanations": explain(state.chart, reader.now, reader.site, reader.language) if state.registered else [],
        "opaque": request.path_params["opaque"],
        "may_act": gateway.may_act(session.person),
        "proof": gateway.links.proof(session.id),
        "mark": secrets.token_hex(8),
        "lengths": lengths(gateway.site),
        "receivers": receivers(session.person, gateway.site),
        "processing": bool(press) and not gateway.responses.is_processed(press),
    }
    return html("patient.html.j2", reader.language, values)


def _by_opaque(gateway: Gateway, ward: Ward, opaque: str, language: Language) -> PatientState:
    for state in ward.states:
        if hmac.compare_digest(gateway.links.opaque(state.patient).encode(), opaque.encode()):
            return state
    raise Refused(NO_SUCH, language)


# -- responses ---------------------------------------------------------------------------------------


def _answer(gateway: Gateway, request: Request, form: dict[str, str]) -> Response:
    session = session_of(gateway, request)
    reader = gateway.reader(session.person)
    if not gateway.may_act(session.person):
        raise Refused(VIEW_ONLY, reader.language)
    if not hmac.compare_digest(form.pop("proof", "").encode(), gateway.links.proof(session.id).encode()):
        raise Refused(NOT_OURS, reader.language)
    state = _by_episode(gateway, request.path_params["episode"], reader)
    back = f"/board/patient/{gateway.links.opaque(state.patient)}" if "course" in form else "/board"
    press = _press(state, request, form, reader)
    if press is None:
        return RedirectResponse(back, 303)
    return RedirectResponse(f"{back}?press={submit(gateway, press, reader)}", 303)


def _by_episode(gateway: Gateway, episode: str, reader: Reader) -> PatientState:
    patient = gateway.run.store.patient_of(episode)
    state = gateway.run.store.state(patient) if patient is not None else None
    if state is None:
        raise Refused(NO_SUCH, reader.language)
    return state


def _press(state: PatientState, request: Request, form: dict[str, str], reader: Reader) -> ButtonPress | None:
    """The press of a form; None if the episode is closed or has worsened since the board was shown."""
    try:
        episode = episode_of(state, request.path_params["episode"])
    except NoSuchEpisode as error:
        raise Refused(NO_SUCH, reader.language) from error
    page = form.get("page", "")
    page = page if PAGE_ID.fullmatch(page) else ""
    if episode is None:
        return None
    claims = LinkClaims(page, episode.id, reader.person, reader.now)
    if ack_status(episode, reader.person, reader.now, claims=claims).stale:
        return None
    action = request.path_params["action"]
    return ButtonPress(action, reader.person, state.patient, episode.id, page, episode.urgency, form)
