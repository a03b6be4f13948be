"""Pages and pictures to a real mail server that demands STARTTLS and a login, with a certificate of the house."""

import re
import ssl
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from alerts.wording.phrase import Phrase
from config.site import Channel
from tests.support.hospital import Hospital, crs2, eventually
from tests.support.pages import page
from tests.support.servers import free_port
from worker.delivery.channel import MessageContext, send
from worker.delivery.outcome import Attempt, Outcome

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore:Session.login_data is deprecated:DeprecationWarning"),  # aiosmtpd reads its own
]

USER, PASSWORD, QUOTED = "ward", "p w/+", "p%20w%2F%2B"
HOUSE = "cartwatch.hospital.example"
WRITES, READS = f"pages@{HOUSE}", "rossi@hospital.example"
REFUSED = Attempt(
    Outcome.TEMPORARY, Phrase("the mail server was not reached, or refused (certificate, login, recipient)")
)
PNG = b"\x89PNG\r\n\x1a\n"


class MailServer:
    """What it took, in order; it takes mail by STARTTLS and after a login only, and no mail to `nobody`."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(tls)
        self.taken: list[EmailMessage] = []
        self._controller = Controller(
            self,
            hostname="localhost",
            port=free_port(),
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=_lets_in,
        )

    def __enter__(self) -> "MailServer":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def url(self, to: str = READS, password: str = QUOTED) -> str:
        """The Apprise address of somebody who reads mail here."""
        return f"mailtos://{USER}:{password}@localhost:{self._controller.port}?from={WRITES}&to={to}"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Refuse one address, as a server refuses a mailbox that it does not have."""
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, EmailMessage, policy=default)
        assert (envelope.mail_from, envelope.rcpt_tos) == (WRITES, [READS])
        self.taken.append(mail)
        return "250 OK"


def _lets_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    return AuthResult(success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()), handled=False)


@pytest.fixture(scope="module")
def house() -> trustme.CA:
    """A certificate authority that no machine knows of itself."""
    return trustme.CA()


@pytest.fixture
def mail(house: trustme.CA) -> Iterator[MailServer]:
    with MailServer(house.issue_cert("localhost")) as server:
        yield server


@pytest.fixture
def trusted(house: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is named to this process and to those it starts."""
    house.cert_pem.write_to_path(str(folder / "house.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "house.pem"))


def text(mail: EmailMessage) -> str:
    """The words of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.usefixtures("trusted")
def test_a_page_of_the_service_arrives_with_its_link_and_a_picture(hospital: Hospital, mail: MailServer) -> None:
    site = Path(hospital.settings.config_dir or "") / "site.yaml"
    written = yaml.safe_load(site.read_text(encoding="utf-8"))
    written["channels"]["phone-1"]["url"] = mail.url()
    site.write_text(yaml.safe_dump(written), encoding="utf-8")
    hospital.settings = hospital.settings.model_copy(update={"public_url": "https://cartwatch.example"})
    with hospital.workers():
        hospital.client.send(crs2("bed 1"))
        eventually(lambda: len(mail.taken) == 2, "the page and its picture arrive")
    first, picture = mail.taken
    [owed] = [event for event in hospital.events("page") if event["channel"] == "phone-1"]
    assert (first["Subject"], first["Importance"], first["Auto-Submitted"]) == (owed["title"], "high", "auto-generated")
    lines = text(first).splitlines()
    lead, _, rest = owed["text"].partition("\n\n")
    links = [line for line in lines if re.fullmatch(r"https://cartwatch\.example/p/[\w.~-]+", line)]
    assert lines == [*lead.splitlines(), *links, *rest.splitlines()]
    assert len(links) == 1
    assert "bed 1" in picture["Subject"]
    assert picture["Importance"] == "low"
    [drawn] = picture.iter_attachments()
    assert (drawn.get_content_type(), drawn.get_filename()) == ("image/png", "trend.png")
    assert drawn.get_content().startswith(PNG)


@pytest.mark.usefixtures("trusted")
def test_letters_beyond_ascii_arrive_as_they_are(mail: MailServer) -> None:
    words = "T 38,9 °C ≥ 38,0\nperché: «febbre»"
    title = "[CRITICAL] Stanza 12 – " + "è" * 60
    assert send(Channel(url=mail.url()), [page(title=title, text=words)], MessageContext()).outcome is Outcome.SENT
    [taken] = mail.taken
    assert taken["Subject"] == title
    assert text(taken).startswith("T 38,9 °C ≥ 38,0\n")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"to": "nobody@hospital.example"}])
def test_what_the_mail_server_refuses_is_no_success(mail: MailServer, wrong: dict[str, str]) -> None:
    assert send(Channel(url=mail.url(**wrong)), [page()], MessageContext()) == REFUSED
    assert mail.taken == []


def test_a_certificate_of_an_unknown_authority_gets_no_word_of_a_page(mail: MailServer) -> None:
    assert send(Channel(url=mail.url()), [page()], MessageContext()) == REFUSED
    assert mail.taken == []
