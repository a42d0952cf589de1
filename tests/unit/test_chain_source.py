"""The chain in force: applied, reloaded, refused; calls always have the last good one. And closures beside it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from quietline.chain import closures
from quietline.chain.in_force import active_path
from quietline.chain.model import Chain
from quietline.chain.reading import active_text, load
from quietline.config import Config, Paths, Queue, Store
from quietline.errors import ConfigError
from quietline.live.chain_source import PREVIOUS, ChainSource
from quietline.routing.hours import Closure

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = active_text(load(ROOT / "examples" / "chain.yaml").model)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    active_path(tmp_path).parent.mkdir()
    store, queue = Store("corner", "Corner shop", ("+442079460150",)), Queue("orders", "Orders", "1")
    return replace(Config(), paths=Paths(tmp_path, tmp_path, tmp_path), stores=(store,), queues=(queue,))


def apply(config: Config, text: str, name: str = "active.yaml") -> None:
    (active_path(config.paths.state).parent / name).write_text(text)


def stores(chain: Chain) -> list[str]:
    return [each.id for each in chain.stores]


def test_before_the_first_apply_the_toml_file_is_in_force(config: Config) -> None:
    assert stores(ChainSource(config).now) == ["corner"]


def test_an_applied_chain_takes_its_place_at_the_reload_not_before(config: Config) -> None:
    source = ChainSource(config)
    told: list[Chain] = []
    source.watch(told.append)
    apply(config, EXAMPLE)
    assert stores(source.now) == ["corner"]
    assert source.reload() is source.now
    assert stores(source.now) == ["north", "harbour", "mill", "hub"]
    assert told == [source.now]
    assert stores(ChainSource(config).now) == stores(source.now)


def test_a_wrong_file_is_refused_with_its_line_and_the_old_chain_stays(config: Config) -> None:
    apply(config, EXAMPLE)
    source = ChainSource(config)
    before = source.now
    apply(config, EXAMPLE.replace('"flow": "hub"', '"flow": "hbu"'))
    with pytest.raises(ConfigError, match=r"active\.yaml:\d+: stores\.hub\.flow: no flow is called `hbu`"):
        source.reload()
    assert source.now is before


def test_a_watcher_may_refuse(config: Config) -> None:
    source = ChainSource(config)
    before, later = source.now, []

    def refuse(_: Chain) -> None:
        raise ConfigError("queue orders: strategy 'mine' is not known")

    source.watch(refuse)
    source.watch(later.append)
    with pytest.raises(ConfigError, match="strategy"):
        source.reload()
    assert source.now is before
    assert later == []


def test_at_the_start_a_broken_chain_gives_way_to_the_one_before_it(config: Config) -> None:
    apply(config, "{")
    apply(config, EXAMPLE, PREVIOUS)
    with capture_logs() as logs:
        assert stores(ChainSource(config).now) == ["north", "harbour", "mill", "hub"]
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_and_at_last_to_the_toml_file(config: Config) -> None:
    apply(config, "{")
    with capture_logs() as logs:
        assert stores(ChainSource(config).now) == ["corner"]
    assert len(logs) == 2


# Closures


def test_closures_are_kept_and_come_into_force_at_the_reload(config: Config) -> None:
    source = ChainSource(config)
    cut = Closure(100.0, 200.0, "power cut")
    closures.save(config.paths.state, {"corner": (cut,)}, now=50.0)
    assert source.now.shut("corner", "", 150.0) is None
    source.reload()
    shut = source.now.shut("corner", "", 150.0)
    assert shut is not None
    assert shut.reason == "power cut"
    assert source.now.shut("corner", "", 200.0) is None


def test_closures_survive_being_written_and_those_that_are_over_do_not(tmp_path: Path) -> None:
    forever, over = Closure(1.0, math.inf, "flood"), Closure(1.0, 2.0)
    closures.save(tmp_path, {"mill": (forever, over), "north": (over,)}, now=2.0)
    assert closures.load(tmp_path) == {"mill": (forever,)}
    assert "Infinity" not in closures.closures_path(tmp_path).read_text()
    assert closures.closures_path(tmp_path).stat().st_mode & 0o777 == 0o644


def test_no_closures(tmp_path: Path) -> None:
    assert closures.load(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"mill": [{}]}', '{"mill": 3}', '{"mill": [{"start": "x", "end": null}]}'])
def test_closures_that_cannot_be_read_are_named(tmp_path: Path, text: str) -> None:
    closures.save(tmp_path, {}, now=0.0)
    closures.closures_path(tmp_path).write_text(text)
    with pytest.raises(ConfigError, match=r"closures\.json: cannot be read; take it away"):
        closures.load(tmp_path)


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    closures.save(tmp_path, {}, now=0.0)
    row = {"mill": [{"start": 1, "end": None, "reason": "x" * 5_000}]}
    closures.closures_path(tmp_path).write_text(json.dumps(row))
    assert len(closures.load(tmp_path)["mill"][0].reason) == closures.MAX_REASON
