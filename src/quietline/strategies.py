"""Strategies of routing that are installed: Quietline's own, and those that other packages bring.

A package offers one under the entry point group `quietline.strategies`; its name there is what a queue's `strategy`
says (docs/howto/write-a-strategy.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from quietline.errors import ConfigError
from quietline.routing.model import Agent, Need
from quietline.routing.strategies import STANDARD, Strategy

log = structlog.get_logger()

GROUP = "quietline.strategies"


@cache
def installed() -> Mapping[str, Strategy]:
    """Every strategy by its name. Raises ConfigError for one that cannot be loaded, is no function, or takes a name."""
    found = dict(STANDARD)
    for point in entry_points(group=GROUP):
        if point.name in found:
            raise ConfigError(f"strategy {point.name!r} of {point.value}: the name is taken; give it another one")
        found[point.name] = guarded(point.name, _load(point))
    return found


def _load(point: EntryPoint) -> Any:
    try:
        strategy = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"strategy {point.name!r}: {point.value} cannot be loaded ({type(error).__name__})"
        ) from error
    if not callable(strategy):
        raise ConfigError(f"strategy {point.name!r}: {point.value} is no function of an agent and the call's needs")
    return strategy


def guarded(name: str, strategy: Strategy) -> Strategy:
    """The same, but where it fails the agent is put last and the log says so: one strategy must not stop calls."""

    def number(agent: Agent, needs: tuple[Need, ...]) -> float:
        try:
            return float(strategy(agent, needs))
        except Exception as error:  # noqa: BLE001 - somebody else's code; it is said aloud
            log.error("a strategy failed; the agent is put last", strategy=name, error=type(error).__name__)
            return math.inf

    return number
