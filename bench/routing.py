"""The matcher: time of a decision at 100 to 10,000 agents and 0 to 10,000 waiting calls, beside a plain scan.

Run: python -m bench routing. The mix: 50 queues, 40 skills; agents with 3 to 8 of them, a queue asks for one or two;
20 % of the queues relax in two steps; 10 % of the calls ask for a skill that nobody has; all three strategies, head
starts and last agents. With calls waiting all agents talk; calls end, agents wrap up, and others arrive so that as many
go on waiting. With none waiting half the agents talk and the others are ready.

A decision is what follows when a call arrives, an agent is free again or a deadline passes; each is timed, with the
garbage collector on. The plain scan gets the same events, as long as its time allows, and must decide the same; it
looks at every agent for a new call, and at every call for a freed agent.
"""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import Row, keep
from quietline.routing.match import Matcher
from quietline.routing.model import Agent, Decision, GiveUp, Need, Offer, QueueRule, Step, Waiting
from quietline.routing.strategies import STANDARD
from quietline.testing.plain_scan import PlainScan

SIZES = [(agents, waiting) for agents in (100, 1_000, 10_000) for waiting in (0, 1_000, 10_000)]
SKILLS = [f"skill{number}" for number in range(40)]
UNMET = (Need("nobody-has-this"),)
WALL = 1_790_000_000.0
TALK = 300.0  # seconds: the mean conversation
RELAX = 60.0  # seconds to the first relaxing, and of being kept for the last agent
DECISIONS = 40_000  # timed at each size
WARM = 20_000  # before them
SCAN_SECONDS = 6.0
DECIDES = ("enter", "wrapped_up", "tick")

Engine = Matcher | PlainScan


def queue(number: int, dice: random.Random) -> QueueRule:
    """One in five relaxes: less of each skill after a minute, the first skill at any level after two."""
    needs = tuple(Need(skill, dice.randint(1, 3)) for skill in dice.sample(SKILLS, dice.choice((1, 1, 2))))
    steps = [Step(needs=needs)]
    if number % 5 == 0:
        steps[0] = Step(needs=tuple(Need(each.skill, 4) for each in needs))
        steps += [
            Step(RELAX, tuple(Need(each.skill, 2) for each in needs)),
            Step(2 * RELAX, (Need(needs[0].skill),)),
        ]
    return QueueRule(
        f"queue{number}",
        steps=tuple(steps),
        head_start=30.0 if number % 10 == 3 else 0.0,
        strategy=sorted(STANDARD)[number % 3],
        sticky=RELAX if number % 4 == 0 else 0.0,
    )


def people(count: int, dice: random.Random) -> list[Agent]:
    certificates = {"invoice": WALL + 1e7}
    return [
        Agent(f"ag_{n}", {skill: dice.randint(1, 5) for skill in dice.sample(SKILLS, dice.randint(3, 8))}, certificates)
        for n in range(count)
    ]


