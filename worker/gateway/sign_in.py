"""Sign-in to the board by a personal link, and sign-out."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from worker.gateway.context import Gateway, form_of, html
from worker.gateway.error_pages import FOREIGN_LINK, SIGN_IN_EXPIRED, SIGN_IN_NEEDED, SIGN_IN_USED, Refused
from worker.gateway.sessions import LASTS, Session
from worker.links import BadLink, ExpiredLink, SignIn


def routes(gateway: Gateway) -> list[Route]:
    """The routes of sign-in and sign-out. A GET does not sign in, because a link preview would use the link up."""

    async def show(request: Request) -> Response:
        _refuse_unsigned(gateway, request)
        return await gateway.threads.board.run(_show, gateway, request)

    async def sign_in(request: Request) -> Response:
        _refuse_unsigned(gateway, request)
        await form_of(request)
        return await gateway.threads.board.run(_sign_in, gateway, request)

    async def sign_out(request: Request) -> Response:
        await form_of(request)
        return await gateway.threads.board.run(_sign_out, gateway, request)

    return [
        Route("/sign-in/{token}", show, methods=["GET"]),
        Route("/sign-in/{token}", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]


def cookie_name(gateway: Gateway) -> str:
    """The cookie's name. Over TLS no other host and no plain connection can set it."""
    return "__Host-cartwatch" if gateway.links.is_https else "cartwatch"


def cookie_of(gateway: Gateway, request: Request) -> str:
    """The session id of a request's cookie, if we signed it. This does not ask the store.

    Raises:
        Refused: there is no such cookie.
    """
    session = gateway.links.session(request.cookies.get(cookie_name(gateway), ""))
    if session is None:
        raise Refused(SIGN_IN_NEEDED)
    return session


def session_of(gateway: Gateway, request: Request, *, active: bool = True) -> Session:
    """The session of a request.

    Raises:
        Refused: nobody is signed in, or the person is no longer in the site's configuration.
    """
    session = gateway.sessions.find(cookie_of(gateway, request), gateway.now(), active=active)
    if session is None or session.person not in gateway.site.on_call.people:
        raise Refused(SIGN_IN_NEEDED)
    return session


def _refuse_unsigned(gateway: Gateway, request: Request) -> None:
    if not gateway.links.is_signed_sign_in(request.path_params["token"]):
        raise gateway.bad_link(request)


def _claims(gateway: Gateway, request: Request) -> SignIn:
    try:
        claims = gateway.links.read_sign_in(request.path_params["token"], gateway.now())
    except BadLink as error:
        raise gateway.bad_link(request) from error
    except ExpiredLink as error:
        raise Refused(SIGN_IN_EXPIRED, gateway.language_of(error.person)) from error
    if claims.person not in gateway.site.on_call.people:
        raise Refused(FOREIGN_LINK)
    return claims


def _show(gateway: Gateway, request: Request) -> Response:
    reader = gateway.reader(_claims(gateway, request).person)
    values = {"reader": reader, "token": request.path_params["token"]}
    return html("sign_in.html.j2", reader.language, values)


def _sign_in(gateway: Gateway, request: Request) -> Response:
    claims = _claims(gateway, request)
    session = gateway.sessions.begin(claims, gateway.now())
    if session is None:
        raise Refused(SIGN_IN_USED, gateway.language_of(claims.person))
    response = RedirectResponse("/board", 303)
    response.set_cookie(
        cookie_name(gateway),
        gateway.links.cookie(session.id),
        max_age=int(LASTS.total_seconds()),
        path="/",
        secure=gateway.links.is_https,
        httponly=True,
        samesite="strict",
    )
    return response


def _sign_out(gateway: Gateway, request: Request) -> Response:
    if (session := gateway.links.session(request.cookies.get(cookie_name(gateway), ""))) is not None:
        gateway.sessions.end(session)
    response = RedirectResponse("/board", 303)
    response.delete_cookie(
        cookie_name(gateway), path="/", secure=gateway.links.is_https, httponly=True, samesite="strict"
    )
    return response
