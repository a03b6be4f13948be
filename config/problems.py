"""Problems of a configuration, with their place and their fix."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Key = tuple[str | int, ...]
"""The way to a value inside a file, as in ("roles", "on_call", 0)."""


class Problem(NamedTuple):
    """One problem, its place, and its fix. A warning does not keep the file from being used."""

    file: str
    line: int | None
    key: Key
    what: str
    warning: bool = False

    def __str__(self) -> str:
        """The form that editors recognise: `file:line: key: what`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = ".".join(str(part) for part in self.key)
        return ": ".join(part for part in (place, key, self.what) if part)


class ConfigurationError(Exception):
    """A configuration cannot be used; the text names file, line, key and fix, one problem per line."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


T = TypeVar("T")


class Attempts:
    """Several parts of a configuration. Each is read, whatever is wrong with another."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, load: Callable[[], T]) -> T | None:
        """The result of `load`; None if it fails. Its problems are kept."""
        try:
            return load()
        except ConfigurationError as error:
            self.problems += (problem for problem in error.problems if problem not in self.problems)
            return None


def cannot_be_read(path: Path, error: OSError) -> Problem:
    """A file that is not there, or may not be opened."""
    return Problem(str(path), None, (), f"cannot be read: {error.strerror or error}")


def of_validation(error: ValidationError, model: type[BaseModel]) -> Iterable[tuple[Key, str]]:
    """Every error of a validation, as key and text. For an unknown key the text names the nearest known one."""
    for item in error.errors():
        what = item["msg"].removeprefix("Value error, ")
        if item["type"] == "missing":
            what = f"{what}: add it"
        elif item["type"] == "extra_forbidden":
            what = f"unknown key: {_instead(str(item['loc'][-1]), known_keys(model, item['loc'][:-1]))}, or take it out"
        yield item["loc"], what


def _instead(wrong: str, known: Sequence[str]) -> str:
    near = get_close_matches(wrong, known, 1)
    if near:
        return f"write `{near[0]}`"
    return f"write one of {', '.join(known)}" if known else "correct its spelling"


def known_keys(model: type[BaseModel], place: Key) -> list[str]:
    """The known keys at a place of a file. A part of `place` that is no field is a name or a list entry."""
    for part in place:
        field = next((field for key, field in _fields(model) if key == part), None)
        inner = _model_in(field.annotation) if field is not None else model
        if inner is None:
            return []
        model = inner
    return [key for key, _ in _fields(model)]


def _fields(model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo]]:
    return ((field.alias or name, field) for name, field in model.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside a type, as in `dict[str, Ladder]` or `tuple[Step, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
