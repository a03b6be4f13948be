"""Signed links, and the secret they are signed with."""

from datetime import timedelta

import pytest
from redis import Redis

from config.settings import Settings
from tests.support.stored_ward import KEYS, NOW
from worker.links import BadLink, ExpiredLink, LinkClaims, Links, links_of, secret_of

LONG_ENOUGH = "configured, and long enough by far"
LINKS = Links(b"s" * 32, "https://cartwatch.example/")


def token(link: str) -> str:
    return link.rpartition("/")[2]


def test_a_link_says_which_page_for_whom() -> None:
    link = LINKS.page("3f2a.1", "haematologist-1", NOW)
    assert link.startswith("https://cartwatch.example/p/")
    assert LINKS.read(token(link), NOW) == LinkClaims("3f2a.1", "3f2a", "haematologist-1", NOW)


def test_the_same_page_has_the_same_link_so_that_a_retry_says_the_same() -> None:
    assert LINKS.page("3f2a.1", "p", NOW) == LINKS.page("3f2a.1", "p", NOW)


@pytest.mark.parametrize(("age", "good"), [(24, True), (24.001, False)])
def test_a_link_expires(age: float, good: bool) -> None:
    made = token(LINKS.page("3f2a.1", "p", NOW))
    if good:
        LINKS.read(made, NOW + timedelta(hours=age))
    else:
        with pytest.raises(ExpiredLink):
            LINKS.read(made, NOW + timedelta(hours=age))


def test_any_changed_letter_is_noticed() -> None:
    made = token(LINKS.page("3f2a.1", "p", NOW))
    for spot, letter in enumerate(made[:-1]):
        with pytest.raises(BadLink):
            LINKS.read(made[:spot] + ("A" if letter != "A" else "B") + made[spot + 1 :], NOW)


@pytest.mark.parametrize("made", ["", ".", "x", "é" * 9, "a.b", "WzFd.x", "A" * 5000])
def test_what_is_no_link_is_bad(made: str) -> None:
    with pytest.raises(BadLink):
        LINKS.read(made, NOW)
    with pytest.raises(BadLink):
        LINKS.read_sign_in(made, NOW)


def test_another_installation_s_link_is_bad() -> None:
    other = Links(b"t" * 32, "https://cartwatch.example")
    with pytest.raises(BadLink):
        LINKS.read(token(other.page("3f2a.1", "p", NOW)), NOW)


def test_every_link_to_the_board_is_another() -> None:
    assert LINKS.sign_in("p", NOW) != LINKS.sign_in("p", NOW)


def test_a_patient_s_name_in_addresses_is_always_the_same_and_needs_the_secret() -> None:
    assert LINKS.opaque("P1") == LINKS.opaque("P1") != LINKS.opaque("P2")
    assert Links(b"t" * 32, "").opaque("P1") != LINKS.opaque("P1")


def test_the_secret_is_made_once_and_shared(redis: Redis) -> None:
    first = secret_of(redis, KEYS, Settings())
    assert len(first) == 64
    assert secret_of(redis, KEYS, Settings()) == first


def test_a_configured_secret_goes_before_the_one_that_was_made(redis: Redis) -> None:
    secret_of(redis, KEYS, Settings())
    settings = Settings(secret=LONG_ENOUGH, link_hours=1)
    assert secret_of(redis, KEYS, settings) == LONG_ENOUGH.encode()
    links = links_of(redis, KEYS, settings, "https://cartwatch.example")
    with pytest.raises(ExpiredLink):
        links.read(token(links.page("a.1", "p", NOW)), NOW + timedelta(hours=1.01))


def test_a_short_secret_is_refused_and_none_is_printed() -> None:
    with pytest.raises(ValueError, match="32"):
        Settings(secret=LONG_ENOUGH[:31])
    assert "long enough" not in repr(Settings(secret=LONG_ENOUGH))


def test_a_link_fits_into_a_text_message_beside_a_title() -> None:
    links = Links(b"secret", "https://cartwatch.hospital.example")
    assert len(links.page("242b7107f2b0.12", "haematologist-1", NOW)) <= 110


@pytest.mark.parametrize("person", ["dr. møller/2", "a~b", "x.y"])
def test_any_name_of_a_person_survives_the_link(person: str) -> None:
    assert LINKS.read(token(LINKS.page("3f2a.1", person, NOW)), NOW).person == person
