"""What holds for every request: headers, methods, sizes, and errors that tell nothing."""

import logging

import pytest

from tests.unit.worker.gateway.desk import PERSON, Desk, words
from worker.gateway import web
from worker.gateway.guard import LARGEST_BODY


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
    assert desk.post(f"{path}/have-it", data={"why": "x" * (web.LARGEST_FORM + 1)}).status_code == 413


def test_only_forms_are_read_as_forms(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    assert desk.browser.request("POST", f"{path}/have-it", json={}).status_code == 415
    too_many = "&".join(f"f{number}=1" for number in range(50))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert desk.browser.request("POST", f"{path}/have-it", content=too_many, headers=form).status_code == 400
    assert desk.browser.request("POST", f"{path}/have-it", content=b"why=\xff", headers=form).status_code == 400


def test_an_error_tells_nothing_to_the_reader_and_no_patient_to_the_log(
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
    assert "request failed: ValueError at test_guard.py" in caplog.text


def test_nothing_that_is_asked_for_stands_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    path = desk.link(desk.fall_ill("patient-4711"))
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="worker"):
        desk.get(path)
        desk.tap(path, "have-it")
        desk.get("/p/wrong")
    assert "4711" not in caplog.text
    assert path not in caplog.text


def test_a_refusal_is_in_the_browser_s_language(desk: Desk) -> None:
    assert "Questo collegamento non è valido" in words(desk.get("/p/x", accept_language="it-IT,it;q=0.9,en;q=0.8"))
    assert "This link is not valid" in words(desk.get("/p/x", accept_language="de"))
