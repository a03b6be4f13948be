"""The JSON Schema of the native messages that a sender may send."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from alerts.message_fields import A_NUMBER, NUMBER
from alerts.messages import (
    Acknowledgement,
    Closure,
    Discharge,
    HandOver,
    Merge,
    Note,
    Reading,
    Registration,
    Silence,
    Statement,
    Treatment,
)
from config.vocabulary import DRUGS, ICE_ITEMS, READINGS, SCORE_HIGHEST, STATEMENTS, Sort

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Sent = Annotated[
    Registration
    | Reading
    | Statement
    | Treatment
    | Note
    | Acknowledgement
    | HandOver
    | Silence
    | Closure
    | Discharge
    | Merge,
    Field(discriminator="type"),
]
"""What a sender may send. Receipts, faults and notices of merges are written by cartwatch alone."""

_SENT: TypeAdapter[Any] = TypeAdapter(Sent)

BOUND = rf"^\s*(<=|>=|<|>)?\s*{NUMBER}\s*$"


class _Schema(GenerateJsonSchema):
    """Without the defaults, which a sender need not know, and without the titles, which repeat the names."""

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def schema(template: str = "#/$defs/{model}") -> dict[str, Any]:
    """The schema: one object for each type of message. `template`: how a reference to a type is written."""
    made = _SENT.json_schema(schema_generator=_Schema, ref_template=template)
    types = made["$defs"]
    _limit(types)
    return {
        "$schema": DIALECT,
        "title": "Native message of cartwatch",
        "description": "One JSON object. See docs/integrators/messages.md.",
        **made,
    }


def _limit(types: dict[str, Any]) -> None:
    """Add what the models check beside the types of their fields."""
    types["Reading"]["properties"]["reading"] = {"enum": list(READINGS)}
    types["Statement"]["properties"]["statement"] = {"enum": list(STATEMENTS)}
    types["Treatment"]["properties"]["drug"] = {"enum": list(DRUGS)}
    items = {name: {"type": "integer", "minimum": 0, "maximum": most} for name, most in ICE_ITEMS.items()}
    ice = {"type": "object", "properties": items, "required": list(items), "additionalProperties": False}
    types["Reading"]["properties"]["items"] = {"anyOf": [ice, {"type": "null"}]}
    given = {"properties": {"status": {"not": {"const": "entered_in_error"}}}}
    types["Reading"]["allOf"] = [{"if": given, "then": {"allOf": [_has_a_value(), *_values()]}}]
    types["Silence"]["allOf"] = [
        {"oneOf": [_set("episode"), _set("condition")]},
        {"if": _set("condition"), "then": _set("urgency")},
    ]


def _set(name: str) -> dict[str, Any]:
    """Whether a field is there and is not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _has_a_value() -> dict[str, Any]:
    return {"anyOf": [_set(name) for name in ("value", "items", "absent")]}


def _values() -> list[dict[str, Any]]:
    """What the value of each reading may be, and that only an ICE has items."""
    codes = {name: kind.codes for name, kind in READINGS.items() if kind.sort is Sort.CODE}
    numbers = [name for name, kind in READINGS.items() if kind.sort in (Sort.VITAL, Sort.LABORATORY)]
    scores = {name: highest for name, highest in SCORE_HIGHEST.items() if name in READINGS}
    bound = {"anyOf": [{"type": "null"}, {"type": "number"}, {"type": "string", "pattern": BOUND}]}
    found = [_of([name], {"enum": [None, *values]}) for name, values in codes.items()]
    found += [_of([name], _score(highest)) for name, highest in scores.items()]
    no_items = {"if": _set("items"), "then": {"properties": {"reading": {"const": "ice"}}}}
    return [*found, _of(numbers, bound), no_items]


def _of(readings: list[str], value: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {"reading": {"enum": readings}}}, "then": {"properties": {"value": value}}}


def _score(highest: int) -> dict[str, Any]:
    number, text = A_NUMBER["anyOf"]
    within = number | {"minimum": 0, "maximum": highest, "multipleOf": 1}
    return {"anyOf": [{"type": "null"}, within, text]}
