"""What holds for every request: headers, methods, sizes, and errors that reveal nothing."""

import asyncio
import logging

import pytest
from starlette.types import ASGIApp, Message, Scope

from tests.support.desk import PERSON, Desk, words
from worker.gateway import context
from worker.gateway.proxy import BehindProxy
from worker.gateway.rate_limit import BodyBudget
from worker.gateway.security_middleware import LARGEST_BODY, SecurityMiddleware


def paths(desk: Desk) -> list[str]:
    """An address of every kind, good and bad."""
    episode = desk.fall_ill()
    desk.sign_in()
    sign_in = desk.links.sign_in(PERSON, desk.clock.now()).removeprefix(desk.links.public_url)
    good = ["/", "/board", f"/board/patient/{desk.links.opaque('P1')}", desk.link(episode), sign_in, "/healthz"]
    good += ["/metrics", "/static/gateway.css", "/static/board.js"]
    return [*good, "/nothing", "/p/nothing", "/sign-in/nothing", "/board/patient/nothing", "/static/nothing"]


def test_every_answer_carries_the_security_headers(desk: Desk) -> None:
    for path in paths(desk):
        for method in ("GET", "HEAD", "POST", "TRACE", "PUT"):
            headers = desk.browser.request(method, path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["strict-transport-security"].startswith("max-age=")
            assert "server" not in headers


def test_the_pages_need_nothing_that_the_policy_forbids(desk: Desk) -> None:
    for path in paths(desk):
        text = desk.get(path).text
        assert " style=" not in text
        assert "<style" not in text
        assert "onclick" not in text
        assert "<script>" not in text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "PROPFIND"])
def test_other_methods_are_refused(desk: Desk, method: str) -> None:
    for path in ("/", "/board", "/healthz", "/nothing"):
        assert desk.browser.request(method, path).status_code == 405


