"""Who is rung first: the strategies that are there, and one that another package brings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from quietline import strategies
from quietline.errors import ConfigError
from quietline.routing.match import Matcher
from quietline.routing.model import Agent, Need, Offer, QueueRule, Step, Waiting
from quietline.routing.strategies import (
    MEMORY,
    STANDARD,
    best_skill,
    chosen,
    least_occupied,
    longest_idle,
    while_busy,
    while_idle,
)
from quietline.strategies import guarded, installed

FOREVER = {"invoice": 1e9}
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "write-a-strategy.md"


def rung(strategy: str, agents: list[Agent], needs: tuple[Need, ...] = (), known: object = STANDARD) -> str:
    """Who is rung when these agents have become ready one after the other."""
    matcher = Matcher([QueueRule("q", steps=(Step(needs=needs),), strategy=strategy)], known)  # type: ignore[arg-type]
    matcher.staff(agents, 1.0, 1.0)
    for number, agent in enumerate(agents):
        matcher.ready(agent.id, 2.0 + number, 2.0)
    (offer, _) = matcher.enter(Waiting("c", "q", 100.0), 100.0, 100.0)
    assert isinstance(offer, Offer)
    return offer.agent


def able(agent: str, **skills: int) -> Agent:
    return Agent(agent, skills, FOREVER)


class TestOurs:
    def test_longest_idle_looks_at_nothing_else(self) -> None:
        assert longest_idle(able("mia", orders=5), (Need("orders"),)) == longest_idle(able("lou"), ())
        assert rung("longest-idle", [able("mia", orders=1), able("lou", orders=5)], (Need("orders"),)) == "mia"

    def test_best_skill_adds_up_what_the_call_asks_for_and_prefers(self) -> None:
        needs = (Need("orders", 2), Need("lang:fr", preferred=True))
        agents = [able("mia", orders=5, welding=5), able("lou", orders=3, **{"lang:fr": 3}), able("noor", orders=2)]
        assert [best_skill(agent, needs) for agent in agents] == [-5.0, -6.0, -2.0]
        assert rung("best-skill", agents, needs) == "lou"

    def test_equally_good_agents_are_rung_by_idleness(self) -> None:
        assert rung("best-skill", [able("noor", orders=3), able("mia", orders=3)], (Need("orders"),)) == "noor"

    def test_who_has_worked_least_of_late_is_rung(self) -> None:
        matcher = Matcher([QueueRule("q", strategy="least-occupied", wrap_up=0.5)])
        matcher.staff([able("mia"), able("lou")], 1.0, 1.0)
        now = 10.0
        for agent, seconds in (("mia", 600.0), ("lou", 60.0)):
            matcher.ready(agent, now, now)
            matcher.enter(Waiting(agent, "q", now), now, now)
            matcher.answered(agent, agent, now)
            now += seconds
            matcher.ended(agent, now)
            matcher.away(agent, now, now)
        for agent in ("mia", "lou"):  # mia has been ready longer
            now += 10.0
            matcher.ready(agent, now, now)
        offers = [each for each in matcher.enter(Waiting("c", "q", now), now, now) if isinstance(each, Offer)]
        assert [each.agent for each in offers] == ["lou"]

    def test_a_newcomer_has_not_worked_at_all(self) -> None:
        assert least_occupied(able("mia"), ()) == -math.inf

    @given(st.floats(0.001, 1.0), st.floats(0.001, 1.0), st.floats(0.0, 1e5), st.floats(0.0, 1e5), st.floats(0.0, 1e5))
    def test_the_order_of_occupancy_does_not_change_while_agents_wait(
        self, first: float, second: float, since: float, later: float, wait: float
    ) -> None:
        """What the index stands on: compared now or at any later time, the same agent is the less occupied one."""
        one = Agent("mia", since=since, occupancy=first)
        two = Agent("lou", since=later, occupancy=second)
        at = max(since, later) + wait
        now = math.log(while_idle(first, at - since)) - math.log(while_idle(second, at - later))
        told = least_occupied(one, ()) - least_occupied(two, ())
        assert told == pytest.approx(now, abs=1e-6)

    @given(st.floats(0.0, 1.0), st.floats(0.0, 1e5))
    def test_occupancy_stays_a_share(self, occupancy: float, seconds: float) -> None:
        assert 0.0 <= while_idle(occupancy, seconds) <= occupancy
        assert occupancy - 1e-12 <= while_busy(occupancy, seconds) <= 1.0

    def test_an_hour_of_work_is_a_known_share(self) -> None:
        assert while_busy(0.0, MEMORY) == pytest.approx(1 - 1 / math.e)
        assert while_idle(1.0, MEMORY) == pytest.approx(1 / math.e)

    def test_an_unknown_one_is_refused_by_name(self) -> None:
        with pytest.raises(
            ConfigError, match="queue orders: strategy 'luck' is not known; there are best-skill, least"
        ):
            chosen("luck", STANDARD, "orders")

    def test_no_number_puts_an_agent_last(self) -> None:
        known = {"odd": lambda agent, needs: math.nan if agent.id == "mia" else 5.0}
        assert rung("odd", [able("mia"), able("lou")], known=known) == "lou"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, in which a test may put one."""
    monkeypatch.syspath_prepend(tmp_path)
    installed.cache_clear()
    yield tmp_path
    installed.cache_clear()


