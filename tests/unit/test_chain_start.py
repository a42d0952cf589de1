"""The file to start from reads as what the TOML file stands for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline import config_file
from quietline.chain.model import from_config
from quietline.chain.reading import Reading, read
from quietline.chain.start import start_from
from quietline.config import Config, Controller, Queue, Store
from quietline.errors import ConfigError
from quietline.files.marked_yaml import dump, parse
from quietline.routing.flow import Menu
from quietline.vault.schema import DataClass, Reason

ROOT = Path(__file__).resolve().parents[2]


def reading(config: Config) -> Reading:
    return read(parse(dump(start_from(config)), "start.yaml"), Path())


def test_the_example() -> None:
    config = config_file.load(ROOT / "examples" / "chain.toml")
    found, meant = reading(config), from_config(config)
    assert found.warnings == ()
    assert found.chain.stores == meant.stores
    assert found.chain.directory() == meant.directory()
    assert {rule.id: replace(rule, longest_callback=0.0) for rule in found.chain.rules()} == {
        rule.id: replace(rule, longest_callback=0.0) for rule in meant.rules()
    }
    flow, wanted = found.chain.flows["default"], meant.flows["default"]
    assert (flow.start, list(flow.steps)) == (wanted.start, list(wanted.steps))
    menu, meant_menu = flow.steps["menu"], wanted.steps["menu"]
    assert isinstance(menu, Menu)
    assert isinstance(meant_menu, Menu)
    assert menu.choices == meant_menu.choices
    assert menu.otherwise == meant_menu.otherwise


words = st.text("abcdefgh", min_size=1, max_size=8)
queues = st.lists(
    st.builds(
        Queue, words, st.text(min_size=1, max_size=20).filter(str.isprintable), st.sampled_from("0123456789"),
        st.lists(words, max_size=3, unique=True).map(tuple), st.sampled_from([each.value for each in DataClass]),
        st.sampled_from([each.value for each in Reason]),
    ),
    min_size=1, max_size=8, unique_by=(lambda queue: queue.id, lambda queue: queue.digit),
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(queues, st.booleans())
def test_any_queues(found: list[Queue], notice: bool) -> None:
    config = Config(
        stores=(Store("a", "A", ("+442079460101",)),), queues=tuple(found), controller=Controller(notice=notice)
    )
    made, meant = reading(config).chain, from_config(config)
    assert made.flows["default"].start == meant.flows["default"].start
    assert made.flows["default"].steps.keys() == meant.flows["default"].steps.keys()
    assert [(each.id, each.name, each.reason) for each in made.queues] == [
        (each.id, each.name, each.reason) for each in meant.queues
    ]


@pytest.mark.parametrize(
    "config", [Config(), Config(stores=(Store("a", "A"),)), Config(queues=(Queue("q", "Q", "1"),))]
)
def test_without_a_store_or_a_queue_there_is_nothing_to_start_from(config: Config) -> None:
    with pytest.raises(ConfigError, match="a chain needs a store and a queue"):
        start_from(config)