def test_large_bodies_are_refused(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    assert desk.post(f"{path}/have-it", headers={"content-length": str(LARGEST_BODY + 1)}).status_code == 413
    assert desk.post(f"{path}/have-it", headers={"content-length": "many"}).status_code == 400
    assert desk.post(f"{path}/have-it", data={"why": "x" * (context.LARGEST_FORM + 1)}).status_code == 413


def test_only_forms_are_read_as_forms(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    assert desk.browser.request("POST", f"{path}/have-it", json={}).status_code == 415
    too_many = "&".join(f"f{number}=1" for number in range(50))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert desk.browser.request("POST", f"{path}/have-it", content=too_many, headers=form).status_code == 400
    assert desk.browser.request("POST", f"{path}/have-it", content=b"why=\xff", headers=form).status_code == 400


def test_an_error_reveals_nothing_to_the_reader_and_no_patient_to_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = desk.link(desk.fall_ill())

    def broken(*_: object) -> None:
        raise ValueError("P1 has 38.9")

    monkeypatch.setattr(desk.store, "patient_of", broken)
    with caplog.at_level(logging.DEBUG):
        shown = desk.get(path)
    assert shown.status_code == 500
    assert "This did not work" in words(shown)
    for text in (shown.text, caplog.text):
        assert "P1" not in text
        assert "38.9" not in text
        assert "Traceback" not in text
    assert "request failed: ValueError at test_security_middleware.py" in caplog.text


def test_nothing_that_is_asked_for_stands_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    path = desk.link(desk.fall_ill("patient-4711"))
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="worker"):
        desk.get(path)
        desk.press(path, "have-it")
        desk.get("/p/wrong")
    assert "4711" not in caplog.text
    assert path not in caplog.text


def test_a_refusal_is_in_the_browser_s_language(desk: Desk) -> None:
    assert "Questo collegamento non è valido" in words(desk.get("/p/x", accept_language="it-IT,it;q=0.9,en;q=0.8"))
    assert "This link is not valid" in words(desk.get("/p/x", accept_language="de"))


# -- Host, Origin, redirects, bodies -----------------------------------------------------------------

HOSTS = [
    "",
    "a b",
    "a/b",
    "a@b",
    "a,b",
    "x:y",
    "x:99999",
    "x:",
    "[::1",
    "[::::]",
    "[1.2.3.4]",
    "a\x00b",
    "a" * 300,
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_no_such_thing_is_refused(desk: Desk, host: str) -> None:
    assert desk.get("/board", host=host).status_code == 400
    assert desk.get("/", origin=f"https://{host}").status_code == 400


@pytest.mark.parametrize("origin", ["https:/x", "x", "://x", "1a://x", "https://x/path", "https://x https://y", "NULL"])
def test_an_origin_that_is_no_such_thing_is_refused(desk: Desk, origin: str) -> None:
    assert desk.post("/sign-out", headers={"origin": origin}).status_code == 400


@pytest.mark.parametrize("host", ["ward.example", "ward.example:8080", "10.0.0.1:443", "[::1]:8080", "[2001:db8::1]"])
def test_a_host_and_an_origin_as_browsers_write_them_are_taken(desk: Desk, host: str) -> None:
    assert desk.post("/sign-out", headers={"host": host, "origin": f"https://{host}"}).status_code == 303


def test_a_redirect_names_no_host(desk: Desk) -> None:
    for path in ("/", "/board/", "/static"):
        location = desk.get(path, host="elsewhere.example").headers["location"]
        assert location.startswith("/")
        assert not location.startswith("//")
        assert "elsewhere" not in location


class Silent:
    """A request whose body never comes: reading it is an error."""

    def __init__(self, desk: Desk, path: str, *headers: tuple[str, str]) -> None:
        sent = [("host", "gateway.test"), ("content-length", "10"), *headers]
        raw = [(name.encode(), value.encode()) for name, value in sent]
        self.scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw}
        self.scope |= {"client": ("10.0.0.1", 50000), "scheme": "http", "server": ("gateway.test", 80)}
        self.desk = desk

    def status(self) -> int:
        found: list[int] = []

        async def receive() -> Message:
            raise AssertionError("the body was read")

        async def send(message: Message) -> None:
            found.append(message.get("status", 0))

        asyncio.run(self.desk.app(self.scope, receive, send))
        return found[0]


def test_nobody_s_body_is_read(desk: Desk) -> None:
    form = ("content-type", "application/x-www-form-urlencoded")
    for path, status in (
        ("/p/nothing/have-it", 403),
        ("/sign-in/nothing", 403),
        ("/board/register", 401),
        ("/board/episode/x/have-it", 401),
    ):
        assert Silent(desk, path, form, ("cookie", "__Host-cartwatch=made-up")).status() == status


def test_nobody_s_request_costs_the_store_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(desk.redis, "execute_command", touched)
    monkeypatch.setattr(desk.redis, "pipeline", touched)
    cookie = {"cookie": "__Host-cartwatch=made-up.signature"}
    for path in ("/board", "/board/events", "/board/patient/x", "/board/register"):
        assert desk.get(path, **cookie).status_code == 401
    for path in ("/p/nothing", "/sign-in/nothing"):
        assert desk.get(path).status_code == 403


def test_more_than_there_is_room_for_is_refused_and_what_is_small_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.link(desk.fall_ill())
    assert desk.get(path).status_code == 200
    guard = next(layer for layer in layers(desk) if isinstance(layer, SecurityMiddleware))
    budget = guard._bodies = BodyBudget(of_all=1000, of_one=1000)
    budget.add("127.0.0.1", 1000)
    assert desk.press(path, "have-it").status_code == 303
    monkeypatch.setattr("worker.gateway.security_middleware.SMALL_BODY", 100)
    answer = desk.post(f"{path}/silence", data={"why": "x" * 200})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert budget._all == 1000


def layers(desk: Desk) -> list[ASGIApp]:
    """What wraps the routes, from outside."""
    found = [desk.app.middleware_stack]
    while (inner := getattr(found[-1], "app", None) or getattr(found[-1], "_app", None)) is not None:
        found.append(inner)
    return found


def test_a_sender_that_leaves_is_no_failure(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    path = desk.link(desk.fall_ill())
    scope = Silent(desk, f"{path}/have-it", ("content-type", "application/x-www-form-urlencoded")).scope

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        raise AssertionError("nobody is there")

    asyncio.run(desk.app(scope, receive, send))
    assert "request failed" not in caplog.text


def test_more_than_may_wait_for_a_thread_is_said_to_be_so(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    desk.gateway.threads.links._queue = 0
    answer = desk.get(path)
    assert answer.status_code == 503
    assert "Too many requests at once" in words(answer)


# -- behind a proxy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["10.9.9.9, 192.0.2.7"], "192.0.2.7"),
        (["10.9.9.9", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["10.9.9.9, nobody"], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_behind_a_proxy_the_address_is_the_one_it_added(forwarded: list[str], address: str) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, *_: object) -> None:
        seen.append(scope)

    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "headers": headers, "client": ("127.0.0.1", 50000)}
    asyncio.run(BehindProxy(app)(scope, None, None))  # type: ignore[arg-type]
    assert seen[0]["client"][0] == address
