"""Reference tables made from models: types, bounds, defaults and meanings in words."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pytest
from pydantic import Field

from quietline.chain import reference as chain_reference
from quietline.chain.file import ChainFile, QueueModel, StoreModel
from quietline.files.model import FileModel
from quietline.files.reference import called, models_in, section


class InnerPart(FileModel):
    """What is inside. More of it."""

    word: str


class Outer(FileModel):
    """The outer one."""

    name: Annotated[str, Field(description="A name, or none | nothing.")]
    count: Annotated[int, Field(ge=1, le=9)] = 3
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    kind: Literal["a", "b"] = "a"
    on: bool = True
    inner: InnerPart | None = None
    begin: Annotated[str | None, Field(alias="from")] = None
    parts: Annotated[dict[str, InnerPart], Field(default_factory=dict)]


def rows(text: str) -> dict[str, list[str]]:
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    return {each[0].strip("`"): each[1:] for each in cells}


def test_a_section() -> None:
    text = section(Outer, "`outer`")
    assert text.startswith("## `outer`\n\nThe outer one.\n\n| key | what | default | meaning |")
    assert rows(text) == {
        "name": ["text", "must be given", "A name, or none \\| nothing."],
        "count": ["whole number (≥ 1, ≤ 9)", "`3`", ""],
        "share": ["number (> 0, < 1)", "`0.5`", ""],
        "kind": ["one of `a`, `b`", "`a`", ""],
        "on": ["true or false", "`true`", ""],
        "inner": ["inner part", "", "What is inside. More of it."],
        "from": ["text", "", ""],
        "parts": ["by key: inner part", "", "What is inside. More of it."],
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "text"),
        (list[str], "list: text"),
        (str | list[float], "text or list: number"),
        (dict[str, dict[str, int]], "by key: by key: whole number"),
        (Annotated[bool, "x"] | None, "true or false"),
    ],
)
def test_types_in_words(kind: object, words: str) -> None:
    assert called(kind) == words


def test_models_inside_a_type() -> None:
    assert list(models_in(dict[str, InnerPart | None])) == [InnerPart]
    assert list(models_in(str)) == []


def test_the_chain_page_has_every_key_of_every_model() -> None:
    page = chain_reference.page()
    for model in (ChainFile, StoreModel, QueueModel):
        for name, info in model.model_fields.items():
            assert f"| `{info.alias or name}` |" in page


def test_every_key_of_the_chain_page_has_a_meaning() -> None:
    found = [line for line in chain_reference.page().splitlines() if line.startswith("| `")]
    assert len(found) > 50
    assert [line for line in found if line.endswith("|  |")] == []
