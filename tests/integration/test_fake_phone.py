"""The receiver as a real Apprise sender sees it."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from apprise import Apprise, AppriseAsset

from worker.standalone.fake_phone import FakePhone, PhoneRequest, ReceivedPage


@pytest.fixture
def receiver() -> Iterator[FakePhone]:
    with FakePhone() as running:
        yield running


def notify(address: str, body: str = "CRS grade 2", title: str = "P1", *, follow: bool = False) -> bool:
    """Send one page as the service does: inline, one address, no redirects; True when Apprise calls it sent."""
    asset = AppriseAsset(service_timeout=0, async_mode=False, http_redirects=follow)
    sender = Apprise(asset=asset)
    assert sender.add(address)
    return bool(sender.notify(body=body, title=title))


def connect(receiver: FakePhone) -> HTTPConnection:
    return HTTPConnection(receiver.url.removeprefix("json://"), timeout=5)


def post(receiver: FakePhone, body: bytes, headers: dict[str, str] | None = None) -> int:
    connection = connect(receiver)
    try:
        connection.request("POST", "/phone-1", body, headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_page_arrives_with_its_id_title_and_body(receiver: FakePhone) -> None:
    assert notify(f"{receiver.url}/phone-1?+X-Page-Id=e7.1", "CRS grade 2 – page «A»", "Bed 12")
    assert receiver.received == [ReceivedPage("/phone-1", "e7.1", "Bed 12", "CRS grade 2 – page «A»", 0)]


def test_a_page_without_an_id_is_recorded_too(receiver: FakePhone) -> None:
    assert notify(f"{receiver.url}/phone-1")
    assert receiver.received[0].page_id == ""


def test_pages_are_kept_in_order_over_all_paths(receiver: FakePhone) -> None:
    for number in range(6):
        assert notify(f"{receiver.url}/phone-{number % 2}?+X-Page-Id={number}")
    assert [(page.page_id, page.at_received_order) for page in receiver.received] == [
        (str(number), number) for number in range(6)
    ]


def test_a_path_of_several_parts_is_kept(receiver: FakePhone) -> None:
    assert notify(f"{receiver.url}/ward/2/phone?-room=3")
    assert receiver.received[0].path == "/ward/2/phone"


@pytest.mark.parametrize("status", [500, 429, 302, 400])
def test_a_refused_page_is_a_failure_and_only_an_attempt(receiver: FakePhone, status: int) -> None:
    receiver.behave("/phone-1", status=status)
    assert not notify(f"{receiver.url}/phone-1?+X-Page-Id=e7.1")
    assert receiver.received == []
    assert receiver.attempts == [PhoneRequest("/phone-1", "e7.1", status)]


def test_a_sender_that_follows_redirects_is_deceived(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", status=302)
    assert notify(f"{receiver.url}/phone-1", follow=True)
    assert receiver.received == []


def test_a_dropped_page_is_a_failure_and_only_an_attempt(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", drop=True)
    assert not notify(f"{receiver.url}/phone-1?+X-Page-Id=e7.1")
    assert receiver.received == []
    assert receiver.attempts == [PhoneRequest("/phone-1", "e7.1", None)]


def test_a_path_misbehaves_alone_and_becomes_well_again(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", status=500)
    assert notify(f"{receiver.url}/phone-2")
    receiver.behave("/phone-1")
    assert notify(f"{receiver.url}/phone-1")
    assert [page.path for page in receiver.received] == ["/phone-2", "/phone-1"]


def test_a_page_answered_too_late_has_arrived_all_the_same(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", delay=30.0)
    assert not notify(f"{receiver.url}/phone-1?+X-Page-Id=e7.1&rto=0.2")
    assert [page.page_id for page in receiver.received] == ["e7.1"]


def test_a_slow_path_holds_up_no_other(receiver: FakePhone) -> None:
    receiver.behave("/phone-1", delay=30.0)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(notify, f"{receiver.url}/phone-1")
        receiver.wait_for(1)
        assert notify(f"{receiver.url}/phone-2")
        assert not slow.done()
        receiver.close()
        slow.result(10)


def test_closing_does_not_wait_for_late_answers_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with FakePhone() as receiver:
        receiver.behave("/phone-1", delay=60.0)
        sender = threading.Thread(target=notify, args=(f"{receiver.url}/phone-1",))
        sender.start()
        receiver.wait_for(1)
        began = time.monotonic()
    sender.join(10)
    assert time.monotonic() - began < 10
    assert set(threading.enumerate()) == before


def test_a_closed_receiver_refuses_connections() -> None:
    with FakePhone() as receiver:
        address = receiver.url
    assert not notify(f"{address}/phone-1")


def test_the_callback_sees_each_page_in_order() -> None:
    seen: list[ReceivedPage] = []
    with FakePhone(seen.append) as receiver, ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(notify, [f"{receiver.url}/phone-{number}" for number in range(40)]))
    assert all(sent)
    assert seen == receiver.received
    assert [page.at_received_order for page in seen] == list(range(40))


def test_the_callback_may_look_at_the_receiver() -> None:
    counts: list[int] = []
    with FakePhone(lambda _: counts.append(len(receiver.received))) as receiver:
        assert notify(f"{receiver.url}/phone-1")
    assert counts == [1]


def test_a_failing_callback_is_logged_and_the_page_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    def fail(page: ReceivedPage) -> None:
        raise ValueError(f"no paper for {page.path}")

    with FakePhone(fail) as receiver:
        assert notify(f"{receiver.url}/phone-1")
    assert len(receiver.received) == 1
    assert "callback of the fake phone failed" in caplog.text


def test_waiting_returns_as_soon_as_the_pages_are_there(receiver: FakePhone) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(receiver.wait_for, 2)
        notify(f"{receiver.url}/phone-1")
        notify(f"{receiver.url}/phone-2")
        assert [page.path for page in waiting.result(10)] == ["/phone-1", "/phone-2"]


def test_waiting_in_vain_says_how_many_came(receiver: FakePhone) -> None:
    notify(f"{receiver.url}/phone-1")
    with pytest.raises(TimeoutError, match="1 of 2 pages"):
        receiver.wait_for(2, within=0.05)


def test_a_picture_is_recorded_by_its_name(receiver: FakePhone) -> None:
    body = b'{"title": "P1", "message": "", "attachments": [{"filename": "P1.png", "base64": ""}]}'
    assert post(receiver, body, {"X-Page-Id": "e7.1"}) == 200
    assert receiver.received == [ReceivedPage("/phone-1", "e7.1", "P1", "", 0, ("P1.png",))]


@pytest.mark.parametrize("body", [b"not JSON", b"[1]", b"\xff"])
def test_what_is_not_a_page_is_refused(receiver: FakePhone, body: bytes) -> None:
    assert post(receiver, body) == 400
    assert receiver.attempts == []


def test_a_request_without_a_usable_length_is_refused(receiver: FakePhone) -> None:
    assert post(receiver, b"{}", {"Content-Length": "-1"}) == 400
    assert post(receiver, b"{}", {"Content-Length": str(10**12)}) == 400


def test_a_get_is_answered_and_recorded_as_nothing(receiver: FakePhone) -> None:
    connection = connect(receiver)
    connection.request("GET", "/phone-1")
    assert connection.getresponse().status == 200
    connection.close()
    assert receiver.attempts == []


def test_it_prints_nothing(
    receiver: FakePhone, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.behave("/phone-1", drop=True)
    caplog.set_level(logging.CRITICAL, "apprise")
    notify(f"{receiver.url}/phone-1")
    notify(f"{receiver.url}/phone-2")
    post(receiver, b"not JSON")
    with socket.create_connection(("127.0.0.1", int(receiver.url.rpartition(":")[2]))) as rude:
        rude.sendall(b"nonsense\r\n\r\n")
    receiver.close()
    assert capfd.readouterr() == ("", "")
