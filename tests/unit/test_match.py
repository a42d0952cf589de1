"""The matcher, case by case: agents, places, deadlines."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quietline.routing.match import Matcher
from quietline.routing.model import (
    Agent,
    Decision,
    GiveUp,
    Need,
    Offer,
    Overdue,
    QueueRule,
    State,
    Waiting,
    Withdraw,
)

FOREVER = {"invoice": 1e9}
RULE = QueueRule("q", ring=15.0, wrap_up=30.0, longest_call=600.0, longest_wait=120.0)


def waiting(call: str, since: float = 0.0, *skills: str) -> Waiting:
    return Waiting(call, "q", since, tuple(Need(skill) for skill in skills))


def why(matcher: Matcher, call: str, agent: str, at: float) -> str:
    explanation = matcher.explain(call, at, at)
    assert explanation
    return next(group.words for group in explanation.groups if agent in group.agents)


@pytest.fixture
def matcher() -> Matcher:
    built = Matcher([RULE])
    built.staff([Agent("mia", {"orders": 3}, FOREVER), Agent("noor", {"orders": 3}, FOREVER)], 0.0, 0.0)
    return built


def offers(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    return [(each.call, each.agent) for each in decisions if isinstance(each, Offer)]


def test_the_longest_idle_agent_is_rung(matcher: Matcher) -> None:
    matcher.ready("noor", 1.0, 1.0)
    matcher.ready("mia", 2.0, 2.0)
    assert offers(matcher.enter(waiting("c1", 3.0, "orders"), 3.0, 3.0)) == [("c1", "noor")]


def test_saying_ready_twice_does_not_lose_the_turn(matcher: Matcher) -> None:
    matcher.ready("noor", 1.0, 1.0)
    matcher.ready("mia", 2.0, 2.0)
    matcher.ready("noor", 3.0, 3.0)
    assert offers(matcher.enter(waiting("c1", 4.0), 4.0, 4.0)) == [("c1", "noor")]


def test_a_free_agent_takes_the_longest_waiting_call(matcher: Matcher) -> None:
    matcher.enter(waiting("late", 5.0), 5.0, 5.0)
    matcher.enter(waiting("early", 4.0), 6.0, 6.0)
    assert offers(matcher.ready("mia", 7.0, 7.0)) == [("early", "mia")]


def test_no_answer_moves_on_and_keeps_the_place(matcher: Matcher) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.ready("noor", 2.0, 2.0)
    matcher.enter(waiting("c1", 3.0), 3.0, 3.0)
    decisions = matcher.tick(18.0, 18.0)
    assert Withdraw("c1", "mia", "no_answer") in decisions
    assert offers(decisions) == [("c1", "noor")]
    assert matcher.waiting()[0].since == 3.0
    rung = matcher.agent("mia")
    assert rung
    assert (rung.state, rung.reason) == (State.AWAY, "no_answer")


def test_a_caller_who_leaves_frees_the_agent_at_the_same_turn(matcher: Matcher) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.ready("noor", 2.0, 2.0)
    matcher.enter(waiting("c1", 3.0), 3.0, 3.0)
    assert Withdraw("c1", "mia", "caller_gone") in matcher.leave("c1", 4.0, 4.0)
    assert offers(matcher.enter(waiting("c2", 5.0), 5.0, 5.0)) == [("c2", "mia")]


def test_a_lapsed_certificate_means_no_offer_and_says_so(matcher: Matcher) -> None:
    matcher.staff([Agent("lou", {}, {"invoice": 50.0})], 0.0, 0.0)
    matcher.ready("lou", 1.0, 1.0)
    assert offers(matcher.enter(waiting("c1", 60.0), 60.0, 60.0)) == []
    assert why(matcher, "c1", "lou", 60.0) == "not offered: certificate for invoice lapsed 1 Jan 1970"


@pytest.mark.parametrize(
    ("skills", "said"),
    [(("returns",), "not offered: lacks returns"), ((), "away")],
)
def test_explain_names_the_reason(matcher: Matcher, skills: tuple[str, ...], said: str) -> None:
    matcher.away("mia", 1.0, 1.0)
    matcher.enter(waiting("c1", 1.0, *skills), 1.0, 1.0)
    assert why(matcher, "c1", "mia", 1.0) == said


def test_wrap_up_ends_by_its_deadline(matcher: Matcher) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.enter(waiting("c1", 2.0), 2.0, 2.0)
    matcher.answered("c1", "mia", 3.0)
    matcher.ended("mia", 10.0)
    assert matcher.next_deadline() == 40.0
    matcher.tick(40.0, 40.0)
    assert matcher.agent("mia").state is State.READY  # type: ignore[union-attr]


@pytest.mark.parametrize(("wish", "state"), [("away", State.AWAY), ("offline", State.OFFLINE)])
def test_a_wish_in_mid_call_is_granted_after_it(matcher: Matcher, wish: str, state: State) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.enter(waiting("c1", 2.0), 2.0, 2.0)
    matcher.answered("c1", "mia", 3.0)
    getattr(matcher, wish)("mia", 4.0, 4.0)
    assert matcher.agent("mia").state is State.ON_CALL  # type: ignore[union-attr]
    matcher.ended("mia", 5.0)
    matcher.wrapped_up("mia", 6.0, 6.0)
    assert matcher.agent("mia").state is state  # type: ignore[union-attr]


def test_the_longest_wait_ends_with_a_give_up(matcher: Matcher) -> None:
    matcher.enter(waiting("c1", 0.0), 0.0, 0.0)
    assert GiveUp("c1") in matcher.tick(120.0, 120.0)
    assert matcher.waiting() == ()


def test_the_longest_call_is_said_again_until_it_ends(matcher: Matcher) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.enter(waiting("c1", 2.0), 2.0, 2.0)
    matcher.answered("c1", "mia", 3.0)
    assert Overdue("c1", "mia") in matcher.tick(603.0, 603.0)
    assert Overdue("c1", "mia") in matcher.tick(620.0, 620.0)


def test_who_leaves_the_staff_gets_no_more_offers(matcher: Matcher) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.staff([], 2.0, 2.0)
    matcher.ready("mia", 3.0, 3.0)
    assert offers(matcher.enter(waiting("c1", 4.0), 4.0, 4.0)) == []


def test_answers_and_refusals_that_come_too_late_change_nothing(matcher: Matcher) -> None:
    matcher.ready("mia", 1.0, 1.0)
    matcher.enter(waiting("c1", 2.0), 2.0, 2.0)
    matcher.leave("c1", 3.0, 3.0)
    assert matcher.answered("c1", "mia", 4.0) == []
    assert matcher.refused("c1", "mia", 4.0, 4.0, "declined") == []
    assert matcher.ready("nobody", 4.0, 4.0) == []


def test_deadlines_that_no_longer_hold_do_not_pile_up(matcher: Matcher) -> None:
    for number in range(2_000):
        now = 1.0 + number
        matcher.ready("mia", now, now)
        assert offers(matcher.enter(waiting(f"c{number}", now), now, now))
        matcher.answered(f"c{number}", "mia", now)
        matcher.ended("mia", now)
        matcher.wrapped_up("mia", now, now)
    assert len(matcher._alarms._heap) < 200
    assert all(len(pool.seats) < 100 and len(pool.calls) < 100 for pool in matcher._pools._pools.values())
    assert matcher.next_deadline() is None
