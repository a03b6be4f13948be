"""Reports to an alert manager: what its answers are worth, and that an older one never replaces a newer."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from redis import Redis

from config.site import Channel
from tests.support.alert_manager import AlertManager
from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, Clock
from worker.delivery import alert_manager
from worker.delivery.channel import MessageContext, send, takes_picture
from worker.delivery.outcome import Outcome
from worker.intake.hl7.tokens import Hl7Message
from worker.store.reports import StoredReports


@pytest.fixture
def manager() -> Iterator[AlertManager]:
    with AlertManager() as running:
        yield running


@pytest.fixture
def context(redis: Redis) -> MessageContext:
    return MessageContext(reports=StoredReports(redis, KEYS, Clock()))


def channel(manager: AlertManager) -> Channel:
    return Channel(url=manager.url, escalates="manager")


def phases(manager: AlertManager) -> list[tuple[str, str]]:
    return [(report.alert, report.phase) for report in manager.reports]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        *((code, Outcome.SENT) for code in ("AA", "CA")),
        *((code, Outcome.TEMPORARY) for code in ("AE", "CE", "")),
        *((code, Outcome.PERMANENT) for code in ("AR", "CR")),
    ],
)
def test_an_acknowledgement(manager: AlertManager, context: MessageContext, code: str, outcome: Outcome) -> None:
    manager.reply = lambda _: code
    assert send(channel(manager), [page()], context).outcome is outcome


def test_a_manager_that_cannot_be_reached(context: MessageContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = send(Channel(url=f"pcd04://127.0.0.1:{port}", escalates="manager"), [page()], context)
    assert found.outcome is Outcome.TEMPORARY


def test_a_manager_that_does_not_answer(
    manager: AlertManager, context: MessageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_manager, "ANSWER_SECONDS", -alert_manager.CONNECT_SECONDS)
    manager.reply = lambda _: None
    assert send(channel(manager), [page()], context).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("answer", [lambda _: b"", lambda _: b"MSH|^~\\&|AM\rMSA|AA|another\r"])
def test_the_answer_to_another_message_says_nothing_of_this_one(answer: Callable[[Hl7Message], bytes]) -> None:
    found = alert_manager.outcome_of(answer(None), b"MSH|^~\\&|A|B|C|D|at||ORU^R40|e7.1-1|P")  # type: ignore[arg-type]
    assert found.outcome is Outcome.UNKNOWN


def test_pages_that_waited_are_a_message_each_in_their_order(manager: AlertManager, context: MessageContext) -> None:
    waited = [page("e8.1"), page("e7.2", reason="worse"), page("e7.1")]
    assert send(channel(manager), waited, context).outcome is Outcome.SENT
    assert phases(manager) == [("e7", "start"), ("e7", "escalate"), ("e8", "start")]


def test_what_was_cancelled_before_it_was_sent_leaves_the_start_to_the_next(
    manager: AlertManager, context: MessageContext
) -> None:
    send(channel(manager), [page("e7.2", reason="worse")], context)
    assert phases(manager) == [("e7", "start")]


def test_a_report_older_than_what_the_manager_has_is_not_sent(manager: AlertManager, context: MessageContext) -> None:
    send(channel(manager), [page("e7.2", reason="worse", urgency="critical")], context)
    assert send(channel(manager), [page("e7.1")], context).outcome is Outcome.SENT
    assert len(manager.reports) == 1


def test_the_end_of_an_alert_that_the_manager_never_had_is_not_sent(
    manager: AlertManager, context: MessageContext
) -> None:
    assert send(channel(manager), [page("e7.3", reason="resolved")], context).outcome is Outcome.SENT
    assert manager.reports == []


def test_a_report_that_failed_is_sent_again_under_the_same_id(manager: AlertManager, redis: Redis) -> None:
    clock = Clock()
    context = MessageContext(reports=StoredReports(redis, KEYS, clock))
    manager.reply = lambda _: "AE"
    send(channel(manager), [page()], context)
    manager.reply = lambda _: "AA"
    clock.forward(seconds=2)
    assert send(channel(manager), [page()], context).outcome is Outcome.SENT
    first, second = manager.reports
    assert first._replace(control="") == second._replace(control="")
    assert first.control != second.control


def test_while_the_store_is_away_the_last_alarm_is_reported(manager: AlertManager) -> None:
    assert send(channel(manager), [page("alarm.x.1", episodes=())], MessageContext()).outcome is Outcome.SENT
    assert [report.phase for report in manager.reports] == ["tpoint"]


def test_no_picture_follows(manager: AlertManager) -> None:
    assert not takes_picture(channel(manager), "high", "")


def test_the_keep_alive_and_its_last(manager: AlertManager) -> None:
    assert alert_manager.send_keep_alive(channel(manager), NOW, active=True)
    assert alert_manager.send_keep_alive(channel(manager), NOW, active=False)
    assert manager.kept_alive == ["active", "inactive"]


@pytest.mark.parametrize(("is_known", "outcome"), [(True, Outcome.SENT), (False, Outcome.TEMPORARY)])
def test_over_tls_the_certificate_is_verified(
    context: MessageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_known: bool, outcome: Outcome
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(certificate)
    (authority if is_known else other).cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with AlertManager(certificate=certificate) as manager:
        assert manager.url.startswith("pcd04s://")
        assert send(channel(manager), [page()], context).outcome is outcome
        assert len(manager.reports) == is_known
