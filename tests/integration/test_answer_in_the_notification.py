"""A page with a button that answers it: from a real worker to a phone's service, and from there to a real gateway."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.hospital import Hospital, crs2, eventually
from tests.support.provider_stub import ProviderStub
from tests.support.with_gateway import with_gateway

pytestmark = pytest.mark.server

TOPIC = "ward"


@pytest.fixture(scope="module")
def phone() -> Iterator[ProviderStub]:
    """ntfy's documented interface: it takes a message, and gives its id."""
    with ProviderStub() as stub:
        stub.answer = {"id": "sPs71M8A2T", "event": "message", "topic": TOPIC}
        yield stub


@pytest.fixture(scope="module")
def ward(hospital: Hospital, phone: ProviderStub) -> Iterator[Hospital]:
    site = Path(hospital.settings.config_dir or "") / "site.yaml"
    written = yaml.safe_load(site.read_text(encoding="utf-8"))
    written["channels"]["phone-1"] |= {"url": f"ntfy://127.0.0.1:{phone.server_port}/{TOPIC}", "picture": False}
    site.write_text(yaml.safe_dump(written), encoding="utf-8")
    with with_gateway(hospital):
        yield hospital


def acknowledged_by(ward: Hospital, patient: str) -> str:
    state = ward.store.state(patient)
    return state.episodes["crs"].acknowledged_by if state is not None and "crs" in state.episodes else "?"


def test_the_button_acknowledges_and_a_preview_of_its_address_does_not(ward: Hospital, phone: ProviderStub) -> None:
    ward.client.send(crs2("bed 9"))
    eventually(lambda: any("bed 9" in asked.body for asked in phone.asked), "the page arrives")
    page = next(asked for asked in phone.asked if "bed 9" in asked.body)
    kind, _, address, method, _ = page.headers["X-Actions"].partition(";")[0].split(", ")
    assert (kind, method) == ("http", "method=POST")
    assert httpx.get(address).status_code == 405
    ward.is_idle_soon()
    assert acknowledged_by(ward, "bed 9") == ""
    answer = httpx.post(address)
    assert (answer.status_code, answer.text) == (200, "You have it\n")
    eventually(lambda: acknowledged_by(ward, "bed 9") == "haematologist-1", "the episode is acknowledged")
    assert httpx.post(address).text == "You have it\n"
    ward.is_idle_soon()
    events = [event for event in ward.events("acknowledged") if event["patient"] == "bed 9"]
    assert len({event["at"] for event in events}) == 1
