"""What a chain file changes, by kind, id and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.chain.diff import ADDED, CHANGED, REMOVED, Change, counts, diff
from quietline.chain.file import ChainFile
from quietline.chain.reading import load
from quietline.testing.large_chain import large_chain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def example() -> ChainFile:
    return load(ROOT / "examples" / "chain.yaml").model


def changed(model: ChainFile, kind: str, part: str, **keys: Any) -> ChainFile:
    parts = getattr(model, kind)
    return model.model_copy(update={kind: {**parts, part: parts[part].model_copy(update=keys)}})


def test_the_same_file_changes_nothing(example: ChainFile) -> None:
    assert diff(example, example) == []


def test_people_are_not_compared_here(example: ChainFile) -> None:
    assert diff(example, example.model_copy(update={"agents": None})) == []


def test_the_first_file_adds_everything(example: ChainFile) -> None:
    changes = diff(None, example)
    assert {each.change for each in changes} == {ADDED}
    assert counts(changes) == {
        "stores_added": 4, "queues_added": 4, "hours_added": 3, "flows_added": 2, "prompts_added": 1,
        "default_store_added": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "keys"),
    [
        ("stores", "mill", {"name": "New Mill", "hours": "shop"}),
        ("queues", "orders", {"ring": 20.0}),
        ("hours", "shop", {"zone": "Europe/Dublin"}),
    ],
)
def test_a_change_names_its_keys(example: ChainFile, kind: str, name: str, keys: dict[str, Any]) -> None:
    assert diff(example, changed(example, kind, name, **keys)) == [Change(kind, name, CHANGED, tuple(keys))]


def test_a_flow_names_its_steps(example: ChainFile) -> None:
    steps = dict(example.flows["hub"].steps)
    steps["topic"] = steps["topic"].model_copy(update={"tries": 3})
    del steps["returns"]
    after = changed(example, "flows", "hub", steps=steps)
    assert diff(example, after) == [Change("flows", "hub", CHANGED, ("steps.topic", "steps.returns"))]


def test_what_is_gone_comes_last(example: ChainFile) -> None:
    queues = {
        "new": example.queues["orders"],
        **{name: each for name, each in example.queues.items() if name != "french"},
    }
    after = example.model_copy(update={"queues": queues, "default_store": None})
    assert diff(example, after) == [
        Change("queues", "new", ADDED),
        Change("queues", "french", REMOVED),
        Change("default_store", "hub", REMOVED),
    ]


def chain(stores: int, queues: int, seed: int) -> ChainFile:
    return ChainFile.model_validate(large_chain(stores, queues, 0, seed))


@settings(deadline=None, max_examples=25)
@given(*(st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(0, 3)) for _ in range(2)))
def test_there_and_back_again(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    before, after = chain(*one), chain(*other)
    there, back = diff(before, after), diff(after, before)
    turned = {ADDED: REMOVED, REMOVED: ADDED, CHANGED: CHANGED}
    assert {(each.kind, each.id, turned[each.change]) for each in there if each.kind != "default_store"} == {
        (each.kind, each.id, each.change) for each in back if each.kind != "default_store"
    }
    assert (there == []) == (before.model_dump(exclude={"agents"}) == after.model_dump(exclude={"agents"}))
