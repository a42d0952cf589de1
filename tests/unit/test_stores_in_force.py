"""The vault's view of the stores follows the applied chain, and survives a broken one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from quietline.chain.in_force import StoresInForce, active_path, in_force
from quietline.chain.reading import active_text, load
from quietline.config import Config, Paths, Store

ROOT = Path(__file__).resolve().parents[2]
FIRST = Store("corner", "Corner shop", ("+442079460150",))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(Config(), paths=Paths(tmp_path, tmp_path, tmp_path), stores=(FIRST,))


def write(config: Config, text: str) -> None:
    """As `apply` does: beside it, then renamed."""
    path = active_path(config.paths.state)
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def test_before_the_first_apply_they_are_the_toml_files(config: Config) -> None:
    stores = StoresInForce(config)
    assert list(stores) == [FIRST]
    assert stores.by_number("+442079460150") == FIRST
    assert stores.by_number("+442079460101") is None


def test_they_follow_what_is_applied(config: Config) -> None:
    stores = StoresInForce(config)
    text = active_text(load(ROOT / "examples" / "chain.yaml").model)
    write(config, text)
    assert [each.id for each in stores] == ["north", "harbour", "mill", "hub"]
    assert stores.by_number("+442079460103") == Store("mill", "Old Mill", ("+442079460103",), "mill-franchise")
    assert stores.by_number("+442079460150") is None
    write(config, text.replace("+442079460103", "+442079460199"))
    assert stores.by_number("+442079460103") is None


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"stores": 3}', '{"stores": {"mill": {}}}', "\x00"])
def test_a_broken_file_changes_nothing_and_is_logged_once(config: Config, text: str) -> None:
    stores = StoresInForce(config)
    with capture_logs() as logs:
        write(config, text)
        assert [list(stores), list(stores)] == [[FIRST], [FIRST]]
    assert [entry["event"] for entry in logs] == ["the applied chain cannot be read; the stores stay as they were"]


def test_an_unchanged_file_is_not_read_again(config: Config) -> None:
    stores = StoresInForce(config)
    write(config, active_text(load(ROOT / "examples" / "chain.yaml").model))
    assert len(list(stores)) == 4
    path = active_path(config.paths.state)
    mark = path.stat()
    path.write_text("no longer json")
    os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))
    assert len(list(stores)) == 4


def test_what_is_made_at_the_start_knows_the_stores_of_now(config: Config) -> None:
    assert in_force(config) == config
    write(config, active_text(load(ROOT / "examples" / "chain.yaml").model))
    assert [each.id for each in in_force(config).stores] == ["north", "harbour", "mill", "hub"]
    assert replace(in_force(config), stores=config.stores) == config
