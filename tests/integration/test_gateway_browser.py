"""The gateway in a real browser: a page opened by its link and answered, and the board beside it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from alerts.episodes.delivery_log import Delivery
from tests.support.barriers import barriers
from tests.support.hospital import Hospital, course, crs2, eventually, iso
from tests.support.with_gateway import episode_of, link_of, links, with_gateway
from worker.gateway.sessions import Sessions

pytestmark = pytest.mark.server

SCREENSHOTS = Path(__file__).parents[2] / "output" / "screenshots"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}
BOARD = {"phone": (14, 48), "desk": (11, 24)}
"""The least text and the least target of the board, in px."""

WORSE = "worse"
"""A patient with everything charted."""

OTHER = "other"
ITALIAN = "technician-1"
"""Somebody who reads Italian, which is longer."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; without one, skip here and fail in CI."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"none of {', '.join(PROGRAMS)} is on PATH")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def ward(hospital: Hospital, browser: Browser) -> Iterator[Hospital]:
    """A ward with a gateway, workers, and two patients who get worse."""
    del browser
    speaking_italian(Path(hospital.settings.config_dir or "") / "site.yaml")
    with with_gateway(hospital):
        hospital.client.send(course([WORSE, OTHER], datetime.now(UTC)))
        hospital.client.send(laboratory(WORSE))
        eventually(lambda: link_of(hospital, WORSE) and link_of(hospital, OTHER), "pages with links have arrived")
        hospital.is_idle_soon()
        yield hospital


def speaking_italian(site: Path) -> None:
    """Let one person read Italian."""
    written = site.read_text(encoding="utf-8")
    spoken = written.replace(f"  {ITALIAN}:\n", f"  {ITALIAN}:\n    language: it\n")
    assert spoken != written
    site.write_text(spoken, encoding="utf-8")


def laboratory(patient: str) -> list[dict[str, Any]]:
    """What makes m-EASIX, and what was given."""
    at = datetime.now(UTC) - timedelta(minutes=50)
    results = (
        ("ldh", "320", "U/L"),
        ("crp", "85", "mg/L"),
        ("platelets", "45", "10*9/L"),
        ("neutrophils", "0.3", "10*9/L"),
    )
    common = {"source": "lab", "patient": patient, "effective": iso(at)}
    sent: list[dict[str, Any]] = [
        {"type": "reading", "id": f"lab {kind}", "reading": kind, "value": value, "unit": unit, "by": "laboratory"}
        | common
        for kind, value, unit in results
    ]
    doses = (("tocilizumab", "given", "480"), ("dexamethasone", "given", "10"), ("norepinephrine", "started", None))
    for drug, action, dose in doses:
        given = {"type": "treatment", "id": f"given {drug}", "drug": drug, "action": action, **common, "source": "emar"}
        sent.append(given | ({"dose": dose, "unit": "mg"} if dose else {}))
    return sent


@contextmanager
def opened(browser: Browser, size: ViewportSize, *, scripts: bool = True) -> Iterator[Page]:
    """A browser of its own size, without cookies of others."""
    context = browser.new_context(viewport=size, java_script_enabled=scripts, device_scale_factor=2)
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    unwanted = [text for text in complaints if not text.startswith("Failed to load resource: the server responded")]
    assert unwanted == [], "the browser refused something, or a script failed"


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """For a person to look at."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


def sign_in(ward: Hospital, page: Page, person: str = "haematologist-1") -> None:
    """By a personal link and one press."""
    page.goto(links(ward).sign_in(person, datetime.now(UTC)))
    page.get_by_role("button").click()
    page.wait_for_url("**/board")


# -- the page ----------------------------------------------------------------------------------------


def test_a_page_is_opened_on_the_phone_read_and_taken(ward: Hospital, browser: Browser) -> None:
    link = link_of(ward, WORSE)
    with opened(browser, PHONE) as page:
        page.goto(link)
        picture(page, "phone-page-first-sight", whole=False)
        picture(page, "phone-page")
        expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
        expect(page.get_by_role("img", name="Trend from")).to_be_visible()
        expect(page.get_by_text("Nobody has it yet")).to_be_in_viewport()
        take = page.get_by_role("button", name="I have it")
        expect(take).to_be_in_viewport()
        assert episode_of(ward, WORSE, link).acknowledged_by == "", "looking has taken nothing"
        take.click()
        expect(page.get_by_role("heading", name="You have it since")).to_be_visible()
        picture(page, "phone-page-taken")
        expect(page.get_by_role("button", name="I have it")).to_have_count(0)
    assert episode_of(ward, WORSE, link).acknowledged_by == "haematologist-1"


def test_the_same_page_on_a_desk(ward: Hospital, browser: Browser) -> None:
    with opened(browser, DESK) as page:
        page.goto(link_of(ward, WORSE))
        expect(page.get_by_role("img", name="Trend from")).to_be_visible()
        picture(page, "desk-page")


def test_without_javascript_it_is_handed_over_and_silenced(ward: Hospital, browser: Browser) -> None:
    link = link_of(ward, OTHER)
    with opened(browser, PHONE, scripts=False) as page:
        page.goto(link)
        page.locator("summary", has_text="Hand over").first.click()
        page.get_by_label("Hand over to").first.select_option(label="Consultant haematologist")
        picture(page, "phone-page-hand-over")
        page.get_by_role("button", name="Hand over", exact=True).first.click()
        expect(page.get_by_role("heading", name="Handed over to Consultant haematologist, paged at")).to_be_visible()
        picture(page, "phone-page-handed-over")
        page.locator("summary", has_text="Silence for").first.click()
        page.get_by_role("radio", name="2 h").first.check()
        page.get_by_label("Why", exact=True).first.fill("fluids running, seen at the bedside")
        page.get_by_role("button", name="Silence it").first.click()
        expect(page.get_by_text("Worsening breaks through")).to_be_visible()
    episode = episode_of(ward, OTHER, link)
    assert [one.to for one in episode.deliveries if one.reason == "handed_over"] == ["consultant-1"]
    assert episode.silenced_until is not None


def handed_to(ward: Hospital, patient: str, person: str) -> str:
    """Hand a patient's page on to somebody; the link they get."""
    episode = episode_of(ward, patient, link_of(ward, patient))
    answer = {"type": "hand_over", "id": f"to {person}", "source": "gateway", "patient": patient, "to": person}
    ward.client.send([answer | {"episode": episode.id, "by": "haematologist-1", "effective": iso(datetime.now(UTC))}])

    def notified() -> list[Delivery]:
        deliveries = episode_of(ward, patient, link_of(ward, patient)).deliveries
        return [delivery for delivery in deliveries if delivery.to == person]

    eventually(notified, f"{person} is notified")
    return links(ward).page(notified()[-1].page, person, notified()[-1].at)


