"""Health for a probe, and counts for Prometheus."""

import pytest
from anyio import CapacityLimiter

from tests.support.desk import Desk
from tests.support.stored_ward import everything
from worker.gateway.serve import access_of


def counts(desk: Desk, **headers: str) -> dict[str, float]:
    """The metrics by name and labels."""
    text = desk.get("/metrics", **headers).text
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_health_names_each_part_and_says_503_where_one_is_ill(desk: Desk) -> None:
    answered = desk.get("/healthz")
    assert answered.status_code == 503
    assert {"part": "workers", "well": False} in answered.json()["parts"]


def test_health_is_200_where_all_is_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.gateway.snapshot.examine", lambda *_: [])
    assert (desk.get("/healthz").status_code, desk.get("/healthz").json()) == (200, {"well": True, "parts": []})


def test_health_needs_no_session_and_shows_no_patient(desk: Desk) -> None:
    desk.fall_ill("patient-4711")
    before = everything(desk.redis)
    assert "4711" not in desk.get("/healthz").text
    assert everything(desk.redis) == before


def test_a_store_that_says_nothing_of_itself_is_ill_and_the_board_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redis.exceptions import NoPermissionError

    def refused(*_: object) -> None:
        raise NoPermissionError

    monkeypatch.setattr("worker.gateway.snapshot.examine", refused)
    assert desk.get("/healthz").status_code == 503
    desk.sign_in()
    assert desk.get("/board").status_code == 200


def test_a_store_that_is_away_is_ill(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.exceptions import ConnectionError as RedisConnectionError

    def gone() -> None:
        raise RedisConnectionError

    monkeypatch.setattr(desk.app.state.live, "_look", gone)
    answered = desk.get("/healthz")
    assert answered.status_code == 503
    assert answered.json()["parts"] == [{"part": "store", "well": False}]


def test_a_gateway_that_serves_and_reaches_the_store_is_ready_whatever_the_workers_do(desk: Desk) -> None:
    assert desk.get("/healthz").status_code == 503
    assert desk.get("/livez").status_code == 200
    assert desk.get("/readyz").status_code == 200


def test_a_gateway_that_does_not_reach_the_store_lives_and_is_not_ready(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redis.exceptions import ConnectionError as RedisConnectionError

    def gone() -> None:
        raise RedisConnectionError

    monkeypatch.setattr(desk.redis, "ping", gone)
    assert (desk.get("/readyz").status_code, desk.get("/readyz").text) == (503, "the store does not answer\n")
    assert desk.get("/livez").status_code == 200


def test_a_gateway_whose_threads_are_all_taken_is_not_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.gateway.probes.READY_SECONDS", 0.05)
    monkeypatch.setattr(desk.app.state.gateway.threads.links, "_limiter", CapacityLimiter(0))
    assert desk.get("/readyz").status_code == 503


def test_a_gateway_where_too_many_wait_is_not_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.app.state.gateway.threads.links, "_queue", 0)
    assert (desk.get("/readyz").status_code, desk.get("/readyz").text) == (503, "too many requests wait\n")


def test_the_counts(desk: Desk) -> None:
    desk.fall_ill("P1")
    desk.fall_ill("P2")
    desk.press(desk.link(desk.crs("P2")), "have-it")
    assert counts(desk)["cartwatch_inbox_messages"] == 1
    desk.work()
    found = counts(desk)
    assert found["cartwatch_patients"] == 2
    assert found['cartwatch_open_episodes{urgency="high"}'] == 2
    assert found["cartwatch_unacknowledged_episodes"] == 1
    assert found["cartwatch_assessments_overdue"] == 0
    assert found["cartwatch_inbox_messages"] == 0
    assert found["cartwatch_dead_letters"] == 0
    assert found["cartwatch_feeds_silent"] == 0
    assert found["cartwatch_healthy"] == 0
    assert sum(value for name, value in found.items() if name.startswith("cartwatch_pages")) >= 2


def test_overdue_assessments_are_counted(desk: Desk) -> None:
    """Two patients who were registered 19 h ago, of whom nothing was charted since: vital signs and ICE of each."""
    desk.fall_ill("P1")
    desk.fall_ill("P2")
    desk.clock.forward(hours=19)
    desk.work()
    assert counts(desk)["cartwatch_assessments_overdue"] == 4


def test_no_patient_stands_in_the_counts(desk: Desk) -> None:
    desk.fall_ill("patient-4711")
    assert "4711" not in desk.get("/metrics").text
    assert "HAEM" not in desk.get("/metrics").text


def test_the_counts_are_for_this_machine_or_whoever_brings_the_token() -> None:
    from starlette.requests import Request

    def asks(address: str, token: str = "") -> Request:
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        return Request({"type": "http", "client": (address, 1), "headers": headers})

    default = access_of((), "", behind_proxy=False)
    assert default.allows(asks("127.0.0.1"))
    assert default.allows(asks("::1"))
    assert not default.allows(asks("10.0.0.7"))
    assert not default.allows(asks("10.0.0.7", "guess"))
    assert access_of(("10.0.0.0/24",), "", behind_proxy=False).allows(asks("10.0.0.7"))
    proxied = access_of((), "s3cret", behind_proxy=True)
    assert not proxied.allows(asks("127.0.0.1"))
    assert proxied.allows(asks("127.0.0.1", "s3cret"))
    assert not proxied.allows(asks("127.0.0.1", "s3cre"))
    with pytest.raises(ValueError, match="not appear to be"):
        access_of(("here",), "", behind_proxy=False)
