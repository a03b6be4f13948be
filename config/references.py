"""Undefined names in `site.yaml`, found in the file as written, so that other problems hide none of them."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from config.problems import Key

Named = Iterator[tuple[Key, str]]


def unresolved(data: Any) -> Iterator[tuple[Key, str]]:
    """Every undefined name, as its key and a sentence with the fix."""
    if not isinstance(data, Mapping):
        return
    yield from _absent(_people_named(data), data, "people")
    yield from _absent(_channels_named(data), data, "channels")
    yield from _absent(_roles_named(data), data, "roles")
    yield from _shared_addresses(data)


def _absent(named: Named, data: Mapping[str, Any], section: str) -> Iterator[tuple[Key, str]]:
    if not isinstance(data.get(section), Mapping):
        return  # the section itself is at fault, and said to be
    known = [str(name) for name in data[section]]
    for key, name in named:
        if name not in known:
            close = get_close_matches(name, known, 1)
            fix = f"is it {close[0]}?" if close else "add it there, or name one that is"
            yield key, f"{name!r} is not under {section}: {fix}"


def _section(data: Any, name: str | int) -> Mapping[str, Any]:
    found = data.get(name) if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _entries(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield (*key, index), entry


def _names(value: Any, key: Key) -> Named:
    """One name, a list of them, or a list of such lists."""
    if isinstance(value, str):
        yield key, value
    for inner, entry in _entries(value, key):
        yield from _names(entry, inner)


def _people_named(data: Mapping[str, Any]) -> Named:
    for role, held in _section(data, "roles").items():
        key: Key = ("roles", role)
        if not isinstance(held, Mapping):
            yield from _names(held, key)
            continue
        yield from _names(held.get("always"), (*key, "always"))
        for part in ("rotations", "overrides"):
            for inner, entry in _entries(held.get(part), (*key, part)):
                if isinstance(entry, Mapping):
                    yield from _names(entry.get("people"), (*inner, "people"))
    yield from _names(data.get("last_resort"), ("last_resort",))


def _channels_named(data: Mapping[str, Any]) -> Named:
    for person, entry in _section(data, "people").items():
        if isinstance(entry, Mapping):
            yield from _names(entry.get("channels"), ("people", person, "channels"))


def _roles_named(data: Mapping[str, Any]) -> Named:
    for urgency, ladder in _section(data, "ladders").items():
        steps = ladder.get("steps") if isinstance(ladder, Mapping) else None
        for key, step in _entries(steps, ("ladders", urgency, "steps")):
            if isinstance(step, Mapping):
                yield from _names(step.get("notify"), (*key, "notify"))


def _shared_addresses(data: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """A mail address of two people: one invitation would put both on duty."""
    whose: dict[str, str] = {}
    for person, entry in _section(data, "people").items():
        email = entry.get("email") if isinstance(entry, Mapping) else None
        if isinstance(email, str):
            first = whose.setdefault(email.lower(), person)
            if first != person:
                yield ("people", person, "email"), f"{first} has the same address: each needs an own one"
