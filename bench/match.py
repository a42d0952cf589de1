"""The matcher: decisions a second with 100 and 1,000 agents, 0 and 1,000 calls waiting, beside a plain scan.

Run: python -m bench match. One decision is what a freed agent or an arriving call leads to: an offer, or none. The
plain scan looks at every agent for every call and keeps nothing; it is what the matcher is measured against, and gives
the same offers.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from quietline.routing.match import Agent, Limits, Matcher, Offer, Waiting, ineligible

OUT = Path(__file__).with_name("out") / "match.json"
SKILLS = ("orders", "returns", "advice", "delivery", "repair", "french", "arabic", "welsh")
UNMET = frozenset({"nobody-has-this"})
SECONDS = 1.5
WALL = 1_790_000_000.0
Row = dict[str, Any]


def agents(count: int, dice: random.Random) -> list[Agent]:
    """Each with 3 to 8 skills."""
    certificates = {"invoice": WALL + 1e6}
    return [
        Agent(f"ag_{n}", frozenset(dice.sample(SKILLS, dice.randint(3, len(SKILLS)))), certificates)
        for n in range(count)
    ]


def call(number: int, dice: random.Random) -> Waiting:
    skills = frozenset(dice.sample(SKILLS, dice.randint(1, 2)))
    return Waiting(f"call_{number}", "orders", skills, "invoice", float(number))


class Floor:
    """A matcher with all agents ready and calls waiting that nobody can take, so that the queue stays as long."""

    def __init__(self, people: int, waiting: int) -> None:
        self.dice = random.Random(7)
        self.matcher = Matcher(Limits(ring=1e9, wrap_up=1e9, call=1e9, wait=1e9))
        self.matcher.staff(agents(people, self.dice), 0.0, WALL)
        for number in range(people):
            self.matcher.ready(f"ag_{number}", float(number), WALL)
        for number in range(waiting):
            self.matcher.enter(Waiting(f"stuck_{number}", "orders", UNMET, "invoice", 0.0), 0.0, WALL)

    def cycle(self, number: int) -> str:
        """A call arrives, is offered, answered, ends; the agent is ready again. Whom it was offered to."""
        now, waiting = float(number), call(number, self.dice)
        offers = [each for each in self.matcher.enter(waiting, now, WALL) if isinstance(each, Offer)]
        agent = offers[0].agent if offers else ""
        if agent:
            self.matcher.answered(waiting.call, agent, now)
            self.matcher.ended(agent, now)
            self.matcher.wrapped_up(agent, now, WALL)
        else:
            self.matcher.leave(waiting.call, now, WALL)
        return agent


class Scan:
    """The same cycle as a plain scan: for every call that waits look at every agent."""

    def __init__(self, people: int, waiting: int) -> None:
        self.dice = random.Random(7)
        self.agents = {each.id: each for each in agents(people, self.dice)}
        self.since = {agent: float(at) for at, agent in enumerate(self.agents)}
        self.stuck = [Waiting(f"stuck_{n}", "orders", UNMET, "invoice", 0.0) for n in range(waiting)]

    def cycle(self, number: int) -> str:
        waiting, found = call(number, self.dice), ""
        for _ in range(2):  # once when the call arrives, once when the agent is ready again
            for each in (*self.stuck, waiting):
                able = [a for a in self.agents.values() if not ineligible(a, each, WALL)]
                best = min(able, key=lambda agent: (self.since[agent.id], agent.id), default=None)
                found = best.id if best and each is waiting and not found else found
        if found:
            self.since[found] = float(number)
        return found


def rate(floor: Floor | Scan) -> tuple[float, list[str]]:
    """Cycles a second, and the first offers."""
    taken, number, start = [], 1_000_000, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        taken.append(floor.cycle(number))
        number += 1
    return len(taken) / (time.perf_counter() - start), taken


def rows() -> list[Row]:
    made: list[Row] = []
    for people in (100, 1_000):
        for waiting in (0, 1_000):
            (ours, offers), (plain, scanned) = rate(Floor(people, waiting)), rate(Scan(people, waiting))
            same = min(len(offers), len(scanned))
            if offers[:same] != scanned[:same]:
                raise SystemExit(f"matcher and scan differ at {people} agents, {waiting} waiting")
            made.append({"name": f"match.cycles_per_s.{people}_agents.{waiting}_waiting", "value": round(ours)})
            made[-1] |= {"unit": "calls offered, taken and ended a second", "peer": "plain scan"}
            made[-1] |= {"peer_value": round(plain, 1), "ratio": round(ours / plain, 2)}
    return made


def main() -> None:
    measured = rows()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    table = Table("agents, waiting", "calls/s", "plain scan", "ratio", title="Matcher (one core)")
    for each in measured:
        case = each["name"].removeprefix("match.cycles_per_s.")
        table.add_row(case, f"{each['value']:,}", f"{each['peer_value']:,}", str(each["ratio"]))
    Console().print(table)


if __name__ == "__main__":
    main()
