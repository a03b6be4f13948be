"""Below `/fhir` and at `/messages` every error is an OperationOutcome, whoever finds it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.desk import ADDRESS, Browser, Desk
from worker.gateway.app import create_app
from worker.gateway.rate_limit import BodyBudget
from worker.gateway.security_middleware import LARGEST_BODY
from worker.gateway.serve import intake_routes
from worker.intake.source_keys import RememberedKeys, SourceKeys
from worker.intake.watched_config import WatchedIntakeConfig
from worker.store.keys import Keys

PATHS = ["/fhir", "/fhir/", "/fhir/Observation", "/fhir/Nothing/1", "/messages"]


@pytest.fixture
def browser(desk: Desk) -> Iterator[Browser]:
    """The whole gateway, with the ways in."""
    run = desk.gateway.run
    app = create_app(run, desk.links, intake_routes(run, desk.client, WatchedIntakeConfig(None)), client=desk.client)
    made = Browser(app, ADDRESS)
    yield made
    made.close()


def outcome(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/fhir+json"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["diagnostics"])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_is_not_offered(browser: Browser, method: str, path: str) -> None:
    answer = browser.request(method, path)
    assert outcome(answer)
    if answer.status_code == 405:
        assert set(answer.headers["allow"].split(", ")) <= {"POST", "PUT"}
    else:
        assert answer.status_code == (404 if "Nothing" in path else 401)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_refused_before_the_route(browser: Browser, path: str) -> None:
    for headers, status in (
        ({"host": "a b"}, 400),
        ({"origin": "nonsense"}, 400),
        ({"content-length": "many"}, 400),
        ({"content-length": str(LARGEST_BODY + 1)}, 413),
    ):
        answer = browser.request("POST", path, headers=headers)
        assert (answer.status_code, bool(outcome(answer))) == (status, True)


def test_more_than_all_bodies_may_take(browser: Browser, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BodyBudget, "add", lambda *_: False)
    headers = {"authorization": f"Bearer {key_of(desk)}", "content-type": "application/fhir+json"}
    answer = browser.request("POST", "/fhir", headers=headers, content=b"{}")
    assert (answer.status_code, outcome(answer), answer.headers["retry-after"]) == (503, "too much at once", "5")


def test_an_error_of_ours_reveals_nothing(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("P1 has 38.9")

    monkeypatch.setattr(RememberedKeys, "source_of", broken)
    key = {"authorization": "Bearer x"}
    answer = browser.request("POST", "/fhir/Observation", headers=key, content=b"{}")
    assert (answer.status_code, "P1" in answer.text) == (500, False)
    assert "send it again" in outcome(answer)


def key_of(desk: Desk) -> str:
    keys: Keys = desk.store.keys
    return SourceKeys(desk.redis, keys).add("lab", desk.clock.now())


def test_a_page_for_people_stays_a_page(browser: Browser) -> None:
    for path in ("/nothing", "/fhirx"):
        answer = browser.request("GET", path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
