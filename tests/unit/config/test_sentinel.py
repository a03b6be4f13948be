"""Addresses of a store that Sentinels watch, and what follows for the broker and for acceptance."""

import pytest
from pydantic import ValidationError

from config.sentinel import SentinelUrl
from config.settings import Settings

URL = "redis+sentinel://ward:a%2Fb@h1:26379,h2,[::1]:26380/cw/0?sentinel_password=s%26t"


def parsed(url: str) -> SentinelUrl:
    found = SentinelUrl.parse(url)
    assert found is not None
    return found


def test_an_address_names_sentinels_service_and_database() -> None:
    url = parsed(URL)
    assert url.sentinels == (("h1", 26379), ("h2", 26379), ("[::1]", 26380))
    assert (url.tls, url.service, url.database) == (False, "cw", 0)
    assert url.sentinel_login == {"password": "s&t"}
    assert parsed("rediss+sentinel://h1/cw").tls


def test_an_address_of_a_server_names_none() -> None:
    assert SentinelUrl.parse("redis://h1:6379/0") is None


@pytest.mark.parametrize("url", ["redis+sentinel://h1", "redis+sentinel://h1,/cw", "redis+sentinel://h1/cw/x"])
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="write redis\\+sentinel://"):
        Settings(redis_url=url)


def test_each_address_of_the_broker_names_its_database() -> None:
    """Kombu takes the database from the address in use: it would start on database 0, and change with the Sentinel."""
    login = "sentinel://ward:a%2Fb@"
    assert Settings(redis_url=URL).broker == f"{login}h1:26379/1;{login}h2:26379/1;{login}[::1]:26380/1"


def test_the_broker_may_have_sentinels_of_its_own() -> None:
    settings = Settings(redis_url=URL, broker_url="redis+sentinel://b1,b2/celery/3")
    assert settings.broker == "sentinel://b1:26379/3;sentinel://b2:26379/3"
    assert settings.broker_is_apart
    assert not Settings(redis_url=URL).broker_is_apart


def test_an_address_in_the_form_of_kombu_is_refused() -> None:
    """It names no service."""
    with pytest.raises(ValidationError, match="write CARTWATCH_BROKER_URL as redis\\+sentinel://"):
        Settings(broker_url="sentinel://b1:26379/1")


def test_with_sentinels_two_machines_must_have_a_message() -> None:
    assert Settings(redis_url=URL).copies == 2
    assert Settings(redis_url=URL, copies=1).copies == 1
    assert Settings(redis_url="redis://h1:6379/0").copies == 1


def test_the_passwords_may_stand_apart() -> None:
    settings = Settings(redis_url="redis+sentinel://h1/cw", redis_password="a/b", sentinel_password="s&t")  # noqa: S106
    assert settings.redis_url == "redis+sentinel://:a%2Fb@h1/cw?sentinel_password=s%26t"
    assert settings.broker == "sentinel://:a%2Fb@h1:26379/1"
