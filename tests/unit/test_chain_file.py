"""The chain file: what is right is read, what is wrong is named with line, key and fix before any of it is live."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.chain.file import days_of, schema, span_of, spans_of
from quietline.chain.model import Store
from quietline.chain.reading import Reading, active_text, load, read
from quietline.errors import ConfigError
from quietline.files.marked_yaml import parse
from quietline.routing.hours import ALWAYS, Closure, Span
from quietline.routing.model import Need, Step
from quietline.routing.overflow import Spill
from quietline.testing.large_chain import large_chain, write_yaml

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 24)

SMALL = """\
stores:
  mill: {name: Old Mill, numbers: [+442079460103], flow: shop}
queues:
  orders: {name: Orders}
flows:
  shop:
    steps:
      orders: {do: queue, queue: orders}
"""


def reading(text: str) -> Reading:
    return read(parse(text, "chain.yaml"), Path(), TODAY)


def changed(**parts: Any) -> Reading:
    """SMALL with top-level keys put in or replaced, one a line from the first on."""
    values = {**parse(SMALL, "f").value, **parts}
    return reading("".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()))


def wrong(**parts: Any) -> list[str]:
    """What is said of it, without file and line."""
    with pytest.raises(ConfigError) as refused:
        changed(**parts)
    lines = str(refused.value).splitlines()
    assert all(line.startswith("chain.yaml:") for line in lines)
    return [line.split(": ", 1)[1] for line in lines]


def warned(**parts: Any) -> list[str]:
    return [line.split(": ", 1)[1] for line in changed(**parts).warnings]


def store(**keys: Any) -> dict[str, Any]:
    return {"name": "Old Mill", "numbers": ["+442079460103"], "flow": "shop", **keys}


def week(**days: Any) -> dict[str, Any]:
    rest = {day: "closed" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun") if day not in days}
    return {"zone": "Europe/London", "week": {**rest, **days}}


# What is right


def test_the_smallest_file() -> None:
    found = reading(SMALL)
    assert found.warnings == ()
    assert found.chain.stores == (Store("mill", "Old Mill", "shop", ("+442079460103",)),)
    assert found.chain.default_store == "mill"
    queue = found.chain.queue("orders")
    assert (queue.rule.steps, queue.rule.longest_wait, queue.hours) == ((Step(),), 900.0, ALWAYS)


def test_the_example_is_right_and_says_nothing() -> None:
    found = load(ROOT / "examples" / "chain.yaml", TODAY)
    assert found.warnings == ()
    chain = found.chain
    assert [each.id for each in chain.stores] == ["north", "harbour", "mill", "hub"]
    assert chain.store("harbour").overflow == (Spill("north", after=30.0), Spill("hub", after=60.0))
    assert (chain.store("mill").shared, chain.store("hub").shared) == (False, True)
    french = chain.queue("french").rule
    assert french.steps == (
        Step(0.0, (Need("lang:fr", 4), Need("orders", 1)), frozenset({"hub"})),
        Step(60.0, (Need("lang:fr", 1), Need("orders", 1)), frozenset()),
    )
    assert chain.queue("advice").rule.steps[0].needs == (Need("advice", 1), Need("advice", 4, preferred=True))
    assert chain.queue("returns").callback.expires == 7_200.0
    assert [each.login for each in chain.agents] == ["mia", "noor", "tomos", "wren", "ivo", "bea"]
    closing = datetime(2027, 2, 1, 9, tzinfo=UTC).timestamp()
    assert chain.store("mill").hours.closures == (Closure(closing, closing + 5 * 86_400, "stock-taking"),)
    assert found.chain.scripts["shut", "fr"]


def test_no_personal_data_in_reprs() -> None:
    found = load(ROOT / "examples" / "chain.yaml", TODAY)
    for shown in (repr(found), repr(found.chain), repr(found.chain.agents[0]), repr(found.model.agents)):
        assert "Thornfold" not in shown
        assert "mia" not in shown


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("09:00-17:30", Span(540, 1_050)),
        ("00:00-24:00", Span(0, 1_440)),
        ("22:00-02:00", Span(1_320, 1_560)),
        ("22:00–24:00", Span(1_320, 1_440)),
        ("09:00 - 12:00", Span(540, 720)),
    ],
)
def test_spans(text: str, span: Span) -> None:
    assert span_of(text) == span


def test_days() -> None:
    assert spans_of("closed") == ()
    assert days_of("mon-fri") == (0, 1, 2, 3, 4)
    assert days_of("sun") == (6,)


# What is wrong, key by key


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (week(mon="9:00-17:00"), "hours.h.week.mon: want times such as 09:00-17:30, or `closed`"),
        (week(mon="09:00-09:00"), "begins and ends at the same time"),
        (week(mon="25:00-26:00"), "want times"),
        (week(mon=900), "hours.h.week.mon: want a text"),
        (week(**{"mon-fr": "closed"}), "want days such as mon or mon-fri"),
        (week(**{"fri-mon": "closed"}), "write it as two keys"),
        (week(**{"mon-wed": "closed"}), "mon is spoken of in `mon` too; keep one"),
        (week(mon=["09:00-12:00", "11:00-17:00"]), "09:00-12:00 and 11:00-17:00 overlap"),
        (week(mon="22:00-03:00", tue="02:00-09:00"), "22:00-03:00 on mon runs into 02:00-09:00 on tue"),
        (week(sun="22:00-03:00", mon="00:00-09:00"), "22:00-03:00 on sun runs into 00:00-09:00 on mon"),
        ({**week(), "zone": "Europe/Londno"}, "`Europe/Londno` is no IANA time zone; did you mean `Europe/London`?"),
        ({**week(), "zone": "../etc/passwd"}, "is no IANA time zone"),
        ({**week(), "holidays": {"2026-13-01": "x"}}, "there is no such date"),
        ({**week(), "holidays": {"25.12.2026": "x"}}, "want a date such as 2026-12-25"),
        ({**week(), "special": {"2026-12-24": {"open": "9-5"}}}, "want times"),
        ({**week(), "special": {"2026-12-24": {"open": ["09:00-12:00", "10:00-11:00"]}}}, "overlap"),
        (
            {**week(), "holidays": {"2026-12-24": "x"}, "special": {"2026-12-24": {"open": "09:00-12:00"}}},
            "hours.h.special.2026-12-24: is a holiday too; keep one of them",
        ),
        (
            {**week(), "special": {"2027-03-28": {"open": "01:30-05:00"}}},
            "hours.h.special.2027-03-28: 01:30 does not exist in Europe/London on that day: the clocks go forward",
        ),
        (
            {**week(), "closures": [{"from": "2027-03-28 01:30", "until": "2027-03-28 05:00"}]},
            "hours.h.closures[0].from: 2027-03-28 01:30 does not exist in Europe/London",
        ),
        ({**week(), "closures": [{"from": "2027-03-28 05:00", "until": "2027-03-28 05:00"}]}, "is not after `from`"),
        ({**week(), "closures": [{"from": "tomorrow", "until": "2027-03-28 05:00"}]}, "want a local time such as"),
        ({**week(), "closures": [{"from": "2027-02-30 05:00", "until": "2027-03-28 05:00"}]}, "no such time"),
    ],
)
def test_wrong_hours(hours: dict[str, Any], said: str) -> None:
    lines = wrong(hours={"h": hours}, stores={"mill": store(hours="h")})
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize(
    ("stores", "said"),
    [
        ({"mill": {"name": "Old Mill"}}, "stores.mill: `flow` is missing; add it"),
        ({"mill": store(flow="shpo")}, "stores.mill.flow: no flow is called `shpo`; did you mean `shop`?"),
        ({"mill": store(hours="h")}, "stores.mill.hours: no hours is called `h`; there is none"),
        ({"mill": store(numbers=["02079460103"])}, "stores.mill.numbers[0]: want E.164"),
        ({"mill": store(), "twin": store()}, "stores.twin.numbers[0]: +442079460103 leads to mill already; keep one"),
        ({"mill": store(overflow=[{"to": "hbu"}]), "hub": store(numbers=[])}, "called `hbu`; did you mean `hub`?"),
        ({"mill": store(overflow=[{"to": "mill"}])}, "stores.mill.overflow[0]: goes round: mill to mill; take one out"),
        (
            {"a": store(overflow=[{"to": "b"}]), "b": store(numbers=[], overflow=[{"to": "a"}])},
            "stores.a.overflow[0]: goes round: a to b to a; take one out",
        ),
        (
            {"mill": store(overflow=[{"to": "hub", "closed": False}]), "hub": store(numbers=[])},
            "stores.mill.overflow[0]: never holds",
        ),
        ({"Old Mill": store()}, "stores.Old Mill"),
        ({}, "stores: want at least 1 of them"),
    ],
)  # fmt: skip
def test_wrong_stores(stores: dict[str, Any], said: str) -> None:
    lines = wrong(stores=stores)
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        ({"needs": ["orders:6"]}, "queues.orders.needs[0]: skill 'orders:6': the level after the colon is 1"),
        ({"relax": [{"after": 30}, {"after": 30}]}, "relax[1].after: want more than the 30 s of the step before"),
        ({"strategy": "longest-idel"}, "no strategy is called `longest-idel`; did you mean `longest-idle`?"),
        ({"data_class": "invoices"}, "`invoices` is not known; did you mean `invoice`?"),
        ({"stores": ["mil"]}, "queues.orders.stores[0]: no store is called `mil`; did you mean `mill`?"),
        ({"relax": [{"after": 5, "stores": ["mil"]}]}, "queues.orders.relax[0].stores[0]: no store is called `mil`"),
        ({"hours": "shop"}, "queues.orders.hours: no hours is called `shop`"),
        ({"ring": 0}, "queues.orders.ring: want more than 0"),
        ({"service_level": {"share": 80}}, "queues.orders.service_level.share: want at most 1"),
        ({"longest_wiat": 5}, "queues.orders.longest_wiat: unknown key; did you mean `longest_wait`?"),
    ],
)
def test_wrong_queues(queue: dict[str, Any], said: str) -> None:
    lines = wrong(queues={"orders": {"name": "Orders", **queue}})
    assert any(said in line for line in lines), lines


def agent(**keys: Any) -> dict[str, Any]:
    return {"login": "mia", "name": "Mia Thornfold", "store": "mill", **keys}


@pytest.mark.parametrize(
    ("agents", "said"),
    [
        ([agent(), agent(login=" MIA")], "agents[1].login: agents[0] has this login too; keep one"),
        ([agent(store="mil")], "agents[0].store: no store is called `mil`; did you mean `mill`?"),
        ([agent(skills=["orders:9"])], "agents[0].skills: skill 'orders:9'"),
        ([agent(skills=["orders", "orders:2"])], "agents[0].skills: skill 'orders': given twice"),
        ([agent(role="boss")], "agents[0].role: `boss` is not known; known: agent, supervisor"),
        ([agent(password="x")], "agents[0].password: unknown key"),
    ],
)
def test_wrong_agents_and_no_login_is_said(agents: list[dict[str, Any]], said: str) -> None:
    lines = wrong(agents=agents)
    assert any(said in line for line in lines), lines
    assert not any("mia" in line or "Thornfold" in line for line in lines)


def test_mistakes_of_every_part_are_said_at_once() -> None:
    flows = {"shop": {"steps": {"orders": {"do": "queue", "queue": "odrers"}}}}
    lines = wrong(stores={"mill": store(hours="h")}, default_store="hub", flows=flows)
    assert len(lines) == 3
    assert any("no queue is called `odrers`; did you mean `orders`?" in line for line in lines)


def test_the_line_is_that_of_the_mistake() -> None:
    with pytest.raises(ConfigError, match=r"^chain\.yaml:2: stores\.mill\.flow: no flow"):
        reading(SMALL.replace("flow: shop}", "flow: shpo}"))


def test_a_file_that_is_no_map() -> None:
    with pytest.raises(ConfigError, match=r"chain\.yaml:1: want keys with values, found a list"):
        reading("- stores\n")


# Warnings


def test_a_day_nobody_speaks_of() -> None:
    hours = {"zone": "Europe/London", "week": {"mon-fri": "09:00-17:00"}}
    said = warned(hours={"h": hours}, stores={"mill": store(hours="h")})
    assert said == ["hours.h.week: nothing is said of sat, sun: closed then; write `sat: closed`"]


def test_weekly_times_that_a_clock_change_takes_or_doubles() -> None:
    said = warned(hours={"h": week(sun="01:30-05:00")}, stores={"mill": store(hours="h")})
    change = "when the clocks change in Europe/London)"
    assert said == [
        "hours.h.week: 01:30 does not exist; 02:00 stands for it (on 2027-03-28, " + change,
        "hours.h.week: 01:30 exists twice; the first is meant (on 2027-10-31, " + change,
    ]


@pytest.mark.parametrize(
    ("zone", "hours", "said"),
    [
        ("Australia/Lord_Howe", "02:10-05:00", ["02:10 does not exist; 02:30"]),
        ("Australia/Lord_Howe", "01:40-05:00", ["01:40 exists twice; the first is meant"]),
        ("Africa/Cairo", "00:00-24:00", ["00:00 does not exist; 01:00"]),
        ("Africa/Cairo", "00:30-24:00", ["00:30 does not exist; 01:00"]),
        ("America/Havana", "00:30-08:00", ["00:30 does not exist; 01:00", "00:30 exists twice"]),
        ("Antarctica/Troll", "01:30-08:00", ["01:30 does not exist; 03:00", "01:30 exists twice"]),
        ("Asia/Kathmandu", "00:30-08:00", []),
        ("UTC", "00:30-08:00", []),
    ],
)
def test_clock_changes_of_all_kinds_are_named(zone: str, hours: str, said: list[str]) -> None:
    every_day = {"zone": zone, "week": {"mon-sun": hours}}
    found = warned(hours={"h": every_day}, stores={"mill": store(hours="h")})
    assert len(found) == len(said)
    for line in said:
        assert any(line in each and f"when the clocks change in {zone}" in each for each in found), found


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"queues": {"orders": {"name": "O"}, "returns": {"name": "R"}}},
            "queues.returns: no flow leads here; name it in a flow's `queue` step",
        ),
        (
            {"stores": {"mill": store(), "lost": store(numbers=[])}},
            "stores.lost: no number and no overflow leads here",
        ),
        (
            {"stores": {"mill": store(overflow=[{"to": "hub", "waiting": 3}]), "hub": store(numbers=[])}},
            "stores.mill.overflow[0]: while open, `agents: all` takes everybody already; only `closed` counts here",
        ),
        (
            {"queues": {"orders": {"name": "O", "relax": [{"after": 900}]}}},
            "queues.orders.relax[0].after: nobody waits so long: the longest wait is 900 s",
        ),
        (
            {"queues": {"orders": {"name": "O", "needs": ["ordres"]}}, "agents": [agent(skills=["orders"])]},
            "queues.orders.needs[0]: nobody has the skill `ordres`; did you mean `orders`?",
        ),
        (
            {"queues": {"orders": {"name": "O", "needs": ["orders:4"]}}, "agents": [agent(skills=["orders:2"])]},
            "queues.orders.needs[0]: nobody has `orders` at 4 or better; the best is 2",
        ),
        (
            {"stores": {"mill": store(agents="own")}, "agents": []},
            "stores.mill: nobody of `agents` works here: its calls ring by overflow alone",
        ),
    ],
)
def test_warnings(parts: dict[str, Any], said: str) -> None:
    assert warned(**parts) == [said]


def test_a_flow_no_store_uses_and_a_skill_its_queue_step_asks_for() -> None:
    steps = {"orders": {"do": "queue", "queue": "orders", "needs": ["lang:fr"]}}
    said = warned(flows={"shop": {"steps": steps}, "old": {"steps": steps}}, agents=[agent(skills=["orders"])])
    assert "flows.old: no store uses this flow" in said
    assert any("nobody has the skill `lang:fr`" in line for line in said)


def test_without_people_in_the_file_nothing_is_said_of_skills() -> None:
    assert warned(queues={"orders": {"name": "O", "needs": ["orders:4"]}}) == []


# The running system's copy


def test_the_active_text_reads_the_same_and_holds_no_people() -> None:
    found = load(ROOT / "examples" / "chain.yaml", TODAY)
    text = active_text(found.model)
    again = reading(text)
    assert again.chain == replace(found.chain, agents=())
    assert again.digest == found.digest
    assert active_text(again.model) == text
    assert "mia" not in text


def test_the_digest_is_that_of_what_is_meant_not_of_how_it_is_written() -> None:
    assert (
        reading(SMALL).digest
        == reading("# a comment\n" + SMALL.replace("{name: Orders}", "{ring: 15, name: 'Orders'}")).digest
    )
    assert reading(SMALL).digest != changed(queues={"orders": {"name": "Orders", "ring": 16}}).digest


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_any_name_survives(name: str) -> None:
    queues = {"orders": {"name": "x"}}
    found = changed(queues=queues)
    model = found.model.model_copy(
        update={"queues": {"orders": found.model.queues["orders"].model_copy(update={"name": name})}}
    )
    assert reading(active_text(model)).chain.queue("orders").name == name


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 30), st.integers(0, 1_000))
def test_generated_chains_are_right_and_read_the_same_again(stores: int, queues: int, agents: int, seed: int) -> None:
    found = reading(write_yaml(large_chain(stores, queues, agents, seed)))
    assert reading(active_text(found.model)).chain == replace(found.chain, agents=())
    assert (len(found.chain.stores), len(found.chain.queues), len(found.chain.agents)) == (stores, queues, agents)


def test_the_largest_file_we_promise() -> None:
    found = reading(write_yaml(large_chain()))
    chain = found.chain
    assert (len(chain.stores), len(chain.queues), len(chain.agents), found.warnings) == (40, 60, 2_000, ())


def test_the_schema_is_one() -> None:
    made = schema()
    assert made["$schema"].endswith("2020-12/schema")
    assert made["additionalProperties"] is False
    assert set(made["required"]) == {"stores", "queues", "flows"}
    assert "from" in made["$defs"]["ClosureModel"]["properties"]
