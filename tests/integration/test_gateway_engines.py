"""Page and board in Chromium, Firefox and WebKit, on a phone: shown, answered, and live. More in one browser stands in
`test_gateway_browser.py`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.engines import ENGINES, WIDTH, Driver, Engine
from tests.support.hospital import Hospital, course, crs2, eventually
from tests.support.with_gateway import episode_of, link_of, links, with_gateway

pytestmark = pytest.mark.server

SHOWN = """
const within = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.left >= 0 && r.right <= innerWidth };
return {
  width: innerWidth,
  page: document.documentElement.scrollWidth,
  buttons: [...document.querySelectorAll("button")].filter(within).map(e => e.innerText.trim()),
  trend: [...document.querySelectorAll("svg")].some(e => within(e) && e.getBoundingClientRect().height > 50),
};
"""


@pytest.fixture(scope="module")
def ward(hospital: Hospital) -> Iterator[Hospital]:
    """A gateway, workers, and a patient for each engine who gets worse."""
    patients = [engine.name for engine in ENGINES]
    with with_gateway(hospital):
        hospital.client.send(course(patients, datetime.now(UTC)))
        eventually(lambda: all(link_of(hospital, patient) for patient in patients), "pages with links have arrived")
        hospital.is_idle_soon()
        yield hospital


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def phone(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """Its window; skipped where the browser is not installed."""
    folder: Path = tmp_path_factory.mktemp(engine.name)
    with engine.start(folder) as driver:
        yield driver


def test_a_page_is_read_and_answered(phone: Driver, ward: Hospital, engine: Engine) -> None:
    link = link_of(ward, engine.name)
    phone.open(link)
    shown = phone.run(SHOWN)
    assert shown["page"] <= shown["width"] == WIDTH, "nothing is to be scrolled sideways"
    assert "I have it" in shown["buttons"]
    assert shown["trend"]
    assert "Nobody has it yet" in phone.text()
    assert episode_of(ward, engine.name, link).acknowledged_by == "", "looking has taken nothing"
    phone.press("I have it")
    eventually(lambda: "You have it since" in phone.text(), "the answer is shown", instead=phone.text)
    assert episode_of(ward, engine.name, link).acknowledged_by == "haematologist-1"


def test_the_board_is_live(phone: Driver, ward: Hospital, engine: Engine) -> None:
    phone.open(links(ward).sign_in("consultant-1", datetime.now(UTC)))
    phone.press("Sign in as Consultant haematologist")
    eventually(lambda: "Live" in phone.text().split("\n"), "the board is live", instead=phone.text)
    shown = phone.run(SHOWN)
    assert shown["page"] <= shown["width"] == WIDTH, "nothing is to be scrolled sideways"
    new = f"new {engine.name}"
    assert new not in phone.text()
    ward.client.send(crs2(new))
    eventually(lambda: new in phone.text(), "the new patient stands on the board", instead=phone.text)
