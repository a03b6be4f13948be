"""Native messages from JSON text, and the errors of a text that is no message."""

from typing import get_args

from pydantic import ValidationError

from alerts.messages import MESSAGE, AnyMessage

_TYPES = tuple(get_args(model.model_fields["type"].annotation)[0] for model in get_args(get_args(AnyMessage)[0]))

LONGEST = 64 * 1024
"""The most bytes of one native message, several times what its fields may hold."""

MOST_ERRORS = 20
"""The most errors of one message named in the reply to its sender."""


class BadMessage(ValueError):
    """A message that cannot be read. The text names each field and the fix."""


def errors_in_words(error: ValidationError) -> str:
    """Each error of a pydantic validation as `field: what is wrong`, without echoing the message."""
    parts = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]:
        path = [str(part) for part in item["loc"]]
        if path and path[0] in _TYPES:
            path = path[1:]
        text = item["msg"].removeprefix("Value error, ")
        parts.append(_fix(".".join(path), item["type"], text))
    return "; ".join(parts)


def _fix(field: str, kind: str, text: str) -> str:
    if kind == "union_tag_not_found":
        return f"type: missing; write one of {', '.join(_TYPES)}"
    if kind == "union_tag_invalid":
        return f"type: not one of {', '.join(_TYPES)}"
    if kind == "extra_forbidden":
        return f"{field}: unknown field; remove it or correct its name"
    if kind == "missing":
        return f"{field}: missing"
    if kind == "timezone_aware":
        return f"{field}: write the offset from UTC, as in 2024-06-14T08:00:00+02:00"
    if kind == "json_invalid":
        return f"not JSON: {text.removeprefix('Invalid JSON: ')}"
    return f"{field}: {text}" if field else text


def read_message(raw: bytes | str) -> AnyMessage:
    """Parse one native message from its JSON text.

    Raises:
        BadMessage: not JSON, or not a message; names every field that is wrong.
    """
    if len(raw) > LONGEST:
        raise BadMessage(f"a message has at most {LONGEST} bytes")
    try:
        return MESSAGE.validate_json(raw)
    except ValidationError as error:
        raise BadMessage(errors_in_words(error)) from error
