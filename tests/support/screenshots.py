"""The pictures of the clinicians' documents: the real page and the real board, in English and Italian.

Run: `make screenshots`. The ward is played in memory in 2024, so the same code gives the same pictures; headless
Chromium draws them.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

from fakeredis import FakeRedis, FakeServer
from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

from config.site import DEFAULTS, Language
from tests.support.desk import Desk, site_with
from tests.support.stored_ward import KEYS, Body, Clock, reading, registration
from worker.store.shard import Store

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}
LANGUAGES: tuple[Language, ...] = ("en", "it")
COLOURS = 64
STATIC = Path(__file__).parents[2] / "worker" / "gateway" / "static"
AT = datetime(2024, 6, 17, 8, 5, tzinfo=ZoneInfo("Europe/Rome"))
"""A day +5 of the reference case, just after the patient became confused."""


class Shot(NamedTuple):
    """One picture: a file name, the HTML it shows, and the screen it is shown on."""

    name: str
    html: str
    size: ViewportSize


def main(folder: Path) -> None:
    """Draw all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # The store in memory has no append-only file, of which the board would warn.
    with patch("worker.gateway.snapshot.examine", lambda *_: []):
        shots = [shot for language in LANGUAGES for shot in shots_in(language)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shot in shots:
            page = browser.new_page(viewport=shot.size, color_scheme="light")
            page.set_content(shot.html)
            save(page.screenshot(), folder / f"{shot.name}.png")
        browser.close()


def shots_in(language: Language) -> Iterator[Shot]:
    """Page and board as one person sees them, before and after "I have it"."""
    clock = Clock()
    redis = FakeRedis(server=FakeServer(version=(7,)))
    store = Store(redis, KEYS, batch=2000, lease_seconds=600, journal_length=1000)
    with Desk(redis, store, clock, site_with(haematologist_1={"language": language})) as desk:
        play(desk, clock)
        state = desk.store.state("REF-1")
        assert state is not None
        link = desk.link(state.episodes["icans"])
        yield Shot(f"page-{language}", styled(desk.get(link).text), PHONE)
        yield Shot(f"page-desk-{language}", styled(desk.get(link).text), DESK)
        desk.sign_in()
        yield Shot(f"board-{language}", styled(desk.get("/board").text), DESK)
        yield Shot(f"board-phone-{language}", styled(desk.get("/board").text), PHONE)
        desk.press(link, "have-it")
        desk.work()
        yield Shot(f"acknowledged-{language}", styled(desk.get(link).text), PHONE)


def play(desk: Desk, clock: Clock) -> None:
    """The reference case until `AT`, and three other patients of that morning."""
    lines = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()
    messages: list[Body] = [json.loads(line) for line in lines if line]
    for moment, found in groupby(messages, lambda body: str(body.get("received", body["effective"]))):
        if datetime.fromisoformat(moment) > AT:
            break
        clock.at = datetime.fromisoformat(moment)
        desk.send(*found)
    clock.at = AT
    for patient, temperature, pressure in (("P2", "38.4", 118), ("P3", "36.8", 124), ("P4", "39.1", 86)):
        desk.send(
            registration(patient, AT - timedelta(days=1), bed=patient[1:]),
            reading("temperature", temperature, patient, AT),
            reading("systolic_bp", pressure, patient, AT),
        )


def styled(html: str) -> str:
    """The page with its style sheet inside, so that the browser asks nobody for anything."""
    style = (STATIC / "gateway.css").read_text(encoding="utf-8")
    return html.replace('<link rel="stylesheet" href="/static/gateway.css">', f"<style>{style}</style>")


def save(png: bytes, path: Path) -> None:
    """With few colours: a quarter of the bytes, and text stays sharp."""
    with Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
