"""Erlang C and Erlang A against published tables, against pyworkforce, and against sums made the plain way."""

from __future__ import annotations

import json
from math import exp, inf, lgamma, log
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.routing.erlang import Load, Performance, Target, agents_needed, erlang_b, erlang_c, performance

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "pyworkforce.json").read_text())["rows"]

loads = st.builds(
    Load,
    rate=st.floats(0.001, 5.0),
    handle=st.floats(10.0, 900.0),
    patience=st.one_of(st.just(inf), st.floats(5.0, 3_600.0)),
)


# Published figures


@pytest.mark.parametrize(("lines", "erlangs", "blocked"), [(10, 4.461, 0.01), (20, 12.03, 0.01), (100, 84.06, 0.01)])
def test_erlang_b_table(lines: int, erlangs: float, blocked: float) -> None:
    """The 1 % column of the usual table (ITU-D, Teletraffic Engineering Handbook)."""
    assert erlang_b(lines, erlangs) == pytest.approx(blocked, rel=0.005)


@pytest.mark.parametrize(("channels", "erlangs", "waits"), [(8, 3.87, 0.05), (10, 4.08, 0.01)])
def test_erlang_c_table(channels: int, erlangs: float, waits: float) -> None:
    """Dunlop, Girma and Irvine, Digital Mobile Communications and the TETRA System, 1999, Erlang C table (A.3)."""
    assert erlang_c(channels, erlangs) == pytest.approx(waits, rel=0.01)


def test_garnett_mandelbaum_and_reiman() -> None:
    """48 calls a minute, one minute each, 50 agents; callers of endless patience, then of two minutes (2002)."""
    patient, impatient = performance(Load(0.8, 60), 50), performance(Load(0.8, 60, 120), 50)
    assert patient.mean_wait == pytest.approx(20.8, abs=0.05)
    assert patient.occupancy == pytest.approx(0.96)
    assert impatient.mean_wait == pytest.approx(3.7, abs=0.05)
    assert impatient.abandoned == pytest.approx(0.031, abs=0.0005)
    assert impatient.occupancy == pytest.approx(0.93, abs=0.005)


@pytest.mark.parametrize("row", VECTORS)
def test_pyworkforce(row: dict[str, float], request: pytest.FixtureRequest) -> None:
    wanted: dict[str, float] = row["gives"]  # type: ignore[assignment]
    load = Load(row["transactions"] / row["interval_minutes"] / 60, row["aht_minutes"] * 60)
    target = Target(row["service_level"], row["asa_minutes"] * 60, row["max_occupancy"])
    ours = performance(load, int(wanted["raw_positions"]), target.within)
    assert ours.service_level == pytest.approx(wanted["service_level"], rel=1e-9)
    assert ours.occupancy == pytest.approx(wanted["occupancy"], rel=1e-12)
    assert ours.waits == pytest.approx(wanted["waiting_probability"], rel=1e-7)
    needed = agents_needed(load, target).agents
    assert needed <= wanted["raw_positions"]
    if needed < wanted["raw_positions"]:  # its search starts at the rounded load and one; ours at one
        assert performance(load, needed, target.within).meets(target)
        assert wanted["raw_positions"] == round(load.erlangs + 1)


# The plain way


def by_sums(load: Load, agents: int) -> tuple[float, float, float, float]:
    """Waits, abandoned, mean wait, occupancy of M/M/n+M from its birth-and-death chain, in logarithms."""
    weights = [0.0]
    while weights[-1] > max(weights) - 60 or len(weights) <= agents + 1:
        state = len(weights)
        out = min(state, agents) / load.handle + max(0, state - agents) / load.patience
        weights.append(weights[-1] + log(load.rate / out))
    total = sum(exp(each - max(weights)) for each in weights)
    share = [exp(each - max(weights)) / total for each in weights]
    queue = sum((state - agents) * each for state, each in enumerate(share) if state > agents)
    busy = sum(min(state, agents) * each for state, each in enumerate(share))
    return sum(share[agents:]), queue / load.patience / load.rate, queue / load.rate, busy / agents


@pytest.mark.parametrize(
    ("load", "agents"),
    [
        (Load(0.8, 60, 120), 50),
        (Load(10, 240, 100), 2_000),
        (Load(10, 240, 3_000), 2_500),
        (Load(1, 60, 60), 1),
        (Load(1, 60, 1e6), 70),
        (Load(0.001, 60, 10), 3),
        (Load(2, 30, 5), 55),
    ],
)
def test_erlang_a_is_what_its_chain_says(load: Load, agents: int) -> None:
    made = performance(load, agents)
    wanted = by_sums(load, agents)
    assert (made.waits, made.abandoned, made.mean_wait, made.occupancy) == pytest.approx(wanted, rel=1e-8)


