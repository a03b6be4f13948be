"""Pages and pictures to a real ntfy server that demands a login, read back by its own interface."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import httpx
import pytest
import yaml

from config.site import Channel, Urgency
from tests.support.hospital import Hospital, crs2, eventually
from tests.support.pages import page
from tests.support.servers import free_port, program_or_image, running
from worker.delivery.channel import MessageContext, send, send_picture
from worker.delivery.outcome import Outcome
from worker.delivery.rendering import Rendered

pytestmark = pytest.mark.server

USER, PASSWORD = "ward", "pw"
HASH = "$2a$10$1revT5Qe3KTu//YcTETxIeYnVve8a7CZSQlqhEZNXN6It5IutgKSK"
"""Of the password, by `ntfy user hash`."""

PRIORITIES = {"critical": 5, "high": 4, "medium": 3, "low": 2, "technical": 3}
"""As ntfy counts: 5 rings through, 2 is silent."""

DEFAULT, SILENT = 3, 1
SENT = Outcome.SENT
PNG = b"\x89PNG\r\n\x1a\n"
Message = dict[str, Any]


class Ntfy(NamedTuple):
    """A server on this machine."""

    port: int

    def url(self, topic: str, query: str = "", password: str = PASSWORD) -> str:
        """The Apprise address of a topic."""
        return f"ntfy://{USER}:{password}@127.0.0.1:{self.port}/{topic}{query}"

    def messages(self, topic: str) -> list[Message]:
        """What has arrived in a topic, oldest first. ntfy leaves out a priority that is its default."""
        url = f"http://127.0.0.1:{self.port}/{topic}/json"
        answer = httpx.get(url, params={"poll": "1"}, auth=(USER, PASSWORD)).raise_for_status()
        return [{"priority": DEFAULT, **message} for message in map(_json, answer.text.splitlines())]


def _json(line: str) -> Message:
    found: Message = httpx.Response(200, text=line).json()
    return found


@pytest.fixture(scope="module")
def ntfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ntfy]:
    """A server that lets in nobody without a login; its files are in a folder of its own, or in its container."""
    port = free_port()
    command = program_or_image("ntfy", "binwiederhier/ntfy:latest", f"cartwatch-test-ntfy-{os.getpid()}")
    folder = "/tmp" if command[0] == "docker" else str(tmp_path_factory.mktemp("ntfy"))  # noqa: S108 - the container's
    command += ["serve", "--base-url", f"http://127.0.0.1:{port}", "--listen-http", f"127.0.0.1:{port}"]
    command += ["--cache-file", f"{folder}/cache.db", "--attachment-cache-dir", f"{folder}/attachments"]
    command += ["--auth-file", f"{folder}/auth.db", "--auth-default-access", "deny-all"]
    command += ["--auth-users", f"{USER}:{HASH}:admin"]
    with running(command, port, tmp_path_factory.mktemp("log") / "ntfy.log"):
        yield Ntfy(port)


def test_a_page_of_the_service_arrives_with_its_button_and_a_silent_picture(hospital: Hospital, ntfy: Ntfy) -> None:
    site = Path(hospital.settings.config_dir or "") / "site.yaml"
    written = yaml.safe_load(site.read_text(encoding="utf-8"))
    written["channels"]["phone-1"]["url"] = ntfy.url("phone-1")
    site.write_text(yaml.safe_dump(written), encoding="utf-8")
    hospital.settings = hospital.settings.model_copy(update={"public_url": "https://cartwatch.example"})
    with hospital.workers():
        hospital.client.send(crs2("bed 1"))
        eventually(lambda: len(ntfy.messages("phone-1")) == 2, "the page and its picture arrive")
    first, picture = ntfy.messages("phone-1")
    [owed] = [event for event in hospital.events("page") if event["channel"] == "phone-1"]
    assert (first["title"], first["priority"]) == (owed["title"], PRIORITIES[owed["urgency"]])
    assert first["message"].startswith(owed["text"].partition("\n\n")[0])
    assert re.fullmatch(r"https://cartwatch\.example/p/[\w.~-]+", first["click"])
    answer, view = first["actions"]
    assert (view["action"], view["label"], view["url"]) == ("view", "To answer", first["click"])
    assert (answer["action"], answer["label"], answer["method"], answer["clear"]) == ("http", "I have it", "POST", True)
    assert re.fullmatch(r"https://cartwatch\.example/a/[\w.~-]+", answer["url"])
    assert first["click"] not in first["message"], "the button has it"
    assert (picture["priority"], picture["attachment"]["type"]) == (SILENT, "image/png")
    assert "bed 1" in picture["title"]
    shown = httpx.get(picture["attachment"]["url"]).raise_for_status().content
    assert (shown[: len(PNG)], len(shown)) == (PNG, picture["attachment"]["size"])


@pytest.mark.parametrize("urgency", get_args(Urgency))
def test_each_urgency_rings_as_ntfy_rings_for_it(ntfy: Ntfy, urgency: Urgency) -> None:
    topic = f"urgency-{urgency}"
    assert send(Channel(url=ntfy.url(topic)), [page(urgency=urgency)], MessageContext()).outcome is SENT
    assert [message["priority"] for message in ntfy.messages(topic)] == [PRIORITIES[urgency]]


def test_a_priority_in_the_address_makes_every_page_ring_but_not_the_picture(ntfy: Ntfy) -> None:
    """`cartwatch check` warns of it."""
    channel = Channel(url=ntfy.url("fixed", "?priority=max"))
    assert send(channel, [page(urgency="low")], MessageContext()).outcome is SENT
    assert send_picture(channel, "e7.1", PNG, Rendered("P1 – «A»", "CRS 2, ≥ 38 °C\nT 38.9"), "").outcome is SENT
    first, picture = ntfy.messages("fixed")
    assert (first["priority"], picture["priority"]) == (5, SILENT)
    assert (picture["title"], picture["message"]) == ("P1 – «A»", "CRS 2, ≥ 38 °C\nT 38.9")


def test_letters_beyond_ascii_and_several_lines_arrive_as_they_are(ntfy: Ntfy) -> None:
    text = "T 38,9 °C ≥ 38,0\nperché: «febbre»\n\n– 10 µg/L"
    assert (
        send(
            Channel(url=ntfy.url("letters")), [page(title="[HIGH] Stanza 12 – è", text=text)], MessageContext()
        ).outcome
        is SENT
    )
    [message] = ntfy.messages("letters")
    assert message["title"] == "[HIGH] Stanza 12 – è"
    assert message["message"].startswith("T 38,9 °C ≥ 38,0\nperché: «febbre»")
    assert message["message"].endswith("– 10 µg/L")


def test_a_page_as_long_as_it_may_be_is_no_attachment(ntfy: Ntfy) -> None:
    """ntfy turns a message of more than 4096 octets into a file, of which no phone shows a word."""
    lines = "\n\n".join(f"{number}: la saturazione è al 92 % ≥ «x»" for number in range(300))
    assert (
        send(
            Channel(url=ntfy.url("long")), [page(text=lines)], MessageContext(link=lambda _: "https://c.example/p/x")
        ).outcome
        is SENT
    )
    [message] = ntfy.messages("long")
    assert "attachment" not in message
    assert 3000 < len(message["message"].encode()) <= 4096


def test_a_wrong_password_is_a_permanent_refusal(ntfy: Ntfy) -> None:
    attempt = send(Channel(url=ntfy.url("refused", password=PASSWORD[::-1])), [page()], MessageContext())
    assert attempt.outcome is Outcome.PERMANENT
    assert ntfy.messages("refused") == []
