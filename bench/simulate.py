"""The simulator: one million calls over the real matcher, 200 agents, 10 queues, on one core.

Run: python -m bench simulate. Agents have 3 to 6 of 10 skills, queues ask for one at level 3 and after 30 s at any;
head starts, log-normal talk of 180 s, wrap-up, patience of 240 s, 3 s of ringing, 2 % of offers ring out. The load is
92 % of all agents' time in talk alone, so that queues are seldom empty. Drawing the callers is in the time.

Beside it stand M/M/24's mean wait, simulated by Erlang C's, and how wrong the waits are that callers of the example's
peak day would be told.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import Row, keep
from quietline.routing.arrivals import Behaviour, Exponential, Fixed, LogNormal, Profile, Stream, draw_calls
from quietline.routing.erlang import Load, performance
from quietline.routing.model import Agent, Need, QueueRule, State, Step
from quietline.routing.simulate import Duty, Simulation, World
from quietline.routing.visits import Visit
from quietline.staffing.run import interval, simulate
from quietline.staffing.scenario import load

START = 1_790_000_000.0
CERTIFICATES = {"invoice": 2 * START}
CALLS, AGENTS, QUEUES, TALK, LOAD = 1_000_000, 200, 10, 180.0, 0.92
PEAK = Path(__file__).resolve().parents[1] / "examples" / "peak-day.yaml"


def world(calls: int) -> World:
    """The mix that the heading describes, for about so many calls."""
    dice = np.random.default_rng(5)
    skills = [f"skill{number}" for number in range(QUEUES)]
    queues = tuple(
        QueueRule(
            f"queue{number}",
            steps=(Step(0, (Need(skill, 3),)), Step(30, (Need(skill, 1),))),
            head_start=10.0 * (number % 3),
        )
        for number, skill in enumerate(skills)
    )
    agents = tuple(
        Agent(f"agent{number}", {skill: int(dice.integers(1, 6)) for skill in _some(skills, dice)}, CERTIFICATES)
        for number in range(AGENTS)
    )
    an_hour = AGENTS * LOAD / TALK * 3_600 / QUEUES
    profile = Profile(START, 3_600.0, (an_hour,) * round(calls / an_hour / QUEUES))
    streams = tuple(
        Stream(rule.id, rule.id, profile, LogNormal(TALK, 0.8), Exponential(20), Exponential(240)) for rule in queues
    )
    duties = tuple(Duty(START, agent.id, State.READY) for agent in agents)
    return World(queues, agents, duties, streams, Behaviour(Fixed(3.0), 0.02))


def _some(skills: list[str], dice: np.random.Generator) -> list[str]:
    return [str(skill) for skill in dice.choice(skills, int(dice.integers(3, 7)), replace=False)]


def million() -> tuple[float, int, Counter[str]]:
    """CPU seconds, calls, outcomes."""
    started, outcomes = time.process_time(), Counter[str]()

    def visit(made: Visit) -> None:
        outcomes[made.outcome.value] += 1

    made = world(CALLS)
    dice = {stream.id: np.random.default_rng([1, number]) for number, stream in enumerate(made.streams)}
    count = Simulation(made, draw_calls(made.streams, made.behaviour, dice), np.random.default_rng(9), visit).run()
    return time.process_time() - started, count, outcomes


def against_theory() -> tuple[float, float, float]:
    """M/M/24 at 83 %: mean wait simulated over 400,000 calls, half its 95 % interval by batch means, and Erlang C's."""
    asked, waits = Load(0.2, 100), []
    agents = tuple(Agent(f"agent{number}", {}, CERTIFICATES) for number in range(24))
    rule = QueueRule("help", wrap_up=1e6, longest_call=1e7, longest_wait=1e7)
    stream = Stream("help", "help", Profile(START, 3_600.0, (720.0,) * 556), Exponential(asked.handle))
    made = World((rule,), agents, tuple(Duty(START, agent.id, State.READY) for agent in agents), (stream,))
    calls = draw_calls((stream,), made.behaviour, {"help": np.random.default_rng(3)})
    Simulation(made, calls, np.random.default_rng(3), lambda visit: waits.append(visit.waited)).run()
    batches = [float(np.mean(each)) for each in np.array_split(np.asarray(waits), 20)]
    mean, half = interval(batches) or (0.0, 0.0)
    return mean, half, performance(asked, 24).mean_wait


def rows() -> list[Row]:
    seconds, count, outcomes = million()
    wait, half, theory = against_theory()
    told = simulate(load(PEAK)).wait_error()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    busy = {"load": round(os.getloadavg()[0], 1)}
    return [
        {"name": "simulate.calls_per_s", "value": round(count / seconds), "unit": "calls/s of CPU"} | busy,
        {"name": "simulate.million_calls_s", "value": round(seconds * 1e6 / count, 1), "unit": "s of CPU"} | busy,
        {"name": "simulate.answered", "value": round(outcomes["answered"] / count, 4), "unit": "of calls"},
        {"name": "simulate.memory_mib", "value": round(memory), "unit": "MiB at most"},
        {"name": "simulate.wait_m_m_24_s", "value": round(wait, 2), "unit": f"s ± {half:.2f}"}
        | {"peer": "Erlang C", "peer_value": round(theory, 2), "ratio": round(wait / theory, 3)},
        {
            "name": "simulate.wait_told_p50_error_s",
            "value": round(told.p50, 1),
            "unit": "s",
            "bias": round(told.bias, 1),
        },
    ]


def main() -> None:
    made = rows()
    keep("routing", made, "simulate.")
    table = Table("figure", "value", "unit", "beside", title=f"Simulator: {AGENTS} agents, {QUEUES} queues, one core")
    for row in made:
        beside = f"{row['peer']} {row['peer_value']}" if "peer" in row else ""
        table.add_row(row["name"], f"{row['value']:,}", row["unit"], beside)
    Console().print(table)


if __name__ == "__main__":
    main()