def by_small_steps(load: Load, agents: int, within: float) -> tuple[float, float]:
    """Service level and ASA of Erlang A: the offered wait's density (Baccelli and Hébuterne 1981) in 40,000 steps."""
    steps, end = 40_000, 40 * load.handle
    dx, theta = end / steps, 1 / load.patience
    waits = [(k + 0.5) * dx for k in range(steps)]
    density = [exp(load.rate * (1 - exp(-theta * x)) / theta - agents * x / load.handle) * dx for x in waits]
    kept = [exp(-theta * x) * each for x, each in zip(waits, density, strict=True)]
    idle = 1 / erlang_b(agents - 1, load.erlangs) / load.rate
    answered = idle + sum(kept)
    in_time = idle + sum(each for x, each in zip(waits, kept, strict=True) if x <= within)
    wait = sum(x * each for x, each in zip(waits, kept, strict=True))
    return in_time / (idle + sum(density)), wait / answered


def test_erlang_a_service_level_and_asa_by_small_steps() -> None:
    load = Load(0.05, 60, 90)
    made = performance(load, 4, 15)
    assert (made.service_level, made.speed_of_answer) == pytest.approx(by_small_steps(load, 4, 15), rel=1e-3)
    assert made.speed_of_answer != pytest.approx(made.mean_wait, rel=0.01)


@pytest.mark.parametrize("agents", [25, 60, 2_000])
def test_patience_without_end_is_erlang_c(agents: int) -> None:
    rate = 0.95 * agents / 180
    one, other = performance(Load(rate, 180, 1e10), agents), performance(Load(rate, 180), agents)
    assert one.service_level == pytest.approx(other.service_level, rel=1e-5)
    assert one.speed_of_answer == pytest.approx(other.mean_wait, rel=1e-5)


def test_erlang_b_by_its_definition() -> None:
    terms = [exp(k * log(30.0) - lgamma(k + 1)) for k in range(36)]
    assert erlang_b(35, 30.0) == pytest.approx(terms[-1] / sum(terms), rel=1e-12)


# Laws


@settings(deadline=None)
@given(loads, st.integers(1, 400), st.floats(0, 600))
def test_shares_are_shares_and_flow_is_kept(load: Load, agents: int, within: float) -> None:
    made = performance(load, agents, within)
    for share in (made.waits, made.service_level, made.abandoned, made.occupancy):
        assert -1e-9 <= share <= 1 + 1e-9
    if load.patience < inf:  # what comes in is answered or lost; Little's law for the agents
        assert made.occupancy * agents == pytest.approx(min(agents, load.erlangs * (1 - made.abandoned)), rel=1e-6)
        assert made.mean_wait == pytest.approx(made.abandoned * load.patience, abs=1e-9)


@settings(deadline=None)
@given(loads, st.integers(1, 200))
def test_one_more_agent_never_makes_it_worse(load: Load, agents: int) -> None:
    fewer, more = performance(load, agents), performance(load, agents + 1)
    assert more.service_level >= fewer.service_level - 1e-9
    assert more.abandoned <= fewer.abandoned + 1e-9


@settings(max_examples=40, deadline=None)
@given(loads, st.floats(0.05, 0.99), st.floats(1, 120), st.floats(0.5, 1.0))
def test_the_answer_is_the_smallest_that_meets_the_target(
    load: Load, share: float, within: float, occupancy: float
) -> None:
    target = Target(share, within, occupancy)
    found = agents_needed(load, target)
    assert found.meets(target)
    assert not performance(load, found.agents - 1, within).meets(target) or found.agents == 0


def test_thousands_of_agents() -> None:
    found = agents_needed(Load(40, 300, 240), Target(0.8, 20))
    assert found.agents == pytest.approx(12_000, rel=0.08)
    assert isinstance(found, Performance)


# Edges


def test_nobody_calls() -> None:
    assert agents_needed(Load(0, 300), Target()).agents == 0
    assert performance(Load(0, 300), 0).service_level == 1


def test_nobody_is_there() -> None:
    assert performance(Load(1, 300, 60), 0).abandoned == 1
    assert performance(Load(1, 300), 0).mean_wait == inf


def test_too_few_agents_without_abandonment_never_catch_up() -> None:
    made = performance(Load(1, 60), 60)
    assert (made.waits, made.service_level, made.mean_wait) == (1, 0, inf)
    assert erlang_c(60, 60) == 1


def test_a_target_of_few_lost_calls_needs_more_agents() -> None:
    load = Load(0.8, 60, 120)
    assert agents_needed(load, Target(0.8, 20)).agents < agents_needed(load, Target(0.8, 20, abandoned=0.005)).agents


@pytest.mark.parametrize("load", [Load(-1, 60), Load(1, 0), Load(1, 60, 0), Load(inf, 60), Load(float("nan"), 60)])
def test_a_load_without_sense_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match="calls must be 0 or more"):
        performance(load, 5)


@pytest.mark.parametrize("target", [Target(1.0), Target(occupancy=0), Target(abandoned=1.5), Target(share=-0.1)])
def test_a_target_without_sense_is_refused(target: Target) -> None:
    with pytest.raises(ValueError, match="a target is a share below 1"):
        agents_needed(Load(1, 60), target)


def test_a_number_of_agents_without_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        performance(Load(1, 60), -1)
    with pytest.raises(ValueError, match="more than 100000 agents"):
        agents_needed(Load(1e4, 600), Target())
