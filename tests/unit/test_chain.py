"""The chain's values: made of the TOML file, found by name, and whose agents a call may reach."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from quietline import config, config_file
from quietline.chain.model import Chain, Store, from_config
from quietline.chain.reading import load
from quietline.config import Config
from quietline.routing.flow import Menu, Notice, Queue
from quietline.routing.hours import ALWAYS, Closure, Hours, Shut, Span
from quietline.routing.model import Need, QueueRule, Step
from quietline.routing.overflow import Hop, Load, Reach
from quietline.routing.stores import Dialled

ROOT = Path(__file__).resolve().parents[2]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/London")).timestamp()


TUESDAY_NOON, SUNDAY_NOON, NIGHT = at("2026-11-24 12:00"), at("2026-11-29 12:00"), at("2026-11-24 23:00")


@pytest.fixture(scope="module")
def example() -> Chain:
    return load(ROOT / "examples" / "chain.yaml").chain


# From the TOML file


def test_a_toml_file_stands_for_a_chain_that_is_always_open() -> None:
    chain = from_config(config_file.load(ROOT / "examples" / "chain.toml"))
    assert [each.id for each in chain.stores] == ["north", "harbour", "mill", "hub"]
    assert {each.hours for each in chain.stores} == {ALWAYS}
    assert chain.store("mill").controller == "mill-franchise"
    assert chain.directory().dialled("+442079460103") == Dialled("mill", "default", True)
    assert chain.directory().dialled("+442079460999") == Dialled("north", "default", False)
    delivery = chain.queue("delivery").rule
    assert delivery == QueueRule(
        "delivery",
        data_class="delivery",
        steps=(Step(needs=(Need("orders"),)),),
        ring=15.0,
        wrap_up=45.0,
        longest_call=7_200.0,
        longest_wait=600.0,
    )


def test_its_flow_is_the_notice_the_menu_and_the_queues() -> None:
    chain = from_config(config_file.load(ROOT / "examples" / "chain.toml"))
    flow = chain.flows["default"]
    assert isinstance(flow.steps["notice"], Notice)
    assert isinstance(flow.steps["menu"], Menu)
    assert isinstance(flow.steps["returns"], Queue)
    words = " ".join(piece.text for piece in chain.scripts["menu", "en"])  # type: ignore[union-attr]
    assert words.startswith("For your order, press 1. For a return or refund, press 2.")


def test_without_queues_there_is_no_flow() -> None:
    assert from_config(Config()).flows == {}


# By name


def test_names(example: Chain) -> None:
    assert example.store("mill").name == "Old Mill"
    assert example.queue("french").id == "french"
    with pytest.raises(KeyError, match="moon"):
        example.store("moon")
    with pytest.raises(KeyError, match="moon"):
        example.queue("moon")
    assert [rule.id for rule in example.rules()] == ["orders", "returns", "advice", "french"]


# Open and shut


def test_shut_by_the_stores_hours_or_the_queues(example: Chain) -> None:
    assert example.shut("north", "orders", TUESDAY_NOON) is None
    assert example.shut("north", "orders", NIGHT) == Shut("hours")
    assert example.shut("north", "", at("2026-12-25 12:00")) == Shut("holiday", "Christmas Day")
    morning = Hours("Europe/London", ((Span(0, 600),),) * 7)
    queues = tuple(replace(each, hours=morning) for each in example.queues)
    assert replace(example, queues=queues).shut("north", "orders", TUESDAY_NOON) == Shut("hours")


def test_closures_come_on_top_of_the_files(example: Chain) -> None:
    power_cut = Closure(TUESDAY_NOON - 60, TUESDAY_NOON + 60, "power cut")
    shut = example.closed({"mill": (power_cut,), "gone": (power_cut,)})
    assert shut.shut("mill", "", TUESDAY_NOON) == Shut("closure", "power cut")
    assert len(shut.store("mill").hours.closures) == 2
    assert shut.store("north") == example.store("north")


# Reach


def quiet(_: str) -> Load:
    return Load()


def test_a_store_of_its_own_keeps_its_calls(example: Chain) -> None:
    assert example.reach("north", "orders", TUESDAY_NOON, quiet) == Reach(("north",))


def test_a_shared_store_reaches_every_open_one_itself_first(example: Chain) -> None:
    assert example.reach("hub", "orders", TUESDAY_NOON, quiet).stores == ("hub", "north", "harbour", "mill")
    assert example.reach("hub", "orders", at("2026-11-24 20:00"), quiet).stores == ("hub",)


def test_a_closed_store_never_rings_and_overflows(example: Chain) -> None:
    found = example.reach("harbour", "orders", SUNDAY_NOON, quiet)
    assert found == Reach(("hub",), (Hop("harbour", "north", "closed"), Hop("harbour", "hub", "closed")))


def test_all_shut_is_nobody(example: Chain) -> None:
    assert example.reach("harbour", "orders", NIGHT, quiet).stores == ()
    assert example.reach("hub", "orders", NIGHT, quiet).stores == ()


def test_size_expected_wait_and_time_widen_it(example: Chain) -> None:
    assert example.reach("north", "orders", TUESDAY_NOON, lambda _: Load(waiting=3)).stores == ("north", "hub")
    assert example.reach("north", "orders", TUESDAY_NOON, lambda _: Load(expected=121.0)).stores == ("north", "hub")
    assert example.reach("north", "orders", TUESDAY_NOON, quiet, 45.0).stores == ("north", "hub")
    assert example.reach("harbour", "orders", TUESDAY_NOON, quiet, 31.0).stores == ("harbour", "north")


def test_a_shut_queue_reaches_nobody(example: Chain) -> None:
    never = replace(example.queue("orders"), hours=Hours(week=((),) * 7))
    shut = replace(example, queues=(never,))
    assert shut.reach("north", "orders", TUESDAY_NOON, quiet) == Reach()


def test_a_load_that_calls_itself_open_does_not_open_a_shut_store(example: Chain) -> None:
    assert "north" not in example.reach("north", "orders", NIGHT, lambda _: Load(open=True)).stores


def test_the_next_turn_is_the_first_of_all_stores_and_queues(example: Chain) -> None:
    assert example.next_turn(TUESDAY_NOON) == at("2026-11-24 12:30")  # the mill's lunch
    assert example.next_turn(NIGHT) == at("2026-11-25 08:00")  # the hub opens
    assert from_config(Config(stores=(config.Store("a", "A"),))).next_turn(NIGHT) == math.inf


def test_numbers_lead_to_stores_and_flows(example: Chain) -> None:
    book = example.directory()
    assert book.dialled("+442079460110") == Dialled("hub", "hub", True)
    assert book.dialled("+442079460777") == Dialled("hub", "hub", False)


def test_the_smallest_chain() -> None:
    chain = Chain(stores=(Store("a", "A"),))
    assert chain.directory().dialled("x").store == "a"
