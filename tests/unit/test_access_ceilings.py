"""Ceilings of looks: by agent and day, and by everybody in a minute; a controller gone bad runs into them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quietline.access.grants import GrantLimits, Grants
from quietline.errors import Denied
from quietline.reasons import Why

DAY = 86_400.0
NOW = 20_000 * DAY  # midnight, UTC


def grants(**limits: int) -> tuple[Grants, list[tuple[Why, str]]]:
    made = Grants(GrantLimits(**{"per_leg": 1_000, "per_minute": 1_000, **limits}))
    told: list[tuple[Why, str]] = []
    made.on_ceiling = lambda why, agent: told.append((why, agent))
    return made, told


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Denied) as error:
        act()
    return error.value.reason


def connected(made: Grants, leg: str, agent: str, now: float = NOW) -> str:
    made.leg_arrived(leg, f"cu_{leg}", 2, now)
    return made.connect(leg, f"a_{leg}", agent, now).id


def test_a_day_has_an_end_for_one_agent_and_not_for_another() -> None:
    made, told = grants(per_day=3)
    grant = connected(made, "l1", "ag_1")
    for _ in range(3):
        made.spend(grant, "ag_1", NOW)
    assert refused(lambda: made.spend(grant, "ag_1", NOW)) == "too-many-looks-today"
    assert told == [(Why.OPENS_PER_DAY, "ag_1")]
    made.spend(connected(made, "l2", "ag_2"), "ag_2", NOW)


def test_the_next_day_begins_anew() -> None:
    made, _ = grants(per_day=1)
    made.spend_elsewhere("ag_1", NOW + DAY - 1)
    assert refused(lambda: made.spend_elsewhere("ag_1", NOW + DAY - 1)) == "too-many-looks-today"
    made.spend_elsewhere("ag_1", NOW + DAY)


def test_everybody_together_has_a_ceiling() -> None:
    """A controller gone bad that spreads its looks over many agents and calls runs into this one."""
    made, told = grants(in_all=5)
    held = [(connected(made, f"l{n}", f"ag_{n}"), f"ag_{n}") for n in range(6)]
    for grant, agent in held[:5]:
        made.spend(grant, agent, NOW + 1)
    grant, agent = held[5]
    assert refused(lambda: made.spend(grant, agent, NOW + 1)) == "too-many-looks-in-all"
    assert told == [(Why.OPENS_IN_ALL, "ag_5")]
    made.confirm(grant, NOW + 60)
    made.spend(grant, agent, NOW + 60)


def test_what_was_refused_is_not_counted() -> None:
    made, _ = grants(per_day=10, in_all=2)
    made.spend_elsewhere("ag_1", NOW)
    made.spend_elsewhere("ag_1", NOW)
    for _ in range(20):
        refused(lambda: made.spend_elsewhere("ag_1", NOW))
    for minute in range(1, 5):
        made.spend_elsewhere("ag_1", NOW + 60 * minute)
        made.spend_elsewhere("ag_1", NOW + 60 * minute)
    assert refused(lambda: made.spend_elsewhere("ag_1", NOW + 600)) == "too-many-looks-today"


def test_a_refusal_by_the_leg_costs_neither_the_day_nor_everybody() -> None:
    made, told = grants(per_leg=1, per_day=2)
    grant = connected(made, "l1", "ag_1")
    made.spend(grant, "ag_1", NOW)
    assert refused(lambda: made.spend(grant, "ag_1", NOW)) == "too-many-looks-this-call"
    made.spend_elsewhere("ag_1", NOW)
    assert told == [(Why.OPENS_PER_LEG, "ag_1")]


def test_looks_elsewhere_count_towards_the_same_minute() -> None:
    made, _ = grants(per_minute=2)
    grant = connected(made, "l1", "ag_1")
    made.spend(grant, "ag_1", NOW)
    made.spend_elsewhere("ag_1", NOW + 1)
    assert refused(lambda: made.spend(grant, "ag_1", NOW + 2)) == "too-many-looks-this-minute"
