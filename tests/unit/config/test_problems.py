"""An unknown key: the complaint names the nearest key that may stand there."""

import pytest
from pydantic import BaseModel, ValidationError

from config.intake import Form
from config.problems import Key, of_validation
from config.site import OnCall


@pytest.mark.parametrize(
    ("model", "key", "instead"),
    [
        (OnCall, ("timezone",), "write `time_zone`"),
        (OnCall, ("ladders", "critical", "then_every"), "write `repeat_every`"),
        (OnCall, ("ladders", "critical", "steps", 0, "afer"), "write `after`"),
        (OnCall, ("delivery", "claim_for"), "write one of retry_backoff, undeliverable_after, lease"),
        (OnCall, ("roles", "on_call", "rotations", 0, "form"), "write `from`"),
        (Form, ("sources", "icu", "allowed_from"), "write `allow_from`"),
        (Form, ("listeners", "lab", "tls", "ca"), "write one of certificate, key, client_ca"),
        (Form, ("listeners", "lab", "connections"), "write `max_connections`"),
    ],
)
def test_an_unknown_key_names_what_may_stand_in_its_place(model: type[BaseModel], key: Key, instead: str) -> None:
    error = ValidationError.from_exception_data("x", [{"type": "extra_forbidden", "loc": key, "input": 1}])
    assert list(of_validation(error, model)) == [(key, f"unknown key: {instead}, or take it out")]
