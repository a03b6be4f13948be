"""YAML read together with the line on which each key stands."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from config.bounded import read_text
from config.problems import ConfigurationError, Key, Problem, of_validation

MOST_VALUES = 100_000
"""The most values of a YAML file, each counted as often as it is referenced."""

Model = TypeVar("Model", bound=BaseModel)


class Document(NamedTuple):
    """A YAML file: its content, and the line of every key and list entry."""

    path: Path
    data: Any
    lines: dict[Key, int]
    twice: tuple[Problem, ...] = ()
    """Keys that occur twice. One of the two would be lost."""

    def line(self, key: Key) -> int:
        """The line of a key, or of the nearest written one around it."""
        while key not in self.lines and key:
            key = key[:-1]
        return self.lines.get(key, 1)

    def problem(self, key: Key, what: str, *, warning: bool = False) -> Problem:
        """A problem with a key of this file."""
        return Problem(str(self.path), self.line(key), key, what, warning)


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigurationError: it cannot be read, or is not YAML.
    """
    try:
        loader = yaml.SafeLoader(read_text(path))
    except yaml.YAMLError as error:
        raise ConfigurationError(_not_yaml(path, error)) from error
    try:
        node = loader.get_single_node()
        _refuse_expansion(path, node)
        twice = [Problem(str(path), line, key, "stands twice: take one out") for key, line in _twice(node, (), ())]
        data = loader.construct_document(node) if node is not None else {}
    except RecursionError as error:
        line = loader.line + 1
        raise ConfigurationError(Problem(str(path), line, (), "is nested too deeply: write it flatter")) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigurationError(_not_yaml(path, error)) from error
    finally:
        loader.dispose()
    return Document(path, data, dict(_places(node, (), ())), tuple(twice))


def _refuse_expansion(path: Path, node: yaml.Node | None) -> None:
    """Refuse a file that is short as written and endless once its aliases are expanded."""
    weights: dict[int, int] = {}

    def weight(node: yaml.Node) -> int:
        if id(node) not in weights:
            weights[id(node)] = 0  # for one that contains itself
            inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            parts = inner if isinstance(node, yaml.CollectionNode) else ()
            weights[id(node)] = 1 + sum(map(weight, parts))
            if weights[id(node)] > MOST_VALUES:
                line = node.start_mark.line + 1
                what = f"is more than {MOST_VALUES} values once its aliases are written out: name fewer"
                raise ConfigurationError(Problem(str(path), line, (), what))
        return weights[id(node)]

    if node is not None:
        weight(node)


def load_model(
    model: type[Model], path: Path, also: Callable[[Any], Iterable[tuple[Key, str]]] = lambda _: ()
) -> Model:
    """Read a YAML file as a model. `also` finds problems in its content that the model does not see.

    Raises:
        ConfigurationError: names every key that cannot be used, with its line and the fix.
    """
    document = read_yaml(path)
    refused = list(also(document.data))
    loaded = None
    try:
        loaded = model.model_validate(document.data, context={"folder": path.parent})
    except ValidationError as error:
        refused += of_validation(error, model)
    if loaded is None or refused or document.twice:
        problems = [*document.twice, *(document.problem(key, what) for key, what in refused)]
        raise ConfigurationError(*sorted(problems, key=lambda problem: problem.line or 0))
    return loaded


def _not_yaml(path: Path, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or " ".join(str(error).split())
    return Problem(str(path), mark.line + 1 if mark is not None else None, (), f"not YAML: {said}")


def _pairs(node: yaml.MappingNode, key: Key) -> Iterator[tuple[Key, yaml.Node, yaml.Node]]:
    for name, value in node.value:
        yield (*key, str(name.value)), name, value


def _twice(node: yaml.Node | None, key: Key, around: tuple[yaml.Node, ...]) -> Iterator[tuple[Key, int]]:
    if node is None or node in around:
        return
    if isinstance(node, yaml.MappingNode):
        seen: set[Key] = set()
        for inner, name, value in _pairs(node, key):
            if inner in seen:
                yield inner, name.start_mark.line + 1
            seen.add(inner)
            yield from _twice(value, inner, (*around, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _twice(value, (*key, index), (*around, node))


def _places(node: yaml.Node | None, key: Key, around: tuple[yaml.Node, ...]) -> Iterator[tuple[Key, int]]:
    if node is None or node in around:
        return
    if not key:
        yield key, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for inner, name, value in _pairs(node, key):
            yield inner, name.start_mark.line + 1
            yield from _places(value, inner, (*around, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*key, index), value.start_mark.line + 1
            yield from _places(value, (*key, index), (*around, node))
