"""`cartwatch test-page`: a test page through the channels as they are."""

from collections.abc import Iterator
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from alerts.pages.page import Page
from config.site import Channel, Urgency
from tests.support.stored_ward import NOW, SITE
from worker.commands.delivery import URGENCIES, build_test_page
from worker.commands.delivery import test_page as command
from worker.delivery import channel as module
from worker.delivery.channel import MessageContext
from worker.delivery.outcome import Attempt, Outcome
from worker.standalone.fake_phone import FakePhone


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePhone]:
    with FakePhone() as running:
        monkeypatch.setenv("CARTWATCH_RECEIVER_URL", running.url)
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.mark.usefixtures("service")
def test_a_test_page_arrives_and_says_that_it_is_one(receiver: FakePhone) -> None:
    result = run("haematologist-1")
    assert (result.exit_code, result.output) == (0, "phone-1: sent\n")
    [page] = receiver.received
    assert (page.path, page.page_id[:5]) == ("/phone-1", "test.")
    assert page.title == "[TEST] cartwatch reaches Haematologist on call on phone-1"
    assert "cartwatch ack" not in page.body


@pytest.mark.parametrize("urgency", URGENCIES)
def test_a_test_rings_as_a_page_of_the_urgency_asked_for(urgency: Urgency) -> None:
    found = build_test_page(SITE, "haematologist-1", "phone-1", NOW, urgency)
    assert found.urgency == urgency
    assert found.title.startswith("[TEST] ")
    assert "Nobody is ill" in found.text


@pytest.mark.usefixtures("service", "receiver")
def test_the_urgency_is_an_option_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Page] = []

    def keep(_: Channel, pages: list[Page], __: MessageContext) -> Attempt:
        sent.extend(pages)
        return Attempt(Outcome.SENT)

    monkeypatch.setattr(module, "send", keep)
    assert run("haematologist-1", "--urgency", "critical").exit_code == 0
    assert run("haematologist-1").exit_code == 0
    assert [page.urgency for page in sent] == ["critical", "low"]
    assert set(get_args(Urgency)) == set(URGENCIES)


def test_it_is_in_the_language_of_its_person() -> None:
    rossi = SITE.on_call.people["haematologist-1"].model_copy(update={"name": "Anna Rossi", "language": "it"})
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"people": {"rossi": rossi}}))
    page = build_test_page(site, "rossi", "phone-1", NOW, "low")
    assert page.title == "[PROVA] cartwatch raggiunge Anna Rossi su phone-1"
    assert page.text == "Questa è una prova. Nessuno sta male e non c'è nulla da fare."


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("status", [404, 503])
def test_where_no_channel_works_it_says_what_each_answered(receiver: FakePhone, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    result = run("haematologist-1", "--channel", "phone-1")
    kind = "permanent" if status == 404 else "temporary"
    assert (result.exit_code, result.output) == (1, f"phone-1: {kind}, the provider answered {status}\n")


@pytest.mark.usefixtures("service", "receiver")
@pytest.mark.parametrize(
    ("arguments", "named"), [(("nobody",), "haematologist-1"), (("haematologist-1", "--channel", "fax"), "phone-1")]
)
def test_a_name_that_is_not_known_is_answered_with_those_that_are(arguments: tuple[str, ...], named: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.output


@pytest.mark.usefixtures("receiver")
def test_nothing_is_kept_of_a_test(service: object) -> None:
    run("haematologist-1")
    assert service.redis.keys() == []  # type: ignore[attr-defined]