def test_an_italian_page_fits_on_the_phone(ward: Hospital, browser: Browser) -> None:
    link = handed_to(ward, WORSE, ITALIAN)
    with opened(browser, PHONE) as page:
        page.goto(link)
        expect(page.get_by_role("img", name="Andamento dal")).to_be_visible()
        expect(page.get_by_role("button", name="Lo prendo in carico")).to_be_in_viewport()
        picture(page, "phone-page-italian")
        assert barriers(page) == []
        sign_in(ward, page, ITALIAN)
        expect(page.get_by_text("In diretta", exact=True)).to_be_visible()
        picture(page, "phone-board-italian")
        assert barriers(page, *BOARD["phone"]) == []
        page.get_by_role("link", name=f"HAEM-2 / {WORSE}").click()
        expect(page.get_by_role("heading", name="Perché i gradi sono questi")).to_be_visible()
        picture(page, "phone-patient-italian")
        assert barriers(page) == []


def test_a_changed_link_is_refused_in_words(ward: Hospital, browser: Browser) -> None:
    link = link_of(ward, WORSE)
    with opened(browser, PHONE, scripts=False) as page:
        answered = page.goto(f"{link[:-4]}AAAA")
        assert answered is not None
        assert answered.status == 403
        expect(page.get_by_role("heading", name="This link is not valid")).to_be_visible()
        picture(page, "phone-refused")


# -- the board ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desk", DESK)])
def test_the_board_shows_the_ward_and_one_patient(
    ward: Hospital, browser: Browser, name: str, size: ViewportSize
) -> None:
    with opened(browser, size) as page:
        sign_in(ward, page)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        picture(page, f"{name}-board")
        page.get_by_role("link", name=f"HAEM-2 / {WORSE}").click()
        expect(page.get_by_role("img", name="Trend from")).to_be_visible()
        expect(page.get_by_role("heading", name="Why the grades are as they are")).to_be_visible()
        picture(page, f"{name}-patient")
        assert WORSE not in page.url


def test_the_board_changes_by_itself(ward: Hospital, browser: Browser) -> None:
    with opened(browser, DESK) as page:
        sign_in(ward, page, "consultant-1")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        ward.client.send(crs2("new bed"))
        row = page.get_by_role("row", name="HAEM-2 / new bed")
        expect(row).to_be_visible()
        row.get_by_role("button", name="I have it").first.click()
        expect(page.get_by_role("row", name="HAEM-2 / new bed").get_by_text("You have it since").first).to_be_visible()
    state = ward.store.state("new bed")
    assert state is not None
    assert state.episodes["crs"].acknowledged_by == "consultant-1"


def test_the_board_ends_with_the_session(ward: Hospital, browser: Browser) -> None:
    with opened(browser, DESK) as page:
        sign_in(ward, page, "haematologist-2")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        assert Sessions(ward.redis, ward.store.keys).end_all("haematologist-2") == 1
        expect(page.get_by_role("heading", name="Sign in to see the board")).to_be_visible()


