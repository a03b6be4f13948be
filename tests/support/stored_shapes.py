"""The shape of everything that is stored, as text: the names, types and defaults of every field, recursively.

A stored struct is a map whose unknown keys are ignored and whose missing ones are defaulted: a renamed field would lose
a patient's state without an error. So the shapes are recorded with each schema version, and a test compares them.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from tests.support.recorded_store import RecordedWard, first_part, fresh, packed_values
from tests.support.stored_ward import Clock
from worker.store.codec import Codec, unpack_export, unpack_journal

WORKER = Path(__file__).parents[2] / "worker"


def codecs() -> dict[str, Codec[Any]]:
    """Every kind of value that is packed, found in the source."""
    found: dict[str, Codec[Any]] = {}
    for path in sorted(WORKER.rglob("*.py")):
        if "Codec(" in path.read_text(encoding="utf-8"):
            module = importlib.import_module(".".join(path.relative_to(WORKER.parent).with_suffix("").parts))
            found |= {value.kind: value for value in vars(module).values() if isinstance(value, Codec)}
    return found


def shapes() -> str:
    """All of them, one line a field."""
    lines = [line for kind, codec in sorted(codecs().items()) for line in shape(kind, codec.type)]
    return "\n".join([*lines, *documents()]) + "\n"


def shape(name: str, type_: type) -> list[str]:
    """One type: a line for each field of each struct, at the first place where the struct stands."""
    return list(_Shape().lines(name, inspect.type_info(type_)))


class _Shape:
    """Remembers where a struct was described; no name of a class is part of it, for none is stored."""

    def __init__(self) -> None:
        self._seen: dict[type, str] = {}

    def lines(self, place: str, info: Any) -> Iterator[str]:
        """The line of a place, and those of the structs in it."""
        nested: list[tuple[str, Any]] = []
        yield f"{place}: {self._named(place, info, nested)}"
        for at, struct in nested:
            yield from self._fields(at, struct)

    def _fields(self, place: str, info: Any) -> Iterator[str]:
        for field in info.fields:
            nested: list[tuple[str, Any]] = []
            where = f"{place}.{getattr(field, 'encode_name', field.name)}"
            yield f"{where}: {self._named(where, field.type, nested)}{_default(field)}"
            for at, struct in nested:
                yield from self._fields(at, struct)

    def _named(self, place: str, info: Any, nested: list[tuple[str, Any]]) -> str:
        kind = type(info).__name__.removesuffix("Type").lower()
        if hasattr(info, "fields"):
            if info.cls in self._seen:
                return f"as {self._seen[info.cls]}"
            self._seen[info.cls] = place
            nested.append((place, info))
            return kind + (" (array)" if getattr(info, "array_like", False) else "")
        if isinstance(info, inspect.UnionType):
            return " | ".join(sorted(self._named(place, one, nested) for one in info.types))
        if isinstance(info, inspect.LiteralType):
            return f"one of {', '.join(sorted(map(repr, info.values)))}"
        if isinstance(info, inspect.EnumType):
            return f"one of {', '.join(sorted(repr(one.value) for one in info.cls))}"
        if isinstance(info, inspect.DictType):
            value = self._named(f"{place}{{}}", info.value_type, nested)
            return f"{self._named(place, info.key_type, nested)} -> {value}"
        if isinstance(info, inspect.TupleType):
            return f"({', '.join(self._named(f'{place}[{n}]', one, nested) for n, one in enumerate(info.item_types))})"
        if isinstance(info, inspect.CollectionType):
            return f"{kind} of {self._named(f'{place}[]', info.item_type, nested)}"
        return kind


def _default(field: Any) -> str:
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return ""
    return f" = {json.dumps(msgspec.to_builtins(value), ensure_ascii=False)}"


def documents() -> list[str]:
    """What is stored as JSON without a type: of each kind of event and of exported item the fields that the scripted
    ward leaves."""
    redis = fresh()
    first_part(RecordedWard(redis, Clock()))
    found: set[str] = set()
    for name, packed in packed_values(redis):
        if name == "journal":
            record = unpack_journal(packed)
            found.add(f"journal: {', '.join(sorted(record))}")
            found |= {f"journal.in: {', '.join(sorted(item))}" for item in record["in"]}
            found |= {f"journal.events {event['kind']}: {', '.join(sorted(event))}" for event in record["events"]}
        elif name == "exports":
            found |= {f"export {item['kind']}: {', '.join(sorted(item))}" for item in unpack_export(packed)}
    return sorted(found)
