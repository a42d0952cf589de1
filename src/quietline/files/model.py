"""Models of the files people write, and what is wrong with one in words: file, line, key, what, how to mend it.

A `FileModel` is strict: a number is no text, an unknown key is an error. `read_model` checks a file's values against
one and raises all that it finds at once, as one ConfigError with a line each.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from quietline.errors import ConfigError
from quietline.files.marked_yaml import Marked, Place

MAX_ERRORS = 25  # said at once; more are counted


class FileModel(BaseModel):
    """A part of a file. Strict, unknown keys forbidden, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_model(model: type[Model], file: Marked) -> Model:
    """The file's values as this model. Raises ConfigError: one line for each mistake, in the file's order."""
    try:
        return model.model_validate({} if file.value is None else file.value)
    except ValidationError as error:
        raise refusal(error, model, file) from None


def refusal(error: ValidationError, model: type[BaseModel], file: Marked) -> ConfigError:
    """The error as people can mend it."""
    found = [_said(each, model, file) for each in error.errors(include_url=False)]
    return all_of(file.says(place, what) for place, what in sorted(found, key=lambda each: file.line(each[0])))


def all_of(lines: Iterable[str]) -> ConfigError:
    """Many mistakes as one error, the first 25 of them."""
    said = list(dict.fromkeys(lines))
    more = len(said) - MAX_ERRORS
    return ConfigError("\n".join([*said[:MAX_ERRORS], *([f"and {more} more"] if more > 0 else [])]))


def nearest(word: str, known: Iterable[str]) -> str:
    """What to write instead: the nearest known word, or all of them when there are few."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, 1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else "there is none"


def _said(error: ErrorDetails, model: type[BaseModel], file: Marked) -> tuple[Place, str]:
    place = _place(error["loc"], file.value)
    kind, given = error["type"], error["input"]
    if kind == "missing":
        return place, f"`{error['loc'][-1]}` is missing; add it"
    if kind == "extra_forbidden":
        key = str(error["loc"][-1])
        return place, f"unknown key; {nearest(key, _keys(model, error['loc'][:-1]))}"
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind in WORDS:
        return place, WORDS[kind](given, context)
    return place, error["msg"].removeprefix("Value error, ")


def _place(loc: tuple[int | str, ...], value: Any) -> Place:
    """The parts of a location that are in the file: pydantic also names union members and "[key]".

    A union's tag is the value of one key, and may also be the name of another: `do: queue` beside `queue: orders`.
    """
    place: list[int | str] = []
    tag = ""
    for number, part in enumerate(loc):
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if inside and not tag and number + 1 < len(loc) and _is_tag(part, value):
            tag = str(part)
        elif inside:
            place.append(part)
            value, tag = value[part], ""
    return tuple(place)


def _is_tag(part: int | str, value: Any) -> bool:
    return isinstance(value, dict) and any(each == part for key, each in value.items() if key != part)


def _wanted(what: str) -> Callable[[Any, Mapping[str, Any]], str]:
    def say(given: Any, _: Mapping[str, Any]) -> str:
        quotes = "; put it in quotes" if what == "a text" and isinstance(given, (int, float)) else ""
        return f"want {what}, found {_called(given)}{quotes}"

    return say


def _called(given: Any) -> str:
    if given is None:
        return "nothing"
    names = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
    return names.get(type(given), "keys with values")


def _one_of(given: Any, context: Mapping[str, Any]) -> str:
    words = [each.strip(" '") for each in str(context["expected"]).replace(" or ", ", ").split(",")]
    shown = f"`{given}` is not known; " if isinstance(given, str) else ""
    return f"{shown}{nearest(str(given), words)}"


def _unknown_kind(_: Any, context: Mapping[str, Any]) -> str:
    words = [each.strip(" '") for each in str(context["expected_tags"]).split(",")]
    return f"`{context['tag']}` is not known; {nearest(str(context['tag']), words)}"


WORDS: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "string_type": _wanted("a text"),
    "int_type": _wanted("a whole number"),
    "int_from_float": _wanted("a whole number"),
    "float_type": _wanted("a number"),
    "bool_type": _wanted("true or false"),
    "list_type": _wanted("a list: [..., ...]"),
    "dict_type": _wanted("keys with values"),
    "model_type": _wanted("keys with values"),
    "model_attributes_type": _wanted("keys with values"),
    "literal_error": _one_of,
    "enum": _one_of,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": lambda _, context: (
        f"{str(context['discriminator']).replace(chr(39), '`')} is missing; add it"
    ),
    "greater_than": lambda _, context: f"want more than {context['gt']:g}",
    "greater_than_equal": lambda _, context: f"want at least {context['ge']:g}",
    "less_than": lambda _, context: f"want less than {context['lt']:g}",
    "less_than_equal": lambda _, context: f"want at most {context['le']:g}",
    "string_too_short": lambda _, context: f"want at least {context['min_length']} characters",
    "string_too_long": lambda _, context: f"want at most {context['max_length']} characters",
    "too_short": lambda _, context: f"want at least {context['min_length']} of them",
    "too_long": lambda _, context: f"want at most {context['max_length']} of them",
}


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """The keys known at a location."""
    kinds: list[Any] = [model]
    for part in loc:
        kinds = [below for kind in kinds for below in _below(kind, part)]
    return {info.alias or name for kind in kinds for each in _members(kind) for name, info in _fields(each).items()}


def _below(kind: Any, part: int | str) -> list[Any]:
    """The types one step further in; the same ones where the step is a union's tag and not in the file."""
    found: list[Any] = []
    for each in _members(kind):
        fields = {info.alias or name: info.annotation for name, info in _fields(each).items()}
        arguments = typing.get_args(each)
        if part in fields:
            found.append(fields[str(part)])
        elif typing.get_origin(each) in (dict, list):
            found.append(arguments[-1])
        elif _tagged(each, part):
            found.append(each)
    return found


def _tagged(kind: Any, part: int | str) -> bool:
    literals = [typing.get_args(info.annotation) for info in _fields(kind).values()]
    return kind.__name__ == part or any(part in each for each in literals) if _fields(kind) else False


def _members(kind: Any) -> list[Any]:
    """A union's members, and what is inside Annotated."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _members(typing.get_args(kind)[0])
    if origin in (typing.Union, UnionType):
        return [each for member in typing.get_args(kind) for each in _members(member)]
    return [kind]


def _fields(kind: Any) -> dict[str, Any]:
    return dict(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
