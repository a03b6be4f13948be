"""What one address or session may cost the others."""

import pytest

from worker.gateway.rate_limit import KNOWN, TRIES, WITHIN_SECONDS, BodyBudget, FailedAttempts, LiveBoards, sender


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nobody", "nobody"),
    ],
)
def test_who_counts_as_one(address: str, counted: str) -> None:
    assert sender(address) == counted


def test_wrong_tries_are_too_many_for_a_minute() -> None:
    now = 0.0
    tries = FailedAttempts(lambda: now)
    assert [tries.note("a") for _ in range(TRIES + 1)] == [False] * TRIES + [True]
    assert tries.are_too_many("a")
    assert not tries.are_too_many("b")
    now = WITHIN_SECONDS
    assert not tries.are_too_many("a")
    assert not tries.note("a")


def test_only_so_many_addresses_are_remembered() -> None:
    tries = FailedAttempts(lambda: 0.0)
    for number in range(KNOWN + 1000):
        tries.note(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(tries._tries) == KNOWN


def test_bodies_are_counted_for_each_address_and_for_all() -> None:
    budget = BodyBudget(of_all=100, of_one=40)
    assert budget.add("a", 40)
    assert not budget.add("a", 1)
    assert budget.add("b", 40)
    assert not budget.add("c", 30)
    for address, size in (("a", 41), ("b", 40), ("c", 30)):
        budget.release(address, size)
    assert budget.add("a", 40)
    assert list(budget._bytes) == ["a"]


def test_a_session_has_so_many_live_boards_and_another_its_own() -> None:
    boards = LiveBoards()
    places = [boards.one("s") for _ in range(boards.OF_ONE)]
    for place in places:
        assert not boards.is_full("s")
        place.__enter__()
    assert boards.is_full("s")
    assert not boards.is_full("t")
    places[0].__exit__(None, None, None)
    assert not boards.is_full("s")
    for place in places[1:]:
        place.__exit__(None, None, None)
    assert not boards._open