def install(folder: Path, name: str, code: str, points: str) -> None:
    (folder / f"{name}.py").write_text(code)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[quietline.strategies]\n{points}\n")


class TestOthers:
    def test_the_one_of_the_guide_is_found_and_used(self, package: Path) -> None:
        """docs/howto/write-a-strategy.md, as it stands there."""
        text = HOWTO.read_text()
        (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        (points,) = re.findall(r"```ini\n\[project.entry-points.*?\n(.*?)```", text, re.DOTALL)
        install(package, "shop_routing", code, points.replace('"', ""))
        assert set(installed()) == {*STANDARD, "specialist"}
        agents = [able("all", orders=3, returns=3), able("one", orders=3)]
        assert rung("specialist", agents, (Need("orders"),), installed()) == "one"
        missed = [able("all", orders=3, returns=3), Agent("one", {"orders": 3}, FOREVER, missed=1)]
        assert [installed()["specialist"](each, ()) for each in missed] == [2.0, 3.0]

    @pytest.mark.parametrize(
        ("points", "said"),
        [
            ("best-skill = shop_bad:one", "'best-skill' of shop_bad:one: the name is taken"),
            ("new = shop_bad:nothing", "'new': shop_bad:nothing cannot be loaded .AttributeError"),
            ("new = no_such_package:one", "'new': no_such_package:one cannot be loaded .ModuleNotFoundError"),
            ("new = shop_bad:LIMIT", "'new': shop_bad:LIMIT is no function"),
        ],
    )
    def test_one_that_cannot_be_used_is_refused_by_name(self, package: Path, points: str, said: str) -> None:
        install(package, "shop_bad", "LIMIT = 3\ndef one(agent, needs):\n    return 0.0\n", points)
        with pytest.raises(ConfigError, match=said):
            installed()

    def test_one_that_fails_puts_the_agent_last_and_is_said(self) -> None:
        def broken(agent: Agent, needs: tuple[Need, ...]) -> float:
            if agent.id == "mia":
                raise KeyError(agent.id)
            return 7.0

        with capture_logs() as said:
            known = {"broken": guarded("broken", broken)}
            assert rung("broken", [able("mia"), able("lou")], known=known) == "lou"
        assert {(each["strategy"], each["error"]) for each in said} == {("broken", "KeyError")}

    def test_without_other_packages_there_are_ours(self) -> None:
        strategies.installed.cache_clear()
        assert set(installed()) == set(STANDARD)
