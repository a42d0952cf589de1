"""The matcher, case by case: levels, relaxing, head starts, last agents, stores, transfers, callbacks, new rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from quietline.errors import ConfigError
from quietline.routing.match import SAID_AGAIN, Matcher
from quietline.routing.model import (
    Agent,
    Decision,
    GiveUp,
    Need,
    Offer,
    Overdue,
    QueueRule,
    Relaxed,
    State,
    Step,
    Waiting,
    Withdraw,
)

FOREVER = {"invoice": 1e9, "contact": 1e9}
STRICT = QueueRule(
    "orders", steps=(Step(0.0, (Need("orders", 4),)), Step(30.0, (Need("orders", 2),)), Step(60.0)), longest_wait=300.0
)
PLAIN = QueueRule("plain", longest_wait=300.0)


def agent(name: str, level: int = 3, **more: Any) -> Agent:
    return Agent(name, {"orders": level}, FOREVER, **more)


def offers(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    return [(each.call, each.agent) for each in decisions if isinstance(each, Offer)]


class Shop:
    """A matcher with one clock for `now` and `wall`, which the test sets."""

    def __init__(self, *queues: QueueRule, staff: Sequence[Agent] = ()) -> None:
        self.matcher = Matcher(queues)
        self.at = 1.0
        self.does("staff", staff)

    def does(self, event: str, *what: Any, at: float | None = None, **more: Any) -> list[Decision]:
        self.at = self.at if at is None else at
        times = (self.at,) if event in ("answered", "ended", "adopt") else (self.at, self.at)
        return getattr(self.matcher, event)(*what, *times, **more)  # type: ignore[no-any-return]

    def enters(self, call: str, queue: str = "plain", *, at: float | None = None, **more: Any) -> list[Decision]:
        self.at = self.at if at is None else at
        return self.does("enter", Waiting(call, queue, more.pop("since", self.at), **more))

    def state(self, name: str) -> State:
        found = self.matcher.agent(name)
        assert found
        return found.state

    def talks(self, name: str, call: str = "talk", queue: str = "plain") -> None:
        self.does("ready", name)
        assert offers(self.enters(call, queue, only_agent=name)) == [(call, name)]
        self.does("answered", call, name)


class TestNobodyPicksUp:
    def test_the_longest_wait_ends_it_at_the_next_missed_offer(self) -> None:
        """However many agents come back and let it ring."""
        shop = Shop(QueueRule("plain", ring=15.0, longest_wait=20.0), staff=[agent("mia"), agent("lou")])
        shop.does("ready", "mia")
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", at=100.0)) == [("c1", "lou")]
        assert offers(shop.does("tick", at=115.0)) == [("c1", "mia")]
        shop.does("ready", "lou")
        assert GiveUp("c1") in shop.does("tick", at=130.0)
        assert shop.matcher.waiting() == ()
        assert shop.state("lou") is State.READY


class TestLevels:
    def test_the_level_asked_for_decides(self) -> None:
        shop = Shop(STRICT, staff=[agent("mia", 3), agent("lou", 4)])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", "orders")) == []
        assert offers(shop.does("ready", "lou")) == [("c1", "lou")]

    def test_a_calls_own_needs_come_on_top(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia"), Agent("lou", {"lang:fr": 2}, FOREVER)])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", needs=(Need("lang:fr", 2),))) == []
        assert offers(shop.does("ready", "lou")) == [("c1", "lou")]

    def test_a_preferred_skill_excludes_nobody(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", needs=(Need("welding", 5, preferred=True),))) == [("c1", "mia")]

    def test_the_higher_of_two_levels_holds(self) -> None:
        shop = Shop(STRICT, staff=[agent("mia", 4)])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", "orders", needs=(Need("orders", 5),))) == []
        assert offers(shop.enters("c2", "orders", needs=(Need("orders", 1),))) == [("c2", "mia")]


class TestRelaxing:
    def test_needs_fall_step_by_step_and_a_timer_moves_the_call(self) -> None:
        shop = Shop(STRICT, staff=[agent("mia", 3), agent("lou", 1)])
        shop.does("ready", "lou")
        shop.enters("c1", "orders", at=10.0)
        assert shop.matcher.next_deadline() == 40.0
        assert shop.does("tick", at=40.0) == [Relaxed("c1", 1)]
        assert shop.matcher.next_deadline() == 70.0
        decisions = shop.does("tick", at=70.0)
        assert decisions[0] == Relaxed("c1", 2)
        assert offers(decisions) == [("c1", "lou")]

    def test_a_call_that_comes_with_an_old_place_starts_at_its_step(self) -> None:
        shop = Shop(STRICT, staff=[agent("mia", 3)])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", "orders", at=100.0, since=65.0)) == [("c1", "mia")]

    def test_it_goes_on_while_the_phone_rings_and_counts_at_the_next_offer(self) -> None:
        shop = Shop(replace(STRICT, ring=50.0), staff=[agent("mia", 4), agent("lou", 2)])
        shop.does("ready", "mia")
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", "orders", at=10.0)) == [("c1", "mia")]
        decisions = shop.does("tick", at=60.0)
        assert Relaxed("c1", 1) in decisions
        assert offers(decisions) == [("c1", "lou")]


class TestHeadStart:
    def test_a_queue_with_a_head_start_is_served_as_if_its_calls_had_come_earlier(self) -> None:
        shop = Shop(PLAIN, replace(PLAIN, id="vip", head_start=60.0), staff=[agent("mia")])
        shop.enters("old", at=10.0)
        shop.enters("young", at=50.0)
        shop.enters("vip", "vip", at=80.0)
        assert [each.call for each in shop.matcher.waiting()] == ["old", "vip", "young"]
        shop.does("leave", "old")
        assert offers(shop.does("ready", "mia")) == [("vip", "mia")]

    def test_nobody_is_overtaken_by_more_than_the_difference(self) -> None:
        shop = Shop(PLAIN, replace(PLAIN, id="vip", head_start=60.0), staff=[agent("mia")])
        shop.enters("plain", at=10.0)
        shop.enters("vip", "vip", at=71.0)
        assert offers(shop.does("ready", "mia")) == [("plain", "mia")]

    def test_a_calls_own_head_start_counts_too(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.enters("first", at=10.0)
        shop.enters("urgent", at=20.0, head_start=11.0)
        assert offers(shop.does("ready", "mia")) == [("urgent", "mia")]


class TestLastAgent:
    STICKY = replace(PLAIN, sticky=20.0, ring=60.0)

    @pytest.fixture
    def shop(self) -> Shop:
        return Shop(self.STICKY, staff=[agent("mia"), agent("lou")])

    def test_the_call_is_kept_for_the_last_agent_while_they_talk(self, shop: Shop) -> None:
        shop.talks("mia")
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", at=10.0, last_agent="mia")) == []
        shop.does("ended", "mia", at=15.0)
        assert offers(shop.does("wrapped_up", "mia")) == [("c1", "mia")]

    def test_not_for_longer_than_the_queue_says(self, shop: Shop) -> None:
        shop.talks("mia")
        shop.does("ready", "lou")
        shop.enters("c1", at=10.0, last_agent="mia")
        assert shop.matcher.next_deadline() == 30.0
        assert offers(shop.does("tick", at=30.0)) == [("c1", "lou")]

    @pytest.mark.parametrize("goes", ["away", "offline"])
    def test_not_when_they_go(self, shop: Shop, goes: str) -> None:
        shop.talks("mia")
        shop.does("ended", "mia", at=5.0)
        shop.does("ready", "lou")
        shop.enters("c1", at=10.0, last_agent="mia")
        assert offers(shop.does(goes, "mia")) == [("c1", "lou")]

    @pytest.mark.parametrize("last", ["nobody", "mia"])
    def test_not_for_one_who_is_not_here(self, shop: Shop, last: str) -> None:
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", at=10.0, last_agent=last)) == [("c1", "lou")]

    def test_not_for_one_who_may_not_take_it(self) -> None:
        shop = Shop(self.STICKY, staff=[agent("mia", 1), agent("lou", 3)])
        shop.talks("mia")
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", needs=(Need("orders", 2),), last_agent="mia")) == [("c1", "lou")]

    def test_not_when_they_lose_the_skill_meanwhile(self, shop: Shop) -> None:
        shop.talks("mia")
        shop.does("ready", "lou")
        shop.enters("c1", at=10.0, needs=(Need("orders", 2),), last_agent="mia")
        assert offers(shop.does("staff", [agent("mia", 1), agent("lou")])) == [("c1", "lou")]

    def test_when_they_do_not_answer_it_is_anybodys(self, shop: Shop) -> None:
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", at=2.0, last_agent="mia")) == [("c1", "mia")]
        shop.does("ready", "lou")
        assert offers(shop.does("refused", "c1", "mia", at=5.0, reason="declined")) == [("c1", "lou")]

    def test_a_hold_that_was_lost_is_not_taken_again(self, shop: Shop) -> None:
        shop.talks("lou", "one")
        shop.talks("mia", "two")
        shop.enters("c1", at=5.0, last_agent="mia")
        shop.does("ended", "mia", at=6.0)
        shop.does("away", "mia")
        shop.enters("urgent", at=7.0, only_agent="mia", head_start=100.0)
        assert offers(shop.does("ready", "mia")) == [("urgent", "mia")]
        shop.enters("c1", at=8.0, last_agent="mia", head_start=5.0)  # asks anew, and still within 20 s
        shop.does("ended", "lou", at=9.0)
        assert offers(shop.does("wrapped_up", "lou")) == [("c1", "lou")]

    def test_a_queue_without_it_keeps_nothing(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia"), agent("lou")])
        shop.talks("mia")
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", last_agent="mia")) == [("c1", "lou")]


class TestOnePerson:
    def test_a_transfer_waits_for_that_person_whatever_their_skills(self) -> None:
        shop = Shop(STRICT, staff=[agent("mia", 1, queues=frozenset({"returns"})), agent("lou", 5)])
        shop.does("ready", "lou")
        assert offers(shop.enters("c1", "orders", only_agent="mia")) == []
        assert offers(shop.does("ready", "mia")) == [("c1", "mia")]

    def test_but_not_without_a_certificate(self) -> None:
        shop = Shop(PLAIN, staff=[Agent("mia", certificates={"contact": 1e9})])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1", only_agent="mia")) == []
        assert GiveUp("c1") in shop.does("tick", at=301.0)

    def test_somebody_may_come_to_work_later(self) -> None:
        shop = Shop(PLAIN)
        shop.enters("c1", only_agent="mia")
        shop.does("staff", [agent("mia")])
        assert offers(shop.does("ready", "mia")) == [("c1", "mia")]


class TestMany:
    def test_when_several_can_be_served_at_once_each_gets_the_one_that_is_first(self) -> None:
        late = {"invoice": 5.0}  # lapsed until the staff list says otherwise
        shop = Shop(PLAIN, staff=[Agent(name, certificates=late) for name in ("mia", "lou", "noor")])
        for number, name in enumerate(("mia", "lou", "noor")):
            shop.does("ready", name, at=10.0 + number)
        for number in range(4):
            shop.enters(f"c{number}", at=20.0 + number)
        decisions = shop.does("staff", [Agent(name, certificates=FOREVER) for name in ("noor", "lou", "mia")])
        assert offers(decisions) == [("c0", "mia"), ("c1", "lou"), ("c2", "noor")]


class TestStores:
    @pytest.mark.parametrize(
        ("of_step", "of_call", "who"),
        [
            (set(), set(), ["mill", "quay", "hub"]),
            ({"mill"}, set(), ["mill"]),
            (set(), {"quay", "hub"}, ["quay", "hub"]),
            ({"mill", "quay"}, {"quay", "hub"}, ["quay"]),
            ({"mill"}, {"quay"}, []),
        ],
    )
    def test_both_restrictions_hold(self, of_step: set[str], of_call: set[str], who: list[str]) -> None:
        rule = replace(PLAIN, steps=(Step(stores=frozenset(of_step)),))
        shop = Shop(rule, staff=[agent(name, store=name) for name in ("mill", "quay", "hub")])
        for name in ("mill", "quay", "hub"):
            shop.does("ready", name)
        rung = []
        for number in range(4):
            rung += offers(shop.enters(f"c{number}", stores=frozenset(of_call)))
        assert sorted(name for _, name in rung) == sorted(who)

    def test_overflow_widens_the_stores_and_keeps_the_place(self) -> None:
        shop = Shop(PLAIN, staff=[agent("hub", store="hub")])
        shop.does("ready", "hub")
        shop.enters("c1", at=10.0, stores=frozenset({"mill"}))
        assert offers(shop.enters("c1", at=50.0, stores=frozenset({"mill", "hub"}))) == [("c1", "hub")]
        assert shop.matcher.waiting()[0].since == 10.0

    def test_an_agent_serves_the_queues_they_are_in(self) -> None:
        shop = Shop(PLAIN, STRICT, staff=[agent("mia", 5, queues=frozenset({"orders"}))])
        shop.does("ready", "mia")
        assert offers(shop.enters("c1")) == []
        assert offers(shop.enters("c2", "orders")) == [("c2", "mia")]


class TestCallback:
    def test_a_caller_who_hangs_up_keeps_the_place_for_longer(self) -> None:
        shop = Shop(replace(PLAIN, longest_callback=1_000.0), staff=[agent("mia")])
        shop.enters("c1", at=10.0)
        shop.enters("c1", at=20.0, callback=True)
        assert shop.matcher.waiting()[0] == Waiting("c1", "plain", 10.0, callback=True)
        assert shop.does("tick", at=500.0) == []
        assert shop.does("tick", at=1_010.0) == [GiveUp("c1")]

    def test_it_is_offered_in_turn_with_the_others(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.enters("c1", at=10.0, callback=True)
        shop.enters("c2", at=11.0)
        assert offers(shop.does("ready", "mia")) == [("c1", "mia")]

    def test_becoming_one_while_a_phone_rings_leaves_the_offer(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.does("ready", "mia")
        shop.enters("c1", at=10.0)
        assert shop.enters("c1", at=12.0, callback=True) == []
        assert shop.matcher.waiting()[0].offered == "mia"


class TestNewRules:
    def test_calls_keep_their_places_and_follow_the_new_rule(self) -> None:
        shop = Shop(STRICT, PLAIN, staff=[agent("mia", 3)])
        shop.does("ready", "mia")
        shop.enters("c1", "orders", at=10.0)
        shop.enters("c2", "orders", at=11.0)
        easier = replace(STRICT, steps=(Step(needs=(Need("orders"),)),))
        assert offers(shop.does("configure", [easier], at=12.0)) == [("c1", "mia")]
        assert [(each.call, each.since) for each in shop.matcher.waiting()] == [("c1", 10.0), ("c2", 11.0)]

    def test_a_queue_that_is_gone_serves_who_waits_in_it(self) -> None:
        shop = Shop(STRICT, PLAIN, staff=[agent("mia", 5)])
        shop.enters("c1", "orders")
        shop.does("configure", [PLAIN])
        assert offers(shop.does("ready", "mia")) == [("c1", "mia")]
        with pytest.raises(ConfigError, match="queue 'returns' is not there; there are orders, plain"):
            shop.enters("c2", "returns")

    def test_and_is_gone_with_the_last_of_them(self) -> None:
        shop = Shop(STRICT, PLAIN)
        shop.enters("c1", "orders")
        shop.does("configure", [PLAIN])
        shop.does("leave", "c1")
        shop.does("configure", [PLAIN])
        assert [rule.id for rule in shop.matcher.queues()] == ["plain"]

    def test_offers_and_talks_go_on(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia"), agent("lou")])
        shop.talks("mia")
        shop.does("ready", "lou")
        shop.enters("c1")
        shop.does("configure", [replace(PLAIN, wrap_up=7.0)], at=20.0)
        assert (shop.state("mia"), shop.state("lou")) == (State.ON_CALL, State.RINGING)
        shop.does("ended", "mia", at=30.0)
        assert shop.matcher.agent("mia").deadline == 37.0  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("queues", "said"),
        [
            ([PLAIN, PLAIN], "queue 'plain' is there twice"),
            ([replace(PLAIN, strategy="luck")], "queue plain: strategy 'luck' is not known"),
        ],
    )
    def test_wrong_ones_change_nothing(self, queues: list[QueueRule], said: str) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.enters("c1")
        with pytest.raises(ConfigError, match=said):
            shop.does("configure", queues)
        assert offers(shop.does("ready", "mia")) == [("c1", "mia")]


class TestDismissal:
    def test_the_talk_of_an_agent_who_is_dismissed_has_to_end(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.talks("mia")
        assert shop.does("staff", [], at=10.0) == [Overdue("talk", "mia", "agent_dismissed")]
        assert shop.does("staff", [], at=12.0) == []
        assert shop.does("tick", at=10.0 + SAID_AGAIN) == [Overdue("talk", "mia", "agent_dismissed")]
        shop.does("ended", "mia", at=30.0)
        assert shop.matcher.agents() == ()
        assert shop.matcher.next_deadline() is None

    def test_one_who_is_back_before_it_ends_stays(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.talks("mia")
        shop.does("staff", [], at=10.0)
        shop.does("staff", [agent("mia")], at=11.0)
        shop.does("ended", "mia", at=12.0)
        assert shop.state("mia") is State.WRAP_UP

    def test_the_call_that_rang_them_moves_on(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia"), agent("lou")])
        shop.does("ready", "mia")
        shop.enters("c1")
        shop.does("ready", "lou")
        decisions = shop.does("staff", [agent("lou")])
        assert Withdraw("c1", "mia", "agent_gone") in decisions
        assert offers(decisions) == [("c1", "lou")]

    def test_nobody_is_called_who_is_gone(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.does("ready", "mia")
        shop.does("staff", [])
        assert offers(shop.enters("c1")) == []
        assert shop.does("ready", "mia") == []


class TestMarks:
    def test_missed_offers_are_counted_until_they_sign_in_anew(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        for number in range(2):
            shop.does("ready", "mia")
            shop.enters(f"c{number}")
            shop.does("tick", at=shop.at + 15.0)
            shop.does("leave", f"c{number}")
        assert shop.matcher.agent("mia").missed == 2  # type: ignore[union-attr]
        shop.does("ready", "mia")
        assert shop.matcher.agent("mia").missed == 2  # type: ignore[union-attr]
        shop.does("offline", "mia")
        shop.does("ready", "mia")
        assert shop.matcher.agent("mia").missed == 0  # type: ignore[union-attr]

    def test_a_declined_offer_is_not_a_missed_one(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.does("ready", "mia")
        shop.enters("c1")
        shop.does("refused", "c1", "mia", reason="declined")
        found = shop.matcher.agent("mia")
        assert found
        assert (found.state, found.reason, found.missed) == (State.AWAY, "declined", 0)

    def test_the_reason_to_leave_after_the_call_is_kept(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.talks("mia")
        shop.does("away", "mia", reason="lunch")
        shop.does("ended", "mia")
        shop.does("wrapped_up", "mia")
        found = shop.matcher.agent("mia")
        assert found
        assert (found.state, found.reason) == (State.AWAY, "lunch")

    def test_a_wish_can_be_taken_back(self) -> None:
        shop = Shop(PLAIN, staff=[agent("mia")])
        shop.talks("mia")
        shop.does("away", "mia")
        shop.does("ready", "mia")
        shop.does("ended", "mia")
        shop.does("wrapped_up", "mia")
        assert shop.state("mia") is State.READY

    def test_adopted_talks_have_their_queues_times(self) -> None:
        shop = Shop(replace(PLAIN, longest_call=50.0), staff=[agent("mia")])
        shop.does("ready", "mia")
        shop.matcher.adopt("c1", "mia", 10.0, "plain")
        assert shop.matcher.next_deadline() == 60.0
        assert offers(shop.enters("c2", at=11.0)) == []
        shop.matcher.adopt("c3", "lou", 10.0, "gone")
        assert shop.state("lou") is State.ON_CALL