class Traffic:
    """The same calls for any engine; what happens next depends on its decisions alone."""

    def __init__(self, engine: Callable[[list[QueueRule]], Engine], agents: int, waiting: int) -> None:
        self.dice = random.Random(7)
        queues = [queue(number, self.dice) for number in range(50)]
        self.names = [each.id for each in queues]
        self.engine = engine(queues)
        self.staff = people(agents, self.dice)
        self.pause = TALK / agents  # seconds between two calls
        self.now, self.number = 1.0, 0
        self.talking: list[str] = []
        self.offers: list[tuple[str, str]] = []
        self.times: list[int] = []
        self.waiting, self.wanted = 0, waiting
        self.fill(waiting)

    def fill(self, waiting: int) -> None:
        """Everybody is in service; with calls waiting, everybody talks. The first call is about to relax."""
        self.event("staff", self.staff)
        for agent in self.staff:
            self.event("ready", agent.id)
            if waiting:
                self.enter(only=agent.id)
        for _ in range(waiting):
            self.now += RELAX / waiting
            self.enter()

    def event(self, name: str, *what: Any) -> None:
        """One event, timed; an offer is answered at once."""
        wall = () if name in ("answered", "ended") else (WALL,)
        act = getattr(self.engine, name)
        start = time.perf_counter_ns()
        decisions = act(*what, self.now, *wall)
        took = time.perf_counter_ns() - start
        if name in DECIDES and (decisions or name != "tick"):
            self.times.append(took)
        self.follow(decisions or [])

    def follow(self, decisions: list[Decision]) -> None:
        for each in decisions:
            if isinstance(each, Offer):
                self.offers.append((each.call, each.agent))
                self.waiting -= 1
                self.talking.append(each.agent)
                self.event("answered", each.call, each.agent)
            elif isinstance(each, GiveUp):
                self.waiting -= 1

    def enter(self, only: str = "") -> None:
        self.number, self.waiting = self.number + 1, self.waiting + 1
        unmet = not only and self.number % 10 == 0
        call, dice = f"call_{self.number}", self.dice
        last = dice.choice(self.staff).id if self.number % 7 == 0 else ""
        own = UNMET if unmet else ()
        waiting = Waiting(call, dice.choice(self.names), self.now, own, last_agent=last, only_agent=only)
        self.event("enter", waiting)
        if unmet and not self.wanted:
            self.event("leave", call)
            self.waiting -= 1

    def cycle(self) -> None:
        """A conversation ends, its agent wraps up and is free; calls arrive; what is due happens."""
        until = self.now + self.pause
        while (due := self.engine.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.event("tick")
        self.now = until
        if len(self.talking) > (0 if self.wanted else len(self.staff) // 2):
            agent = self.swap(self.dice.randrange(len(self.talking)))
            self.event("ended", agent)
            self.event("wrapped_up", agent)
        self.enter()
        while self.waiting < self.wanted:
            self.enter()

    def swap(self, at: int) -> str:
        self.talking[at], self.talking[-1] = self.talking[-1], self.talking[at]
        return self.talking.pop()


def run(traffic: Traffic, decisions: int, seconds: float = 1e9) -> list[int]:
    """Nanoseconds of each of the next decisions."""
    traffic.times, start = [], time.perf_counter()
    while len(traffic.times) < decisions and time.perf_counter() - start < seconds:
        traffic.cycle()
    return traffic.times


def measure(agents: int, waiting: int) -> list[Row]:
    ours = Traffic(Matcher, agents, waiting)
    run(ours, WARM)
    times = run(ours, DECISIONS)
    cut = quantiles(times, n=1000)
    size, both = f"{agents}x{waiting}", compared(agents, waiting)
    row = {"unit": "µs a decision", "waiting": len(ours.engine.waiting()), "max": round(max(times) / 1e3)}  # type: ignore[union-attr]
    return [
        {"name": f"match.p50_us.{size}", "value": round(cut[499] / 1e3, 2)} | row | both,
        {"name": f"match.p99_us.{size}", "value": round(cut[989] / 1e3, 2)} | row,
        {"name": f"match.decisions_per_s.{size}", "value": round(1e9 / fmean(times)), "unit": "decisions/s"},
    ]


def compared(agents: int, waiting: int) -> Row:
    """The same events by both from the start on, as long as the scan's time allows."""
    scan = Traffic(lambda queues: PlainScan(queues, thorough=False), agents, waiting)
    mean = fmean(run(scan, DECISIONS, SCAN_SECONDS))
    ours = Traffic(Matcher, agents, waiting)
    fast = fmean(run(ours, len(scan.times)))
    if ours.offers != scan.offers:
        at = next(n for n, (a, b) in enumerate(zip(ours.offers, scan.offers, strict=False)) if a != b)
        raise SystemExit(f"{agents}x{waiting}: matcher and scan differ at {at}: {ours.offers[at]}, {scan.offers[at]}")
    return {"peer": "plain scan, mean", "peer_value": round(mean / 1e3, 1), "ratio": round(mean / fast, 1)}


def memory(agents: int = 1_000, waiting: int = 10_000) -> list[Row]:
    """Bytes for each agent in service and ready, and for each waiting call with its own data."""
    traffic, staff = Traffic(Matcher, 1, 1), people(agents, random.Random(8))
    tracemalloc.start()
    traffic.event("staff", staff)
    for agent in staff:
        traffic.event("ready", agent.id)
    with_agents, _ = tracemalloc.get_traced_memory()
    for number in range(waiting):
        traffic.event("enter", Waiting(f"call_{number}", traffic.names[number % 50], traffic.now, UNMET))
    with_calls, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return [
        {"name": "match.bytes_per_agent", "value": round(with_agents / agents), "unit": "bytes"},
        {"name": "match.bytes_per_waiting_call", "value": round((with_calls - with_agents) / waiting), "unit": "bytes"},
    ]


def main() -> None:
    rows = [row for agents, waiting in SIZES for row in measure(agents, waiting)]
    value = {row["name"]: row for row in rows}
    growth = value["match.p50_us.10000x10000"]["value"] / value["match.p50_us.1000x1000"]["value"]
    rows.append({"name": "match.growth_1k_10k", "value": round(growth, 2), "unit": "median ÷ median"})
    ratio = value["match.p50_us.10000x10000"]["ratio"]
    rows.append({"name": "match.scan_ratio", "value": ratio, "unit": "mean ÷ mean, 10000x10000"})
    rows += memory()
    keep("routing", rows, "match.")
    table = Table("row", "value", "unit", "scan", "ratio", title="Matcher (one core)")
    for row in rows:
        table.add_row(*(str(row.get(each, "")) for each in ("name", "value", "unit", "peer_value", "ratio")))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
