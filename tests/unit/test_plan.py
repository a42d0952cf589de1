"""The plan in force: what calls ask of it, and how those that wait learn of another."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.chain.model import Chain, Queue, Store
from quietline.chain.reading import load
from quietline.live.plan import Plan, PlanInForce
from quietline.routing.hours import Hours, Span
from quietline.routing.model import QueueRule
from quietline.routing.overflow import Load

ROOT = Path(__file__).resolve().parents[2]
OPEN = Chain(
    stores=(Store("a", "A", "f", ("+442079460101",)), Store("b", "B", "f", ("+442079460102",))),
    queues=(Queue(QueueRule("orders"), "Orders"),),
)
NEVER = Hours(week=((),) * 7)


def shut(chain: Chain, name: str) -> Chain:
    return replace(
        chain, stores=tuple(replace(each, hours=NEVER) if each.id == name else each for each in chain.stores)
    )


def test_who_is_always_open_for_everybody_is_not_looked_at() -> None:
    plan = Plan(OPEN)
    assert not plan.changes("a")
    assert plan.reach("a", "orders", 0.0, lambda _: Load(), 0.0) is None


def test_hours_and_overflow_are_looked_at() -> None:
    plan = Plan(shut(OPEN, "b"))
    found = plan.reach("a", "orders", 0.0, lambda _: Load(), 0.0)
    assert found is not None
    assert found.stores == ("a",)
    assert plan.shut("store:b", 0.0)
    assert not plan.shut("store:a", 0.0)
    assert not plan.shut("store:gone", 0.0)


def test_what_is_in_it() -> None:
    plan = Plan(OPEN)
    assert plan.knows("a", "orders")
    assert not plan.knows("a", "returns")
    assert not plan.knows("gone", "orders")
    assert plan.reach("gone", "orders", 0.0, lambda _: Load(), 0.0) is None
    assert (plan.store("+442079460102"), plan.store("unknown")) == ("b", "a")


def test_the_example_has_hours() -> None:
    plan = Plan(load(ROOT / "examples" / "chain.yaml").chain)
    assert plan.changes("north")
    queue = plan.queue("french")
    assert queue is not None
    assert queue.name == "Ligne française"


def test_an_empty_chain_still_has_a_flow() -> None:
    assert Plan(Chain()).store("+442079460101") == ""


async def test_those_who_wait_learn_of_another_plan() -> None:
    plans = PlanInForce(OPEN)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(plans.next(None)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        plans.use(shut(OPEN, "b"))
    assert plans.now.shut("store:b", 0.0)


async def test_a_plan_of_before_is_no_news() -> None:
    plans = PlanInForce(OPEN)
    plans.use(shut(OPEN, "a"))
    waiting = asyncio.ensure_future(plans.next(None))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 0.02)


async def test_without_news_the_time_is_up() -> None:
    await asyncio.wait_for(PlanInForce(OPEN).next(0.01), 5.0)


# Hours turn


class Wall:
    """A wall clock that a test sets; the rest is the machine's."""

    def __init__(self, wall: float) -> None:
        self.at = wall

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return 0.0


async def test_those_who_wait_learn_that_a_store_closes() -> None:
    chain = replace(OPEN, stores=(replace(OPEN.stores[0], hours=Hours(week=((Span(0, 60),),) * 7)), OPEN.stores[1]))
    clock, plans = Wall(3_599.95), PlanInForce(chain)
    keeping = asyncio.ensure_future(plans.keep_time(clock))
    waiting = asyncio.ensure_future(plans.next(None))
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.at = 3_600.0
    await asyncio.wait_for(waiting, 5.0)
    again = asyncio.ensure_future(plans.next(None))
    await asyncio.sleep(0.02)
    assert not again.done(), "once"
    for task in (keeping, again):
        task.cancel()


async def test_another_chain_has_other_hours_to_keep() -> None:
    closing = replace(OPEN, stores=(replace(OPEN.stores[0], hours=Hours(week=((Span(0, 60),),) * 7)),))
    clock, plans = Wall(3_599.95), PlanInForce(OPEN)
    keeping = asyncio.ensure_future(plans.keep_time(clock))
    await asyncio.sleep(0)
    plans.use(closing)
    waiting = asyncio.ensure_future(plans.next(None))
    await asyncio.sleep(0)
    clock.at = 3_600.0
    await asyncio.wait_for(waiting, 5.0)
    keeping.cancel()
