"""The matcher under every order of events that hypothesis can think of."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from quietline.routing.match import (
    Agent,
    Decision,
    GiveUp,
    Limits,
    Matcher,
    Offer,
    State,
    Waiting,
    Withdraw,
    ineligible,
)

AGENTS = st.sampled_from(["a1", "a2", "a3", "a4"])
CALLS = st.sampled_from([f"c{number}" for number in range(6)])
SKILLS = st.frozensets(st.sampled_from(["orders", "returns"]), max_size=2)
LIMITS = Limits(ring=10.0, wrap_up=20.0, call=300.0, wait=100.0)
LAPSES = 500.0


def members() -> list[Agent]:
    return [
        Agent("a1", frozenset({"orders", "returns"}), {"invoice": 1e9, "contact": 1e9}),
        Agent("a2", frozenset({"orders"}), {"invoice": 1e9}),
        Agent("a3", frozenset({"orders", "returns"}), {"invoice": LAPSES}),
        Agent("a4", frozenset(), {"invoice": 1e9, "contact": LAPSES}),
    ]


class Floor(RuleBasedStateMachine):
    """A model that keeps only what was decided: who was offered what, and what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.matcher = Matcher(LIMITS)
        self.now = 0.0
        self.offers: dict[str, str] = {}  # call -> agent
        self.talking: dict[str, str] = {}  # agent -> call
        self.places: dict[str, float] = {}
        self.given_up: set[str] = set()
        self.take(self.matcher.staff(members(), 0.0, 0.0))

    def take(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Offer):
                self.check_offer(decision)
                self.offers[decision.call] = decision.agent
            elif isinstance(decision, Withdraw):
                assert self.offers.pop(decision.call) == decision.agent
            elif isinstance(decision, GiveUp):
                self.given_up.add(decision.call)
                del self.places[decision.call]

    def check_offer(self, offer: Offer) -> None:
        assert offer.agent not in self.offers.values(), "two calls for one agent"
        assert offer.agent not in self.talking, "an offer in mid-call"
        assert offer.call not in self.offers, "one call, two phones"
        agent = self.matcher.agent(offer.agent)
        waiting = next(each for each in self.matcher.waiting() if each.call == offer.call)
        assert agent
        assert ineligible(agent, waiting, self.now) == ""
        assert offer.deadline > self.now

    @rule(agent=AGENTS)
    def ready(self, agent: str) -> None:
        self.take(self.matcher.ready(agent, self.now, self.now))

    @rule(agent=AGENTS)
    def away(self, agent: str) -> None:
        self.take(self.matcher.away(agent, self.now, self.now))

    @rule(agent=AGENTS)
    def offline(self, agent: str) -> None:
        self.take(self.matcher.offline(agent, self.now, self.now))

    @rule(call=CALLS, skills=SKILLS, data_class=st.sampled_from(["invoice", "contact"]))
    def arrive(self, call: str, skills: frozenset[str], data_class: str) -> None:
        if call in self.places or call in self.talking.values():
            return
        self.places[call] = self.now
        self.take(self.matcher.enter(Waiting(call, "q", skills, data_class, self.now), self.now, self.now))

    @rule(call=CALLS)
    def caller_leaves(self, call: str) -> None:
        self.take(self.matcher.leave(call, self.now, self.now))
        self.places.pop(call, None)
        assert call not in self.offers

    @rule(call=CALLS)
    def answer(self, call: str) -> None:
        agent = self.offers.get(call)
        if agent and self.matcher.answered(call, agent, self.now):
            self.talking[agent] = call
            del self.offers[call], self.places[call]

    @rule(call=CALLS, reason=st.sampled_from(["declined", "phone_lost"]))
    def refuse(self, call: str, reason: str) -> None:
        agent = self.offers.pop(call, None)
        if agent:
            self.take(self.matcher.refused(call, agent, self.now, self.now, reason))
            known = self.matcher.agent(agent)
            assert known
            assert (known.state, known.reason) == (State.AWAY, reason)

    @rule(agent=AGENTS)
    def hang_up(self, agent: str) -> None:
        if self.talking.pop(agent, None):
            self.take(self.matcher.ended(agent, self.now))

    @rule(agent=AGENTS)
    def wrapped_up(self, agent: str) -> None:
        self.take(self.matcher.wrapped_up(agent, self.now, self.now))

    @rule(seconds=st.floats(0.5, 60.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.matcher.tick(self.now, self.now))

    @invariant()
    def nobody_loses_a_place(self) -> None:
        assert {each.call: each.since for each in self.matcher.waiting()} == self.places

    @invariant()
    def nobody_is_stuck(self) -> None:
        for agent in self.matcher.agents():
            busy = agent.state in (State.RINGING, State.ON_CALL, State.WRAP_UP)
            assert busy == bool(agent.deadline) == bool(agent.call)

    @invariant()
    def the_next_deadline_is_the_earliest_of_all(self) -> None:
        due = [agent.deadline for agent in self.matcher.agents() if agent.deadline]
        due += [each.since + LIMITS.wait for each in self.matcher.waiting() if not each.offered]
        assert self.matcher.next_deadline() == min(due, default=None)

    @invariant()
    def the_model_and_the_matcher_agree(self) -> None:
        agents = self.matcher.agents()
        assert {each.call: each.id for each in agents if each.state is State.RINGING} == self.offers
        assert {each.id: each.call for each in agents if each.state is State.ON_CALL} == self.talking

    @invariant()
    def no_call_waits_while_someone_could_take_it(self) -> None:
        for waiting in self.matcher.waiting():
            for agent in self.matcher.agents():
                free = agent.state is State.READY and not waiting.offered
                assert not (free and ineligible(agent, waiting, self.now) == "")


TestFloor = Floor.TestCase
TestFloor.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
