"""Mistakes in a file, in words that name the line, the key and the fix."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from quietline.errors import ConfigError
from quietline.files.marked_yaml import parse
from quietline.files.model import MAX_ERRORS, FileModel, all_of, nearest, read_model


class Menu(FileModel):
    step: Literal["menu"]
    keys: dict[str, str]
    tries: Annotated[int, Field(ge=1, le=9)] = 2


class Play(FileModel):
    step: Literal["play"]
    prompt: str


class Shop(FileModel):
    name: str
    numbers: list[str] = Field(default=[], max_length=2)
    strategy: Literal["longest-idle", "best-skill"] = "longest-idle"
    wait: float = 1.0
    open_: bool = Field(True, alias="open")
    flow: list[Annotated[Menu | Play, Field(discriminator="step")]] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("is blank; give the name that people see")
        return name


class File(FileModel):
    stores: dict[str, Shop] = Field(default_factory=dict)


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read_model(File, parse(text, "chain.yaml"))
    return str(refused.value).splitlines()


def test_what_is_right_is_read() -> None:
    text = (
        "stores:\n  mill:\n    name: Old Mill\n    wait: 3\n    open: false\n    flow: [{step: play, prompt: hello}]\n"
    )
    shop = read_model(File, parse(text, "f")).stores["mill"]
    assert (shop.name, shop.wait, shop.open_, shop.flow) == (
        "Old Mill",
        3.0,
        False,
        [Play(step="play", prompt="hello")],
    )


def test_an_empty_file_has_the_defaults() -> None:
    assert read_model(File, parse("", "f")) == File()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{}", "chain.yaml:2: stores.mill: `name` is missing; add it"),
        ("{nam: x, name: y}", "chain.yaml:2: stores.mill.nam: unknown key; did you mean `name`?"),
        ("{name: x, opn: true}", "chain.yaml:2: stores.mill.opn: unknown key; did you mean `open`?"),
        ("{name: 7}", "chain.yaml:2: stores.mill.name: want a text, found a whole number; put it in quotes"),
        ("{name: ' '}", "chain.yaml:2: stores.mill.name: is blank; give the name that people see"),
        ("{name: }", "chain.yaml:2: stores.mill.name: want a text, found nothing"),
        ("{name: x, numbers: '1'}", "chain.yaml:2: stores.mill.numbers: want a list: [..., ...], found a text"),
        (
            "{name: x, numbers: [a, 442079460101]}",
            "chain.yaml:2: stores.mill.numbers[1]: want a text, found a whole number; put it in quotes",
        ),
        ("{name: x, numbers: [a, b, c]}", "chain.yaml:2: stores.mill.numbers: want at most 2 of them"),
        ("{name: x, wait: no}", "chain.yaml:2: stores.mill.wait: want a number, found a text"),
        ("{name: x, open: no}", "chain.yaml:2: stores.mill.open: want true or false, found a text"),
        (
            "{name: x, strategy: best-skil}",
            "chain.yaml:2: stores.mill.strategy: `best-skil` is not known; did you mean `best-skill`?",
        ),
        (
            "{name: x, strategy: zzz}",
            "chain.yaml:2: stores.mill.strategy: `zzz` is not known; known: best-skill, longest-idle",
        ),
        (
            "{name: x, flow: [{step: meun}]}",
            "chain.yaml:2: stores.mill.flow[0]: `meun` is not known; did you mean `menu`?",
        ),
        ("{name: x, flow: [{keys: {}}]}", "chain.yaml:2: stores.mill.flow[0]: `step` is missing; add it"),
        (
            "{name: x, flow: [{step: menu, keys: {}, trys: 2}]}",
            "chain.yaml:2: stores.mill.flow[0].trys: unknown key; did you mean `tries`?",
        ),
        (
            "{name: x, flow: [{step: menu, keys: {}, tries: 0}]}",
            "chain.yaml:2: stores.mill.flow[0].tries: want at least 1",
        ),
        ("{name: x, flow: [{step: menu}]}", "chain.yaml:2: stores.mill.flow[0]: `keys` is missing; add it"),
        ("text", "chain.yaml:2: stores.mill: want keys with values, found a text"),
    ],
)
def test_mistakes(body: str, said: str) -> None:
    assert wrong(f"stores:\n  mill: {body}\n") == [said]


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file() -> None:
    said = wrong("stores:\n  a: {nam: x}\n  b:\n    name: 3\n    wait: x\n  c: {}\n")
    assert [line.split(":")[1] for line in said] == ["2", "2", "4", "5", "6"]


def test_a_file_that_is_a_list() -> None:
    assert wrong("- a\n") == ["chain.yaml:1: want keys with values, found a list"]


def test_very_many_mistakes_are_counted() -> None:
    said = str(all_of(f"line {number}" for number in range(MAX_ERRORS + 5))).splitlines()
    assert (len(said), said[-1]) == (MAX_ERRORS + 1, "and 5 more")


def test_nearest() -> None:
    assert nearest("odrers", ["orders", "returns"]) == "did you mean `orders`?"
    assert nearest("x", []) == "there is none"
    assert nearest("q", [f"queue-{n:02d}" for n in range(20)]).endswith("queue-11, …")
