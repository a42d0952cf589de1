"""A reference page's tables, made from the models of a file: keys, types, defaults, and what is said of them."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from quietline.vault.reference import table

PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}
HEAD = ("key", "what", "default", "meaning")


def section(model: type[BaseModel], title: str) -> str:
    """A heading, the model's own words, and a row for each key."""
    rows = [_row(info.alias or name, info) for name, info in model.model_fields.items()]
    return "\n".join([f"## {title}\n", inspect.cleandoc(model.__doc__ or "") + "\n", table(HEAD, rows)])


def called(kind: Any) -> str:
    """A type in words: "list: text", "one of a, b", "by key: queue"."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return called(arguments[0])
    if origin in (typing.Union, UnionType):
        return " or ".join(dict.fromkeys(called(each) for each in arguments if each is not NoneType))
    if origin is typing.Literal:
        return "one of " + ", ".join(f"`{each}`" for each in arguments)
    if origin is list:
        return f"list: {called(arguments[0])}"
    if origin is dict:
        return f"by key: {called(arguments[1])}"
    return PLAIN.get(kind) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__.removesuffix("Model")).lower()


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """The models inside a type, in order."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for each in typing.get_args(kind):
        yield from models_in(each)


def _row(name: str, info: FieldInfo) -> tuple[str, str, str, str]:
    return f"`{name}`", called(info.annotation) + _bounds(info), _default(info), _cell(_meaning(info))


def _bounds(info: FieldInfo) -> str:
    words: dict[Any, tuple[str, str]] = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
    parts = [
        f"{sign} {getattr(each, key):g}"
        for each in info.metadata
        for kind, (key, sign) in words.items()
        if isinstance(each, kind)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "must be given"
    value = info.default
    if value is PydanticUndefined or value is None or value == "":
        return ""
    return (
        f"`{str(value).lower()}`"
        if isinstance(value, bool)
        else f"`{value:g}`"
        if isinstance(value, float)
        else f"`{value}`"
    )


def _meaning(info: FieldInfo) -> str:
    """The field's own words, or else those of the model it holds."""
    if info.description:
        return info.description
    below = next(models_in(info.annotation), None)
    return inspect.cleandoc(below.__doc__ or "").splitlines()[0] if below else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
