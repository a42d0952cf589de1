"""Another chain under a running floor: every waiting call keeps its place, whatever becomes of its queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.chain.in_force import active_path
from quietline.chain.reading import active_text, read
from quietline.config import Config, Paths
from quietline.desk_protocol import AgentState
from quietline.errors import ConfigError
from quietline.files.marked_yaml import parse
from quietline.live.chain_source import ChainSource
from quietline.live.floor import Floor
from quietline.live.plan import PlanInForce
from quietline.routing.model import GiveUp, Offer, Waiting
from quietline.testing.clock import ManualClock
from quietline.vault.ports import StaffMember

SKILLS = {"orders": 4, "returns": 4, "fr": 2}


def chain(*queues: str, **rules: dict[str, Any]) -> dict[str, Any]:
    """A chain of one store with these queues; `rules`: more keys for a queue."""
    return {
        "stores": {"mill": {"name": "Old Mill", "flow": "shop", "numbers": ["+442079460103"]}},
        "queues": {name: {"name": name, "data_class": "invoice", **rules.get(name, {})} for name in queues},
        "flows": {
            "shop": {
                "steps": {
                    "menu": {
                        "do": "menu",
                        "choices": {
                            str(key): {"go": name, "label": {"en": name}} for key, name in enumerate(queues, 1)
                        },
                        "otherwise": queues[0],
                    },
                    **{name: {"do": "queue", "queue": name} for name in queues},
                }
            }
        },
    }


@dataclass
class House:
    """Source, floor and plan, joined as in the controller."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.config = Config(paths=Paths(self.folder, self.folder, self.folder))
        self.write(chain("orders", "returns"))
        self.source = ChainSource(self.config)
        self.floor = Floor(self.source.now.rules(), self.clock)
        self.plans = PlanInForce(self.source.now)
        self.source.watch(lambda found: self.floor.configure(found.rules()))
        self.source.watch(self.plans.use)

    def write(self, values: dict[str, Any]) -> None:
        model = read(parse(json.dumps(values), "chain.yaml"), self.folder).model
        active_path(self.folder).parent.mkdir(exist_ok=True)
        active_path(self.folder).write_text(active_text(model))

    def apply(self, values: dict[str, Any]) -> None:
        self.write(values)
        self.source.reload()

    def enters(self, *calls: str, queue: str = "orders") -> None:
        for call in calls:
            self.floor.enter(Waiting(call, queue, self.clock.monotonic()))
            self.clock.advance(1.0)

    def ready(self, *agents: str) -> None:
        until = {"invoice": self.clock.wall() + 86_400}
        self.floor.staff([StaffMember(agent, SKILLS, until, "mill") for agent in agents])
        for agent in agents:
            self.floor.wish(agent, AgentState.READY)

    def line(self) -> list[str]:
        return [each.call for each in self.floor.waiting()]

    async def offered(self, call: str) -> str:
        """The agent who is rung for this call."""
        turn = await asyncio.wait_for(self.floor.turn(call), 5.0)
        assert isinstance(turn, Offer), turn
        return turn.agent


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_places_are_kept_through_another_chain(house: House) -> None:
    house.enters("a", "b", "c")
    house.apply(chain("orders", "returns", orders={"ring": 5.0, "needs": ["orders:2"]}))
    assert house.line() == ["a", "b", "c"]
    house.ready("mia")
    assert await house.offered("a") == "mia"


async def test_the_new_rules_hold_for_those_who_wait(house: House) -> None:
    house.enters("a")
    house.apply(chain("orders", "returns", orders={"needs": ["orders:5"]}))
    house.ready("mia")  # orders at 4
    assert house.line() == ["a"]
    assert house.floor.view("mia").state is AgentState.READY
    house.apply(chain("orders", "returns", orders={"needs": ["orders:4"]}))
    assert await house.offered("a") == "mia"


async def test_a_queue_that_is_taken_out_still_serves_those_in_it(house: House) -> None:
    house.enters("a", queue="returns")
    house.apply(chain("orders"))
    assert not house.plans.now.knows("mill", "returns")
    assert house.line() == ["a"]
    house.ready("mia")
    assert await house.offered("a") == "mia"


async def test_nobody_new_enters_a_queue_that_was_taken_out(house: House) -> None:
    house.apply(chain("orders"))
    with pytest.raises(ConfigError):
        house.enters("late", queue="returns")


async def test_a_shorter_longest_wait_ends_those_who_have_waited_longer(house: House) -> None:
    house.enters("a")
    house.clock.advance(60.0)
    house.apply(chain("orders", "returns", orders={"longest_wait": 30.0}))
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(house.floor.run())
        turn = await asyncio.wait_for(house.floor.turn("a"), 5.0)
        assert turn == GiveUp("a")
        keeping.cancel()


async def test_who_is_being_rung_goes_on_ringing(house: House) -> None:
    house.ready("mia")
    house.enters("a")
    assert await house.offered("a") == "mia"
    house.apply(chain("orders", "returns", orders={"ring": 60.0}))
    assert house.floor.view("mia").state is AgentState.RINGING


async def test_who_talks_goes_on_talking(house: House) -> None:
    house.ready("mia")
    house.enters("a")
    turn = await house.floor.turn("a")
    assert isinstance(turn, Offer)
    assert house.floor.answered(turn)
    house.apply(chain("returns"))
    assert house.floor.view("mia").state is AgentState.ON_CALL
    house.floor.leave("a", "mia")
    assert house.floor.view("mia").state is AgentState.WRAP_UP


async def test_a_chain_that_the_floor_refuses_changes_nothing(house: House) -> None:
    house.enters("a")
    before = house.source.now
    values = json.loads(active_path(house.folder).read_text())
    values["queues"]["orders"]["strategy"] = "coin-toss"
    active_path(house.folder).write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="no strategy is called `coin-toss`"):
        house.source.reload()
    assert house.source.now is before
    assert house.line() == ["a"]


QUEUES = ("orders", "returns", "french")
changes = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from(QUEUES)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
        st.tuples(st.just("apply"), st.sets(st.sampled_from(QUEUES), min_size=1)),
        st.tuples(st.just("head start"), st.integers(0, 100)),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=40)
@given(changes)
def test_whatever_is_applied_nobody_is_lost_and_nobody_of_a_queue_overtakes(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, Any]]
) -> None:
    house = House(tmp_path_factory.mktemp("chain"))
    there: dict[str, str] = {}

    def applied(names: set[str], **rules: dict[str, Any]) -> None:
        house.apply(chain(*sorted(names), **rules))

    steps: dict[str, Callable[[Any], None]] = {
        "enter": lambda queue: enter(house, there, queue),
        "leave": lambda place: leave(house, there, place),
        "apply": applied,
        "head start": lambda seconds: applied(set(QUEUES), orders={"head_start": float(seconds)}),
    }
    for step, value in changes:
        steps[step](value)
        assert set(house.line()) == set(there)
        for queue in QUEUES:
            mine = [call for call in house.line() if there[call] == queue]
            assert mine == [call for call in there if there[call] == queue], "first come, first served"


def enter(house: House, there: dict[str, str], queue: str) -> None:
    call = f"call {house.clock.monotonic():g}"
    known = {rule.id for rule in house.source.now.rules()} | set(there.values())
    if queue not in known:
        with pytest.raises(ConfigError):
            house.enters(call, queue=queue)
        return
    house.enters(call, queue=queue)
    there[call] = queue


def leave(house: House, there: dict[str, str], place: int) -> None:
    if place < len(there):
        call = list(there)[place]
        house.floor.leave(call)
        del there[call]
