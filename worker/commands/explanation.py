"""Explanations as lines of text, and as values for JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from alerts.explain import Explanation


def lines(explanations: Iterable[Explanation], *, rules: bool) -> Iterator[str]:
    """The lines of every explanation. The table and source of each rule follow once, at its first system."""
    shown: set[str] = set()
    for item in explanations:
        provisional = " (provisional: at least)" if item.provisional else ""
        yield f"{item.system}: {item.value}{provisional}   [{item.version}]"
        yield from _part("because", item.because)
        yield from _part("reading", item.readings)
        yield from _part("missing", item.missing)
        yield from _part("note", item.flags)
        yield from _part("convention", item.conventions)
        if rules:
            yield from _part("table", item.row)
        yield from _part("would become, with", item.changed_by)
        if rules and item.rule not in shown:
            shown.add(item.rule)
            yield from (f"    | {line}" for line in item.rule.splitlines())
        yield ""


def as_values(explanations: Iterable[Explanation], *, rules: bool) -> Iterator[dict[str, Any]]:
    """Every explanation by the names of its fields. With `rules`, also the table and the source of its rule."""
    for item in explanations:
        values = item._asdict()
        yield values if rules else {name: values[name] for name in values if name not in ("row", "rule")}


def _part(name: str, texts: Iterable[str]) -> Iterator[str]:
    yield from (f"  {name} {text}" for text in texts)
