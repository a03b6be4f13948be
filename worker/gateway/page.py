"""The page on the phone. A GET shows it and changes nothing; a POST submits a response."""

import secrets
from datetime import datetime
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts.episodes.episode import Episode
from alerts.state import PatientState
from config.site import URGENCIES
from worker.gateway import view
from worker.gateway.ack_status import (
    AckStatus,
    NoSuchEpisode,
    ack_status,
    closed_status,
    delivery_of,
    episode_of,
    may_respond,
    past_of,
)
from worker.gateway.context import Gateway, form_of, html, press_of
from worker.gateway.error_pages import EXPIRED_LINK, FOREIGN_LINK, NO_SUCH, Refused, unusable
from worker.gateway.responses import ButtonPress, Requested, UnusableResponse, lengths, receivers
from worker.gateway.trend import trend
from worker.gateway.view import Reader, condition_name
from worker.links import BadLink, ExpiredLink, LinkClaims


class OpenedPage(NamedTuple):
    """A valid link: the patient of its page, the episode if it is open, and the acknowledgement status."""

    claims: LinkClaims
    reader: Reader
    state: PatientState
    episode: Episode | None
    ack: AckStatus


def routes(gateway: Gateway) -> list[Route]:
    """The routes of the page and its responses."""

    async def show(request: Request) -> Response:
        _refuse_unsigned(gateway, request)
        return await gateway.threads.links.run(_show, gateway, request)

    async def answer(request: Request) -> Response:
        _refuse_unsigned(gateway, request)
        form = await form_of(request)
        return await gateway.threads.links.run(_answer, gateway, request, form)

    return [
        Route("/p/{token}", show, methods=["GET"]),
        Route("/p/{token}/{action}", answer, methods=["POST"]),
    ]


def _refuse_unsigned(gateway: Gateway, request: Request) -> None:
    """Refuse an unsigned link before reading a body, and before using a thread or the store."""
    if not gateway.links.is_signed(request.path_params["token"]):
        raise gateway.bad_link(request)


def _open(gateway: Gateway, request: Request) -> OpenedPage:
    now = gateway.now()
    try:
        claims = gateway.links.read(request.path_params["token"], now)
    except BadLink as error:
        raise gateway.bad_link(request) from error
    except ExpiredLink as error:
        raise Refused(EXPIRED_LINK, gateway.language_of(error.person)) from error
    if claims.person not in gateway.site.on_call.people:
        raise Refused(FOREIGN_LINK)
    reader = gateway.reader(claims.person)
    patient = gateway.run.store.patient_of(claims.episode)
    state = gateway.run.store.state(patient) if patient is not None else None
    if state is None:
        raise Refused(NO_SUCH, reader.language)
    try:
        episode = episode_of(state, claims.episode)
    except NoSuchEpisode as error:
        raise Refused(NO_SUCH, reader.language) from error
    if episode is None:
        episode = _left_of(state, claims)
    if episode is None:
        return OpenedPage(claims, reader, state, None, closed_status(state, claims.episode))
    claims = claims._replace(episode=episode.id)
    if not may_respond(episode, claims):
        raise Refused(FOREIGN_LINK, reader.language)
    return OpenedPage(claims, reader, state, episode, ack_status(episode, claims.person, now, claims=claims))


def _left_of(state: PatientState, claims: LinkClaims) -> Episode | None:
    """If the first episode of a page about several is closed, the most urgent one that is still open."""
    concerns = [item for item in state.episodes.values() if delivery_of(item, claims.page) is not None]
    return max(concerns, key=lambda item: URGENCIES.index(item.urgency), default=None)


def _show(gateway: Gateway, request: Request) -> Response:
    opened = _open(gateway, request)
    press = press_of(request)
    processing = bool(press) and not gateway.responses.is_processed(press)
    shown = view.patient(opened.state, opened.reader)
    concerns = [item for item in shown.concerns if _is_of_page(item.episode, opened.claims)]
    values = {
        "token": request.path_params["token"],
        "page": opened.claims.page,
        "reader": opened.reader,
        "ack": opened.ack,
        "patient": shown,
        "concerns": sorted(concerns, key=lambda item: item.episode.id != opened.claims.episode),
        "stale": {item.episode.id for item in concerns if _is_stale(item.episode, opened)},
        "others": [item for item in shown.concerns if item not in concerns],
        "over_title": _over_title(opened),
        "trend": trend(opened.state.chart, opened.reader, [item.episode for item in concerns]),
        "processing": processing,
        "unmoved": bool(press) and not processing and not _has_effect(gateway.responses.asked(press), opened),
        "mark": secrets.token_hex(8),
        "lengths": lengths(gateway.site),
        "receivers": receivers(opened.claims.person, gateway.site),
    }
    return html("page.html.j2", opened.reader.language, values)


def _is_of_page(episode: Episode, claims: LinkClaims) -> bool:
    return episode.id == claims.episode or delivery_of(episode, claims.page) is not None


def _over_title(opened: OpenedPage) -> str:
    found = past_of(opened.state, opened.claims.episode) if opened.episode is None else None
    return condition_name(found[0], opened.reader) if found is not None else ""


def _has_effect(asked: Requested | None, opened: OpenedPage) -> bool:
    """Whether the present status is the one that a press requested; True if the press is no longer known."""
    if asked is None:
        return True
    episode = next((item for item in opened.state.episodes.values() if item.id == asked.episode), None)
    stands = closed_status(opened.state, asked.episode) if episode is None else _ack_status(episode, opened)
    match asked.action:
        case "have-it":
            return stands.holder != "nobody"
        case "take-over":
            return stands.holder == "you"
        case "hand-over":
            return bool(stands.handed_to)
        case "silence":
            return stands.silenced_until is not None
        case "false-alarm":
            return not stands.is_open
    return True


def _answer(gateway: Gateway, request: Request, form: dict[str, str]) -> Response:
    opened = _open(gateway, request)
    here = f"/p/{request.path_params['token']}"
    episode = _asked_of(opened, form)
    if episode is None or _is_stale(episode, opened):
        return RedirectResponse(here, 303)
    press = ButtonPress(
        action=request.path_params["action"],
        person=opened.claims.person,
        patient=opened.state.patient,
        episode=episode.id,
        page=opened.claims.page,
        urgency=episode.urgency,
        form=form,
    )
    return RedirectResponse(f"{here}?press={submit(gateway, press, opened.reader)}", 303)


def _asked_of(opened: OpenedPage, form: dict[str, str]) -> Episode | None:
    """The episode of a response: the link's, or another of the same page."""
    asked = form.get("episode") or opened.claims.episode
    concerns = [item for item in opened.state.episodes.values() if _is_of_page(item, opened.claims)]
    return next((episode for episode in concerns if episode.id == asked), None)


def _is_stale(episode: Episode, opened: OpenedPage) -> bool:
    return _ack_status(episode, opened).stale


def _ack_status(episode: Episode, opened: OpenedPage) -> AckStatus:
    return ack_status(episode, opened.claims.person, opened.reader.now, claims=opened.claims)


def submit(gateway: Gateway, press: ButtonPress, reader: Reader) -> str:
    """Append the response of a press and wait a moment for its effect; return the press's id.

    Raises:
        Refused: the form cannot be used.
    """
    now: datetime = gateway.now()
    try:
        id = gateway.responses.submit(press, now, gateway.site)
    except UnusableResponse as error:
        raise Refused(unusable(str(error)), reader.language) from error
    gateway.responses.wait(id, gateway.patience)
    return id
