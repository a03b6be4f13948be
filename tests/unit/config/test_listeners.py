"""What a listener may be configured to."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from config.listeners import Listener, check_addresses

TLS = {"certificate": "cert.pem", "key": "key.pem"}


def listener(**settings: Any) -> Listener:
    return Listener.model_validate({"port": 2575, **settings})


def test_it_listens_on_this_machine_alone_unless_configured_otherwise() -> None:
    made = listener()
    assert (made.host, made.allow_from, made.tls, made.idle_timeout) == ("127.0.0.1", (), None, timedelta(hours=12))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_it_needs_no_peers(host: str) -> None:
    assert listener(host=f" {host} ").host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "hl7.hospital.example"])  # noqa: S104
def test_one_that_others_can_reach_says_who_may_connect(host: str) -> None:
    with pytest.raises(ValidationError, match="name those that may connect"):
        listener(host=host)
    with pytest.raises(ValidationError, match="name those that may connect"):
        listener(host=host, tls=TLS)
    assert listener(host=host, allow_from=["10.0.0.0/8", "10.1.2.3", "fd00::/8"]).allow_from
    assert listener(host=host, tls=TLS | {"client_ca": "ca.pem"})


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"allow_from": ["lab"]}, "allow_from"),
        ({"allow_from": ["10.0.0.1/8"]}, "allow_from"),
        ({"port": 70000}, "port"),
        ({"host": " "}, "host"),
        ({"tls": {"certificate": "x"}}, "key"),
        ({"idle": "1 h"}, "idle"),
        ({"idle_timeout": "1"}, "idle_timeout"),
        ({"when_store_is_down": "reject"}, "when_store_is_down"),
        ({"max_connections": 0}, "max_connections"),
    ],
)
def test_what_cannot_be_used_is_named(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        listener(**settings)


def test_two_listeners_have_two_ports() -> None:
    with pytest.raises(ValueError, match="a and b have the same port 2575"):
        check_addresses({"a": listener(), "b": listener()})
    check_addresses({"a": listener(), "b": listener(port=2576), "c": listener(port=0), "d": listener(port=0)})
