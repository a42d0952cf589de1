"""What docs/explanation/fairness.md promises, on drawn traffic: who is overtaken by whom, and that nobody starves."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.routing.match import Matcher
from quietline.routing.model import Agent, Need, Offer, QueueRule, Step, Waiting
from quietline.routing.skills import ineligible

HEAD_STARTS = {"plain": 0.0, "vip": 45.0, "urgent": 120.0}
SKILLS = ("orders", "returns")
TALK = 20.0  # seconds: every conversation
FOREVER = {"invoice": 1e12}

arrivals = st.lists(
    st.tuples(
        st.floats(0.1, 15.0),  # seconds after the one before
        st.sampled_from(sorted(HEAD_STARTS)),
        st.sampled_from([(), (Need("orders"),), (Need("returns"),)]),
        st.sampled_from([0.0, 0.0, 30.0]),  # its own head start
    ),
    min_size=5,
    max_size=40,
)
agents = st.lists(st.frozensets(st.sampled_from(SKILLS), min_size=1), min_size=1, max_size=3)


class Day:
    """Agents who talk for TALK seconds each and are free again; callers who wait as long as it takes."""

    def __init__(self, skills: list[frozenset[str]]) -> None:
        queues = [
            QueueRule(name, steps=(Step(),), head_start=early, wrap_up=1e-3, longest_wait=1e9, ring=1e9)
            for name, early in HEAD_STARTS.items()
        ]
        self.matcher = Matcher(queues)
        self.now = 1.0
        self.ends: dict[str, float] = {}
        self.served: list[tuple[Waiting, float, list[Waiting]]] = []  # call, when, who waited then and could have been
        staff = [Agent(f"a{n}", dict.fromkeys(each, 3), FOREVER) for n, each in enumerate(skills)]
        self.matcher.staff(staff, self.now, self.now)
        for agent in staff:
            self.matcher.ready(agent.id, self.now, self.now)

    def arrives(self, waiting: Waiting) -> None:
        self.until(waiting.since)
        self.answer(self.matcher.enter(waiting, self.now, self.now), [waiting])

    def until(self, moment: float) -> None:
        """Conversations end, one after the other."""
        while self.ends and min(self.ends.values()) <= moment:
            agent = min(self.ends, key=lambda each: (self.ends[each], each))
            self.now = self.ends.pop(agent)
            self.matcher.ended(agent, self.now)
            before = [each for each in self.matcher.waiting() if not each.offered]
            self.answer(self.matcher.wrapped_up(agent, self.now, self.now), before)
        self.now = max(self.now, moment)

    def answer(self, decisions: list[Any], waited: list[Waiting]) -> None:
        for offer in [each for each in decisions if isinstance(each, Offer)]:
            agent = self.matcher.agent(offer.agent)
            assert agent
            could = [each for each in waited if not ineligible(agent, self.matcher.ask(each, self.now), self.now)]
            taken = next(each for each in could if each.call == offer.call)
            self.served.append((taken, self.now, [each for each in could if each is not taken]))
            self.matcher.answered(offer.call, offer.agent, self.now)
            self.ends[offer.agent] = self.now + TALK


def head_start(waiting: Waiting) -> float:
    return HEAD_STARTS[waiting.queue] + waiting.head_start


def run(skills: list[frozenset[str]], traffic: list[Any]) -> Day:
    day, at = Day(skills), 1.0
    for number, (gap, queue, needs, early) in enumerate(traffic):
        at += gap
        day.arrives(Waiting(f"c{number:02}", queue, at, needs, head_start=early))
    day.until(1e9)
    return day


@settings(max_examples=60, deadline=None)
@given(agents, arrivals)
def test_nobody_is_overtaken_by_one_who_came_later_than_the_difference_of_the_head_starts(
    skills: list[frozenset[str]], traffic: list[Any]
) -> None:
    for taken, _, left in run(skills, traffic).served:
        for other in left:
            assert taken.since <= other.since + (head_start(taken) - head_start(other)) + 1e-9


@settings(max_examples=60, deadline=None)
@given(agents, arrivals)
def test_among_equal_head_starts_who_came_first_is_first(skills: list[frozenset[str]], traffic: list[Any]) -> None:
    for taken, _, left in run(skills, traffic).served:
        assert all(taken.since <= each.since for each in left if head_start(each) == head_start(taken))


@settings(max_examples=60, deadline=None)
@given(agents, arrivals)
def test_nobody_starves(skills: list[frozenset[str]], traffic: list[Any]) -> None:
    """Who can be served at all is served, before anybody who came more than the largest difference after them."""
    day = run(skills, traffic)
    order = [waiting.call for waiting, _, _ in day.served]
    most = max(HEAD_STARTS.values()) + 30.0
    for waiting, _, left in day.served:
        assert all(each.since > waiting.since - most for each in left)
    able = set().union(*skills)
    expected = {
        f"c{number:02}" for number, (_, _, needs, _) in enumerate(traffic) if {need.skill for need in needs} <= able
    }
    assert set(order) == expected
