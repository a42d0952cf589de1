"""Which of several free agents is rung: strategies rank them, and the lowest number is rung first.

A strategy is asked once for each way of waiting when an agent becomes ready, and its answer stands while they stay
ready. So it must give a number that keeps its meaning as time goes by; that lets ten thousand ready agents be kept in
order without looking at them again. Equal numbers: the longest idle agent first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from quietline.errors import ConfigError
from quietline.routing.model import Agent, Need

Strategy = Callable[[Agent, tuple[Need, ...]], float]

MEMORY = 3_600.0  # seconds: occupancy forgets with this time constant

LONGEST_IDLE, LEAST_OCCUPIED, BEST_SKILL = "longest-idle", "least-occupied", "best-skill"


def longest_idle(agent: Agent, needs: tuple[Need, ...]) -> float:
    """All alike, so the longest idle agent is first."""
    return 0.0


def least_occupied(agent: Agent, needs: tuple[Need, ...]) -> float:
    """The agent whose recent time went least into calls and wrap-up.

    Occupancy is averaged exponentially (time constant one hour) rather than since sign-in: it forgets a morning's rush,
    and a newcomer is not flooded all day. Idle agents' occupancies all decay at the same pace, so their order does not
    change while they wait: log(occupancy) + since / MEMORY is the same number whenever it is asked.
    """
    if agent.occupancy <= 0.0:
        return -math.inf
    return math.log(agent.occupancy) + agent.since / MEMORY


def best_skill(agent: Agent, needs: tuple[Need, ...]) -> float:
    """The agent with the most proficiency, added up over the skills that are required or preferred."""
    return -float(sum(agent.skills.get(need.skill, 0) for need in needs))


STANDARD: Mapping[str, Strategy] = {
    LONGEST_IDLE: longest_idle,
    LEAST_OCCUPIED: least_occupied,
    BEST_SKILL: best_skill,
}


def chosen(name: str, known: Mapping[str, Strategy], queue: str) -> Strategy:
    """The strategy of this name. Raises ConfigError naming the queue and the strategies there are."""
    if name not in known:
        raise ConfigError(f"queue {queue}: strategy {name!r} is not known; there are {', '.join(sorted(known))}")
    return known[name]


def while_busy(occupancy: float, seconds: float) -> float:
    """Occupancy after so many seconds of work: it nears 1."""
    return 1.0 - (1.0 - occupancy) * math.exp(-seconds / MEMORY)


def while_idle(occupancy: float, seconds: float) -> float:
    """Occupancy after so many seconds without work: it nears 0."""
    return occupancy * math.exp(-seconds / MEMORY)