def test_a_patient_nobody_registered_is_registered_on_the_phone(ward: Hospital, browser: Browser) -> None:
    registration, *readings = crs2("new admission")
    ward.client.send(readings)
    eventually(lambda: "new admission" in ward.store.unregistered(), "the readings are charted")
    with opened(browser, PHONE) as page:
        sign_in(ward, page, ITALIAN)
        page.get_by_role("link", name="Registra un paziente").click()
        expect(page.get_by_role("button", name="Registra")).to_be_visible()
        picture(page, "phone-register-italian")
        assert barriers(page) == []
        sign_in(ward, page)
        page.get_by_role("link", name="Register a patient").click()
        expect(page.get_by_label("Patient id")).to_be_visible()
        picture(page, "phone-register")
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_label("Patient id").fill("new admission")
        page.get_by_label("Infusion").fill(f"{datetime.fromisoformat(registration['infused']):%Y-%m-%dT%H:%M}")
        page.get_by_label("Product").select_option("axicabtagene ciloleucel")
        page.get_by_label("Ward", exact=True).fill("HAEM-2")
        page.get_by_label("Bed").fill("new admission")
        page.get_by_role("button", name="Register").click()
        expect(page.get_by_role("heading", name="HAEM-2 / new admission")).to_be_visible()
        expect(page.get_by_text("axicabtagene ciloleucel")).to_be_visible()
        picture(page, "phone-registered")
    state = ward.store.state("new admission")
    assert state is not None
    assert (state.registered, state.episodes["crs"].level) == (True, 2)
    assert state.episodes["crs"].number == 1, "the episode of before the registration goes on"


# -- for everybody -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desk", DESK)])
def test_every_page_can_be_read_and_hit_by_everybody(
    ward: Hospital, browser: Browser, name: str, size: ViewportSize
) -> None:
    with opened(browser, size) as page:
        for address in (link_of(ward, WORSE), f"{link_of(ward, WORSE)}x"):
            page.goto(address)
            assert barriers(page) == [], f"{name} {address}"
        sign_in(ward, page)
        assert barriers(page, *BOARD[name]) == [], f"{name} board"
        page.get_by_role("link", name=f"HAEM-2 / {WORSE}").click()
        expect(page.get_by_role("heading", name="Why the grades are as they are")).to_be_visible()
        assert barriers(page) == [], f"{name} patient"


# -- a full ward -------------------------------------------------------------------------------------

LONG = "0012345678901234567890-ROSSI-GIAMBATTISTA-"
SIZES: tuple[ViewportSize, ...] = ({"width": 1440, "height": 900}, {"width": 1280, "height": 900}, PHONE)
TWO_LINES = 40
"""Two lines of text and the edge of a row, in px."""


def full_ward(ward: Hospital) -> None:
    """Twenty patients at least, some of them with names that no row has room for."""
    at = datetime.now(UTC)
    place = {"ward": "Ematologia e Trapianto di Midollo Osseo - Degenza 2", "bed": "Stanza 12 letto B finestra"}
    for number in range(18):
        patient = f"{LONG}{number}" if number < 4 else f"full-{number}"
        registered, *signs = crs2(patient, at)
        ward.client.send([registered | (place if number < 4 else {}), *(signs if number % 2 else [])])
    eventually(lambda: len([state for state in ward.store.states() if state.registered]) >= 20, "all are registered")
    ward.is_idle_soon()


def rows(page: Page) -> list[dict[str, Any]]:
    """What stands in the rows of the board, and how high they are."""
    script = """rows => rows.map(row => ({high: row.getBoundingClientRect().height, urgency: row.className,
      bottom: row.getBoundingClientRect().bottom, id: row.querySelector(".id").firstChild.textContent}))"""
    return list(page.locator(".ward tbody tr").evaluate_all(script))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_full_ward_stands_on_one_screen(ward: Hospital, browser: Browser, theme: Any) -> None:
    full_ward(ward)
    for size in SIZES:
        for person in ("haematologist-1", ITALIAN):
            with opened(browser, size) as page:
                page.emulate_media(color_scheme=theme)
                sign_in(ward, page, person)
                name = f"{size['width']}-full-board-{theme}-{person}"
                picture(page, name, whole=False)
                shown = rows(page)
                assert len(shown) >= 20
                urgencies = ["critical", "high", "medium", "low", ""]
                places = [urgencies.index(row["urgency"]) for row in shown]
                assert places == sorted(places), name
                assert len({row["id"] for row in shown}) == len(shown), "two ids look the same"
                assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
                assert page.locator("#technical").get_attribute("open") is None
                if size["width"] > PHONE["width"]:
                    assert max(row["high"] for row in shown) <= TWO_LINES, name
                    assert shown[19]["bottom"] <= size["height"], name
                found = Axe().run(page)
                assert found.violations_count == 0, f"{name}: {found.generate_report()}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_of_a_link(ward: Hospital, browser: Browser, theme: Any) -> None:
    for size in (PHONE, DESK):
        with opened(browser, size) as page:
            page.emulate_media(color_scheme=theme)
            page.goto(link_of(ward, WORSE))
            picture(page, f"{size['width']}-page-{theme}")
            found = Axe().run(page)
            assert found.violations_count == 0, f"{size}: {found.generate_report()}"
            assert barriers(page) == []
