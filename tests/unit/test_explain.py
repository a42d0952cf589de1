"""Why, in words: for a call that waits, for one that was offered, and for one that is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quietline.cli import explain as cli
from quietline.errors import ConfigError
from quietline.routing.explain import Explanation
from quietline.routing.match import Matcher
from quietline.routing.model import Agent, Need, Offer, QueueRule, Step, Waiting

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
YEAR = NOW + 31e6
LAPSED = datetime(2026, 11, 2, 9, tzinfo=UTC).timestamp()
ORDERS = QueueRule("orders", steps=(Step(needs=(Need("orders", 3),)), Step(60.0, (Need("orders"),))))


def agent(name: str, level: int = 3, until: float = YEAR, **more: Any) -> Agent:
    return Agent(name, {"orders": level}, {"invoice": until}, **more)


class Shop:
    """A matcher and its clock."""

    def __init__(self, *agents: Agent, rule: QueueRule = ORDERS, remember: int = 1_000) -> None:
        self.matcher = Matcher([rule], remember=remember)
        self.matcher.staff(agents, 1.0, NOW)

    def enters(self, call: str, at: float, **more: Any) -> list[str]:
        """Who is offered the call."""
        decisions = self.matcher.enter(Waiting(call, "orders", at, **more), at, NOW)
        return [each.agent for each in decisions if isinstance(each, Offer)]

    def talks(self, name: str, at: float) -> None:
        self.matcher.ready(name, at, NOW)
        assert self.enters(f"with_{name}", at) == [name]
        self.matcher.answered(f"with_{name}", name, at)

    def why(self, call: str, at: float) -> Explanation:
        explanation = self.matcher.explain(call, at, NOW)
        assert explanation
        return explanation


class TestWaiting:
    def test_it_says_who_could_take_it_and_who_not_and_why(self) -> None:
        shop = Shop(agent("mia", until=LAPSED), agent("lou"), agent("noor"), agent("eva"), agent("zed", level=1))
        for name in ("lou", "noor", "eva"):
            shop.talks(name, 10.0)
        shop.enters("c1", 20.0)
        assert shop.why("c1", 61.0).now == (
            "waiting 41 s in orders, place 1 of 1; from 60 s on it asks for orders; "
            "3 agents with orders >= 3, all on a call; "
            "mia not offered: certificate for invoice lapsed 2 Nov 2026; zed not offered: lacks orders >= 3"
        )

    def test_able_agents_are_counted_by_state(self) -> None:
        shop = Shop(agent("mia"), agent("lou"), agent("noor"))
        shop.talks("mia", 10.0)
        shop.matcher.away("lou", 10.0, NOW)
        shop.enters("c1", 20.0)
        assert "3 agents with orders >= 3: 1 on a call, 1 away, 1 signed out" in shop.why("c1", 20.0).now

    def test_many_of_one_reason_are_counted(self) -> None:
        shop = Shop(*(agent(f"a{number}", level=1) for number in range(5)))
        shop.enters("c1", 20.0)
        assert shop.why("c1", 20.0).now.endswith("0 agents with orders >= 3; 5 agents not offered: lacks orders >= 3")

    @pytest.mark.parametrize(
        ("member", "more", "said"),
        [
            (agent("mia", store="mill"), {"stores": frozenset({"quay"})}, "not offered: works for another store"),
            (agent("mia", queues=frozenset({"returns"})), {}, "not offered: does not serve orders"),
            (agent("mia"), {"needs": (Need("lang:fr", 2), Need("vip"))}, "not offered: lacks lang:fr >= 2, vip"),
            (agent("mia"), {"only_agent": "lou"}, "not offered: kept for another agent"),
            (Agent("mia", {"orders": 5}), {}, "not offered: no certificate for invoice"),
            (agent("mia"), {}, "signed out"),
        ],
    )
    def test_every_reason_has_words(self, member: Agent, more: dict[str, Any], said: str) -> None:
        shop = Shop(member)
        shop.enters("c1", 20.0, **more)
        assert [(group.words, group.agents) for group in shop.why("c1", 20.0).groups] == [(said, ("mia",))]

    def test_the_place_is_by_rank(self) -> None:
        shop = Shop(agent("mia"))
        shop.enters("c1", 10.0)
        shop.enters("c2", 20.0, head_start=30.0)
        assert "place 2 of 2" in shop.why("c1", 20.0).now
        assert "place 1 of 2" in shop.why("c2", 20.0).now

    def test_a_callback_and_a_call_for_one_person_are_said_to_be(self) -> None:
        shop = Shop(agent("mia"))
        shop.enters("c1", 10.0, callback=True, only_agent="mia")
        assert "place 1 of 1, to be called back, only for mia" in shop.why("c1", 20.0).now

    def test_who_is_rung_is_said(self) -> None:
        shop = Shop(agent("mia"))
        shop.matcher.ready("mia", 5.0, NOW)
        shop.enters("c1", 10.0)
        assert "1 agent with orders >= 3, rung for this call" in shop.why("c1", 10.0).now

    def test_after_relaxing_it_asks_for_less(self) -> None:
        shop = Shop(agent("zed", level=1))
        shop.enters("c1", 10.0)
        shop.matcher.tick(70.0, NOW)
        assert shop.why("c1", 75.0).now == "waiting 65 s in orders, place 1 of 1; 1 agent with orders, signed out"


class TestStory:
    def test_an_ended_call_is_told_from_its_beginning(self) -> None:
        shop = Shop(agent("mia"), agent("lou", level=1))
        shop.matcher.ready("mia", 5.0, NOW)
        shop.enters("c1", 12.0)
        shop.matcher.tick(27.0, NOW)  # nobody answers
        shop.matcher.tick(72.0, NOW)
        shop.matcher.ready("lou", 80.0, NOW)
        shop.matcher.answered("c1", "lou", 84.0)
        shop.matcher.ended("lou", 90.0)
        assert shop.why("c1", 1_000.0) == Explanation(
            "c1",
            "",
            (),
            (
                "0.0 s: entered orders",
                "0.0 s: offered to mia (longest-idle), idle for 7.0 s",
                "15.0 s: not taken by mia: no answer; the place is kept",
                "60.0 s: step 2 of what it asks for",
                "68.0 s: offered to lou (longest-idle), idle for 0.0 s",
                "72.0 s: answered by lou",
                "78.0 s: conversation with lou over",
            ),
        )

    def test_an_assignment_names_whom_it_overtook(self) -> None:
        """c1 came first; c2 has a head start, and mia may take both."""
        shop = Shop(agent("mia"))
        shop.enters("c1", 10.0)
        shop.enters("c2", 20.0, needs=(Need("orders", 2),), head_start=30.0)
        shop.matcher.ready("mia", 25.0, NOW)
        assert shop.why("c2", 25.0).story[-1].endswith("idle for 0.0 s; by its head start before c1")

    def test_who_left_and_who_gave_up_is_said(self) -> None:
        shop = Shop(agent("mia"))
        shop.enters("c1", 10.0)
        shop.enters("c2", 10.0)
        shop.matcher.leave("c1", 20.0, NOW)
        shop.matcher.tick(910.0, NOW)
        assert shop.why("c1", 1e3).story[-1] == "10.0 s: left the queue"
        assert shop.why("c2", 1e3).story[-1] == "900.0 s: waited as long as it may"

    def test_an_agent_who_goes_while_rung_is_said(self) -> None:
        shop = Shop(agent("mia"))
        shop.matcher.ready("mia", 5.0, NOW)
        shop.enters("c1", 10.0)
        shop.matcher.offline("mia", 12.0, NOW)
        assert shop.why("c1", 12.0).story[-1] == "2.0 s: not taken by mia: agent gone; the place is kept"

    def test_only_so_many_calls_are_remembered(self) -> None:
        shop = Shop(agent("mia"), remember=3)
        for number in range(5):
            shop.enters(f"c{number}", 10.0)
            shop.matcher.leave(f"c{number}", 11.0, NOW)
        assert shop.matcher.latest(10) == ("c4", "c3", "c2")
        assert shop.matcher.explain("c1", 12.0, NOW) is None

    def test_a_call_that_waits_is_explained_though_its_story_is_forgotten(self) -> None:
        shop = Shop(agent("mia"), remember=0)
        shop.enters("c1", 10.0)
        explanation = shop.why("c1", 20.0)
        assert explanation.story == ()
        assert explanation.now.startswith("waiting 10 s")


class TestCommand:
    ANSWER: dict[str, Any] = {  # noqa: RUF012 - read only
        "call": "c1",
        "now": "waiting 41 s in orders, place 1 of 1",
        "groups": [{"words": "on a call", "agents": [f"a{number}" for number in range(10)], "able": True}],
        "story": ["0.0 s: entered orders"],
    }

    @pytest.fixture
    def answers(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """What the controller says."""
        said: list[dict[str, Any]] = []

        async def ask(config: object, operation: str, **fields: Any) -> dict[str, Any]:
            return said[0] | {"asked": (operation, fields)}

        monkeypatch.setattr(cli, "ask_controller", ask)
        monkeypatch.setattr(cli, "load", lambda path: None)
        monkeypatch.setattr(cli, "need_root", lambda *words: None)
        return said

    def test_people_read_lines(self, answers: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
        answers.append(self.ANSWER)
        cli.command("c1", Path("x.toml"))
        assert capsys.readouterr().out.splitlines() == [
            "waiting 41 s in orders, place 1 of 1",
            "  on a call: a0, a1, a2, a3, a4, a5, a6, a7 and 2 more",
            "",
            "0.0 s: entered orders",
        ]

    def test_programs_read_everything(self, answers: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
        answers.append(self.ANSWER)
        cli.command("c1", Path("x.toml"), as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert len(told["groups"][0]["agents"]) == 10
        assert told["asked"] == ["explain", {"call": "c1"}]

    def test_without_a_call_it_lists_those_there_are(
        self, answers: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        answers.append({"waiting": ["c2"], "latest": ["c3", "c2", "c1"]})
        cli.command("", Path("x.toml"))
        assert capsys.readouterr().out.split() == ["c2", "waits", "c3", "c1"]

    def test_an_unknown_call_is_said_with_what_to_do(self, answers: list[dict[str, Any]]) -> None:
        answers.append({})
        with pytest.raises(ConfigError, match="no call 'c9' is remembered; `quietline explain` lists"):
            cli.command("c9", Path("x.toml"))

    def test_nothing_to_list_is_said(self) -> None:
        assert cli.listed({"waiting": [], "latest": []}) == ["no call waits, and none is remembered"]
